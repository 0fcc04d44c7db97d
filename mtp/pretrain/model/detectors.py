"""The two box decoders: Mask R-CNN and Oriented R-CNN, composed of mmdet and mmrotate modules.

FPN, proposal network and head trunks see the images of all datasets at once, which is exact because none of them
normalises over the batch (published.md#decoders-three-times). Only the last layers, the losses' averages and the
sampling know datasets.
"""
from typing import Any, Dict, Iterator, List, Sequence, Tuple, Union
import torch
from mmcv.ops import batched_nms  # noqa: F401  (says early and clearly that mmcv was built without its ops)
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import bbox2roi
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from mmrotate.structures.bbox import RotatedBoxes
from torch import nn

from mtp.checkpoints import layouts

from .. import tasks
from ..data.batch import Truth
from . import decoder_configs, heads  # noqa: F401  (registers our heads)
from . import task_modules  # noqa: F401  (registers our coder and assigner)


#: Data set -> (first, last) of its images among those of a step.
Spans = Dict[str, Tuple[int, int]]
#: (data set, component) -> scalar.
Losses = Dict[Tuple[str, str], torch.Tensor]


def _mean(value: Union[torch.Tensor, List[torch.Tensor], Tuple[torch.Tensor, ...]]) -> torch.Tensor:
    """A loss as mmengine reads it: the mean of a tensor, or the sum of means of a list (one per level)."""
    return sum(item.mean() for item in value) if isinstance(value, (list, tuple)) else value.mean()


