"""Maps of classes and of changes through the command line: what lies on the disk, and where on the ground."""
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from mtp.data import catalogue
from mtp.errors import MTPError
from tests import environments
from tests.predict import models

rasterio = pytest.importorskip('rasterio')
if environments.adapter(environments.current()) != 'mmrotate1':
    pytest.skip('no toolbox is installed, or one with detectors only', allow_module_level=True)
pytestmark = pytest.mark.filterwarnings('ignore')
NORTH_UP = rasterio.Affine(0.5, 0, 400000, 0, -0.5, 4000000)
UTM = 'EPSG:32650'


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    return tmp_path_factory.mktemp('maps')


@pytest.fixture(scope='module')
def words(home):
    """task -> words of the command line for a model of it."""
    made = {}

    def of(task):
        if task not in made:
            made[task] = models.write_weights(str(home / (task + '.pth')), task)
        return made[task]
    return of


@pytest.fixture
def run(words, tmp_path):
    from mtp.predict.__main__ import main

    def predict(task, *more, out='out'):
        assert main(list(map(str, more)) + ['--out', str(tmp_path / out), '--workers=0', '--batch-size=6']
                    + words(task)) == 0
        return tmp_path / out
    return predict


def test_two_processes_write_what_one_writes(run, words, tmp_path):
    path, out = halves(tmp_path / 'scene.tif', 100, 300), tmp_path / 'two'
    alone = run('segmentation', path)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    subprocess.check_call([sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', '--master_port',
                           str(port), '-m', 'mtp.predict', str(path), '--out', str(out), '--workers=0',
                           '--batch-size=6'] + words('segmentation'),
                          stdout=subprocess.DEVNULL, env=dict(os.environ, OMP_NUM_THREADS='1'))
    for name in ('scene.tif', 'scene.geojson', 'predictions.gpkg'):
        assert (alone / name).read_bytes() == (out / name).read_bytes(), name


