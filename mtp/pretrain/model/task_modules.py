"""Registered pieces that make the toolboxes' assignment and decoding run on the device without loops."""
from typing import Sequence, Union

import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.assigners.assign_result import AssignResult
from mmdet.structures.bbox import BaseBoxes, get_box_tensor
from mmengine.registry import TASK_UTILS
from mmrotate.models.task_modules.coders import MidpointOffsetCoder
from mmrotate.structures.bbox import RotatedBoxes

LOG_SIZE_LIMIT = 4.135166556742356  # |ln(16 / 1000)|, the toolboxes' clamp of size deltas


@TASK_UTILS.register_module()
class ClosedFormMidpointOffsetCoder(MidpointOffsetCoder):
    """Midpoint-offset coder of Oriented R-CNN whose decoder stays on the device.

    The stock decoder hands every quadrilateral to OpenCV's minAreaRect on the CPU. After its corner vectors are
    stretched to one length, the quadrilateral is a rectangle already (its diagonals are equal and halve each other), so
    that sides and angle follow from two corners.
    """

    def decode(self, bboxes: Union[torch.Tensor, BaseBoxes], pred_bboxes: torch.Tensor,
               max_shape: Union[None, Sequence[int], Sequence[Sequence[int]], torch.Tensor] = None,
               wh_ratio_clip: float = 16 / 1000) -> RotatedBoxes:
        """Boxes (n, 4) x1 y1 x2 y2 and deltas (n, 6) -> RotatedBoxes (n, 5), le90. No clipping to ``max_shape``."""
        deltas = pred_bboxes * pred_bboxes.new_tensor(self.stds) + pred_bboxes.new_tensor(self.means)
        boxes = rectangles(get_box_tensor(bboxes), deltas)
        return RotatedBoxes(RotatedBoxes(boxes).regularize_boxes(self.angle_version))


def rectangles(boxes: torch.Tensor, deltas: torch.Tensor) -> torch.Tensor:
    """Decode midpoint offsets.

    Args:
        boxes: (n, 4) x1 y1 x2 y2.
        deltas: (n, 6) dx dy dw dh da db, denormalised.

    Returns:
        (n, 5) cx cy w h theta, w >= h; radians, clockwise in image coordinates, not yet wrapped to le90.
    """
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) * 0.5 + size * deltas[:, :2]
    width, height = (size * deltas[:, 2:4].clamp(-LOG_SIZE_LIMIT, LOG_SIZE_LIMIT).exp()).unbind(1)
    along, down = deltas[:, 4:6].clamp(-0.5, 0.5).unbind(1)
    top = torch.stack([along * width, -height * 0.5], 1)  # corner on the upper edge, from the centre
    right = torch.stack([width * 0.5, down * height], 1)  # corner on the right edge
    top_length, right_length = top.norm(dim=1, keepdim=True), right.norm(dim=1, keepdim=True)
    longest = torch.maximum(top_length, right_length)
    top, right = top * (longest / top_length), right * (longest / right_length)
    side, other = right - top, right + top  # the rectangle's edges, at right angles
    side_length, other_length = side.norm(dim=1, keepdim=True), other.norm(dim=1, keepdim=True)
    # the direction of the longer edge: the shorter one may have no length and no direction
    edge = torch.where(side_length >= other_length, side, other)
    lengths = [torch.maximum(side_length, other_length), torch.minimum(side_length, other_length)]
    return torch.cat([centre] + lengths + [torch.atan2(edge[:, 1], edge[:, 0])[:, None]], 1)


@TASK_UTILS.register_module()
class VectorMaxIoUAssigner(MaxIoUAssigner):
    """MaxIoUAssigner whose low-quality matches are found in one pass, not in a loop with a device sync per object."""

    def assign_wrt_overlaps(self, overlaps: torch.Tensor, gt_labels: torch.Tensor) -> AssignResult:
        """Overlaps (k, n) of k objects and n priors, labels (k,) -> AssignResult, as the stock method."""
        objects, priors = overlaps.shape
        if objects == 0 or priors == 0:
            return super().assign_wrt_overlaps(overlaps, gt_labels)
        best, owner = overlaps.max(dim=0)
        assigned = owner.new_full((priors,), -1)
        assigned[(best >= 0) & (best < self.neg_iou_thr)] = 0
        assigned = torch.where(best >= self.pos_iou_thr, owner + 1, assigned)
        if self.match_low_quality:
            top = overlaps.max(dim=1, keepdim=True)[0]
            numbers = torch.arange(1, objects + 1, device=overlaps.device)[:, None]
            # where an object's best prior serves several objects the last one keeps it, as in the stock loop
            rescued = (((overlaps == top) & (top >= self.min_pos_iou)) * numbers).max(dim=0)[0]
            assigned = torch.where(rescued > 0, rescued, assigned)
        labels = torch.where(assigned > 0, gt_labels[(assigned - 1).clamp(min=0)], torch.full_like(assigned, -1))
        return AssignResult(num_gts=objects, gt_inds=assigned, max_overlaps=best, labels=labels)
