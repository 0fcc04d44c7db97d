"""Classes of scenes through the command line: a table of images, and a grid over a big raster."""
import csv
import json
import sqlite3

import numpy as np
import pytest

from tests import environments
from tests.predict import models

rasterio = pytest.importorskip('rasterio')
if environments.adapter(environments.current()) != 'mmrotate1':
    pytest.skip('no toolbox is installed, or one with detectors only', allow_module_level=True)
pytestmark = pytest.mark.filterwarnings('ignore')


@pytest.fixture(scope='module')
def out(tmp_path_factory):
    from mtp.predict.__main__ import main
    home = tmp_path_factory.mktemp('scenes')
    words = models.write_weights(str(home / 'c.pth'), 'classification')
    (home / 'images').mkdir()
    for number in range(3):
        models.write(home / 'images' / f'chip{number}.png', models.scene(64, 64, number))
    big = models.scene(130, 210)
    big[:, :, :70] = 0
    models.write(home / 'images' / 'big.tif', big, nodata=0, crs='EPSG:32650',
                 transform=rasterio.Affine(0.5, 0, 400000, 0, -0.5, 4000000))
    assert main([str(home / 'images'), '--out', str(home / 'out'), '--workers=0', '--batch-size=4'] + words) == 0
    return home / 'out'


def test_the_table(out):
    with open(str(out / 'scenes.csv'), newline='') as stream:
        rows = list(csv.DictReader(stream))
    assert [row['image'] for row in rows if row['image'] != 'big.tif'] == ['chip0.png', 'chip1.png', 'chip2.png']
    assert len([row for row in rows if row['image'] == 'big.tif']) == 3 * 4 - 3  # one column holds no data
    for row in rows:
        scores = {name[6:]: float(value) for name, value in row.items() if name.startswith('score_')}
        assert len(scores) == 10 and sum(scores.values()) == pytest.approx(1, abs=1e-4)
        assert float(row['score']) == scores[row['class']] == max(scores.values())


def test_the_grid(out):
    features = json.loads((out / 'big.geojson').read_text())['features']
    rings = np.array([each['geometry']['coordinates'][0] for each in features])
    assert rings[..., 0].min() == 400032 and rings[..., 0].max() == 400105
    area = 0.5 * np.abs((rings[:, :-1, 0] * rings[:, 1:, 1] - rings[:, 1:, 0] * rings[:, :-1, 1]).sum(1))
    assert area.sum() == pytest.approx((210 - 64) * 130 / 4)  # no part twice
    base = sqlite3.connect(str(out / 'predictions.gpkg'))
    rows = base.execute('SELECT image, class, score FROM scenes_EPSG_32650').fetchall()
    assert rows == [('big', each['properties']['class'], each['properties']['score']) for each in features]


def test_a_chip_has_no_polygon(out):
    assert not (out / 'chip0.geojson').exists()
