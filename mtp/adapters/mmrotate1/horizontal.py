"""Horizontal detection for MMDetection 3: DIOR and xView, whose labels are in COCO's form."""
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS

from mtp.data import catalogue


def _metainfo(name):
    facts = catalogue.get(name)
    return dict(classes=facts.classes, palette=list(facts.palette))


@DATASETS.register_module(force=True)
class DIORDataset(CocoDataset):
    """DIOR with horizontal boxes, 20 classes."""

    METAINFO = _metainfo('dior')


@DATASETS.register_module(force=True)
class XviewDataset(CocoDataset):
    """xView in tiles, 60 classes."""

    METAINFO = _metainfo('xview')
