"""Figures of validation from columns of numbers: mean IoU, COCO's average precision, rotated average precision.

Everything here depends on what was detected alone, not on the order in which processes found it.
"""
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
from pycocotools import mask as coco_mask

from mtp.boxes import rboxes_to_polygons
from mtp.submit import score as rotated

from ..data.annotations import Annotations

COCO_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10))
RECALLS = np.linspace(0.0, 1.0, 101)
ROTATED_THRESHOLD = 0.5


class Hits(NamedTuple):
    """Detections of any number of images after matching, column by column.

    Attributes:
        image, label: (n,) int64.
        score: (n,) float32.
        box, mask: (n, 10) bool, whether the detection is a hit at each of :data:`COCO_THRESHOLDS`.
    """

    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    box: np.ndarray
    mask: np.ndarray


def confusion(truth: np.ndarray, found: np.ndarray, classes: int, first: int = 0) -> np.ndarray:
    """(classes, classes) int64: pixels of each true class (row) by found class, of two label maps of equal shape.

    ``first``: the smallest label that counts; smaller ones in ``truth`` are left out.
    """
    valid = (truth >= first) & (truth < classes)
    pairs = truth[valid].astype(np.int64) * classes + found[valid]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def mean_iou(table: np.ndarray) -> Optional[float]:
    """Mean intersection over union (fraction) of the classes that occur in truth or prediction; None without any."""
    shared = np.diag(table)
    union = table.sum(0) + table.sum(1) - shared
    return float((shared[union > 0] / union[union > 0]).mean()) if union.any() else None


def match_image(image: int, labels: np.ndarray, scores: np.ndarray, ious: Dict[str, np.ndarray],
                truth_labels: np.ndarray) -> Hits:
    """Which detections of one image are hits, as COCO's evaluation decides.

    Args:
        image: its number.
        labels, scores: (n,) of the detections.
        ious: name -> (n, m) overlaps of detections and objects; names are ``box`` and ``mask``.
        truth_labels: (m,) of the objects.

    Returns:
        :class:`Hits`, in the order given.
    """
    hits = {name: np.zeros((len(labels), len(COCO_THRESHOLDS)), bool) for name in ('box', 'mask')}
    for label in np.unique(labels):
        rows, columns = np.flatnonzero(labels == label), np.flatnonzero(truth_labels == label)
        rows = rows[np.argsort(-scores[rows], kind='mergesort')]
        for name in hits:
            hits[name][rows] = _greedy(ious[name][np.ix_(rows, columns)])
    return Hits(np.full(len(labels), image, np.int64), np.asarray(labels, np.int64), np.asarray(scores, np.float32),
                hits['box'], hits['mask'])


def _greedy(ious: np.ndarray) -> np.ndarray:
    """Detections by falling score take the best object that is left, (n, m) -> (n, thresholds) bool."""
    found = np.zeros((len(ious), len(COCO_THRESHOLDS)), bool)
    if not ious.size:
        return found
    for place, threshold in enumerate(COCO_THRESHOLDS):
        left = ious.copy()
        for row, values in enumerate(left):
            best = len(values) - 1 - int(values[::-1].argmax())  # the last of equals, as in COCO's loop
            if values[best] >= min(threshold, 1 - 1e-10):
                found[row, place] = True
                left[:, best] = -1
    return found


def box_overlaps(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """COCO's IoU (n, m) of boxes x1 y1 x2 y2."""
    if not len(boxes) or not len(truth):
        return np.zeros((len(boxes), len(truth)))
    first, second = (np.concatenate([each[:, :2], each[:, 2:] - each[:, :2]], 1).astype(np.float64)
                     for each in (boxes, truth))
    return coco_mask.iou(first, second, [0] * len(truth))


def mask_overlaps(masks: np.ndarray, truth: List[Dict[str, Any]]) -> np.ndarray:
    """IoU (n, m) of masks (n, h, w) bool with packed ones (list of COCO dicts)."""
    if not len(masks) or not truth:
        return np.zeros((len(masks), len(truth)))
    packed = coco_mask.encode(np.asfortranarray(np.asarray(masks, np.uint8).transpose(1, 2, 0)))
    return coco_mask.iou(packed, truth, [0] * len(truth))


def average_precision(label: np.ndarray, score: np.ndarray, hit: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """COCO's average precision (101 points) of each class at each threshold.

    Args:
        label, score: (n,) of the detections, sorted by image and then by place in the image.
        hit: (n, t) bool.
        objects: (classes,) number of objects.

    Returns:
        (classes, t) fractions; NaN where a class has no object.
    """
    result = np.full((len(objects), hit.shape[1]), np.nan)
    for number, count in enumerate(objects):
        if not count:
            continue
        rows = np.flatnonzero(label == number)
        rows = rows[np.argsort(-score[rows], kind='mergesort')]
        right = np.cumsum(hit[rows], 0, dtype=np.float64)
        recall = right / count
        precision = right / np.maximum(np.arange(1, len(rows) + 1)[:, None], 1)
        precision = np.maximum.accumulate(precision[::-1], 0)[::-1]
        for place in range(hit.shape[1]):
            at = np.searchsorted(recall[:, place], RECALLS, side='left')
            result[number, place] = np.append(precision[:, place], 0.0)[at].mean()
    return result


def instance_figures(hits: Hits, objects: np.ndarray) -> Dict[str, Optional[float]]:
    """``box_AP``, ``box_AP50``, ``mask_AP``, ``mask_AP50`` as fractions; None where no class has an object."""
    order = np.argsort(hits.image, kind='stable')
    figures = {}
    for name in ('box', 'mask'):
        table = average_precision(hits.label[order], hits.score[order], getattr(hits, name)[order], objects)
        known = ~np.isnan(table[:, 0])
        figures[name + '_AP'] = float(table[known].mean()) if known.any() else None
        figures[name + '_AP50'] = float(table[known, 0].mean()) if known.any() else None
    return figures


def rotated_figures(image: np.ndarray, label: np.ndarray, score: np.ndarray, rboxes: np.ndarray, source: Annotations,
                    classes: Sequence[str]) -> Dict[str, Optional[float]]:
    """``AP50`` (VOC 2007, eleven points, rotated IoU >= 0.5; a fraction) of rotated boxes; None without objects.

    Args:
        image, label, score, rboxes: columns of the detections, rboxes (n, 5) in pixels of the original image.
        source: :class:`~mtp.pretrain.data.annotations.Annotations` with the truth.
        classes: names.
    """
    images = tuple(map(str, range(len(source))))
    owners = np.repeat(np.arange(len(source)), np.diff(source.rfirst))
    truth = rotated.Truth(images, owners, np.asarray(source.rlabels, np.int64),
                          rboxes_to_polygons(np.asarray(source.rboxes, np.float64)), np.zeros(len(owners), bool))
    order = np.argsort(image, kind='stable')
    polygons = rboxes_to_polygons(np.asarray(rboxes, np.float64)[order])
    found = rotated.score(images, image[order], label[order], score[order], polygons, truth, classes, 'mmrotate',
                          (ROTATED_THRESHOLD,))
    return {'AP50': found['mean']['AP50_11']}
