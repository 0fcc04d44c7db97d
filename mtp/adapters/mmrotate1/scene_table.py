"""What a test of scene classification says of each image, as ``scenes.csv``: for people, and for ``make browse``.

The toolbox returns the mean over all images and nothing of each.
"""
import os
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
from mmengine.evaluator import BaseMetric

from mtp import paths
from mtp.data import scene_table


class SceneTable(BaseMetric):
    """Collects what is said of each image, of all processes, and lets the first one write the table.

    Args:
        path: of the table.
    """

    default_prefix = 'scenes'  # of figures, of which there are none; the toolbox warns where it lacks

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def process(self, data_batch: Any, data_samples: Sequence[Dict[str, Any]]) -> None:
        """Keep what is said of each of a batch."""
        for sample in data_samples:
            height, width = sample['ori_shape'][:2]
            truth = int(sample['gt_label'][0]) if 'gt_label' in sample and len(sample['gt_label']) else -1
            self.results.append((paths.short(os.path.abspath(sample['img_path'])), (int(width), int(height)),
                                 sample['pred_score'].float().cpu().numpy(), truth))

    def compute_metrics(self, results: List[Tuple[str, Tuple[int, int], np.ndarray, int]]) -> Dict[str, float]:
        """Write the table; there is no figure more."""
        scene_table.write(self.path, self.dataset_meta['classes'], (
            scene_table.Scene(image, (0, 0, *size), scores, truth) for image, size, scores, truth in results), True)
        return {}