def halves(path, height=100, width=150, **options):
    """A raster of which the left third holds no data."""
    values = models.scene(height, width).clip(1)
    values[:, :, :width // 3] = 0
    models.write(path, values, **dict(dict(crs=UTM, transform=NORTH_UP, nodata=0), **options))
    return path


def test_a_map_of_classes(run, tmp_path, capfd):
    path = halves(tmp_path / 'scene.tif', 100, 700)
    out = run('segmentation', path, '--scores')
    said = capfd.readouterr()
    assert 'maps of 2 classes in 1 images' in said.out and UTM in said.out and 'without data passed over' in said.err
    with rasterio.open(str(out / 'scene.tif')) as found:
        classes = found.read(1)
        assert found.crs.to_epsg() == 32650 and found.transform == NORTH_UP and found.nodata == 255
        assert found.tags(ns='IMAGE_STRUCTURE')['LAYOUT'] == 'COG' and found.overviews(1)
        assert found.compression.name == 'deflate' and found.block_shapes == [(512, 512)]
        assert found.colormap(1)[1] == catalogue.get('spacenetv1').palette[1] + (255,)
        assert found.colormap(1)[255][3] == 0
        assert found.tags(1)['class_1'] == 'building'
    assert (classes[:, :233] == 255).all() and set(np.unique(classes[:, 233:])) <= {0, 1}
    with rasterio.open(str(out / 'scene.scores.tif')) as found:
        scores = found.read()
        assert found.scales == (1 / 254,) * 2
    assert (scores[:, :, 233:].argmax(0) == classes[:, 233:])[scores[0, :, 233:] != scores[1, :, 233:]].all()
    assert np.abs(scores[:, :, 233:].astype(int).sum(0) - 254).max() <= 1 and (scores[:, :, :233] == 255).all()
    check_polygons(out, 'scene', classes, 'classes_EPSG_32650')
    assert '<paletteEntry value="1"' in (out / 'scene.qml').read_text()
    before = {name: (out / name).read_bytes() for name in os.listdir(str(out)) if (out / name).is_file()}
    run('segmentation', path, '--scores')
    assert 'network' not in capfd.readouterr().err  # nothing is computed anew
    assert before == {name: (out / name).read_bytes() for name in before}


def check_polygons(out, stem, classes, table):
    """The polygons of GeoPackage and GeoJSON cover what the map says."""
    from rasterio.features import rasterize
    features = json.loads((out / (stem + '.geojson')).read_text())['features']
    names = {'background': 0, 'building': 1, 'changed': 1}
    drawn = rasterize([(each['geometry'], names[each['properties']['class']]) for each in features],
                      out_shape=classes.shape, fill=255, transform=NORTH_UP)
    assert (drawn == classes).all()
    base = sqlite3.connect(str(out / 'predictions.gpkg'))
    rows = base.execute(f'SELECT class, pixels FROM {table}').fetchall()
    assert rows == [(each['properties']['class'], each['properties']['pixels']) for each in features]
    assert sum(pixels for _, pixels in rows) == (classes != 255).sum()


def test_a_map_of_changes(run, tmp_path, capfd):
    before, after = halves(tmp_path / 'a.tif'), tmp_path / 'b.tif'
    models.write(after, models.scene(100, 150, 3), crs=UTM, transform=NORTH_UP)
    out = run('change', '--before', before, '--after', after, '--window=64')
    assert 'maps of changes in 1 images' in capfd.readouterr().out
    with rasterio.open(str(out / 'a.tif')) as found:
        classes = found.read(1)
    assert (classes[:, :50] == 255).all() and set(np.unique(classes[:, 50:])) <= {0, 1}
    classes[classes == 0] = 255  # what has not changed is no polygon
    check_polygons(out, 'a', classes, 'changes_EPSG_32650')


def test_pairs_of_folders(run, tmp_path):
    for folder, seed in (('first', 0), ('second', 1)):
        (tmp_path / folder).mkdir()
        for name in ('x.png', 'y.png'):
            models.write(tmp_path / folder / name, models.scene(64, 64, seed))
    folders = '--before', tmp_path / 'first', '--after', tmp_path / 'second'
    out = run('change', *folders, '--window=64', '--formats=none')
    assert {'x.tif', 'y.tif'} <= set(os.listdir(str(out))) and not (out / 'predictions.gpkg').exists()
    os.unlink(str(tmp_path / 'second' / 'y.png'))
    models.write(tmp_path / 'second' / 'z.png', models.scene(64, 64))
    with pytest.raises(MTPError, match='2 of the images before and after have no partner of the same name, .*y.png'):
        run('change', *folders, out='other')


OTHERS = {
    'another system': dict(crs='EPSG:32651'),
    'moved': dict(transform=NORTH_UP * rasterio.Affine.translation(0.5, 0)),
    'other pixels': dict(transform=rasterio.Affine(0.25, 0, 400000, 0, -0.25, 4000000)),
    'another size': dict(width=140),
}


@pytest.mark.parametrize('kind', sorted(OTHERS))
def test_pairs_of_two_grids_are_refused_with_the_line_that_mends_it(run, tmp_path, kind):
    before, after = halves(tmp_path / 'a.tif'), halves(tmp_path / 'b.tif', **OTHERS[kind])
    with pytest.raises(MTPError, match='do not lie on one grid') as told:
        run('change', '--before', before, '--after', after, '--window=64')
    assert not (tmp_path / 'out').exists()
    line = told.value.hint
    assert line.startswith("gdalwarp -t_srs 'EPSG:32650' -te 400000.0 3999950.0 400075.0 4000000.0 -ts 150 100 ")
    if not shutil.which('gdalwarp'):
        pytest.skip('GDAL\'s tools are not here')
    subprocess.check_call(line, shell=True, cwd=str(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run('change', '--before', before, '--after', tmp_path / 'b_on_grid.tif', '--window=64')


@pytest.mark.parametrize('before, after, said', [
    (['a.png'], ['c.png'], 'a.png and .*c.png are a pair and have 64 x 64 and 60 x 64 pixels'),
    (['a.png', 'c.png'], ['c.png'], '2 images before and 1 after'),
    (['a.png'], [], 'looks at pairs'), (['gone.png'], ['a.png'], 'no image .*gone.png'),
    (['a.png'], ['empty.tif'], 'cannot read the image .*empty.tif'),
])
def test_pairs_that_are_none(run, tmp_path, before, after, said):
    models.write(tmp_path / 'a.png', models.scene(64, 64))
    models.write(tmp_path / 'c.png', models.scene(64, 60))
    (tmp_path / 'empty.tif').write_bytes(b'')
    named = [word for option, names in (('--before', before), ('--after', after)) if names
             for word in [option] + [tmp_path / name for name in names]]
    with pytest.raises(MTPError, match=said):
        run('change', *named)
    assert not (tmp_path / 'out').exists()


def test_a_pair_in_the_other_order_of_dates_is_said(run, tmp_path, capfd):
    for name, date in (('a.tif', '2021:05:01 00:00:00'), ('b.tif', '2019:05:01 00:00:00')):
        halves(tmp_path / name, 64, 64)
        with rasterio.open(str(tmp_path / name), 'r+') as stream:
            stream.update_tags(TIFFTAG_DATETIME=date)
    run('change', '--before', tmp_path / 'a.tif', '--after', tmp_path / 'b.tif', '--window=64', '--formats=none')
    assert 'the two dates may be exchanged' in capfd.readouterr().err


def test_images_where_pairs_are_meant_and_the_other_way_round(run, tmp_path):
    path = halves(tmp_path / 'a.tif')
    with pytest.raises(MTPError, match='which is before, and which after'):
        run('change', path)
    with pytest.raises(MTPError, match='looks at single images'):
        run('segmentation', '--before', path, '--after', path)
    with pytest.raises(MTPError, match='no image is named'):
        run('segmentation')


PLACES = {
    'north up': NORTH_UP, 'south up': rasterio.Affine(0.5, 0, 400000, 0, 0.5, 3999000),
    'rotated': NORTH_UP * rasterio.Affine.rotation(33), 'none': None,
}


@pytest.mark.parametrize('kind', sorted(PLACES) + ['points', 'a point of a pixel', 'no system'])
@pytest.mark.parametrize('wgs84', [False, True])
def test_it_lies_where_the_raster_lies(run, tmp_path, kind, wgs84):
    """To a hundredth of a pixel: the data of the right half, of which the outline is known."""
    matrix = PLACES.get(kind, NORTH_UP)
    options = dict(crs=UTM, transform=matrix) if matrix else dict(crs=None, transform=None)
    options.update(dict(crs=None) if kind == 'no system' else {})
    path = tmp_path / 'a.tif'
    halves(path, 64, 96, **options)
    if kind == 'points':
        path.unlink()
        halves(path, 64, 96, crs=None, transform=None)
        points = [rasterio.control.GroundControlPoint(y, x, *(NORTH_UP * (x, y))) for x in (0, 96) for y in (0, 64)]
        with rasterio.open(str(path), 'r+') as stream:
            stream.gcps = points, rasterio.crs.CRS.from_string(UTM)
    if kind == 'a point of a pixel':
        with rasterio.open(str(path), 'r+') as stream:
            stream.update_tags(AREA_OR_POINT='Point')
    out = run('segmentation', path, *['--wgs84'] * wgs84)
    rings = np.concatenate([np.array(ring) for each in json.loads((out / 'a.geojson').read_text())['features']
                            for ring in each['geometry']['coordinates']])
    truth = np.array([(32, 0), (96, 0), (96, 64), (32, 64)], float)
    placed = np.stack((matrix or rasterio.Affine.scale(1, -1)) * truth.T, 1)
    scale = 0.5 if matrix else 1
    if wgs84 and kind not in ('none', 'no system'):
        placed = np.stack(rasterio.warp.transform(UTM, 'EPSG:4326', *placed.T), 1)
        scale = 0.5 / 111320
    for corner in placed:
        assert np.abs(rings - corner).max(axis=1).min() <= 0.01 * scale
    with rasterio.open(str(out / 'a.tif')) as found:
        if matrix:
            assert found.transform.almost_equals(matrix) and (found.crs is None) == (kind == 'no system')
    base = sqlite3.connect(str(out / 'predictions.gpkg'))
    name, = base.execute("SELECT table_name FROM gpkg_contents WHERE data_type='features'").fetchone()
    low_x, high_x = base.execute('SELECT min_x, max_x FROM gpkg_contents WHERE table_name=?', (name,)).fetchone()
    assert abs(low_x - placed[:, 0].min()) <= 0.01 * scale and abs(high_x - placed[:, 0].max()) <= 0.01 * scale


@pytest.mark.parametrize('values, more', [
    (models.scene(70, 70, bands=1), ()), (models.scene(70, 70, bands=2), ()), (models.scene(70, 70, bands=4), ()),
    (models.scene(70, 70, bands=16).astype(np.uint16) * 50, ('--bands', '9', '4', '2')),
    (np.where(models.scene(70, 70) > 250, np.nan, models.scene(70, 70)).astype(np.float32), ()),
], ids=['1', '2', '4', '16', 'not a number'])
def test_rasters_of_every_kind(run, tmp_path, values, more):
    models.write(tmp_path / 'a.tif', values)
    out = run('segmentation', tmp_path / 'a.tif', '--formats=none', *more)
    with rasterio.open(str(out / 'a.tif')) as found:
        assert ((found.read(1) == 255) == np.isnan(values.astype(float)[:3]).any(axis=0)).all()


@pytest.mark.parametrize('name, said', [('empty.tif', 'empty.tif'), ('text.png', 'text.png'), ('gone', 'no image')])
def test_what_is_no_raster_is_named_and_nothing_is_written(run, tmp_path, name, said):
    (tmp_path / 'empty.tif').write_bytes(b'')
    (tmp_path / 'text.png').write_text('no picture')
    with pytest.raises(MTPError, match=said):
        run('segmentation', tmp_path / name)
    assert not (tmp_path / 'out').exists()


def test_simplified_outlines_have_fewer_corners(run, tmp_path):
    path = halves(tmp_path / 'a.tif', 64, 96, transform=NORTH_UP * rasterio.Affine.rotation(20))
    exact = run('segmentation', path)
    simple = run('segmentation', path, '--simplify=3', out='simple')
    size = [(out / 'a.geojson').stat().st_size for out in (exact, simple)]
    assert size[1] <= size[0]
    assert (exact / 'a.tif').read_bytes() == (simple / 'a.tif').read_bytes()
