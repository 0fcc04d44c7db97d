import json
import os

import cv2
import numpy as np
import pytest
import shapely

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


@pytest.mark.parametrize('coordinates', [None, 3, [3], [['a']], [[[1], [2, 3]]], [[[1, 'x']]]])
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
