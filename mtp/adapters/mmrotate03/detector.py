"""The detector of a config for :mod:`mtp.adapters.inference`, MMRotate 0.3.4."""
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import MMDataParallel, collate
from mmcv.runner import wrap_fp16_model
from mmdet.datasets.pipelines import Compose
from mmrotate.datasets.builder import ROTATED_DATASETS
from mmrotate.models import build_detector
from torch import nn

from mtp.adapters.inference import Columns
from mtp.adapters.weights import load_into, not_drawn


class Detector:
    """See :mod:`mtp.adapters.inference`.

    Args:
        cfg: the config.
        checkpoint: path of the weights; every tensor of the model has to come from it.
        device: number of the GPU; None for the CPU.
        amp: mixed precision, on a GPU.
    """

    rotated = True

    def __init__(self, cfg: Config, checkpoint: str, device: Optional[int] = None, amp: bool = False) -> None:
        self.cfg, self.checkpoint, self.device, self.amp = cfg, checkpoint, device, amp
        self.classes = classes_of(cfg)
        self._pipeline = Compose([dict(type='LoadImageFromWebcam')] + list(cfg.data.test.pipeline)[1:])
        self._model: Any = None  # the toolbox's, from load() on

    def prepare(self, tile: str, pixels: np.ndarray) -> Dict[str, Any]:
        """What the test pipeline makes of the pixels (height, width, 3) uint8 BGR of one tile."""
        return self._pipeline(dict(img=pixels, img_info=dict(filename=tile), img_prefix=None))

    @staticmethod
    def collate(samples: List[Dict[str, Any]]) -> Dict[str, Any]:
        """Samples -> batch."""
        return collate(samples, samples_per_gpu=len(samples))

    def load(self) -> None:
        """Build the network and read its weights."""
        with not_drawn():
            model = build_model(self.cfg)
        load_into(model, self.checkpoint, must_fit=True)
        if self.amp:
            wrap_fp16_model(model)
        model.eval()
        model = model if self.device is None else model.cuda(self.device)
        self._model = MMDataParallel(model, device_ids=[-1 if self.device is None else self.device])

    def __call__(self, batch: Dict[str, Any]) -> List[Columns]:
        """Boxes (n, 5) float32 cx cy w h theta, scores (n,), labels (n,) of each tile; pixels and radians."""
        with torch.no_grad():
            return [_columns(result) for result in self._model(return_loss=False, rescale=True, **batch)]


def build_model(cfg: Config) -> nn.Module:
    """The module that a config describes, for testing."""
    settings = cfg.model.copy()
    settings.train_cfg = None
    return build_detector(settings, test_cfg=cfg.get('test_cfg'))


def classes_of(cfg: Config) -> Tuple[str, ...]:
    """Class names of the test data set of a config."""
    return tuple(cfg.data.test.get('classes') or ROTATED_DATASETS.get(cfg.data.test.type).CLASSES)


def _columns(result: Sequence[np.ndarray]) -> Columns:
    """Arrays (n_c, 6) of each class -> boxes (n, 5), scores (n,), labels (n,)."""
    labels = np.repeat(np.arange(len(result)), [len(found) for found in result])
    rows = np.concatenate(result) if len(result) else np.zeros((0, 6), np.float32)
    return rows[:, :5], rows[:, 5], labels


def input_side(cfg: Config) -> int:
    """Side of the square, in pixels, to which the test pipeline brings an image."""
    scales = [step['img_scale'] for step in cfg.data.test.pipeline if 'img_scale' in step]
    return int(max(scales[0]))
