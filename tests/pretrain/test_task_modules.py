"""Our vectorised pieces against the toolboxes' own, which loop or leave the device (published.md#boxes-on-the-host)."""
import numpy as np
import pytest
import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmrotate.models.task_modules.coders import MidpointOffsetCoder
from mmrotate.structures.bbox import RotatedBoxes, rbox2qbox

from mtp.pretrain.model.task_modules import ClosedFormMidpointOffsetCoder, VectorMaxIoUAssigner

CODER = dict(angle_version='le90', target_stds=(1.0, 1.0, 1.0, 1.0, 0.5, 0.5))


def distance(first, second):
    """Largest corner distance (n,) of rectangles, whichever corner each starts with."""
    first, second = (rbox2qbox(boxes.tensor).reshape(-1, 4, 2).numpy() for boxes in (first, second))
    return np.min([np.abs(first - np.roll(second, turn, axis=1)).max(axis=(1, 2)) for turn in range(4)], axis=0)


def test_decoded_proposals_are_the_stock_rectangles():
    torch.manual_seed(0)
    low = torch.rand(500, 2) * 100
    boxes = torch.cat([low, low + 8 + torch.rand(500, 2) * 60], 1)
    deltas = torch.randn(500, 6) * torch.tensor([0.3, 0.3, 0.5, 0.5, 1.0, 1.0])
    stock, ours = (kind(**CODER).decode(boxes, deltas) for kind in (MidpointOffsetCoder, ClosedFormMidpointOffsetCoder))
    assert (ours.widths >= ours.heights).all() and (ours.tensor[:, 4].abs() <= np.pi / 2).all()
    assert ours.tensor[:, :4].numpy() == pytest.approx(stock.tensor[:, :4].numpy(), abs=0.02)
    assert distance(ours, stock).max() < 0.05


def test_decode_gives_back_what_was_encoded():
    torch.manual_seed(1)
    truth = RotatedBoxes(torch.cat([50 + torch.rand(200, 2) * 100, 20 + torch.rand(200, 1) * 40,
                                    5 + torch.rand(200, 1) * 10,
                                    torch.rand(200, 1) * 3 - 1.5], 1))
    anchors = torch.cat([truth.tensor[:, :2] - 20, truth.tensor[:, :2] + 25], 1)
    coder = ClosedFormMidpointOffsetCoder(**CODER)
    again = coder.decode(anchors, coder.encode(anchors, truth))
    # a corner within 0.1 pixel of the top counts as the top: nearly upright boxes come back within that
    assert again.tensor[:, :4].numpy() == pytest.approx(truth.tensor[:, :4].numpy(), abs=0.3)


@pytest.mark.parametrize('low_quality', [True, False])
def test_assignment_equals_the_stock_loop(low_quality):
    rng = np.random.RandomState(0)
    settings = dict(pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, match_low_quality=low_quality)
    rescued = 0
    for objects in (0, 1, 5, 30):
        # few distinct values make many ties
        overlaps = torch.from_numpy(rng.randint(0, 12, (objects, 200)) / 12).float()
        labels = torch.from_numpy(rng.randint(0, 7, objects))
        stock, ours = (kind(**settings).assign_wrt_overlaps(overlaps, labels)
                       for kind in (MaxIoUAssigner, VectorMaxIoUAssigner))
        for field in ('gt_inds', 'max_overlaps', 'labels'):
            assert torch.equal(getattr(stock, field), getattr(ours, field)), field
        rescued += int((ours.gt_inds > 0).sum())
    assert rescued
