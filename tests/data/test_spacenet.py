import json
import os

import cv2
import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image
from rasterio.features import rasterize

from mtp.data import geotiff, spacenet
from mtp.errors import MTPError


def test_real_chip_equals_gdal(real):
    """33,818 pixels, and not one differs from what GDAL 3.10 burns for the same files."""
    mask, skipped = spacenet.mask(real('spacenet', 'sample_geotiff.tif'), real('spacenet', 'geotiff_labels.geojson'))
    assert mask.shape == (900, 900) and mask.sum() == 33818 and skipped == 0


def test_real_outlines_agree_with_their_pixel_form(real):
    grid = geotiff.read(real('spacenet', 'sample_geotiff.tif'))
    assert (grid.width, grid.height, grid.epsg) == (900, 900, 32616)
    ground, system, _ = spacenet.read(real('spacenet', 'geotiff_labels.geojson'))
    pixels, _, _ = spacenet.read(real('spacenet', 'gj_to_px_result.geojson'))
    assert system == 32616 and len(ground) == len(pixels) == 43
    for rings in pixels:  # that file is rounded to whole pixels and in another order
        assert min(np.abs(grid.pixels(other[0]) - rings[0]).max() for other in ground
                   if len(other[0]) == len(rings[0])) <= 0.51


def test_real_truth_and_prediction_agree_as_published(real):
    """Matched greedily at an IoU of 0.5: 8 right, 20 wrong, 20 missed."""
    truth, found = ([shapely.Polygon(rings[0], rings[1:]) for rings in spacenet.read(real('spacenet', name))[0]]
                    for name in ('gt.geojson', 'pred.geojson'))
    free = set(range(len(truth)))
    for shape in found:
        iou, best = max((shape.intersection(truth[k]).area / shape.union(truth[k]).area, k) for k in free)
        free -= {best} if iou >= 0.5 else set()
    assert (len(truth), len(found), len(free)) == (28, 28, 20)


def _masks(out):
    return {part: {name: cv2.imread(os.path.join(out, part, 'labels', name), cv2.IMREAD_UNCHANGED)
                   for name in os.listdir(os.path.join(out, part, 'labels'))} for part in ('train', 'val')}


def test_masks_are_what_training_reads(sample, data_root, capsys):
    root = sample('spacenet')
    assert spacenet.main([]) == 0
    out = os.path.join(root, 'data')
    masks = _masks(out)
    assert (len(masks['train']), len(masks['val'])) == (6, 2) and not set(masks['train']) & set(masks['val'])
    for part in masks:
        for name, mask in masks[part].items():
            image = cv2.imread(os.path.join(out, part, 'images', name))
            source = cv2.imread(os.path.join(root, '3band', name[:-4] + '.tif'))
            np.testing.assert_array_equal(image, source)
            assert mask.shape == image.shape[:2] and set(np.unique(mask)) <= {0, 1}
            empty = int(name.split('img')[1][:-4]) % 4 == 0
            assert (mask.mean() == 0) if empty else (mask.mean() > 0.02)
    assert spacenet.main([]) == 0 and 'already' in capsys.readouterr().out


def test_the_published_form_by_option(sample, data_root, capsys):
    root = sample('spacenet')
    out = os.path.join(root, 'segmaps')
    assert spacenet.main(['--dst_dir', out, '--layout', 'flat', '--format', 'tif', '--foreground-value', '255']) == 0
    assert 'ignores' in capsys.readouterr().out
    mask = cv2.imread(os.path.join(out, '3band_AOI_1_RIO_img1.tif'), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(mask)) == {0, 255} and len(os.listdir(out)) == 9


def test_the_drawn_roofs_lie_where_the_mask_says(sample, data_root):
    root = sample('spacenet')
    image = cv2.imread(os.path.join(root, '3band', '3band_AOI_1_RIO_img1.tif'))[..., ::-1].astype(int)
    mask, _ = spacenet.mask(os.path.join(root, '3band', '3band_AOI_1_RIO_img1.tif'),
                            os.path.join(root, 'geojson', 'Geo_AOI_1_RIO_img1.geojson'))
    from mtp.data.samples.roofs import COLOURS
    colours = np.array([np.array(colour) * shade for colour in COLOURS for shade in (1, 0.8)])
    roof = (np.abs(image[..., None, :] - colours).max(-1) < 14).any(-1)  # the sensor noise is 3
    assert (roof & (mask == 1)).sum() > 0.95 * mask.sum()


def test_a_missing_partner_is_named_and_numbers_need_not_be_complete(sample, data_root):
    root = sample('spacenet')
    os.unlink(os.path.join(root, '3band', '3band_AOI_1_RIO_img3.tif'))
    with pytest.raises(MTPError, match='image 3: only .*Geo_AOI_1_RIO_img3'):
        spacenet.main([])
    assert not os.path.exists(os.path.join(root, 'data'))
    assert spacenet.main(['--lenient']) == 1
    assert sum(map(len, _masks(os.path.join(root, 'data')).values())) == 7


def _geojson(tmp_path, geometry, **top):
    path = tmp_path / 'a.geojson'
    path.write_text(json.dumps(dict({'type': 'FeatureCollection'}, **dict(top, features=[
        {'type': 'Feature', 'properties': None, 'geometry': geometry}]))))
    return str(path)


SQUARE = [[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 0, 1]]


