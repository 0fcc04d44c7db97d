"""Heads that differ from the toolboxes' own in one point each."""
from typing import Any, Dict, List, Optional, Tuple

import torch
from mmcv.ops import roi_align
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.task_modules.prior_generators import anchor_inside_flags
from mmdet.models.task_modules.samplers import SamplingResult
from mmengine.config import ConfigDict
from mmengine.registry import MODELS
from mmengine.structures import InstanceData
from mmrotate.models.dense_heads import OrientedRPNHead


@MODELS.register_module()
class LenientOrientedRPNHead(OrientedRPNHead):
    """Proposal layers that learn nothing from an image in which no anchor fits; the stock ones end the run there.

    The smallest anchors have 32 x 32, 23 x 45 and 45 x 23 pixels, and train only where they lie inside the image. Small
    crops, and narrow images that are shrunk, hold none. Their other losses stay.
    """

    def _get_targets_single(self, flat_anchors: torch.Tensor, valid_flags: torch.Tensor, gt_instances: InstanceData,
                            img_meta: Dict[str, Any], *args: Any, **options: Any) -> Tuple[Any, ...]:
        try:
            return super()._get_targets_single(flat_anchors, valid_flags, gt_instances, img_meta, *args, **options)
        except ValueError:
            border = self.train_cfg['allowed_border']
            if anchor_inside_flags(flat_anchors, valid_flags, img_meta['img_shape'], border).any():
                raise
        count, none = len(flat_anchors), InstanceData(priors=flat_anchors[:0])
        sampled = self.sampler.sample(self.assigner.assign(none, gt_instances), none, gt_instances)
        labels = valid_flags.new_full((count,), self.num_classes, dtype=torch.long)
        nothing = labels.new_zeros((count, self.bbox_coder.encode_size), dtype=torch.float)  # neither target nor weight
        return labels, nothing[:, 0], nothing, nothing, sampled.pos_inds, sampled.neg_inds, sampled


@MODELS.register_module()
class OnesBBoxHead(BBoxHead):
    """Box layers that regress the constant 1 like the released code: the weights stand where targets belong.

    See published.md#box-targets.
    """

    def loss(self, cls_score: torch.Tensor, bbox_pred: torch.Tensor, rois: torch.Tensor, labels: torch.Tensor,
             label_weights: torch.Tensor, bbox_targets: torch.Tensor, bbox_weights: torch.Tensor,
             reduction_override: Optional[str] = None) -> Dict[str, torch.Tensor]:
        """As :meth:`BBoxHead.loss`; ``bbox_targets`` is not used."""
        return super().loss(cls_score, bbox_pred, rois, labels, label_weights, bbox_weights, bbox_weights,
                            reduction_override=reduction_override)


@MODELS.register_module()
class TensorMaskHead(FCNMaskHead):
    """Mask layer whose targets are cut out on the device, each object's bitmap once (published.md#mask-targets)."""

    def get_targets(self, sampling_results: List[SamplingResult], batch_gt_instances: List[InstanceData],
                    rcnn_train_cfg: ConfigDict) -> torch.Tensor:
        """Binary targets (positives, 28, 28) float32 of all images, cut from ``masks`` (n, H, W) uint8 tensors."""
        cells = rcnn_train_cfg['mask_size']
        parts = [_cut(result.pos_priors, result.pos_assigned_gt_inds, truth.masks, cells)
                 for result, truth in zip(sampling_results, batch_gt_instances)]
        return torch.cat(parts)


def _cut(boxes: torch.Tensor, owners: torch.Tensor, masks: torch.Tensor, cells: int) -> torch.Tensor:
    if len(boxes) == 0:
        return boxes.new_zeros(0, cells, cells)
    height, width = masks.shape[-2:]
    inside = torch.stack([boxes[:, 0].clamp(0, width), boxes[:, 1].clamp(0, height),
                          boxes[:, 2].clamp(0, width), boxes[:, 3].clamp(0, height)], 1)
    rois = torch.cat([owners[:, None].to(boxes), inside], 1)  # the owner is the "image" that a region is cut from
    soft = roi_align(masks[:, None].to(boxes), rois, (cells, cells), 1.0, 0, 'avg', True)
    return (soft[:, 0] >= 0.5).to(boxes)
