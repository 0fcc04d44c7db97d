"""Tiled data sets for MMRotate 0.3.4: DOTA-v1.0 and FAIR1M-2.0, le90 boxes.

They take the place of the toolbox's own of the same names: files come in a fixed order, headers in label files are
passed over, and a folder of images is one because it holds images, not because it happens to hold no text file
(published.md#data-set-classes).
"""
import os.path as osp
from typing import Any, Dict, List, NoReturn, Optional, Tuple

import numpy as np
from mmrotate.core import poly2obb_np
from mmrotate.datasets import dota as stock
from mmrotate.datasets.builder import ROTATED_DATASETS

from mtp.adapters import annotations
from mtp.data import catalogue, images
from mtp.errors import MTPError


@ROTATED_DATASETS.register_module(force=True)
class DOTADataset(stock.DOTADataset):
    """DOTA-v1.0 tiles; ``ann_file`` is the folder of text files or, in a test without labels, of the images.

    Args:
        indices: how many tiles to take, the first ones; None for all.
        args, kwargs: those of the toolbox's data set.
    """

    CLASSES = catalogue.get('dotav1').classes
    PALETTE = list(catalogue.get('dotav1').palette)
    # Polygons with two equal neighbouring corners are left out, as in the data sets of the other environment.
    skip_degenerate = False

    def __init__(self, *args: Any, indices: Optional[int] = None, **kwargs: Any) -> None:
        self.indices = indices
        super().__init__(*args, **kwargs)

    def load_annotations(self, ann_folder: str) -> List[Dict[str, Any]]:
        """One dict an image: filename and ann (bboxes, labels, polygons)."""
        if osp.realpath(ann_folder) == osp.realpath(self.img_prefix or ''):
            infos = [self._info(name, *self._nothing()) for name in annotations.files(ann_folder, '.png')]
        else:
            infos = [self._info(name[:-len('.txt')] + '.png', *self._objects(osp.join(ann_folder, name)))
                     for name in annotations.files(ann_folder, '.txt')]
        infos = infos[:self.indices]
        self.img_ids = [info['filename'][:-len('.png')] for info in infos]
        return infos

    def _objects(self, path: str) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Polygons (n, 8), boxes (n, 5) and labels (n,) of a file; what no box can be fitted to is left out."""
        polygons, labels, difficulties = annotations.read_tile(path, self.CLASSES)
        keep = difficulties <= self.difficulty
        if self.skip_degenerate:
            keep &= ~annotations.degenerate(polygons)
        polygons, labels = polygons[keep], labels[keep]
        boxes = [poly2obb_np(polygon, self.version) for polygon in polygons]  # None where a side is below two pixels
        fitted = np.array([box is not None for box in boxes], bool)
        boxes = np.array([box for box in boxes if box is not None], np.float32).reshape(-1, 5)
        return polygons[fitted], boxes, labels[fitted]

    @staticmethod
    def _nothing() -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.zeros((0, 8), np.float32), np.zeros((0, 5), np.float32), np.zeros(0, np.int64)

    def _info(self, filename: str, polygons: np.ndarray, boxes: np.ndarray, labels: np.ndarray) -> Dict[str, Any]:
        nothing, no_boxes, no_labels = self._nothing()
        filename = osp.basename(images.as_there(osp.join(self.img_prefix or '', filename)))
        return dict(filename=filename, ann=dict(
            bboxes=boxes, labels=labels, polygons=polygons,
            bboxes_ignore=no_boxes, labels_ignore=no_labels, polygons_ignore=nothing))

    def format_results(self, results: List[Any], submission_dir: Optional[str] = None, **kwargs: Any) -> NoReturn:
        """Refused: results go to shards as they are found, and are packaged from there."""
        raise MTPError('results are packaged from shards, not from a list in memory',
                       hint='tools/test.py CONFIG CHECKPOINT --format-only --eval-options submission_dir=DIR')


@ROTATED_DATASETS.register_module(force=True)
class FAIR1Mv2Dataset(DOTADataset):
    """FAIR1M-2.0 tiles with labels in DOTA's text form, 37 classes."""

    CLASSES = catalogue.get('fair1m').classes
    PALETTE = list(catalogue.get('fair1m').palette)
    skip_degenerate = True
