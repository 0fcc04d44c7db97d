"""Average precision of rotated detections where the truth is known.

Two ways to count. ``official`` is DOTA's evaluation: quadrilaterals as annotated, a hit is IoU > threshold, objects
marked difficult are neither asked for nor counted against. ``mmrotate`` is eval_rbbox_map: least rectangles around the
annotation, a hit is IoU >= threshold.
"""
import functools
import os
from typing import Any, Callable, Dict, Iterable, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import shapely

from mtp.boxes import (bounds_of_polygons, min_area_rboxes, overlapping_pairs, polygons_to_rboxes, rotated_iou)
from mtp.data import catalogue, converting, dior, dota, fair1m
from mtp.data import images as image_files
from mtp.errors import MTPError

THRESHOLDS = tuple(np.arange(50, 100, 5) / 100)
MODES = ('official', 'mmrotate')
#: Figures of a class of which there is a mean.
MEANT = ('AP50_11', 'AP50_area', 'AP75_11', 'mAP_11', 'mAP_area')
#: Format of label files (``truth`` in the catalogue) -> reader of one, and their suffix.
READERS: Dict[str, Tuple[Callable, str]] = {
    'dota': (dota.read, '.txt'), 'fair1m': (fair1m.read, '.xml'),
    'dior': (functools.partial(dior.read, kind='oriented'), '.xml')}


class Truth(NamedTuple):
    """Annotated objects, column by column.

    Attributes:
        images: image ids.
        image, label: (n,) int64.
        polygon: (n, 8) float64.
        difficult: (n,) bool.
    """
    images: Tuple[str, ...]
    image: np.ndarray
    label: np.ndarray
    polygon: np.ndarray
    difficult: np.ndarray


class Found(NamedTuple):
    """Detections, column by column.

    Attributes:
        image: (n,) int64, counts in the images of the truth.
        label: (n,) int64.
        score: (n,) float64.
        polygon: (n, 8) float64.
    """
    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    polygon: np.ndarray


class Matches(NamedTuple):
    """The best object of each detection.

    Attributes:
        order: (n,) detections by class, then falling score, then image, then input order.
        best: (n,) index of the object of its class and image with the largest IoU, -1 where none touches.
        iou: (n,) that IoU.
    """
    order: np.ndarray
    best: np.ndarray
    iou: np.ndarray


def read_truth(folder: str, dataset: str, stems: Optional[Sequence[str]] = None) -> Truth:
    """Truth from a folder of label files.

    Args:
        folder: of DOTA texts, FAIR1M XML or DIOR-R XML.
        dataset: a name of the catalogue, with a format of :data:`READERS`.
        stems: image ids to read; None: all that have a file.

    Raises:
        MTPError: no label file, or a file that cannot be read.
    """
    known = catalogue.get(dataset)
    return read_labels(folder, READERS[known.truth], known.classes, stems)


def read_labels(folder: str, form: Tuple[Callable, str], classes: Sequence[str],
                stems: Optional[Iterable[str]] = None) -> Truth:
    """Truth from a folder of label files of one form, one of :data:`READERS`, with names among ``classes``.

    Raises:
        MTPError: no label file, or a file that cannot be read.
    """
    reader, suffix = form
    there = converting.paths_by_stem(folder, suffix) if os.path.isdir(folder) else {}
    if not there:
        raise MTPError(f'no label file (*{suffix}) in {folder}', hint='give the folder with --truth')
    ids = list(there) if stems is None else list(map(image_files.one_form, stems))
    index = {name: number for number, name in enumerate(classes)}
    image, label, polygon, difficult = [], [], [np.zeros((0, 8))], []
    for number, name in enumerate(ids):
        # where none is there, the reader says so
        found = reader(there.get(name) or os.path.join(folder, name + suffix), classes=classes)
        image += [number] * len(found.names)
        label += [index[name] for name in found.names]
        polygon.append(found.polygons.reshape(-1, 8))
        difficult += found.difficult.tolist()
    return Truth(tuple(ids), np.array(image, dtype=np.int64),
                 np.array(label, dtype=np.int64), np.concatenate(polygon), np.array(difficult, dtype=np.int64) > 0)


