"""What the three decoders are made of: configurations of mmseg, mmdet and mmrotate modules.

See published.md#decoders-of-pretraining.
Widths and proposal counts are parameters; the published ones are :data:`PUBLISHED`.
"""
import dataclasses
from typing import Any, Dict, Sequence

STRIDES = [4, 8, 16, 32, 64]


@dataclasses.dataclass(frozen=True)
class Size:
    """How wide the decoders are and how many boxes they look at per image."""

    channels: int = 256  # feature maps of FPN, UPerNet, mask head
    hidden: int = 1024  # fully connected layers of the box heads
    proposals_before: int = 2000  # best anchors of a level that enter suppression
    is_proposals: int = 1000  # after suppression, instance segmentation
    rd_proposals: int = 2000  # after suppression, rotated detection
    sampled: int = 512  # regions of interest that a box head trains on


PUBLISHED = Size()
REDUCED = Size(channels=64, hidden=256, proposals_before=200, is_proposals=100, rd_proposals=100, sampled=64)


def upernet(in_channels: Sequence[int], size: Size, norm: str) -> Dict[str, Any]:
    """mmseg's UPerHead. Its own classifier (``conv_seg``) is dead weight of the published files; see the model."""
    return dict(
        type='mmseg.UPerHead', in_channels=list(in_channels), in_index=[0, 1, 2, 3], channels=size.channels,
        pool_scales=(1, 2, 3, 6), dropout_ratio=0, num_classes=1, threshold=0.3,
        norm_cfg=dict(type=norm, requires_grad=True), align_corners=False)


def neck(in_channels: Sequence[int], size: Size) -> Dict[str, Any]:
    return dict(type='mmdet.FPN', in_channels=list(in_channels), out_channels=size.channels, num_outs=5)


def _assigner(positive: float, negative: float, minimum: float, low_quality: bool, calculator: str) -> Dict[str, Any]:
    return dict(type='VectorMaxIoUAssigner', pos_iou_thr=positive, neg_iou_thr=negative, min_pos_iou=minimum,
                match_low_quality=low_quality, ignore_iof_thr=-1, iou_calculator=dict(type=calculator))


def _sampler(number: int, share: float, with_truth: bool) -> Dict[str, Any]:
    return dict(type='mmdet.RandomSampler', num=number, pos_fraction=share, neg_pos_ub=-1,
                add_gt_as_proposals=with_truth)


def _rpn(kind: str, size: Size, calculator: str, border: int, coder: Dict[str, Any], loss_bbox: Dict[str, Any],
         box_type: bool) -> Dict[str, Any]:
    return dict(
        type=kind, in_channels=size.channels, feat_channels=size.channels,
        anchor_generator=dict(type='mmdet.AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=STRIDES,
                              use_box_type=box_type),
        bbox_coder=coder, loss_bbox=loss_bbox,
        loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        train_cfg=dict(assigner=_assigner(0.7, 0.3, 0.3, True, calculator), sampler=_sampler(256, 0.5, False),
                       allowed_border=border, pos_weight=-1, debug=False))


