"""Rotated non-maximum suppression of many groups at once, with the exact test only where it can matter."""
from typing import Optional, Tuple

import numpy as np

from mtp.errors import MTPError

from .iou import rotated_iou
from .pairs import bounds_of_rboxes, overlapping_pairs, overlaps_between

RULES = ('ge', 'gt')
#: Far more than the rounding of the exact test: within it of the threshold, the exact test decides.
_GUARD = 1e-6
_TINY_AREA = 1e-14  # below it a box overlaps nothing, see :mod:`mtp.boxes.iou`


def rotated_nms(rboxes: np.ndarray, scores: np.ndarray, iou_threshold: float = 0.1, rule: str = 'ge',
                groups: Optional[np.ndarray] = None) -> np.ndarray:
    """Greedy suppression in order of falling score, each group for itself.

    The result is that of the plain loop "take the best, drop what overlaps it, repeat": a box is decided as soon as all
    better boxes near it are, and the exact IoU is computed only between a kept box and its undecided neighbours, where
    bounds of the IoU leave the outcome open.

    Args:
        rboxes: (n, 5) cx, cy, w, h, theta in radians; used as float64.
        scores: (n,). Equal scores keep the order of the input.
        iou_threshold: compared as float32, as mmcv's operator does; above 0.
        rule: ``'ge'`` drops a box at IoU >= threshold (mmcv on the CPU), ``'gt'`` at IoU > threshold (mmcv on CUDA).
        groups: (n,) integers, for example image * classes + class. None: one group.

    Returns:
        (k,) int64 indices of the kept boxes, by group, then by falling score.

    Raises:
        MTPError: unknown rule, threshold not in (0, 1], a value that is not finite.
    """
    rboxes = np.asarray(rboxes, dtype=np.float64).reshape(-1, 5)
    scores = np.asarray(scores)
    groups = np.zeros(len(rboxes), dtype=np.int64) if groups is None else np.asarray(groups, dtype=np.int64)
    _check(rboxes, scores, iou_threshold, rule)
    order = np.lexsort((-scores, groups))
    rboxes, groups = rboxes[order], groups[order]
    threshold = float(np.float32(iou_threshold))
    better, worse, sure = _candidates(rboxes, groups, threshold)
    return order[_greedy(rboxes, better, worse, sure, threshold, rule)]


def _check(rboxes: np.ndarray, scores: np.ndarray, iou_threshold: float, rule: str) -> None:
    if rule not in RULES:
        raise MTPError(f'unknown NMS rule {rule!r}', hint="use 'ge' (as on the CPU) or 'gt' (as on CUDA)")
    if not 0 < iou_threshold <= 1:
        raise MTPError(f'NMS threshold {iou_threshold!r} is not in (0, 1]')
    if len(scores) != len(rboxes):
        raise MTPError(f'{len(rboxes)} boxes but {len(scores)} scores')
    bad = ~(np.isfinite(rboxes).all(axis=1) & np.isfinite(scores))
    if bad.any():
        raise MTPError('{} of {} boxes hold a value that is not finite, the first is number {}'.format(
            int(bad.sum()), len(bad), int(np.argmax(bad))))


def _candidates(rboxes: np.ndarray, groups: Optional[np.ndarray],
                threshold: float) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (better, worse) whose IoU may reach the threshold, and which of them surely exceed it.

    The inputs are sorted by falling score; the pairs are sorted by better.
    """
    bounds = bounds_of_rboxes(rboxes)
    better, worse = overlapping_pairs(bounds, groups)
    area = rboxes[:, 2] * rboxes[:, 3]
    first, second = area[better], area[worse]
    least, both = np.minimum(first, second), first + second
    low = np.maximum(bounds[better, :2], bounds[worse, :2])
    high = np.minimum(bounds[better, 2:], bounds[worse, 2:])
    shared = np.minimum(np.prod(np.maximum(high - low, 0) + 1e-3, axis=1), least)
    # The IoU, shared / (both - shared), grows with what is shared: bounds of one are bounds of the other.
    possible = np.flatnonzero(shared >= threshold * (both - shared) * (1 - _GUARD))
    better, worse, least, both = better[possible], worse[possible], least[possible], both[possible]
    fewest, most = overlaps_between(rboxes, better, worse)
    most = np.minimum(most, least)
    possible = most >= threshold * (both - most) * (1 - _GUARD)
    sure = (fewest > threshold * (both - fewest) * (1 + _GUARD)) & (least > _TINY_AREA)
    return better[possible], worse[possible], sure[possible]


def _greedy(rboxes: np.ndarray, better: np.ndarray, worse: np.ndarray, sure: np.ndarray, threshold: float,
            rule: str) -> np.ndarray:
    """Which boxes stay, (n,) bool. ``better`` is sorted, so each box's worse neighbours are one run of ``worse``."""
    n = len(rboxes)
    begin = np.searchsorted(better, np.arange(n + 1))
    waiting = np.bincount(worse, minlength=n)  # better neighbours still undecided
    dropped = np.zeros(n, dtype=bool)
    ready = np.flatnonzero(waiting == 0)
    while len(ready):
        pair = _pairs_of(ready, begin)
        pair = pair[~dropped[worse[pair]]]
        exact = pair[~sure[pair]]
        iou = rotated_iou(rboxes[better[exact]], rboxes[worse[exact]])
        over = exact[(iou >= threshold) if rule == 'ge' else (iou > threshold)]
        hit = np.unique(worse[np.concatenate([pair[sure[pair]], over])])
        dropped[hit] = True
        decided = np.concatenate([ready, hit])
        freed, count = np.unique(worse[_pairs_of(decided, begin)], return_counts=True)
        waiting[freed] -= count
        ready = freed[(waiting[freed] == 0) & ~dropped[freed]]
    return ~dropped


def _pairs_of(boxes: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Numbers of all pairs in which one of ``boxes`` is the better one."""
    counts = begin[boxes + 1] - begin[boxes]
    ends = np.cumsum(counts)
    return np.repeat(begin[boxes], counts) + np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
