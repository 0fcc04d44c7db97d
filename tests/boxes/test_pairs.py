"""Candidate pairs equal brute force."""
import numpy as np
import pytest

from mtp.boxes import (bounds_of_polygons, bounds_of_rboxes, overlapping_pairs, overlaps_between, rboxes_to_polygons,
                       rotated_iou)


def random_bounds(n, size, seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, size, (n, 2))
    extent = rng.exponential(20, (n, 2))
    extent[:2] = size  # two giants
    return np.concatenate([low, low + extent], axis=1)


def brute(a, b):
    return ((a[:, None, :2] <= b[None, :, 2:]).all(-1) & (b[None, :, :2] <= a[:, None, 2:]).all(-1))


@pytest.mark.parametrize('seed', range(5))
def test_pairs_within_one_set(seed):
    bounds = random_bounds(200, 400, seed)
    groups = np.random.default_rng(seed).integers(0, 3, 200)
    expected = np.argwhere(np.triu(brute(bounds, bounds) & (groups[:, None] == groups[None]), 1))
    assert np.array_equal(np.stack(overlapping_pairs(bounds, groups), 1), expected)


@pytest.mark.parametrize('seed', range(5))
def test_pairs_between_two_sets(seed):
    a, b = random_bounds(120, 300, seed), random_bounds(80, 300, seed + 50)
    ga, gb = np.random.default_rng(seed).integers(-1, 2, 120), np.random.default_rng(seed + 9).integers(-1, 2, 80)
    expected = np.argwhere(brute(a, b) & (ga[:, None] == gb[None]))
    assert np.array_equal(np.stack(overlapping_pairs(a, ga, b, gb), 1), expected)


def test_points_and_empty_sets():
    points = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [6, 5, 6, 5]], dtype=float)
    assert np.array_equal(np.stack(overlapping_pairs(points), 1), [[0, 1]])
    assert len(overlapping_pairs(np.zeros((0, 4)))[0]) == 0
    assert len(overlapping_pairs(points, other=np.zeros((0, 4)))[0]) == 0


def test_bounds_enclose_the_corners():
    rng = np.random.default_rng(0)
    boxes = np.column_stack([rng.uniform(0, 100, (50, 4)), rng.uniform(-4, 4, 50)])
    corners = bounds_of_polygons(rboxes_to_polygons(boxes))
    assert np.allclose(bounds_of_rboxes(boxes), corners)


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('turn', [0.05, 1.6])
def test_bounds_of_what_is_shared(seed, turn):
    rng = np.random.default_rng(seed)
    n = 4000
    first = np.column_stack([rng.uniform(0, 50, (n, 2)), rng.uniform(0, 60, (n, 2)), rng.uniform(-4, 4, n)])
    second = first + rng.normal(0, 1, (n, 5)) * [8, 8, 6, 6, turn]
    second[:, 2:4] = np.abs(second[:, 2:4])
    second[:40, 2:4] = 0
    second[40:200, 4] = first[40:200, 4] + np.pi / 4  # where neither direction fits
    second[200:400] = first[200:400]
    areas = np.prod(first[:, 2:4], axis=1), np.prod(second[:, 2:4], axis=1)
    iou = rotated_iou(first, second)
    shared = iou / (1 + iou) * (areas[0] + areas[1])
    least, most = overlaps_between(np.concatenate([first, second]), np.arange(n), np.arange(n) + n)
    slack = 1e-9 * (1 + areas[0] + areas[1])
    assert (least <= shared + slack).all() and (most >= shared - slack).all()
    if turn < 1:  # boxes of one object: the bounds are close
        assert (least[shared > 50] > 0.5 * shared[shared > 50]).mean() > 0.8
