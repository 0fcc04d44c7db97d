"""Rotated non-maximum suppression of many groups at once, with the exact test only where it can matter."""
import numpy as np

from mtp.errors import MTPError

from .iou import rotated_iou
from .pairs import bounds_of_rboxes, overlapping_pairs

RULES = ('ge', 'gt')


def rotated_nms(rboxes, scores, iou_threshold=0.1, rule='ge', groups=None):
    """Greedy suppression in order of falling score, each group for itself.

    The result is that of the plain loop "take the best, drop what overlaps it, repeat": a box is decided as soon as all
    better boxes near it are, and the exact IoU is computed only between a kept box and its undecided neighbours.

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
    better, worse = _candidates(rboxes, groups, threshold)
    return order[_greedy(rboxes, better, worse, threshold, rule)]


def _check(rboxes, scores, iou_threshold, rule):
    if rule not in RULES:
        raise MTPError('unknown NMS rule {!r}'.format(rule), hint="use 'ge' (as on the CPU) or 'gt' (as on CUDA)")
    if not 0 < iou_threshold <= 1:
        raise MTPError('NMS threshold {!r} is not in (0, 1]'.format(iou_threshold))
    if len(scores) != len(rboxes):
        raise MTPError('{} boxes but {} scores'.format(len(rboxes), len(scores)))
    bad = ~(np.isfinite(rboxes).all(axis=1) & np.isfinite(scores))
    if bad.any():
        raise MTPError('{} of {} boxes hold a value that is not finite, the first is number {}'.format(
            int(bad.sum()), len(bad), int(np.argmax(bad))))


def _candidates(rboxes, groups, threshold):
    """Pairs (better, worse) whose IoU may reach the threshold, sorted by better; the inputs are sorted already."""
    bounds = bounds_of_rboxes(rboxes)
    better, worse = overlapping_pairs(bounds, groups)
    area = rboxes[:, 2] * rboxes[:, 3]
    # IoU is at most (smaller area) / (larger area), and at most what the bounds share over what the boxes cover.
    least, most = np.minimum(area[better], area[worse]), np.maximum(area[better], area[worse])
    low = np.maximum(bounds[better, :2], bounds[worse, :2])
    high = np.minimum(bounds[better, 2:], bounds[worse, 2:])
    shared = np.minimum(np.prod(np.maximum(high - low, 0) + 1e-3, axis=1), least)
    possible = shared >= threshold * (least + most - shared) * (1 - 1e-6)
    return better[possible], worse[possible]


def _greedy(rboxes, better, worse, threshold, rule):
    """Which boxes stay, (n,) bool. ``better`` is sorted, so each box's worse neighbours are one run of ``worse``."""
    n = len(rboxes)
    begin = np.searchsorted(better, np.arange(n + 1))
    waiting = np.bincount(worse, minlength=n)  # better neighbours still undecided
    dropped = np.zeros(n, dtype=bool)
    ready = np.flatnonzero(waiting == 0)
    while len(ready):
        source, target = _neighbours(ready, begin, worse)
        open_ = ~dropped[target]
        source, target = source[open_], target[open_]
        iou = rotated_iou(rboxes[source], rboxes[target])
        hit = np.unique(target[(iou >= threshold) if rule == 'ge' else (iou > threshold)])
        dropped[hit] = True
        decided = np.concatenate([ready, hit])
        freed, count = np.unique(_neighbours(decided, begin, worse)[1], return_counts=True)
        waiting[freed] -= count
        ready = freed[(waiting[freed] == 0) & ~dropped[freed]]
    return ~dropped


def _neighbours(boxes, begin, worse):
    """All (box, worse neighbour) pairs of ``boxes``."""
    counts = begin[boxes + 1] - begin[boxes]
    ends = np.cumsum(counts)
    offsets = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
    return np.repeat(boxes, counts), worse[np.repeat(begin[boxes], counts) + offsets]
