"""Rotated NMS keeps what the plain greedy loop and mmcv keep."""
import numpy as np
import pytest

from mtp.boxes import rotated_iou_matrix, rotated_nms
from mtp.errors import MTPError


def crowd(n, size, seed=0):
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-np.pi / 2, np.pi / 2, n)
    boxes = np.column_stack([rng.uniform(0, size, (n, 2)), rng.uniform(4, 60, n), rng.uniform(2, 30, n), angles])
    return boxes.astype(np.float32).astype(np.float64), rng.permutation(n).astype(np.float32) / n


def plain(boxes, scores, threshold, rule):
    iou = rotated_iou_matrix(boxes, boxes)
    hit = iou >= np.float32(threshold) if rule == 'ge' else iou > np.float32(threshold)
    dropped, kept = np.zeros(len(boxes), bool), []
    for best in np.argsort(-scores, kind='stable'):
        if not dropped[best]:
            kept.append(best)
            dropped |= hit[best]
    return kept


@pytest.mark.parametrize('rule', ['ge', 'gt'])
@pytest.mark.parametrize('size', [60, 200, 1000])
@pytest.mark.parametrize('threshold', [0.1, 0.5])
def test_equals_the_plain_loop(size, threshold, rule):
    boxes, scores = crowd(600, size, seed=size)
    assert rotated_nms(boxes, scores, threshold, rule).tolist() == plain(boxes, scores, threshold, rule)


@pytest.mark.parametrize('size, threshold', [(100, 0.1), (400, 0.1), (1200, 0.1), (200, 0.5)])
def test_equals_mmcv(size, threshold):
    torch = pytest.importorskip('torch')
    ops = pytest.importorskip('mmcv.ops')
    boxes, scores = crowd(600, size, seed=size + 1)
    expected = ops.nms_rotated(torch.from_numpy(boxes), torch.from_numpy(scores.astype(np.float64)), threshold)[1]
    assert rotated_nms(boxes, scores, threshold).tolist() == expected.tolist()


def test_groups_do_not_touch_each_other():
    boxes, scores = crowd(500, 100)
    groups = np.random.default_rng(0).integers(0, 4, 500)
    kept = rotated_nms(boxes, scores, 0.1, groups=groups)
    expected = [index for group in range(4) for index in
                np.flatnonzero(groups == group)[rotated_nms(boxes[groups == group], scores[groups == group], 0.1)]]
    assert kept.tolist() == expected


def test_rule_decides_at_exactly_the_threshold():
    pair = np.float64([[50, 50, 40, 20, 0], [50, 50, 10, 5, 0]])  # IoU 1/16, exact in float32 too
    assert rotated_nms(pair, [0.9, 0.8], 0.0625, 'ge').tolist() == [0]
    assert rotated_nms(pair, [0.9, 0.8], 0.0625, 'gt').tolist() == [0, 1]


def test_threshold_is_rounded_to_float32():
    pair = np.float64([[50, 50, 40, 20, 0], [50, 50, 40, 20, np.pi / 2]])  # IoU 1/3; float32(1/3) is larger
    assert rotated_nms(pair, [0.9, 0.8], 1 / 3, 'ge').tolist() == [0, 1]


def test_a_chain_is_decided_link_by_link():
    n = 400
    boxes = np.column_stack([np.arange(n) * 10.0, np.zeros(n), np.full(n, 18.0), np.full(n, 8.0), np.zeros(n)])
    assert rotated_nms(boxes, -np.arange(n, dtype=float), 0.1).tolist() == list(range(0, n, 2))


def test_equal_scores_keep_input_order():
    boxes = np.float64([[0, 0, 10, 10, 0]] * 3 + [[100, 0, 10, 10, 0]] * 2)
    assert rotated_nms(boxes, np.ones(5)).tolist() == [0, 3]


def test_boxes_without_area_neither_drop_nor_are_dropped():
    boxes = np.float64([[0, 0, 10, 0, 0], [0, 0, 10, 10, 0], [0, 0, 0, 0, 0]])
    assert rotated_nms(boxes, [0.9, 0.8, 0.7]).tolist() == [0, 1, 2]


def test_bad_input():
    box = [[0, 0, 1, 1, 0]]
    for arguments in [(box, [np.nan]), ([[0, np.inf, 1, 1, 0]], [1.0]), (box, [1.0, 2.0])]:
        with pytest.raises(MTPError):
            rotated_nms(*arguments)
    for threshold in (0, -1, 2, float('nan')):
        with pytest.raises(MTPError):
            rotated_nms(box, [1.0], threshold)
    with pytest.raises(MTPError, match='rule'):
        rotated_nms(box, [1.0], rule='lt')
    assert rotated_nms(np.zeros((0, 5)), []).tolist() == []