class Detector(nn.Module):
    """Shared decoder of one box task, with one set of last layers per dataset.

    A subclass gives ``name``, ``prefix`` (of the published names of its last layers), ``test`` (configuration of its
    predictions), the configurations ``rpn``, ``proposals``, ``roi_training``, ``box_extractor``, and ``last_layers``,
    ``instances``, ``finish``; what it learns beside boxes it adds in ``region_losses``.

    Args:
        in_channels: channels of the encoder's four maps.
        size: :class:`decoder_configs.Size`.
        classes: dataset -> number of classes, in order.
    """

    truth = 'truths'
    wants: Tuple[str, ...] = ()

    def __init__(self, in_channels: Sequence[int], size: decoder_configs.Size, classes: Dict[str, int]) -> None:
        super().__init__()
        self.neck = MODELS.build(decoder_configs.neck(in_channels, size))
        self.rpn_head = MODELS.build(self.rpn(size))
        trunk = MODELS.build(decoder_configs.box_trunk(size))
        trunk.fc_cls = nn.Identity()  # the last layers stand in the model, one pair a dataset
        self.roi_head = nn.ModuleDict({'bbox_head': trunk})
        # a plain dict: the layers are registered by the model under their published names
        self.last = dict((name, self.last_layers(size, count)) for name, count in classes.items())
        self.proposal_cfg = ConfigDict(self.proposals(size))
        self.roi_cfg = ConfigDict(self.roi_training(size))
        self.assigner = TASK_UTILS.build(self.roi_cfg.assigner)
        self.sampler = TASK_UTILS.build(self.roi_cfg.sampler)
        self.extractor = MODELS.build(self.box_extractor(size))

    def published(self) -> Iterator[Tuple[str, nn.Module]]:
        """(published name, module) of the last layers, in their published order."""
        for kind in ('fc_cls', 'fc_reg'):
            for name, head in self.last.items():
                yield f'{self.prefix}roiboxhead_{kind}{tasks.number(name)}', getattr(head, kind)

    def _load_from_state_dict(self, state_dict: Dict[str, torch.Tensor], prefix: str, *rest: Any) -> None:
        # As the published decoders: the box head of a single-stage detector is taken as the proposal network.
        renamed, said = layouts.single_stage(state_dict)
        if said:
            state_dict.clear()
            state_dict.update(renamed)
            print(*said, sep='\n', flush=True)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def losses(self, maps: List[torch.Tensor], truths: Dict[str, List[Truth]]) -> Losses:
        """Losses of every dataset.

        Args:
            maps: four encoder maps of all images, datasets one after the other.
            truths: dataset -> list of :class:`~mtp.pretrain.data.batch.Truth`, in the order of the images.

        Returns:
            (dataset, component) -> scalar tensor.
        """
        pyramid = self.neck(maps)
        scores, deltas = self.rpn_head(pyramid)
        spans, metas = _spans(truths), [truth.meta for group in truths.values() for truth in group]
        instances = {name: [self.instances(truth) for truth in group] for name, group in truths.items()}
        losses = {}
        for name, (begin, end) in spans.items():
            anchors_truth = [InstanceData(bboxes=item.bboxes, labels=torch.zeros_like(item.labels))
                             for item in instances[name]]
            found = self.rpn_head.loss_by_feat([level[begin:end] for level in scores],
                                               [level[begin:end] for level in deltas], anchors_truth, metas[begin:end])
            losses.update({(name, key): _mean(value) for key, value in found.items()})
        with torch.no_grad():
            proposals = self.rpn_head.predict_by_feat(scores, deltas, batch_img_metas=metas, cfg=self.proposal_cfg)
        flat = [item for group in instances.values() for item in group]
        sampled = [self.sample(found, item) for found, item in zip(proposals, flat)]
        losses.update(self.region_losses(pyramid[:4], sampled, flat, spans))
        return losses

    def sample(self, proposals: InstanceData, truth: InstanceData) -> SamplingResult:
        """Match the proposals of one image with its objects and draw the regions to train on."""
        candidates = InstanceData(priors=proposals.bboxes)
        return self.sampler.sample(self.assigner.assign(candidates, truth), candidates, truth)

    def region_losses(self, pyramid: Sequence[torch.Tensor], sampled: List[SamplingResult],
                      instances: List[InstanceData], spans: Spans) -> Losses:
        """Losses of the box head: (dataset, component) -> scalar. ``pyramid``: four maps (images, channels, h, w)."""
        rois = bbox2roi([result.priors for result in sampled])
        features, _ = self.roi_head.bbox_head(self.extractor(pyramid, rois))
        losses, begin = {}, 0
        for name, (first, last) in spans.items():
            mine = sampled[first:last]
            end = begin + sum(len(result.priors) for result in mine)
            scores, deltas = self.last[name](features[begin:end])
            found = self.last[name].loss_and_target(scores, deltas, rois[begin:end], mine, self.roi_cfg)['loss_bbox']
            losses.update({(name, key): _mean(value) for key, value in found.items()})
            begin = end
        return losses

    @torch.no_grad()
    def predict(self, maps: List[torch.Tensor], metas: List[Dict[str, Any]], dataset: str) -> List[InstanceData]:
        """Detections of one dataset's images: list of InstanceData with ``bboxes``, ``scores``, ``labels``."""
        pyramid = self.neck(maps)
        proposals = [item.bboxes for item in self.rpn_head.predict_by_feat(
            *self.rpn_head(pyramid), batch_img_metas=metas, cfg=self.proposal_cfg)]
        rois = bbox2roi(proposals)
        features, _ = self.roi_head.bbox_head(self.extractor(pyramid[:4], rois))
        scores, deltas = self.last[dataset](features)
        counts = [len(boxes) for boxes in proposals]
        results = self.last[dataset].predict_by_feat(
            rois.split(counts), scores.split(counts), deltas.split(counts), metas, ConfigDict(self.test))
        return self.finish(pyramid[:4], results, metas, dataset)

    def finish(self, pyramid: List[torch.Tensor], results: List[InstanceData], metas: List[Dict[str, Any]],
               dataset: str) -> List[InstanceData]:
        """Bring the boxes into the pixels of the original images, and add what the task has beside boxes."""
        raise NotImplementedError