def score(images: Sequence[str], image: np.ndarray, label: np.ndarray, scores: np.ndarray, polygon: np.ndarray,
          truth: Truth, classes: Sequence[str], mode: str = 'official',
          thresholds: Sequence[float] = THRESHOLDS) -> Dict[str, Any]:
    """Average precision of every class at every threshold.

    Args:
        images: ids that ``image`` counts in.
        image, label: (n,) integers; ``label`` counts in ``classes``.
        scores: (n,).
        polygon: (n, 8) corners.
        truth: :class:`Truth`.
        classes: names.
        mode: one of :data:`MODES`.
        thresholds: IoU from which a detection is a hit.

    Returns:
        A dict ready for JSON: ``classes`` (name -> objects, difficult, detections, hits, false, recall, AP50_11,
        AP50_area, AP75_11, mAP_11, mAP_area; the figures without AP75 or mAP are at the first threshold; None where a
        class has no object), ``mean`` (of the classes with an object), ``mode``, ``thresholds``.

    Raises:
        MTPError: unknown mode, or a detection in an image that the truth does not list.
    """
    found = numbered(images, image, label, scores, polygon, truth)
    return judge(found, match(*found, truth, mode), truth, classes, mode, thresholds)


def judge(found: Found, matches: Matches, truth: Truth, classes: Sequence[str], mode: str = 'official',
          thresholds: Sequence[float] = THRESHOLDS) -> Dict[str, Any]:
    """The figures of :func:`score`, from what :func:`numbered` and :func:`match` say."""
    begin = np.searchsorted(found.label[matches.order], np.arange(len(classes) + 1))
    table = {}
    for number, name in enumerate(classes):
        rows = matches.order[begin[number]:begin[number + 1]]
        mine = truth.label == number
        table[name] = _score_class(rows, matches, truth, int((mine & ~truth.difficult).sum()), mode, thresholds)
        table[name]['difficult'] = int((mine & truth.difficult).sum())
    return {'mode': mode, 'thresholds': [float(value) for value in thresholds], 'classes': table,
            'mean': mean(table.values())}


def mean(rows: Iterable[Mapping[str, Any]]) -> Dict[str, Optional[float]]:
    """Means of the precisions of those classes that have an object."""
    means, rows = {}, list(rows)
    for key in MEANT:
        values = [row[key] for row in rows if row.get(key) is not None]
        means[key] = float(np.mean(values)) if values else None
    return means


def numbered(images: Sequence[str], image: np.ndarray, label: np.ndarray, scores: np.ndarray, polygon: np.ndarray,
             truth: Truth) -> Found:
    """:class:`Found` of what :func:`score` takes.

    Raises:
        MTPError: a detection in an image that the truth does not list.
    """
    return Found(_image_numbers(images, np.asarray(image, dtype=np.int64), truth), np.asarray(label, dtype=np.int64),
                 np.asarray(scores, dtype=np.float64), np.asarray(polygon, dtype=np.float64).reshape(-1, 8))


def _image_numbers(images: Sequence[str], image: np.ndarray, truth: Truth) -> np.ndarray:
    position = {name: number for number, name in enumerate(truth.images)}
    used = np.unique(image)
    unknown = [images[number] for number in used if images[number] not in position]
    if unknown:
        raise MTPError(f'{len(unknown)} images have detections but no truth, for example {unknown[0]!r}',
                       hint='give the folder with the labels of these images with --truth')
    numbers = np.array([position.get(name, -1) for name in images], dtype=np.int64)
    return numbers[image] if len(images) else image


def match(image: np.ndarray, label: np.ndarray, scores: np.ndarray, polygon: np.ndarray, truth: Truth,
          mode: str) -> Matches:
    """The best object for each detection, as :class:`Matches`; it does not depend on the threshold.

    Raises:
        MTPError: unknown mode.
    """
    if mode not in MODES:
        raise MTPError(f'unknown way to score {mode!r}', hint='take one of: ' + ', '.join(MODES))
    order = np.lexsort((image, -scores, label))
    width = int(max(label.max(initial=0), truth.label.max(initial=0))) + 1
    detection, target = overlapping_pairs(bounds_of_polygons(polygon), image * width + label,
                                          bounds_of_polygons(truth.polygon), truth.image * width + truth.label)
    iou = pair_iou(polygon, truth.polygon, detection, target, mode)
    best, top = np.full(len(scores), -1, dtype=np.int64), np.zeros(len(scores))
    ranked = np.lexsort((target, -iou, detection))  # the largest IoU first, the first object of equals
    first = ranked[np.unique(detection[ranked], return_index=True)[1]]
    best[detection[first]], top[detection[first]] = target[first], iou[first]
    return Matches(order, best, top)