def is_rpn(size: Size) -> Dict[str, Any]:
    coder = dict(type='mmdet.DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[1.0] * 4)
    loss = dict(type='mmdet.L1Loss', loss_weight=1.0)
    return _rpn('mmdet.RPNHead', size, 'mmdet.BboxOverlaps2D', -1, coder, loss, False)


def rd_rpn(size: Size) -> Dict[str, Any]:
    coder = dict(type='ClosedFormMidpointOffsetCoder', angle_version='le90', target_means=[0.0] * 6,
                 target_stds=[1.0, 1.0, 1.0, 1.0, 0.5, 0.5])
    loss = dict(type='mmdet.SmoothL1Loss', beta=1 / 9, loss_weight=1.0)
    return _rpn('LenientOrientedRPNHead', size, 'mmrotate.RBbox2HBboxOverlaps2D', 0, coder, loss, True)


def is_proposals(size: Size) -> Dict[str, Any]:
    return dict(nms_pre=size.proposals_before, max_per_img=size.is_proposals, nms=dict(type='nms', iou_threshold=0.7),
                min_bbox_size=0)


def rd_proposals(size: Size) -> Dict[str, Any]:
    return dict(nms_pre=size.proposals_before, max_per_img=size.rd_proposals, nms=dict(type='nms', iou_threshold=0.8),
                min_bbox_size=0)


def is_roi_training(size: Size) -> Dict[str, Any]:
    """Assigner and sampler of the box head's regions of interest."""
    return dict(assigner=_assigner(0.5, 0.5, 0.5, True, 'mmdet.BboxOverlaps2D'),
                sampler=_sampler(size.sampled, 0.25, True), mask_size=28, pos_weight=-1, debug=False)


def rd_roi_training(size: Size) -> Dict[str, Any]:
    return dict(assigner=_assigner(0.5, 0.5, 0.5, False, 'mmrotate.RBboxOverlaps2D'),
                sampler=_sampler(size.sampled, 0.25, True), pos_weight=-1, debug=False)


def is_extractor(size: Size, cells: int) -> Dict[str, Any]:
    return dict(type='mmdet.SingleRoIExtractor', roi_layer=dict(type='RoIAlign', output_size=cells, sampling_ratio=0),
                out_channels=size.channels, featmap_strides=STRIDES[:4])


def rd_extractor(size: Size) -> Dict[str, Any]:
    layer = dict(type='RoIAlignRotated', out_size=7, sample_num=2, clockwise=True)
    return dict(type='mmrotate.RotatedSingleRoIExtractor', roi_layer=layer, out_channels=size.channels,
                featmap_strides=STRIDES[:4])


def box_trunk(size: Size) -> Dict[str, Any]:
    """The shared part of a box head: two fully connected layers."""
    return dict(type='mmdet.Shared2FCBBoxHead', in_channels=size.channels, fc_out_channels=size.hidden, roi_feat_size=7,
                num_classes=1, with_reg=False)


def is_last(size: Size, classes: int, kind: str = 'mmdet.BBoxHead') -> Dict[str, Any]:
    """One dataset's box layers of instance segmentation, with its losses."""
    coder = dict(type='mmdet.DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2])
    return dict(type=kind, in_channels=size.hidden, roi_feat_size=1, num_classes=classes, bbox_coder=coder,
                loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
                loss_bbox=dict(type='mmdet.L1Loss', loss_weight=1.0))


def rd_last(size: Size, classes: int) -> Dict[str, Any]:
    """One dataset's box layers of rotated detection, with its losses."""
    coder = dict(type='mmrotate.DeltaXYWHTRBBoxCoder', angle_version='le90', norm_factor=None, edge_swap=True,
                 proj_xy=True, target_means=[0.0] * 5, target_stds=[0.1, 0.1, 0.2, 0.2, 0.1])
    return dict(type='mmdet.BBoxHead', in_channels=size.hidden, roi_feat_size=1, num_classes=classes,
                predict_box_type='rbox', reg_class_agnostic=True, bbox_coder=coder,
                loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
                loss_bbox=dict(type='mmdet.SmoothL1Loss', beta=1.0, loss_weight=1.0))


def mask_trunk(size: Size) -> Dict[str, Any]:
    return dict(type='mmdet.FCNMaskHead', num_convs=4, in_channels=size.channels, conv_out_channels=size.channels,
                num_classes=1)


def mask_last(size: Size, classes: int) -> Dict[str, Any]:
    """One dataset's mask layer, with its loss."""
    return dict(type='TensorMaskHead', num_convs=0, in_channels=size.channels, conv_out_channels=size.channels,
                num_classes=classes, upsample_cfg=dict(type=None),
                loss_mask=dict(type='mmdet.CrossEntropyLoss', use_mask=True, loss_weight=1.0))


IS_TEST = dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100, mask_thr_binary=0.5)
RD_TEST = dict(nms_pre=2000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms_rotated', iou_threshold=0.1),
               max_per_img=2000)
