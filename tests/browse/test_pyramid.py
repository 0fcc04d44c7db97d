"""Tiles put together again are the image, at every level; few rows are asked for at a time."""
import numpy as np
import pytest

from mtp.browse import pyramid


@pytest.mark.parametrize('width, height', [(1, 1), (256, 256), (257, 100), (512, 513), (1300, 1025), (40, 1700)])
def test_the_tiles_of_each_level_are_its_image(width, height):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    asked, found = [], {}

    def rows(start, stop):
        asked.append((start, stop))
        return image[start:stop]

    pyramid.build(rows, width, height, lambda level, column, row, pixels: found.setdefault(level, {}).update(
        {(column, row): pixels.copy()}), pyramid.first_of_four)
    lowest, top = pyramid.levels(width, height)
    assert sorted(found) == list(range(lowest, top + 1)) and max(width, height) <= 1 << top
    assert len(found[lowest]) == 1 and max(found[lowest][0, 0].shape) <= 256
    wanted = image
    for level in range(top, lowest - 1, -1):
        columns, lines = (max(place[axis] for place in found[level]) + 1 for axis in (0, 1))
        whole = np.concatenate([np.concatenate([found[level][x, y] for x in range(columns)], axis=1)
                                for y in range(lines)])
        assert (whole == wanted).all()
        wanted = wanted[::2, ::2]
    assert all(stop - start <= pyramid.TILE for start, stop in asked) and asked[-1][1] == height


def test_an_odd_edge_counts_twice_in_a_mean():
    pixels = np.full((3, 3, 3), 100, dtype=np.uint8)
    pixels[2, 2] = 20
    assert pyramid.mean_of_four(pixels)[..., 0].tolist() == [[100, 100], [100, 20]]
