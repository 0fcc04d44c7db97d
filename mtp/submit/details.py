"""Why a score is what it is: by size of object, kinds of false detections, super-categories, the scores themselves."""
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence, Tuple

import numpy as np

from mtp.boxes import bounds_of_polygons, overlapping_pairs

from . import score

#: Sizes by the area of the axis-aligned bounds, in pixels; what lies on a border is medium.
SIZES = ('small', 'medium', 'large')
BORDERS = (32 ** 2, 96 ** 2)
#: What a false detection is, the first that holds: on an object of its class that a better one has taken; touching
#: one with an IoU of at least ``TOUCHED``; touching one of another class; touching nothing.
#: Source: Hoiem et al., Diagnosing Error in Object Detectors, 2012.
KINDS = ('duplicate', 'localisation', 'wrong_class', 'background')
TOUCHED = 0.1
#: Scores that were rounded to two decimals have no more values than this.
_ROUNDED = 101
_BINS = 20


def add(figures: Dict[str, Any], found: score.Found, matches: score.Matches, truth: score.Truth, classes: Sequence[str],
        groups: Optional[Mapping[str, Sequence[str]]] = None, threshold: float = 0.5) -> None:
    """Add to the figures of :func:`mtp.submit.score.judge` what explains them.

    Each class gets ``false_kinds`` (see :data:`KINDS`), ``best_F1`` with ``best_F1_score`` (the score from which
    detections are kept for it) and ``sizes`` (see :data:`SIZES`: objects, AP50_11, AP50_area); so does ``mean``, where
    numbers of detections and objects are sums. ``groups`` has the means of the super-categories, ``scores`` what the
    scores look like.

    Args:
        figures: to add to.
        found: :class:`~mtp.submit.score.Found`.
        matches: of :func:`mtp.submit.score.match`.
        truth: :class:`~mtp.submit.score.Truth`.
        classes: names.
        groups: super-category -> names of its classes.
        threshold: IoU of a hit.
    """
    mode, table = figures['mode'], figures['classes']
    begin = np.searchsorted(found.label[matches.order], np.arange(len(classes) + 1))
    kinds = false_kinds(found, matches, truth, mode, threshold)
    size, found_size = size_of(truth.polygon), size_of(found.polygon)
    for number, name in enumerate(classes):
        rows = matches.order[begin[number]:begin[number + 1]]
        table[name]['false_kinds'] = dict(zip(KINDS, np.bincount(kinds[rows] + 1, minlength=5)[1:].tolist()))
        table[name]['sizes'] = _by_size(rows, matches, truth, truth.label == number, size, found_size, mode, threshold)
        hit, counted = score.hits(rows, matches, truth, mode, threshold)
        best = best_f1(*score.curve(hit, counted, table[name]['objects']), found.score[rows])
        table[name]['best_F1'], table[name]['best_F1_score'] = best if table[name]['objects'] else (None, None)
    figures['mean'].update(_together(table.values()))
    figures['groups'] = _groups(table, groups or {})
    figures['scores'] = _scores(found.score)


def size_of(polygons: np.ndarray) -> np.ndarray:
    """Index in :data:`SIZES` of each quadrilateral, (n,)."""
    bounds = bounds_of_polygons(polygons)
    area = (bounds[:, 2:] - bounds[:, :2]).prod(axis=1)
    return (area >= BORDERS[0]).astype(np.int64) + (area > BORDERS[1])


def _by_size(rows: np.ndarray, matches: score.Matches, truth: score.Truth, mine: np.ndarray, size: np.ndarray,
             found_size: np.ndarray, mode: str, threshold: float) -> Dict[str, Dict[str, Any]]:
    """Precision of one class where only objects of one size are asked for.

    Detections on objects of another size do not count, nor do false ones that are of another size themselves.
    """
    table = {}
    for number, name in enumerate(SIZES):
        asked = truth._replace(difficult=truth.difficult | (size != number))
        objects = int((mine & ~asked.difficult).sum())
        hit, counted = score.hits(rows, matches, asked, mode, threshold)
        counted &= score.near_object(rows, matches, mode, threshold) | (found_size[rows] == number)
        recall, precision = score.curve(hit, counted, objects)
        table[name] = {'objects': objects, 'AP50_11': score.eleven_points(recall, precision) if objects else None,
                       'AP50_area': score.area_under(recall, precision) if objects else None}
    return table


def false_kinds(found: score.Found, matches: score.Matches, truth: score.Truth, mode: str,
                threshold: float) -> np.ndarray:
    """Index in :data:`KINDS` of each false detection, -1 for the others: (n,).

    Args:
        found, matches, truth: as for :func:`add`.
        mode: one of :data:`mtp.submit.score.MODES`.
        threshold: IoU of a hit.
    """
    kinds = np.full(len(found.label), -1, dtype=np.int64)
    hit, counted = score.hits(matches.order, matches, truth, mode, threshold)
    false = matches.order[counted & ~hit]
    kinds[false] = KINDS.index('background')
    rest = false[matches.iou[false] < TOUCHED]
    kinds[rest[_touches(rest, found, truth, mode)]] = KINDS.index('wrong_class')
    kinds[false[matches.iou[false] >= TOUCHED]] = KINDS.index('localisation')
    kinds[false[score.near_object(false, matches, mode, threshold)]] = KINDS.index('duplicate')
    return kinds


def _touches(rows: np.ndarray, found: score.Found, truth: score.Truth, mode: str) -> np.ndarray:
    """Which of ``rows`` touch an object of any class, (n,) bool."""
    detection, target = overlapping_pairs(bounds_of_polygons(found.polygon[rows]), found.image[rows],
                                          bounds_of_polygons(truth.polygon), truth.image)
    over = score.pair_iou(found.polygon[rows], truth.polygon, detection, target, mode) >= TOUCHED
    touches = np.zeros(len(rows), dtype=bool)
    touches[detection[over]] = True
    return touches


def best_f1(recall: np.ndarray, precision: np.ndarray, scores: np.ndarray) -> Tuple[float, Optional[float]]:
    """The largest F1, and the score from which detections are kept for it; 0 and None without detections."""
    if not len(scores):
        return 0.0, None
    f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-12)
    best = int(np.argmax(f1))
    return float(f1[best]), float(scores[best])


def _together(rows: Iterable[Mapping[str, Any]]) -> Dict[str, Any]:
    """Sums and means of all classes."""
    rows = list(rows)
    sizes = {}
    for name in SIZES:
        found = [row['sizes'][name] for row in rows]
        sizes[name] = dict(score.mean(found), objects=sum(row['objects'] for row in found))
        sizes[name] = {key: sizes[name][key] for key in ('objects', 'AP50_11', 'AP50_area')}
    return {'sizes': sizes, 'false_kinds': {kind: sum(row['false_kinds'][kind] for row in rows) for kind in KINDS}}


def _groups(table: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]]) -> Dict[str, Dict[str, Any]]:
    """Means over the classes of each super-category, and of these means."""
    result = {name: dict(score.mean(table[member] for member in members), classes=len(members))
              for name, members in groups.items()}
    if result:
        result['mean'] = dict(score.mean(result.values()), classes=len(result))
    return result


def _scores(scores: np.ndarray) -> Dict[str, Any]:
    """How many scores there are in each twentieth of 0..1, how many different ones, and whether they were rounded."""
    distinct = len(np.unique(scores))
    return {'histogram': np.histogram(np.clip(scores, 0, 1), bins=_BINS, range=(0, 1))[0].tolist(),
            'distinct': distinct, 'rounded': bool(len(scores) > 1000 and distinct <= _ROUNDED)}
