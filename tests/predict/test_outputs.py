"""What is written about detections can be read back, in the coordinates that it says."""
import json
import types

import numpy as np
import pytest

from mtp.boxes import rboxes_to_polygons
from mtp.predict import outputs
from mtp.tiles.rasters import Ground
from mtp.submit import results
from mtp.tiles.detections import Detections

rasterio = pytest.importorskip('rasterio')
CLASSES = ('ship', 'plane')
MATRIX = (0.5, 0.0, 400000.0, 0.0, -0.5, 4000000.0)


@pytest.fixture
def found():
    return Detections(CLASSES, ('a', 'b'), np.array([0, 0, 1]), np.array([0, 1, 1]), np.float32([0.9, 0.5, 0.25]),
                      np.float64([[100, 50, 40, 20, 0.3], [10, 10, 8, 4, 0], [30, 40, 10, 6, -1]]))


def read(path):
    return json.loads(path.read_text(encoding='utf-8'))


def ring(feature):
    corners = np.array(feature['geometry']['coordinates'][0])
    assert corners.shape == (5, 2) and (corners[0] == corners[4]).all()
    x, y = corners[:4].T
    assert (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0  # counter-clockwise
    return corners[:4]


def same_corners(first, second, tolerance):
    """Whether two quadrilaterals have the same corners, wherever each begins and however it turns."""
    assert max(np.abs(second - corner).max(axis=1).min() for corner in first) <= tolerance


def of(found, number):
    """What was found in one image."""
    return found.select(found.image == number)


def test_geojson_in_the_raster_s_own_system(found, tmp_path):
    ground = Ground(MATRIX, rasterio.crs.CRS.from_epsg(32650))
    said = outputs.geojson(of(found, 0), 'a', ground, str(tmp_path / 'a.geojson'))
    content = read(tmp_path / 'a.geojson')
    assert said == 'EPSG:32650' and content['crs']['properties']['name'] == 'urn:ogc:def:crs:EPSG::32650'
    assert [feature['properties']['class'] for feature in content['features']] == ['ship', 'plane']
    assert content['features'][0]['properties']['score'] == pytest.approx(0.9)
    pixels = rboxes_to_polygons(found.rbox[:1]).reshape(4, 2)
    same_corners(pixels * [0.5, -0.5] + [400000, 4000000], ring(content['features'][0]), 1e-3)


def test_geojson_in_longitude_and_latitude(found, tmp_path):
    system = rasterio.crs.CRS.from_epsg(32650)
    outputs.geojson(of(found, 0), 'a', Ground(MATRIX, system), str(tmp_path / 'w.geojson'), wgs84=True)
    outputs.geojson(of(found, 0), 'a', Ground(MATRIX, system), str(tmp_path / 'own.geojson'))
    content, own = read(tmp_path / 'w.geojson'), read(tmp_path / 'own.geojson')
    assert 'crs' not in content  # RFC 7946 knows one only
    corners = ring(content['features'][0])
    assert 115 < corners[:, 0].min() < 117 and 36 < corners[:, 1].min() < 37
    back = rasterio.warp.transform('EPSG:4326', system, *corners.T)
    same_corners(np.stack(back, 1), ring(own['features'][0]), 2e-3)
    custom = rasterio.crs.CRS.from_proj4('+proj=tmerc +lat_0=0.1 +lon_0=117.3 +k=1 +x_0=400000 +ellps=WGS84 +units=m')
    assert outputs.geojson(of(found, 0), 'a', Ground(MATRIX, custom), str(tmp_path / 'c.geojson')) == 'EPSG:4326'


def test_geojson_of_a_picture_without_a_place(found, tmp_path):
    assert outputs.geojson(of(found, 1), 'b', None, str(tmp_path / 'b.geojson')).startswith('pixels')
    content = read(tmp_path / 'b.geojson')
    assert content['crs'] is None and len(content['features']) == 1
    same_corners(rboxes_to_polygons(found.rbox[2:]).reshape(4, 2) * [1, -1], ring(content['features'][0]), 0.0051)
    assert read_empty(found, tmp_path) == []


def read_empty(found, tmp_path):
    outputs.geojson(of(of(found, 0), 1), 'b', None, str(tmp_path / 'none.geojson'))
    return read(tmp_path / 'none.geojson')['features']


def test_coco_json_is_one_for_pycocotools(found, tmp_path, capsys):
    COCO = pytest.importorskip('pycocotools.coco').COCO
    outputs.coco(found, {'a': ('a.tif', 200, 100), 'b': ('b.png', 60, 60)}, str(tmp_path / 'coco.json'))
    content = COCO(str(tmp_path / 'coco.json'))
    assert sorted(content.anns) == [1, 2, 3]  # 0 would count as no object
    assert content.imgs[1]['file_name'] == 'a.tif' and content.imgs[2]['width'] == 60
    assert [content.cats[number]['name'] for number in sorted(content.cats)] == list(CLASSES)
    one = content.anns[2]
    assert one['bbox'] == [6, 8, 8, 4] and one['area'] == 32 and one['category_id'] == 2 and one['image_id'] == 1
    assert content.annToMask(one).sum() == pytest.approx(32, abs=13)


def test_dota_text_reads_back(found, tmp_path):
    outputs.dota(found, str(tmp_path / 'dota'))
    back = results.require(str(tmp_path / 'dota'), 'dotav1')
    assert sorted(back.classes) == sorted(CLASSES) and len(back.score) == 3


@pytest.mark.parametrize('when, said', [(-10 ** 12, '1970-01-01'), (0, '1970-01-01'), (2 ** 33, '2242-03-16'),
                                        (10 ** 18, '9999-12-31')])
def test_files_of_a_disk_whose_clock_was_never_set(when, said, monkeypatch):
    from mtp.predict import inputs
    monkeypatch.setattr(inputs, 'os', types.SimpleNamespace(stat=lambda path: types.SimpleNamespace(st_mtime=when)))
    assert inputs.stamp(['a.tif']).startswith(said)


def test_partners_are_found_whatever_the_unicode_form_of_a_name(tmp_path):
    from mtp.predict import inputs
    paths = [tmp_path / folder / name for folder, name in (('before', 'e\u0301.png'), ('after', '\u00e9.PNG'))]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(b'x')
    assert inputs.find_pairs([str(tmp_path / 'before')], [str(tmp_path / 'after')]) == [
        inputs.Input('\u00e9', tuple(map(str, paths)))]
