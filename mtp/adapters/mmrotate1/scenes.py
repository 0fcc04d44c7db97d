"""The classifier of a config for :mod:`mtp.adapters.inference`, OpenMMLab 2: every class of a window, with its score.

To the loop it is a detector that finds each class once in every window, in the order of the classes: so a killed run
goes on, and several processes share the windows, as of a detection.
"""
import contextlib
from typing import Any, Dict, List, Optional

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import MODELS, init_default_scope

from mtp.adapters.inference import Columns
from mtp.adapters.mmrotate1.dense import FILES
from mtp.adapters.mmrotate1.detector import classes_of, name_of
from mtp.adapters.weights import load_into, not_drawn


class Classifier:
    """See :mod:`mtp.adapters.inference`; arguments as of :class:`mtp.adapters.mmrotate1.detector.Detector`."""

    rotated = False

    def __init__(self, cfg: Config, checkpoint: str, device: Optional[int] = None, amp: bool = False) -> None:
        init_default_scope(cfg.default_scope)
        self.cfg, self.checkpoint, self.amp = cfg, checkpoint, amp
        self.device = torch.device('cpu' if device is None else f'cuda:{device}')
        self.classes = classes_of(cfg)
        self._pipeline = Compose([step for step in cfg.test_dataloader.dataset.pipeline if name_of(step) not in FILES])
        self._model: Any = None  # the toolbox's, from load() on

    def prepare(self, tile: str, pixels: np.ndarray) -> Dict[str, Any]:
        """What the test pipeline makes of the pixels (height, width, 3) uint8 BGR of one window."""
        shape = pixels.shape[:2]
        return self._pipeline(dict(img=pixels, img_path=tile, img_shape=shape, ori_shape=shape))

    @staticmethod
    def collate(samples: List[Dict[str, Any]]) -> Dict[str, Any]:
        """Samples -> batch."""
        return pseudo_collate(samples)

    def load(self) -> None:
        """Build the network and read its weights."""
        settings = self.cfg.model.copy()
        if self.cfg.get('data_preprocessor'):
            settings.setdefault('data_preprocessor', self.cfg.data_preprocessor)
        with not_drawn():
            model = MODELS.build(settings)
        load_into(model, self.checkpoint, must_fit=True)
        self._model = model.to(self.device).eval()

    def __call__(self, batch: Dict[str, Any]) -> List[Columns]:
        """Of each window boxes of zeros (classes, 5), scores (classes,), labels (classes,) in their order."""
        mixed = torch.cuda.amp.autocast() if self.amp else contextlib.nullcontext()
        with torch.no_grad(), mixed:
            found = self._model.test_step(batch)
        return [self._columns(sample.pred_score.float().cpu().numpy()) for sample in found]

    @staticmethod
    def _columns(scores: np.ndarray) -> Columns:
        return np.zeros((len(scores), 5), np.float32), scores, np.arange(len(scores))


def side_of(cfg: Config) -> int:
    """Side in pixels of a scene as training saw it before it was resized: ``window`` of the config, else 256."""
    return int(cfg.get('window') or 256)
