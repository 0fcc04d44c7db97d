"""Candidate pairs equal brute force."""
import numpy as np
import pytest

from mtp.boxes import bounds_of_polygons, bounds_of_rboxes, overlapping_pairs, rboxes_to_polygons


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
