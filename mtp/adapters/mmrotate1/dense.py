"""The network of a segmentation or change-detection config for :mod:`mtp.adapters.dense`, OpenMMLab 2."""
import contextlib
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mtp.adapters.mmrotate1.detector import classes_of, name_of
from mtp.adapters.weights import load_into, not_drawn
from mtp.errors import MTPError

#: Steps of a pipeline that read files or need labels.
FILES = ('LoadImageFromFile', 'LoadAnnotations', 'MultiImgLoadImageFromFile', 'MultiImgLoadAnnotations')
_MOST = 250  # classes of a mask of one byte, with room for what is no class


class Network:
    """See :mod:`mtp.adapters.dense`.

    Args:
        cfg: the config.
        checkpoint: path of the weights; every tensor of the model has to come from it.
        device: number of the GPU; None for the CPU.
        amp: mixed precision, on a GPU.

    Attributes:
        pair: it looks at two images.
    """

    def __init__(self, cfg: Config, checkpoint: str, device: Optional[int] = None, amp: bool = False) -> None:
        init_default_scope(cfg.default_scope)
        self.cfg, self.checkpoint, self.amp = cfg, checkpoint, amp
        self.device = torch.device('cpu' if device is None else f'cuda:{device}')
        self.classes, self.pair = classes_of(cfg), cfg.default_scope == 'opencd'
        self.channels = len(self.classes)
        if not 2 <= self.channels <= _MOST:
            raise MTPError(f'{cfg.filename} has {self.channels} classes; a mask holds 2 to {_MOST}')
        steps = [step for step in cfg.test_dataloader.dataset.pipeline if name_of(step) not in FILES]
        self._pipeline = Compose(steps)
        self._model: Any = None  # the toolbox's, from load() on

    def prepare(self, pixels: Sequence[np.ndarray]) -> Dict[str, Any]:
        """What the test pipeline makes of one window (side, side, 3) uint8 BGR, or of a pair of windows."""
        shape = pixels[0].shape[:2]
        return self._pipeline(dict(img=list(pixels) if self.pair else pixels[0], img_shape=shape, ori_shape=shape))

    @staticmethod
    def collate(samples: List[Dict[str, Any]]) -> Dict[str, Any]:
        """Samples -> batch."""
        return pseudo_collate(samples)

    def load(self) -> None:
        """Build the network and read its weights."""
        with not_drawn():
            model = revert_sync_batchnorm(MODELS.build(self.cfg.model))
        load_into(model, self.checkpoint, must_fit=True)
        self._model = model.to(self.device).eval()

    def __call__(self, batch: Dict[str, Any]) -> np.ndarray:
        """Batch -> scores (n, channels, side, side) float32."""
        mixed = torch.cuda.amp.autocast() if self.amp else contextlib.nullcontext()
        with torch.no_grad(), mixed:
            # one by one: for a test the toolbox takes no more, because images might differ in size
            alone = [self._model.data_preprocessor(dict(inputs=[image], data_samples=[sample]), False)
                     for image, sample in zip(batch['inputs'], batch['data_samples'])]
            inputs = torch.cat([each['inputs'] for each in alone])
            samples = [each['data_samples'][0] for each in alone]
            # the toolbox would squeeze the scores of a padded input into the size before
            facts = [dict(sample.metainfo, img_shape=tuple(inputs.shape[2:])) for sample in samples]
            first = samples[0]
            scores = self._of_window(self._model.encode_decode(inputs, facts).float(), first.img_shape, first.ori_shape)
            return _two_sided(scores, self._model.decode_head).cpu().numpy()

    def _of_window(self, scores: torch.Tensor, seen: Sequence[int], shape: Sequence[int]) -> torch.Tensor:
        """Scores of the window: what was padded is gone, and the size that the network saw is undone."""
        scores = scores[..., :seen[0], :seen[1]]
        if tuple(scores.shape[2:]) == tuple(shape):
            return scores
        return F.interpolate(scores, tuple(shape), mode='bilinear', align_corners=self._model.align_corners)


def _two_sided(scores: torch.Tensor, head: nn.Module) -> torch.Tensor:
    """Of a head with one channel, which says yes above its threshold: scores of no and of yes."""
    if scores.shape[1] > 1:
        return scores
    threshold = torch.logit(torch.tensor(float(head.threshold or 0.5), device=scores.device))
    return torch.cat([threshold.expand_as(scores), scores], dim=1)


def side_of(cfg: Config) -> Tuple[int, int]:
    """Side in pixels of a window as training saw it, and how far windows overlap.

    ``window`` of a config says it where the pipeline enlarges what it reads; else that of the sliding test, else the
    crop of the training.

    Raises:
        MTPError: the config says none of these.
    """
    test: Any = cfg.model.get('test_cfg') or {}
    if cfg.get('window'):
        return int(cfg.window), int(cfg.window) // 4
    if test.get('mode') == 'slide':
        side = int(max(test.crop_size))
        return side, side - int(min(test.stride))
    crops = [step.crop_size for step in cfg.get('train_pipeline') or () if 'crop_size' in step]
    if not crops:
        raise MTPError(f'{cfg.filename} does not say how large a window is', hint='add --window 512')
    side = int(crops[0] if isinstance(crops[0], int) else max(crops[0]))
    return side, side // 4


def task_of(cfg: Config) -> Optional[str]:
    """The module's word for what a config's network does, by its scope."""
    return {'mmseg': 'segmentation', 'opencd': 'change', 'mmpretrain': 'classification'}.get(cfg.get('default_scope'))
