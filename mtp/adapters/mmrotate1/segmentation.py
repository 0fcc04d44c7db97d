"""Segmentation for MMSegmentation 1: SpaceNet v1. LoveDA is the toolbox's own."""
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from mtp.data import catalogue


@DATASETS.register_module(force=True)
class SpaceNetV1Dataset(BaseSegDataset):
    """SpaceNet v1: background and building; labels are PNG with 0 and 1, 255 is ignored."""

    METAINFO = dict(classes=catalogue.get('spacenetv1').classes,
                    palette=[list(colour) for colour in catalogue.get('spacenetv1').palette])

    def __init__(self, img_suffix='.png', seg_map_suffix='.png', reduce_zero_label=False, **kwargs):
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, reduce_zero_label=reduce_zero_label,
                         **kwargs)