def pair_iou(found: np.ndarray, true: np.ndarray, i: np.ndarray, j: np.ndarray, mode: str) -> np.ndarray:
    """IoU of the detections ``found[i]`` with the objects ``true[j]``, corners each, as ``mode`` has it: (k,)."""
    if mode == 'official':
        return polygon_iou(found, true, i, j)
    return rotated_iou(polygons_to_rboxes(found)[i], min_area_rboxes(true)[j])


def polygon_iou(first: np.ndarray, second: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """IoU of the quadrilaterals ``first[i]`` with ``second[j]``, (k,) float64."""
    a, b = _shapes(first), _shapes(second)
    area_a, area_b = shapely.area(a), shapely.area(b)
    shared = shapely.area(shapely.intersection(a[i], b[j]))
    union = area_a[i] + area_b[j] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _shapes(polygons: np.ndarray) -> np.ndarray:
    shapes = shapely.polygons(polygons.reshape(-1, 4, 2))
    broken = ~shapely.is_valid(shapes)
    shapes[broken] = shapely.make_valid(shapes[broken])
    return shapes


def _score_class(rows: np.ndarray, matches: Matches, truth: Truth, objects: int, mode: str,
                 thresholds: Sequence[float]) -> Dict[str, Any]:
    """Figures of one class; ``rows`` are its detections by falling score."""
    result: Dict = {'objects': objects, 'detections': len(rows)}
    points, area = [], []
    for number, threshold in enumerate(thresholds):
        hit, counted = hits(rows, matches, truth, mode, threshold)
        recall, precision = curve(hit, counted, objects)
        if number == 0:
            result.update(hits=int(hit.sum()), false=int((counted & ~hit).sum()),
                          recall=float(recall[-1]) if len(recall) and objects else None if not objects else 0.0)
        points.append(eleven_points(recall, precision))
        area.append(area_under(recall, precision))
    known = objects > 0
    result['AP50_11'], result['AP50_area'] = (points[0], area[0]) if known else (None, None)
    at_75 = [value for value, threshold in zip(points, thresholds) if abs(threshold - 0.75) < 1e-9]
    result['AP75_11'] = at_75[0] if known and at_75 else None
    result['mAP_11'], result['mAP_area'] = (float(np.mean(points)), float(np.mean(area))) if known else (None, None)
    return result


def hits(rows: np.ndarray, matches: Matches, truth: Truth, mode: str,
         threshold: float) -> Tuple[np.ndarray, np.ndarray]:
    """Which of ``rows`` are hits, and which count at all (those on a difficult object do not): two bool arrays.

    An object is hit once, by the first of its detections.
    """
    near = near_object(rows, matches, mode, threshold)
    target = np.where(near, matches.best[rows], -1)
    difficult = near & truth.difficult[target] if len(truth.difficult) else np.zeros(len(rows), dtype=bool)
    candidates = np.flatnonzero(near & ~difficult)
    hit = np.zeros(len(rows), dtype=bool)
    hit[candidates[np.unique(target[candidates], return_index=True)[1]]] = True
    return hit, ~difficult


def near_object(rows: np.ndarray, matches: Matches, mode: str, threshold: float) -> np.ndarray:
    """Which of ``rows`` lie on an object of their class, taken already or not, (n,) bool."""
    over = matches.iou[rows] > threshold if mode == 'official' else matches.iou[rows] >= threshold
    return over & (matches.best[rows] >= 0)


def curve(hit: np.ndarray, counted: np.ndarray, objects: int) -> Tuple[np.ndarray, np.ndarray]:
    """Recall and precision after each detection, two (n,) arrays."""
    hit_sum = np.cumsum(hit, dtype=np.float64)
    total = hit_sum + np.cumsum(counted & ~hit)
    return hit_sum / max(objects, 1), hit_sum / np.maximum(total, np.finfo(np.float64).eps)


def eleven_points(recall: np.ndarray, precision: np.ndarray) -> float:
    """VOC 2007: mean of the largest precision at recall >= 0, 0.1, ..., 1."""
    total = 0.0
    for level in np.arange(0.0, 1.1, 0.1):
        reached = recall >= level
        total += precision[reached].max() if reached.any() else 0.0
    return float(total / 11)


def area_under(recall: np.ndarray, precision: np.ndarray) -> float:
    """VOC 2010 and later: area under the curve made falling."""
    recall = np.concatenate([[0.0], recall, [1.0]])
    precision = np.concatenate([[0.0], precision, [0.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(((recall[1:] - recall[:-1]) * envelope[1:]).sum())