class InstanceSegmenter(Detector):
    """Mask R-CNN."""

    name, prefix, wants = 'inssegdecoder', 'insseg', ('box_targets',)
    test = decoder_configs.IS_TEST
    rpn = staticmethod(decoder_configs.is_rpn)
    proposals = staticmethod(decoder_configs.is_proposals)
    roi_training = staticmethod(decoder_configs.is_roi_training)

    def __init__(self, in_channels: Sequence[int], size: decoder_configs.Size, classes: Dict[str, int],
                 box_targets: str = 'encoded') -> None:
        self.last_kind = {'encoded': 'mmdet.BBoxHead', 'ones': 'OnesBBoxHead'}[box_targets]
        super().__init__(in_channels, size, classes)
        trunk = MODELS.build(decoder_configs.mask_trunk(size))
        trunk.conv_logits = nn.Identity()
        self.roi_head['mask_head'] = trunk
        self.last_mask = dict((name, MODELS.build(decoder_configs.mask_last(size, count)))
                              for name, count in classes.items())
        self.mask_extractor = MODELS.build(decoder_configs.is_extractor(size, 14))

    def published(self) -> Iterator[Tuple[str, nn.Module]]:
        """As of every detector, then the last layers of masks."""
        yield from super().published()
        for name, head in self.last_mask.items():
            yield f'inssegroimaskhead_conv{tasks.number(name)}', head.conv_logits

    @staticmethod
    def box_extractor(size: decoder_configs.Size) -> Dict[str, Any]:
        return decoder_configs.is_extractor(size, 7)

    def last_layers(self, size: decoder_configs.Size, classes: int) -> nn.Module:
        return MODELS.build(decoder_configs.is_last(size, classes, self.last_kind))

    @staticmethod
    def instances(truth: Truth) -> InstanceData:
        return InstanceData(bboxes=truth.hboxes, labels=truth.labels, masks=truth.masks)

    def region_losses(self, pyramid: Sequence[torch.Tensor], sampled: List[SamplingResult],
                      instances: List[InstanceData], spans: Spans) -> Losses:
        losses = super().region_losses(pyramid, sampled, instances, spans)
        rois = bbox2roi([result.pos_priors for result in sampled])
        features = self.roi_head.mask_head(self.mask_extractor(pyramid, rois))
        begin = 0
        for name, (first, last) in spans.items():
            mine = sampled[first:last]
            end = begin + sum(len(result.pos_priors) for result in mine)
            head = self.last_mask[name]
            found = head.loss_and_target(head(features[begin:end]), mine, instances[first:last], self.roi_cfg)
            losses[name, 'loss_mask'] = _mean(found['loss_mask']['loss_mask'])
            begin = end
        return losses

    def finish(self, pyramid: List[torch.Tensor], results: List[InstanceData], metas: List[Dict[str, Any]],
               dataset: str) -> List[InstanceData]:
        """Add ``masks`` (n, height, width) bool; mmdet scales the boxes with them."""
        rois = bbox2roi([item.bboxes for item in results])
        masks = self.last_mask[dataset](self.roi_head.mask_head(self.mask_extractor(pyramid, rois)))
        parts = masks.split([len(item.bboxes) for item in results])
        return self.last_mask[dataset].predict_by_feat(parts, results, metas, ConfigDict(self.test), rescale=True)


class RotatedDetector(Detector):
    """Oriented R-CNN."""

    name, prefix = 'rotdetdecoder', 'rotdet'
    test = decoder_configs.RD_TEST
    rpn = staticmethod(decoder_configs.rd_rpn)
    proposals = staticmethod(decoder_configs.rd_proposals)
    roi_training = staticmethod(decoder_configs.rd_roi_training)
    box_extractor = staticmethod(decoder_configs.rd_extractor)

    @staticmethod
    def last_layers(size: decoder_configs.Size, classes: int) -> nn.Module:
        return MODELS.build(decoder_configs.rd_last(size, classes))

    @staticmethod
    def instances(truth: Truth) -> InstanceData:
        return InstanceData(bboxes=RotatedBoxes(truth.rboxes, clone=True), labels=truth.rlabels)

    def finish(self, pyramid: List[torch.Tensor], results: List[InstanceData], metas: List[Dict[str, Any]],
               dataset: str) -> List[InstanceData]:
        for item, meta in zip(results, metas):
            boxes = RotatedBoxes(item.bboxes, clone=False)
            boxes.rescale_([1 / factor for factor in meta['scale_factor']])
            item.bboxes = boxes.tensor
        return results


def _spans(truths: Dict[str, List[Truth]]) -> Spans:
    """dataset -> (first, last) image index in the concatenated batch."""
    spans, begin = {}, 0
    for name, group in truths.items():
        spans[name] = (begin, begin + len(group))
        begin += len(group)
    return spans
