"""Segmentation for MMSegmentation 1: SpaceNet v1, and figures of each class. LoveDA is the toolbox's own."""
from typing import Any, Dict, List, Sequence

import numpy as np
from mmseg.datasets import BaseSegDataset
from mmseg.evaluation import metrics as stock
from mmseg.registry import DATASETS, METRICS

from mtp.data import catalogue


@DATASETS.register_module(force=True)
class SpaceNetV1Dataset(BaseSegDataset):
    """SpaceNet v1: background and building; labels are PNG with 0 and 1, 255 is ignored."""

    METAINFO = dict(classes=catalogue.get('spacenetv1').classes,
                    palette=[list(colour) for colour in catalogue.get('spacenetv1').palette])

    def __init__(self, img_suffix: str = '.png', seg_map_suffix: str = '.png', reduce_zero_label: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, reduce_zero_label=reduce_zero_label,
                         **kwargs)


@METRICS.register_module(force=True)
class IoUMetric(stock.IoUMetric):
    """As the toolbox's own, which prints the figures of each class and returns their mean only.

    They are returned too, in percent, as ``<class>/IoU``, ``<class>/Fscore``: change detection is judged by the F1 of
    one class (published.md#results).
    """

    def process(self, data_batch: Any, data_samples: Sequence[Dict[str, Any]]) -> None:
        """As the toolbox's own; a mask of a pair of images is called after the first of them."""
        super().process(data_batch, [dict(sample, img_path=sample['img_path'][0]) if isinstance(
            sample['img_path'], (list, tuple)) else sample for sample in data_samples])

    def total_area_to_metrics(self, *areas: Any) -> Dict[str, np.ndarray]:
        """Figures by name, each an array over the classes."""
        self.each = super().total_area_to_metrics(*areas)
        return dict(self.each)

    def compute_metrics(self, results: List[Any]) -> Dict[str, float]:
        """Means over the classes, and the figures of each class."""
        found = super().compute_metrics(results)
        if self.format_only:
            return found
        for name, values in self.each.items():
            if name != 'aAcc':
                found.update((f'{kind}/{name}', np.round(value * 100, 2))
                             for kind, value in zip(self.dataset_meta['classes'], values))
        return found