def test_parts_holes_heights_and_what_has_no_area(tmp_path):
    polygons, system, skipped = spacenet.read(_geojson(tmp_path, {
        'type': 'MultiPolygon', 'coordinates': [[SQUARE, SQUARE], [SQUARE]]}))
    assert [len(rings) for rings in polygons] == [2, 1] and polygons[0][0].shape == (4, 2) and system is None
    for geometry in (None, {'type': 'Point', 'coordinates': [0, 0]}):
        assert spacenet.read(_geojson(tmp_path, geometry)) == ([], None, 1)


@pytest.mark.parametrize('coordinates', [None, 3, [3], [['a']], [[[1], [2, 3]]], [[[1, 'x']]],
                                         [[['1', '2'], ['3', '4'], ['5', '6']]], [[[True, False], [1, 2], [3, 4]]],
                                         [[[1e308, 0], [1, 2], [3, 4]]], [[[10 ** 400, 0], [1, 2], [3, 4]]]])
def test_bad_coordinates_are_named(tmp_path, coordinates):
    with pytest.raises(MTPError, match='feature 0, field coordinates'):
        spacenet.read(_geojson(tmp_path, {'type': 'Polygon', 'coordinates': coordinates}))


def test_another_coordinate_system_is_refused(sample, data_root, tmp_path):
    root = sample('spacenet')
    path = _geojson(tmp_path, {'type': 'Polygon', 'coordinates': [SQUARE]},
                    crs={'properties': {'name': 'urn:ogc:def:crs:EPSG::32723'}})
    with pytest.raises(MTPError, match='EPSG:32723 .* EPSG:4326'):
        spacenet.mask(os.path.join(root, '3band', '3band_AOI_1_RIO_img1.tif'), path)


def test_an_image_without_place_or_no_image_is_refused(tmp_path):
    plain, damaged = tmp_path / 'a.tif', tmp_path / 'b.tif'
    cv2.imwrite(str(plain), np.zeros((4, 4, 3), np.uint8))
    damaged.write_bytes(plain.read_bytes()[:20])
    for path, message in ((plain, 'no GeoTIFF tags'), (damaged, 'cannot read'), (tmp_path / 'c.tif', 'cannot read')):
        with pytest.raises(MTPError, match=message):
            geotiff.read(str(path))


PLACES = {
    'north up': (0.5, 0, 400000, 0, -0.5, 4000000), 'south up': (0.5, 0, 400000, 0, 0.5, 4000000),
    'turned': (0.4, 0.3, 400000, 0.3, -0.4, 4000000), 'mirrored': (-0.5, 0, 400000, 0, -0.5, 4000000)}


@pytest.mark.parametrize('point', [False, True])
@pytest.mark.parametrize('place', sorted(PLACES))
def test_pixels_lie_where_gdal_has_them_to_a_hundredth(tmp_path, place, point):
    """Also where the tags count from the middle of the first pixel."""
    matrix = rasterio.Affine(*PLACES[place])
    path = str(tmp_path / 'a.tif')
    with rasterio.open(path, 'w', driver='GTiff', count=3, width=40, height=30, dtype='uint8', crs='EPSG:32650',
                       transform=matrix) as stream:
        stream.write(np.zeros((3, 30, 40), np.uint8))
        stream.update_tags(AREA_OR_POINT='Point' if point else 'Area')
    with Image.open(path) as image:
        tags = image.tag_v2
        keys = tags[34735]
        raster_type = [keys[at + 3] for at in range(4, len(keys), 4) if keys[at] == 1025]
        stored = (tags[33922][3], tags[33922][4]) if 33922 in tags else (tags[34264][3], tags[34264][7])
    assert raster_type == [2 if point else 1]
    assert np.allclose(stored, matrix * ((0.5, 0.5) if point else (0, 0)))  # it is the file that differs
    wanted = np.array([[0, 0], [40, 30], [12.5, 7.25]])
    ground = np.stack(matrix * wanted.T, 1)
    assert np.abs(geotiff.read(path).pixels(ground) - wanted).max() < 0.01
    from mtp.tiles.rasters import Raster
    assert np.allclose(Raster(path).ground.to_ground, matrix[:6])


@pytest.mark.parametrize('point', [False, True])
def test_a_mask_is_what_gdal_burns_for_the_same_files(tmp_path, point):
    path, matrix = str(tmp_path / 'a.tif'), rasterio.Affine(0.5, 0, 400000, 0, -0.5, 4000000)
    with rasterio.open(path, 'w', driver='GTiff', count=1, width=40, height=30, dtype='uint8', crs='EPSG:32650',
                       transform=matrix) as stream:
        stream.write(np.zeros((1, 30, 40), np.uint8))
        stream.update_tags(AREA_OR_POINT='Point' if point else 'Area')
    corners = [matrix * place for place in ((3.4, 3.4), (20.6, 4), (19, 22.3), (3.4, 3.4))]
    shape = {'type': 'GeometryCollection', 'geometries': [
        {'type': 'Point', 'coordinates': [0, 0]},
        {'type': 'GeometryCollection', 'geometries': [{'type': 'Polygon', 'coordinates': [corners]}]}]}
    mask, skipped = spacenet.mask(path, _geojson(tmp_path, shape))
    expected = rasterize([shape['geometries'][1]['geometries'][0]], (30, 40), transform=matrix)
    np.testing.assert_array_equal(mask, expected)
    assert mask.sum() > 100 and skipped == 0
