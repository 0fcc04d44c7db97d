"""Outlines of areas: each covers its pixels and no other, goes the right way round, and lies where the pixels lie."""
import cv2
import numpy as np
import pytest

from mtp.predict import cog, placing, polygons
from mtp.tiles.rasters import Ground

rasterio = pytest.importorskip('rasterio')
COLOURS = {name: (1, 2, 3) for name in 'abc'}


@pytest.fixture
def numbers():
    """A map (height, width) with areas of all sizes, some within others, and a hole without data."""
    coarse = np.random.default_rng(0).integers(0, 3, (30, 40), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
    coarse[10:40, 10:50], coarse[15:35, 15:45], coarse[20:30, 20:30], coarse[22:24, 22:24] = 0, 1, 255, 2
    return coarse


def areas_of(tmp_path, numbers, ground=None, wgs84=False, **how):
    path = str(tmp_path / 'map.tif')
    cog.write(path, [numbers[None]], (1,) + numbers.shape[::-1], ground, str(tmp_path / 'scratch'), COLOURS)
    return [area for some in polygons.areas(path, range(3), ground, placing.system_of(ground, wgs84), **how)
            for area in some]


def exact_area(ring):
    """Signed, by the plain formula, from the first point of the ring."""
    points = [(x - ring[0][0], y - ring[0][1]) for x, y in ring.tolist()]
    return sum(x * other_y - other_x * y for (x, y), (other_x, other_y) in zip(points, points[1:])) / 2


@pytest.mark.parametrize('batch', [1, 7, 4096])
def test_every_area_is_one_with_its_pixels(tmp_path, numbers, batch, monkeypatch):
    monkeypatch.setattr(polygons, '_BATCH', batch)
    found = areas_of(tmp_path, numbers)
    for label in range(3):
        _, marks, stats, _ = cv2.connectedComponentsWithStats((numbers == label).astype(np.uint8), connectivity=4)
        mine = [area for area in found if area.label == label]
        assert sorted(area.pixels for area in mine) == sorted(stats[1:, cv2.CC_STAT_AREA].tolist())
        for area in mine:
            drawn = rasterio.features.rasterize([dict(type='Polygon', coordinates=[
                (ring * [1, -1]).tolist() for ring in area.rings])], numbers.shape)
            inside = np.unique(marks[drawn > 0])
            assert len(inside) == 1 and (drawn > 0).sum() == area.pixels == stats[inside[0], cv2.CC_STAT_AREA]
    assert max(len(area.rings) for area in found) > 1


@pytest.mark.parametrize('matrix', [(0.5, 0, 400000, 0, -0.5, 4000000), (0.5, 0.2, 400000, 0.2, -0.5, 4000000),
                                    (2, 0, 400000, 0, 2, 4000000), (0.02, 0, 400000, 0, -0.02, 4000000)],
                         ids=['north up', 'turned', 'south up', 'of two centimetres'])
@pytest.mark.parametrize('wgs84', [False, True])
@pytest.mark.parametrize('simplify', [0, 1.5])
def test_rings_go_the_way_that_geojson_wants(tmp_path, numbers, matrix, wgs84, simplify):
    """Outer ones counter-clockwise, also where a pixel is so small that the products of coordinates hide its area."""
    ground = Ground(matrix, rasterio.crs.CRS.from_epsg(32650))
    for area in areas_of(tmp_path, numbers, ground, wgs84, simplify=simplify):
        for index, ring in enumerate(area.rings):
            assert (ring[0] == ring[-1]).all() and (exact_area(ring) > 0) == (index == 0)


def test_small_boxes_far_from_the_origin_are_closed_the_right_way_round():
    corners = np.float64([[0, 0], [1, 0], [1, 1], [0, 1]]) * 2e-7 + [116.123456, 39.654321]
    for ring in placing.closed(np.stack([corners, corners[::-1]])):
        assert exact_area(ring) > 0


def test_simplified_areas_keep_their_number_of_pixels_and_lose_points(tmp_path, numbers):
    exact, simple = areas_of(tmp_path, numbers), areas_of(tmp_path, numbers, simplify=2)
    assert [(area.label, area.pixels) for area in exact] == [(area.label, area.pixels) for area in simple]
    points = [sum(len(ring) for area in found for ring in area.rings) for found in (exact, simple)]
    assert points[1] < points[0]
