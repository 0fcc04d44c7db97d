"""Rotated-detection data sets for MMRotate 1.x: DOTA v1.0, v1.5, v2.0, FAIR1M-2.0 and DIOR-R.

They take the place of the toolbox's own of the same names (published.md#data-set-classes): sizes are read from the
images, headers in label files are passed over, files come in a fixed order, and whatever cannot be read is named.
"""
import os.path as osp
from typing import Any, Dict, Iterable, List

import numpy as np
from mmrotate import datasets as stock
from mmrotate.registry import DATASETS

from mtp.adapters import annotations
from mtp.data import images


def _instances(polygons: np.ndarray, labels: np.ndarray, ignored: Iterable[bool]) -> List[Dict[str, Any]]:
    return [dict(bbox=polygon, bbox_label=int(label), ignore_flag=int(flag))
            for polygon, label, flag in zip(polygons, labels, ignored)]


@DATASETS.register_module(force=True)
class DOTADataset(stock.DOTADataset):
    """DOTA-v1.0 tiles: a folder of images and, but for testing, one of text files.

    Args:
        img_suffix: suffix of the images, without the dot.
        diff_thr: an object more difficult than this is ignored in training.
        kwargs: those of :class:`mmengine.dataset.BaseDataset`; ``ann_file`` is the folder of the text files, '' when
            there are no labels.
    """

    METAINFO = annotations.metainfo('dotav1')
    # Polygons with two equal neighbouring corners are left out. The published loaders do so for FAIR1M and DIOR only.
    skip_degenerate = False

    def __init__(self, img_suffix: str = 'png', diff_thr: int = 100, **kwargs: Any) -> None:
        self.tile_suffix = '.' + img_suffix.lstrip('.')  # MMRotate 1.2 keeps one without the dot as img_suffix
        super().__init__(diff_thr=diff_thr, **kwargs)

    def load_data_list(self) -> List[Dict[str, Any]]:
        """One dict a tile: img_path, file_name, img_id, instances."""
        folder, suffix = (self.ann_file, '.txt') if self.ann_file else (self.data_prefix['img_path'], self.tile_suffix)
        stems = [name[:-len(suffix)] for name in annotations.files(folder, suffix)]
        return [self._entry(stem, self._read(osp.join(self.ann_file, stem + '.txt')) if self.ann_file else [])
                for stem in stems]

    def _read(self, path: str) -> List[Dict[str, Any]]:
        polygons, labels, difficulties = annotations.read_tile(path, self.metainfo['classes'])
        if self.skip_degenerate:
            keep = ~annotations.degenerate(polygons)
            polygons, labels, difficulties = polygons[keep], labels[keep], difficulties[keep]
        return _instances(polygons, labels, difficulties > self.diff_thr)

    def _entry(self, stem: str, instances: List[Dict[str, Any]]) -> Dict[str, Any]:
        path = images.as_there(osp.join(self.data_prefix['img_path'], stem + self.tile_suffix))
        return dict(img_id=stem, file_name=osp.basename(path), img_path=path, instances=instances)


@DATASETS.register_module(force=True)
class DOTAv15Dataset(DOTADataset):
    """DOTA-v1.5 tiles: the images of v1.0, labelled anew, 16 classes."""

    METAINFO = annotations.metainfo('dotav15')


@DATASETS.register_module(force=True)
class DOTAv2Dataset(DOTADataset):
    """DOTA-v2.0 tiles, 18 classes."""

    METAINFO = annotations.metainfo('dotav2')


@DATASETS.register_module(force=True)
class FAIR1Mv2Dataset(DOTADataset):
    """FAIR1M-2.0 tiles with labels in DOTA's text form, 37 classes."""

    METAINFO = annotations.metainfo('fair1m')
    skip_degenerate = True


@DATASETS.register_module(force=True)
class DIORDataset(stock.DIORDataset):
    """DIOR-R: ``ann_file`` lists image stems; one XML file an image lies in ``ann_subdir``."""

    METAINFO = annotations.metainfo('diorr')

    def parse_data_info(self, img_info: Dict[str, Any]) -> Dict[str, Any]:
        """Entry of one image; ``img_info`` has img_id, file_name, xml_path."""
        xml_path = images.as_there(img_info['xml_path'])
        polygons, labels, size = annotations.read_dior(xml_path, self.metainfo['classes'], self.ann_type)
        img_path = images.as_there(osp.join(self.data_prefix['img_path'], img_info['file_name']))
        width, height = size or images.size(img_path)
        keep = ~annotations.degenerate(polygons)
        small = self.bbox_min_size is not None and min(width, height) < self.bbox_min_size
        return dict(img_id=img_info['img_id'], img_path=img_path, xml_path=xml_path, height=height,
                    width=width, instances=_instances(polygons[keep], labels[keep], [small] * int(keep.sum())))
