import numpy as np

from mtp.data import rasterize


def _reference(shape, rings):
    """Even-odd rule at every pixel centre, edge by edge, straight from its definition."""
    mask = np.zeros(shape, bool)
    for row in range(shape[0]):
        for column in range(shape[1]):
            x, y, inside = column + 0.5, row + 0.5, False
            for ring in rings:
                for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, 0)):
                    if (y0 <= y) != (y1 <= y) and x0 + (y - y0) / (y1 - y0) * (x1 - x0) < x:
                        inside = not inside
            mask[row, column] = inside
    return mask


def test_random_polygons_with_holes_and_crossings():
    rng = np.random.default_rng(0)
    for _ in range(30):
        shape = tuple(rng.integers(1, 25, 2))
        ring = rng.uniform(-6, 30, (rng.integers(3, 8), 2))
        rings = [ring, ring.mean(0) + 0.4 * (ring - ring.mean(0))]
        mask = np.zeros(shape, np.uint8)
        rasterize.fill(mask, rings, 1)
        np.testing.assert_array_equal(mask.astype(bool), _reference(shape, rings))


def test_a_square_on_the_grid_fills_its_pixels_and_nothing_else():
    mask = np.full((6, 6), 7, np.uint8)
    rasterize.fill(mask, [np.array([[1., 2], [4, 2], [4, 5], [1, 5]])], 1)
    assert (mask[2:5, 1:4] == 1).all() and (mask == 7).sum() == 36 - 9


def test_what_has_no_area_or_lies_outside_fills_nothing():
    mask = np.zeros((5, 5), np.uint8)
    for ring in ([[1, 1], [3, 3]], [[1, 1]], [[9, 9], [12, 9], [12, 12]], [[-9, 0], [-1, 0], [-1, 5]]):
        rasterize.fill(mask, [np.array(ring, float)], 1)
    rasterize.fill(mask, [], 1)
    assert not mask.any()
