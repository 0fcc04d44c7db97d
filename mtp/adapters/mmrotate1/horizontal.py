"""Horizontal detection for MMDetection 3: DIOR and xView, whose labels are in COCO's form."""
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS

from mtp.adapters.annotations import metainfo


@DATASETS.register_module(force=True)
class DIORDataset(CocoDataset):
    """DIOR with horizontal boxes, 20 classes."""

    METAINFO = metainfo('dior')


@DATASETS.register_module(force=True)
class XviewDataset(CocoDataset):
    """xView in tiles, 60 classes."""

    METAINFO = metainfo('xview')
