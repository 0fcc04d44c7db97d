"""Corners, begin points and conventions of rotated boxes."""
import numpy as np
import pytest

from mtp.boxes import best_begin, min_area_rboxes, polygons_to_rboxes, rboxes_to_polygons, regularise_le90

# What MMRotate 0.3.4 prints for float32 detections centred at (100, 200): w, h, theta -> corners.
GOLDEN = [
    ((60, 20, 0), '70.00 190.00 130.00 190.00 130.00 210.00 70.00 210.00'),
    ((60, 20, np.pi / 6), '79.02 176.34 130.98 206.34 120.98 223.66 69.02 193.66'),
    ((60, 20, -np.pi / 2), '90.00 170.00 110.00 170.00 110.00 230.00 90.00 230.00'),
    ((60, 20, np.pi / 4), '71.72 185.86 85.86 171.72 128.28 214.14 114.14 228.28'),
    ((40, 40, np.pi / 4), '71.72 200.00 100.00 171.72 128.28 200.00 100.00 228.28'),
]


def random_rboxes(n, seed=0):
    rng = np.random.default_rng(seed)
    sides = np.sort(rng.uniform(1, 90, (n, 2)), axis=1)[:, ::-1]
    return np.column_stack([rng.uniform(-100, 5000, (n, 2)), sides, rng.uniform(-np.pi / 2, np.pi / 2, n)])


@pytest.mark.parametrize('shape, expected', GOLDEN)
def test_golden_corners(shape, expected):
    box = np.float32([(100, 200) + shape])
    assert ' '.join('%.2f' % value for value in rboxes_to_polygons(box)[0]) == expected


def plain_best_begin(polygon):
    """The rule in plain Python, one polygon at a time."""
    corners = [(polygon[i], polygon[i + 1]) for i in range(0, 8, 2)]
    xs, ys = [c[0] for c in corners], [c[1] for c in corners]
    targets = [(min(xs), min(ys)), (max(xs), min(ys)), (max(xs), max(ys)), (min(xs), max(ys))]
    best, chosen = None, None
    for k in range(4):
        turned = corners[k:] + corners[:k]
        cost = 0
        for (x, y), (u, v) in zip(turned, targets):
            cost = cost + ((x - u) ** 2 + (y - v) ** 2) ** 0.5
        if best is None or cost < best:
            best, chosen = cost, turned
    return [value for corner in chosen for value in corner]


def test_best_begin_equals_the_plain_rule_bit_for_bit():
    polygons = rboxes_to_polygons(random_rboxes(3000), normalise=False)
    expected = np.array([plain_best_begin(row) for row in polygons.tolist()])
    assert np.array_equal(best_begin(polygons), expected)


def test_corners_run_clockwise_on_the_screen():
    corners = rboxes_to_polygons(random_rboxes(500)).reshape(-1, 4, 2)
    x, y = corners[..., 0], corners[..., 1]
    signed = (x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(1)  # y points down: clockwise is positive
    assert (signed > 0).all()


def test_polygons_and_rboxes_are_inverse():
    boxes = random_rboxes(500)
    assert np.allclose(polygons_to_rboxes(rboxes_to_polygons(boxes)), boxes, atol=1e-8)


def test_regularise_le90():
    boxes = random_rboxes(500)
    swapped = boxes[:, [0, 1, 3, 2, 4]] + [0, 0, 0, 0, np.pi / 2]
    assert np.allclose(regularise_le90(swapped), boxes)
    turned = boxes + [0, 0, 0, 0, 7 * np.pi]
    assert np.allclose(regularise_le90(turned), boxes)
    assert np.array_equal(regularise_le90(boxes), boxes)
    edges = regularise_le90([[0, 0, 5, 4, np.pi / 2], [0, 0, 4, 5, 0]])
    assert np.allclose(edges, [[0, 0, 5, 4, -np.pi / 2]] * 2)


def test_min_area_rboxes_of_rectangles_and_of_a_skewed_quadrilateral():
    pytest.importorskip('cv2')
    boxes = random_rboxes(200)
    found = min_area_rboxes(rboxes_to_polygons(boxes))
    assert np.allclose(found[:, :4], boxes[:, :4], atol=2e-2)
    difference = (found[:, 4] - boxes[:, 4] + np.pi / 2) % np.pi - np.pi / 2
    elongated = boxes[:, 2] > 1.2 * boxes[:, 3]
    assert np.abs(difference[elongated]).max() < 1e-2
    assert np.allclose(min_area_rboxes([[0, 0, 10, 0, 10, 4, 1, 4]]), [[5, 2, 10, 4, 0]], atol=1e-4)


def test_empty_input():
    assert rboxes_to_polygons(np.zeros((0, 5))).shape == (0, 8)
    assert polygons_to_rboxes(np.zeros((0, 8))).shape == (0, 5)
    assert regularise_le90(np.zeros((0, 5))).shape == (0, 5)
