"""The multi-task pretraining model (MTP, figure 3): one encoder, three decoders, last layers per dataset.

``state_dict()`` has the key names of the published files (spec 2): ``encoder.``, ``semsegdecoder.decode_head.``,
``semseghead_{k}.1.``, ``inssegdecoder.``, ``rotdetdecoder.`` and the last layers; k = 1, 2, 3 for SOTA, SIOR, FAST.
"""
import collections

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS as SEG_MODELS
from torch import nn

from mtp.errors import MTPError

from . import blueprints, tasks
from . import norm as _norm  # noqa: F401  (registers our normalisation)
from .batch import prepare
from .detectors import InstanceSegmenter, RotatedDetector
from .recipe import get as get_recipe


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

    def __init__(self, encoder, chosen_tasks=tasks.TASKS, datasets=tasks.DATASETS, recipe='paper',
                 size=blueprints.PUBLISHED, background=True, norm='SingleValueBN', half=None):
        super().__init__()
        self.tasks, self.datasets = tasks.in_order(chosen_tasks, tasks.TASKS), tasks.in_order(datasets, tasks.DATASETS)
        if not self.tasks or not self.datasets:
            raise MTPError('a model needs at least one task and one dataset; tasks {!r}, datasets {!r}'.format(
                tuple(chosen_tasks), tuple(datasets)), hint='--tasks ss is rd --datasets sota sior fast')
        self.recipe = get_recipe(recipe) if isinstance(recipe, str) else recipe
        self.background, self.half = background, half
        self.encoder = encoder
        classes = collections.OrderedDict((name, tasks.CLASS_COUNTS[name]) for name in self.datasets)
        self.detectors = {}  # task -> module registered under its published name below
        if 'ss' in self.tasks:
            self._build_semantic(encoder.out_channels, size, classes, norm)
        if 'is' in self.tasks:
            self.inssegdecoder = InstanceSegmenter(encoder.out_channels, size, classes, self.recipe.box_targets)
            self.detectors['is'] = self.inssegdecoder
            self._register_box_layers('insseg', self.inssegdecoder)
            for name, head in self.inssegdecoder.last_mask.items():
                self.add_module('inssegroimaskhead_conv{}'.format(tasks.number(name)), head.conv_logits)
        if 'rd' in self.tasks:
            self.rotdetdecoder = RotatedDetector(encoder.out_channels, size, classes)
            self.detectors['rd'] = self.rotdetdecoder
            self._register_box_layers('rotdet', self.rotdetdecoder)
        self._freeze_unused()

    def _build_semantic(self, in_channels, size, classes, norm):
        head = SEG_MODELS.build(blueprints.upernet(in_channels, size, norm))
        self.semsegdecoder = nn.ModuleDict({'decode_head': head})
        for name, count in classes.items():
            layers = nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(size.channels, count + int(self.background), 1))
            self.add_module('semseghead_{}'.format(tasks.number(name)), layers)

    def _register_box_layers(self, prefix, detector):
        for kind in ('fc_cls', 'fc_reg'):
            for name, head in detector.last.items():
                self.add_module('{}roiboxhead_{}{}'.format(prefix, kind, tasks.number(name)), getattr(head, kind))

    def _freeze_unused(self):
        """Parameters that no loss reaches: kept as in published files, frozen so that DDP need not look for them."""
        for name, parameter in self.named_parameters():
            if name.startswith(('encoder.norm.', 'semsegdecoder.decode_head.conv_seg.')):
                parameter.requires_grad_(False)

    def encode(self, images):
        """(n, 3, S, S) normalised RGB -> list of four float32 maps."""
        if self.half is None:
            return [level.float() for level in self.encoder(images)]
        with torch.autocast(images.device.type, dtype=self.half):
            maps = self.encoder(images)
        return [level.float() for level in maps]

    def forward(self, batches):
        """Losses of one step.

        Args:
            batches: dataset -> :class:`~mtp.pretrain.batch.DatasetBatch`, prepared, for every dataset of the model.

        Returns:
            ``task/dataset/component`` -> scalar tensor. Their training total is :func:`total`.
        """
        groups = [batches[name] for name in self.datasets]
        maps = self.encode(torch.cat([group.images for group in groups]))
        losses = collections.OrderedDict()
        if 'ss' in self.tasks:
            begin = 0
            for name, group in zip(self.datasets, groups):
                end = begin + len(group.images)
                # one dataset at a time: its batch normalisation statistics are its own
                logits = self.semantic_logits([level[begin:end] for level in maps], name)
                losses['ss/{}/loss_ce'.format(name)] = self.semantic_loss(logits, group.seg)
                begin = end
        truths = collections.OrderedDict((name, group.truths) for name, group in zip(self.datasets, groups))
        for task, detector in self.detectors.items():
            for (name, component), value in detector.losses(maps, truths).items():
                losses['/'.join((task, name, component))] = value
        return losses

    def train_step(self, batches, optim_wrapper):
        """One optimizer step on raw ``batches``, as mmengine asks for it. Returns the losses and ``loss``, detached."""
        device = next(self.parameters()).device
        losses = self({name: prepare(batch.to(device)) for name, batch in batches.items()})
        losses['loss'] = total(losses)
        optim_wrapper.update_params(losses['loss'], zero_kwargs=dict(set_to_none=True))
        return {name: value.detach() for name, value in losses.items()}

    def semantic_logits(self, maps, dataset):
        """Class scores (n, classes, S/4, S/4) of one dataset's images."""
        features = self.semsegdecoder['decode_head']._forward_feature(maps)
        return getattr(self, 'semseghead_{}'.format(tasks.number(dataset)))(features)

    def semantic_loss(self, logits, labels):
        """Cross-entropy at the labels' resolution, averaged over all pixels, ignored ones included (D15)."""
        if not self.background:
            labels = torch.where(labels == 255, labels, labels - 1)
            labels = torch.where(labels < 0, torch.full_like(labels, 255), labels)
        # Channels last from before the enlarging on: a CPU is twice as fast at a softmax over neighbours in memory.
        logits = F.interpolate(logits.contiguous(memory_format=torch.channels_last), size=labels.shape[-2:],
                               mode='bilinear', align_corners=False).permute(0, 2, 3, 1)
        return F.cross_entropy(logits.flatten(0, 2), labels.flatten(), ignore_index=255, reduction='none').mean()

    @torch.no_grad()
    def predict(self, images, metas, dataset):
        """What the model sees in images of ``dataset``, in pixels of the original images.

        Args:
            images: (n, 3, S, S) normalised RGB.
            metas: for each image ``img_shape`` (its part of the input), ``ori_shape`` and ``scale_factor`` (x, y).
            dataset: whose last layers are asked.

        Returns:
            task -> one entry an image: (h, w) int64 labels for ``ss``, else InstanceData.
        """
        maps = self.encode(images)
        found = {}
        if 'ss' in self.tasks:
            logits = F.interpolate(self.semantic_logits(maps, dataset), size=images.shape[-2:], mode='bilinear',
                                   align_corners=False)
            found['ss'] = [self._labels(*pair) for pair in zip(logits, metas)]
        for task, detector in self.detectors.items():
            found[task] = detector.predict(maps, metas, dataset)
        return found

    def _labels(self, logits, meta):
        height, width = meta['img_shape']
        scores = F.interpolate(logits[None, :, :height, :width], size=meta['ori_shape'], mode='bilinear',
                               align_corners=False)
        return scores[0].argmax(0) + int(not self.background)


def total(losses):
    """The training loss: the plain sum of all components that are losses (spec 2.5)."""
    return sum(value for name, value in losses.items() if 'loss' in name)
