"""The detector of a config for :mod:`mtp.adapters.inference`, OpenMMLab 2."""
import contextlib
import importlib
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from mtp.adapters.inference import Columns
from mtp.adapters.weights import load_into, not_drawn
from mtp.errors import MTPError

#: Steps of a pipeline that need labels, and the one that reads the file.
LABELS = ('LoadAnnotations', 'ConvertBoxType')
LOADER = 'LoadImageFromFile'


class Detector:
    """See :mod:`mtp.adapters.inference`.

    Args:
        cfg: the config.
        checkpoint: path of the weights; every tensor of the model has to come from it.
        device: number of the GPU; None for the CPU.
        amp: mixed precision, on a GPU.
    """

    def __init__(self, cfg: Config, checkpoint: str, device: Optional[int] = None, amp: bool = False) -> None:
        scope = _scope(cfg)
        init_default_scope(scope)
        self.cfg, self.checkpoint, self.amp = cfg, checkpoint, amp
        self.device = torch.device('cpu' if device is None else f'cuda:{device}')
        self.classes = classes_of(cfg)
        self.rotated = scope == 'mmrotate'
        self._pipeline = Compose(_without_labels(cfg.test_dataloader.dataset.pipeline))
        self._model: Any = None  # the toolbox's, from load() on

    def prepare(self, tile: str, pixels: np.ndarray) -> Dict[str, Any]:
        """What the test pipeline makes of the pixels (height, width, 3) uint8 BGR of one tile."""
        return self._pipeline(dict(img=pixels, img_id=tile))

    @staticmethod
    def collate(samples: List[Dict[str, Any]]) -> Dict[str, Any]:
        """Samples -> batch."""
        return pseudo_collate(samples)

    def load(self) -> None:
        """Build the network and read its weights."""
        with not_drawn():
            model = build_model(self.cfg)
        load_into(model, self.checkpoint, must_fit=True)
        self._model = model.to(self.device).eval()

    def __call__(self, batch: Dict[str, Any]) -> List[Columns]:
        """Boxes (n, 5) float32 cx cy w h theta, scores (n,), labels (n,) of each tile; pixels and radians."""
        mixed = torch.cuda.amp.autocast() if self.amp else contextlib.nullcontext()
        with torch.no_grad(), mixed:
            return [_columns(sample.pred_instances) for sample in self._model.test_step(batch)]


def build_model(cfg: Config) -> nn.Module:
    """The module that a config describes, for testing."""
    init_default_scope(_scope(cfg))
    return revert_sync_batchnorm(MODELS.build(cfg.model))


def _scope(cfg: Config) -> str:
    scope = cfg.get('default_scope')
    if scope not in ('mmrotate', 'mmdet'):
        raise MTPError(f'{cfg.filename} is not the config of a detector (its scope is {scope})',
                       hint='give a config of mmrotate or mmdet, for example one below configs/mmrotate1/dotav2')
    return scope


def classes_of(cfg: Config) -> Tuple[str, ...]:
    """Class names of the test data set of a config."""
    dataset = cfg.test_dataloader.dataset
    stated = (dataset.get('metainfo') or {}).get('classes')
    registry = importlib.import_module(cfg.default_scope + '.registry').DATASETS
    return tuple(stated or registry.get(dataset.type).METAINFO['classes'])


def _without_labels(pipeline: Sequence[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The pipeline for pixels at hand, without labels."""
    steps = [step for step in pipeline if name_of(step) not in LABELS]
    return [dict(type='mmdet.LoadImageFromNDArray') if name_of(step) == LOADER else step for step in steps]


def name_of(step: Mapping[str, Any]) -> str:
    """Type of a step of a pipeline, without its scope."""
    return step['type'].rpartition('.')[2]


def _columns(found: InstanceData) -> Columns:
    """Predicted instances -> boxes (n, 5), scores (n,), labels (n,); a horizontal box gets the angle 0."""
    boxes = getattr(found.bboxes, 'tensor', found.bboxes).float().cpu().numpy()
    boxes = boxes.reshape(len(found.scores), boxes.shape[-1] or 5)
    if boxes.shape[1] == 4:
        low, high = boxes[:, :2], boxes[:, 2:]
        boxes = np.concatenate([(low + high) / 2, high - low, np.zeros((len(boxes), 1), np.float32)], axis=1)
    return boxes, found.scores.float().cpu().numpy(), found.labels.cpu().numpy()


def input_side(cfg: Config) -> int:
    """Side of the square, in pixels, to which the test pipeline brings an image."""
    scales = [step['scale'] for step in cfg.test_dataloader.dataset.pipeline if 'scale' in step]
    return int(max(scales[0]))
