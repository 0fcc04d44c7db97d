"""The multi-task pretraining model (MTP, figure 3): one encoder, three decoders, last layers per dataset.

``state_dict()`` has the key names of the published files (published.md#decoders-of-pretraining): ``encoder.``,
``semsegdecoder.decode_head.``, ``semseghead_{k}.1.``, ``inssegdecoder.``, ``rotdetdecoder.`` and the last layers; k =
1, 2, 3 for SOTA, SIOR, FAST.
"""
import collections
from typing import Any, Dict, List, Optional, Sequence, Type, Union

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mtp.errors import MTPError

from .. import tasks
from ..data.batch import DatasetBatch, prepare
from ..recipe import Recipe
from ..recipe import get as get_recipe
from . import decoder_configs
from .detectors import InstanceSegmenter, RotatedDetector
from .semantic import SemanticSegmenter

#: Task -> its decoder. A task more is a class and a line here. The class has ``name`` (under which the shared part is
#: registered, as in published files), ``truth`` (the field of a DatasetBatch that ``losses`` gets of each data set),
#: ``wants`` (those of ``background norm box_targets`` that its constructor takes), ``published()`` (names and modules
#: of the last layers), ``losses(maps, truths)`` and ``predict(maps, metas, dataset)``.
DECODERS: Dict[str, Type[Union[SemanticSegmenter, InstanceSegmenter, RotatedDetector]]] = {
    'ss': SemanticSegmenter, 'is': InstanceSegmenter, 'rd': RotatedDetector}


class PretrainModel(nn.Module):
    """Encoder with the decoders of the chosen tasks and the last layers of the chosen datasets; nothing else is built.

    Args:
        encoder: module with ``out_channels`` whose forward gives four maps, strides 4 to 32.
        chosen_tasks: some of ``ss is rd``.
        datasets: some of ``sota sior fast``.
        recipe: ``paper``, ``released_code``, or a :class:`~mtp.pretrain.recipe.Recipe`.
        size: widths and proposal counts of the decoders.
        background: whether unlabelled pixels are a class of their own (index 0) or are ignored.
        norm: ``SingleValueBN``, ``BN`` or ``SyncBN`` in UPerNet.
        half: None, or torch.float16 or torch.bfloat16: autocast the encoder to it (decoders stay in float32).
    """

    def __init__(self, encoder: nn.Module, chosen_tasks: Sequence[str] = tasks.TASKS,
                 datasets: Sequence[str] = tasks.DATASETS, recipe: Union[str, Recipe] = 'paper',
                 size: decoder_configs.Size = decoder_configs.PUBLISHED, background: bool = True,
                 norm: str = 'SingleValueBN', half: Optional[torch.dtype] = None) -> None:
        super().__init__()
        self.tasks, self.datasets = tasks.in_order(chosen_tasks, tasks.TASKS), tasks.in_order(datasets, tasks.DATASETS)
        if not self.tasks or not self.datasets:
            raise MTPError('a model needs at least one task and one dataset; tasks {!r}, datasets {!r}'.format(
                tuple(chosen_tasks), tuple(datasets)), hint='--tasks ss is rd --datasets sota sior fast')
        self.recipe = get_recipe(recipe) if isinstance(recipe, str) else recipe
        self.background, self.half = background, half
        self.encoder = encoder
        classes = collections.OrderedDict((name, tasks.CLASS_COUNTS[name]) for name in self.datasets)
        wanted: Dict[str, Any] = dict(background=background, norm=norm, box_targets=self.recipe.box_targets)
        self.decoders = {}  # task -> module registered under its published name
        for task in self.tasks:
            kind = DECODERS[task]
            decoder = kind(encoder.out_channels, size, classes, **{key: wanted[key] for key in kind.wants})
            self.decoders[task] = decoder
            for name, module in [(decoder.name, decoder)] + list(decoder.published()):
                self.add_module(name, module)
        self._freeze_unused()

    def _freeze_unused(self) -> None:
        """Parameters that no loss reaches: kept as in published files, frozen so that DDP need not look for them."""
        for name, parameter in self.named_parameters():
            if name.startswith(('encoder.norm.', 'semsegdecoder.decode_head.conv_seg.')):
                parameter.requires_grad_(False)

    def encode(self, images: torch.Tensor) -> List[torch.Tensor]:
        """(n, 3, S, S) normalised RGB -> list of four float32 maps."""
        if self.half is None:
            return [level.float() for level in self.encoder(images)]
        with torch.autocast(images.device.type, dtype=self.half):
            maps = self.encoder(images)
        return [level.float() for level in maps]

    def forward(self, batches: Dict[str, DatasetBatch]) -> Dict[str, torch.Tensor]:
        """Losses of one step.

        Args:
            batches: dataset -> :class:`~mtp.pretrain.data.batch.DatasetBatch`, prepared, for every dataset of the
                model.

        Returns:
            ``task/dataset/component`` -> scalar tensor. Their training total is :func:`total`.
        """
        groups = [batches[name] for name in self.datasets]
        maps = self.encode(torch.cat([group.images for group in groups]))
        losses = collections.OrderedDict()
        for task, decoder in self.decoders.items():
            truths = collections.OrderedDict(
                (name, getattr(group, decoder.truth)) for name, group in zip(self.datasets, groups))
            for (name, component), value in decoder.losses(maps, truths).items():
                losses['/'.join((task, name, component))] = value
        return losses

    def train_step(self, batches: Dict[str, DatasetBatch], optim_wrapper: OptimWrapper) -> Dict[str, torch.Tensor]:
        """One optimizer step on raw ``batches``, as mmengine asks for it. Returns the losses and ``loss``, detached."""
        device = next(self.parameters()).device
        losses = self({name: prepare(batch.to(device)) for name, batch in batches.items()})
        losses['loss'] = total(losses)
        optim_wrapper.update_params(losses['loss'], zero_kwargs=dict(set_to_none=True))
        return {name: value.detach() for name, value in losses.items()}

    @torch.no_grad()
    def predict(self, images: torch.Tensor, metas: List[Dict[str, Any]], dataset: str) -> Dict[str, List[Any]]:
        """What the model sees in images of ``dataset``, in pixels of the original images.

        Args:
            images: (n, 3, S, S) normalised RGB.
            metas: for each image ``img_shape`` (its part of the input), ``ori_shape`` and ``scale_factor`` (x, y).
            dataset: whose last layers are asked.

        Returns:
            task -> one entry an image: (h, w) int64 labels for ``ss``, else InstanceData.
        """
        maps = self.encode(images)
        return {task: decoder.predict(maps, metas, dataset) for task, decoder in self.decoders.items()}


def total(losses: Dict[str, torch.Tensor]) -> torch.Tensor:
    """The training loss: the plain sum of all components that are losses (published.md#loss)."""
    return sum(value for name, value in losses.items() if 'loss' in name)
