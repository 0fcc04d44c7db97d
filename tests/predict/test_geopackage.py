"""A GeoPackage is what SQLite and GDAL's own tools read back: geometry, coordinates, index, style, counts."""
import json
import shutil
import sqlite3
import subprocess

import numpy as np
import pytest

from mtp.predict import geopackage, placing
from mtp.predict.geopackage_tables import CORE

rasterio = pytest.importorskip('rasterio')
COLOURS = {'ship': (255, 0, 10), 'a "b" & <c>': (0, 200, 0)}
COLUMNS = (('image', 'TEXT'), ('class', 'TEXT'), ('score', 'REAL'))
UTM = placing.System('EPSG:32650', rasterio.crs.CRS.from_epsg(32650), 3)
NONE = placing.System(placing.PIXELS, None, 2)


def rings(count, seed=0):
    start = np.random.default_rng(seed).uniform(0, 1000, (count, 1, 2)) + [400000, 4000000]
    return start + np.array([[0, 0], [4, 1], [3, 9], [-1, 8], [0, 0]])


def write(path, count=50):
    with geopackage.GeoPackage(str(path), '2024-05-06T07:08:09.000Z') as package:
        layer = package.layer('objects', UTM, COLUMNS, COLOURS)
        layer.boxes(rings(count), [['a'] * count, ['ship'] * count, np.linspace(0, 1, count)])
        square = np.array([[0, 0], [10, 0], [10, -10], [0, -10], [0, 0]], float)
        package.layer('areas', NONE, COLUMNS, COLOURS).polygons(
            [[square, square[::-1] * 0.5 + [2, -2]], [square + 20]], [['b', 'c'], ['ship', 'a "b" & <c>'], [1, None]])
    return str(path)


def test_sqlite_reads_it(tmp_path):
    base = sqlite3.connect(write(tmp_path / 'a.gpkg'))
    assert base.execute('PRAGMA application_id').fetchone() == (0x47504B47,)
    assert base.execute('PRAGMA integrity_check').fetchone() == ('ok',)
    assert base.execute('SELECT table_name, data_type, srs_id FROM gpkg_contents ORDER BY 1').fetchall() == [
        ('areas', 'features', -1), ('layer_styles', 'attributes', None), ('objects', 'features', 32650)]
    blob, = base.execute('SELECT geom FROM objects WHERE fid=7').fetchone()
    assert blob[:2] == b'GP' and np.frombuffer(blob, '<f8', 10, 8 + 32 + 13).reshape(5, 2).tolist() == rings(50)[
        6].tolist()
    assert base.execute('SELECT count(*) FROM rtree_objects_geom').fetchone() == (50,)
    box = base.execute('SELECT minx, maxx, miny, maxy FROM rtree_objects_geom WHERE id=7').fetchone()
    low, high = rings(50)[6].min(0), rings(50)[6].max(0)
    assert box[0] <= low[0] <= high[0] <= box[1] and box[2] <= low[1] <= high[1] <= box[3]  # of 32 bits, outwards


def test_the_same_again_is_the_same_file(tmp_path):
    first, second = (open(write(tmp_path / name), 'rb').read() for name in ('a.gpkg', 'b.gpkg'))
    assert first == second


def test_nothing_is_there_before_all_is(tmp_path):
    with pytest.raises(ZeroDivisionError), geopackage.GeoPackage(str(tmp_path / 'a.gpkg')) as package:
        package.layer('objects', UTM, COLUMNS, COLOURS).boxes(rings(3), [['a'] * 3] * 3)
        1 / 0
    assert list(tmp_path.iterdir()) == []


def test_systems_of_one_name_that_differ_are_layers_of_their_own(tmp_path):
    systems = [placing.System('a coordinate system without a code', rasterio.crs.CRS.from_proj4(
        f'+proj=tmerc +lat_0=0 +lon_0={middle} +k=1 +x_0=0 +ellps=WGS84 +units=m'), 3)
        for middle in (117.3, 9.1)]
    with geopackage.GeoPackage(str(tmp_path / 'a.gpkg')) as package:
        for system in systems + systems[:1]:
            package.layer('own', system, COLUMNS, COLOURS).boxes(rings(2), [['a'] * 2] * 3)
    base = sqlite3.connect(str(tmp_path / 'a.gpkg'))
    assert base.execute('SELECT table_name, feature_count FROM gpkg_ogr_contents').fetchall() == [
        ('own', 4), ('own_2', 2)]
    assert len(set(base.execute("SELECT srs_id FROM gpkg_contents WHERE table_name LIKE 'own%'").fetchall())) == 2


def ogr(*words):
    if not shutil.which('ogrinfo'):
        pytest.skip('GDAL\'s tools are not here (apt-get install gdal-bin)')
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    return done.stdout


def test_gdal_reads_it_without_a_word(tmp_path):
    path = write(tmp_path / 'a.gpkg')
    said = ogr('ogrinfo', '-al', path)
    assert 'Feature Count: 50' in said and 'ID["EPSG",32650]' in said
    assert 'POLYGON ((0 0,10 0,10 -10,0 -10,0 0),(' in said
    read = json.loads(ogr('ogr2ogr', '-f', 'GeoJSON', '-lco', 'COORDINATE_PRECISION=9', '/vsistdout/', path, 'objects'))
    found = np.array([feature['geometry']['coordinates'][0] for feature in read['features']])
    np.testing.assert_allclose(found, rings(50), atol=1e-8)
    box = rings(50)[3].min(0).tolist() + rings(50)[3].max(0).tolist()
    near = ogr('ogrinfo', '-al', '-so', '-spat', *map(str, box), path, 'objects')
    inside = ((rings(50).min(1) <= box[2:]) & (rings(50).max(1) >= box[:2])).all(axis=1).sum()
    assert f'Feature Count: {inside}' in near and inside < 50


def test_edits_keep_the_index_right(tmp_path):
    """The triggers call functions that GDAL brings."""
    path = write(tmp_path / 'a.gpkg')
    ogr('ogrinfo', path, '-sql', 'DELETE FROM objects WHERE fid <= 20')
    base = sqlite3.connect(path)
    assert base.execute('SELECT count(*), min(id) FROM rtree_objects_geom').fetchone() == (30, 21)
    assert base.execute("SELECT feature_count FROM gpkg_ogr_contents WHERE table_name='objects'").fetchone() == (30,)


def test_qgis_finds_the_colours(tmp_path):
    from xml.etree import ElementTree
    base = sqlite3.connect(write(tmp_path / 'a.gpkg'))
    table, column, text, default = base.execute(
        "SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles WHERE f_table_schema='' "
        "AND f_table_name='objects'").fetchone()
    assert (column, default) == ('geom', 1)
    style = ElementTree.fromstring(text.split('\n', 1)[1])
    renderer = style.find('renderer-v2')
    assert renderer.get('attr') == 'class'
    names = {each.get('symbol'): each.get('value') for each in renderer.iter('category')}
    colours = {names[symbol.get('name')]: symbol.find('layer/prop[@k="color"]').get('v')
               for symbol in renderer.iter('symbol')}
    assert colours == {'ship': '255,0,10,90', 'a "b" & <c>': '0,200,0,90'}


def test_tables_are_those_of_the_standard():
    assert sum(line.startswith('CREATE TABLE gpkg_') for line in CORE) == 5
