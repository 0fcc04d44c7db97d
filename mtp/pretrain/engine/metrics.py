"""What validation counts, one class per task: what it keeps of each image, what it sends, and its figures.

A metric of another task is a class here, with the same methods as :class:`SemanticMetric`, and its line in
:data:`METRICS`. What ``packed`` gives is pickled and gathered in the first process, which computes ``figures`` from all
of it; they must not depend on which process saw an image.
"""
import collections
from typing import Any, Dict, Iterable, List, Optional, Protocol, Tuple, Type

import numpy as np
import torch
from mmengine.structures import InstanceData

from mtp.data import catalogue

from ..data.annotations import Annotations
from . import scores

Columns = Tuple[np.ndarray, ...]


class Metric(Protocol):
    """What every metric has; said of :class:`SemanticMetric`."""
    reads_labels: bool

    def __init__(self, first: int) -> None:
        ...

    def add(self, source: Annotations, index: int, found: Any, seg: Any) -> None:
        """Count one image."""

    def packed(self) -> Dict[str, Any]:
        """Data set -> what all processes need of it."""

    @staticmethod
    def figures(parts: List[Any], source: Annotations, first: int) -> Dict[str, Optional[float]]:
        """Name -> figure from 0 to 1."""


class SemanticMetric:
    """Confusion tables of pixels; the mean IoU.

    Args:
        first: lowest class that counts: 1 where the background is none.
    """
    reads_labels = True  # the semantic label of each image is loaded

    def __init__(self, first: int) -> None:
        self.first, self.tables = first, {}

    def add(self, source: Annotations, index: int, found: torch.Tensor, seg: np.ndarray) -> None:
        """Count one image: (h, w) labels ``found`` against (h, w) uint8 ``seg``."""
        classes = len(catalogue.get(source.name).classes) + 1
        table = scores.confusion(seg, found.cpu().numpy(), classes, self.first)
        self.tables[source.name] = self.tables.get(source.name, 0) + table

    def packed(self) -> Dict[str, np.ndarray]:
        """Data set -> what all processes need of it, small enough to send."""
        return self.tables

    @staticmethod
    def figures(parts: List[np.ndarray], source: Annotations, first: int) -> Dict[str, Optional[float]]:
        """Name -> figure from 0 to 1 of a data set; ``parts``: what each process packed of it."""
        return {'mIoU': scores.mean_iou(sum(parts)[first:, first:])}


class _Rows:
    """Rows of columns, a list per data set."""
    reads_labels = False

    def __init__(self, first: int) -> None:
        self.rows = collections.defaultdict(list)

    def packed(self) -> Dict[str, Columns]:
        """As of :class:`SemanticMetric`."""
        return {name: columns(rows) for name, rows in self.rows.items()}


class InstanceMetric(_Rows):
    """Detections matched to the truth, by boxes and by masks; average precisions."""

    def add(self, source: Annotations, index: int, found: InstanceData, seg: Optional[np.ndarray]) -> None:
        """Count one image: ``found`` is InstanceData with bboxes, masks, labels, scores."""
        rows = range(source.first[index], source.first[index + 1])
        truth = [source.runs(row, source.sizes[index]) for row in rows]
        ious = {'box': scores.box_overlaps(found.bboxes.cpu().numpy(), source.boxes[rows.start:rows.stop]),
                'mask': scores.mask_overlaps(found.masks.cpu().numpy(), truth)}
        self.rows[source.name].append(scores.match_image(
            index, found.labels.cpu().numpy(), found.scores.cpu().numpy(), ious, source.labels[rows.start:rows.stop]))

    @staticmethod
    def figures(parts: List[Columns], source: Annotations, first: int) -> Dict[str, Optional[float]]:
        """As of :class:`SemanticMetric`."""
        counts = np.bincount(source.labels, minlength=len(catalogue.get(source.name).classes))
        return scores.instance_figures(scores.Hits(*columns(parts)), counts)


class RotatedMetric(_Rows):
    """Rotated boxes, scored when all are there."""

    def add(self, source: Annotations, index: int, found: InstanceData, seg: Optional[np.ndarray]) -> None:
        """Count one image: ``found`` is InstanceData with rotated bboxes, labels, scores."""
        boxes = found.bboxes.cpu().numpy()
        self.rows[source.name].append((np.full(len(boxes), index, np.int64), found.labels.cpu().numpy(),
                                       found.scores.cpu().numpy(), boxes))

    @staticmethod
    def figures(parts: List[Columns], source: Annotations, first: int) -> Dict[str, Optional[float]]:
        """As of :class:`SemanticMetric`."""
        return scores.rotated_figures(*columns(parts), source, catalogue.get(source.name).classes)


#: Task -> its metric: the same methods for each.
METRICS: Dict[str, Type[Metric]] = {'ss': SemanticMetric, 'is': InstanceMetric, 'rd': RotatedMetric}


def columns(rows: Iterable[Columns]) -> Columns:
    """Rows of arrays as one array per column."""
    return tuple(np.concatenate(column) for column in zip(*rows))
