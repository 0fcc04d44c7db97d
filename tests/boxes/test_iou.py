"""Exact rotated IoU against known values, shapely and mmcv."""
import numpy as np
import pytest

from mtp.boxes import polygon_areas, rboxes_to_polygons, rotated_iou, rotated_iou_matrix

HALF_TURN = np.pi / 2
GOLDEN = [
    ((50, 50, 40, 20, 0), (60, 50, 40, 20, 0), 0.6),
    ((50, 50, 40, 20, 0), (50, 50, 40, 20, HALF_TURN), 1 / 3),
    ((50, 50, 40, 40, 0), (50, 50, 40, 40, np.pi / 4), 0.707107),
    ((50, 50, 40, 20, 0.3), (55, 52, 30, 25, -0.7), 0.532716),
    ((50, 50, 40, 20, 0), (90, 50, 40, 20, 0), 0),  # touching edges
    ((50, 50, 40, 20, 0), (50, 50, 10, 5, 0), 0.0625),
    ((50, 50, 40, 20, 0.3), (50, 50, 20, 40, 0.3 + HALF_TURN), 1),
    ((50, 50, 40, 20, 0.3), (50, 50, 40, 20, 0.3), 1),
    ((50, 50, 40, 0, 0.3), (50, 50, 40, 20, 0.3), 0),  # no area
    ((50, 50, 40, 20, 0), (5000, 50, 40, 20, 0), 0),
]


def crowd(n, size, seed=0):
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-np.pi / 2, np.pi / 2, n)
    return np.column_stack([rng.uniform(0, size, (n, 2)), rng.uniform(4, 60, n), rng.uniform(2, 30, n), angles])


@pytest.mark.parametrize('first, second, expected', GOLDEN)
def test_golden_iou(first, second, expected):
    assert rotated_iou([first], [second])[0] == pytest.approx(expected, abs=1e-6)
    assert rotated_iou([second], [first])[0] == pytest.approx(expected, abs=1e-6)


def test_equals_shapely_on_a_crowd():
    shapely = pytest.importorskip('shapely')
    boxes = crowd(250, 120)
    polygons = shapely.polygons(rboxes_to_polygons(boxes).reshape(-1, 4, 2))
    shared = shapely.area(shapely.intersection(polygons[:, None], polygons[None]))
    areas = shapely.area(polygons)
    expected = shared / (areas[:, None] + areas[None] - shared)
    found = rotated_iou_matrix(boxes, boxes)
    assert np.abs(found - expected).max() < 1e-9
    assert (found > 0.1).sum() > 1000


def test_equals_mmcv_on_a_crowd():
    torch = pytest.importorskip('torch')
    ops = pytest.importorskip('mmcv.ops')
    boxes = crowd(300, 200, seed=1).astype(np.float32)  # the operator on the CPU takes float32 only
    expected = ops.box_iou_rotated(torch.from_numpy(boxes), torch.from_numpy(boxes)).numpy()
    assert np.abs(rotated_iou_matrix(boxes, boxes) - expected).max() < 1e-4


def test_far_from_the_origin_and_very_small():
    near = crowd(200, 60, seed=2)
    far = near + [28000, 27000, 0, 0, 0]
    assert np.allclose(rotated_iou_matrix(near, near), rotated_iou_matrix(far, far), atol=1e-7)
    small = near * [1e-3, 1e-3, 1e-3, 1e-3, 1]
    assert np.allclose(rotated_iou_matrix(near, near), rotated_iou_matrix(small, small), atol=1e-9)


def test_polygon_areas():
    boxes = crowd(50, 100)
    assert np.allclose(polygon_areas(rboxes_to_polygons(boxes)), boxes[:, 2] * boxes[:, 3])
    assert polygon_areas([[0, 0, 4, 0, 0, 3]])[0] == 6


def test_empty():
    assert rotated_iou(np.zeros((0, 5)), np.zeros((0, 5))).shape == (0,)
    assert rotated_iou_matrix(np.zeros((0, 5)), crowd(3, 10)).shape == (0, 3)
