"""``python -m mtp.predict`` on a folder of rasters of every kind, in whichever environment this is."""
import json
import os

import numpy as np
import pytest

from mtp.errors import MTPError
from tests.adapters import tiny

rasterio = pytest.importorskip('rasterio')
environment = pytest.importorskip('mtp.adapters.environment')
try:
    environment.name()
except MTPError as error:
    pytest.skip(str(error), allow_module_level=True)
CONFIG = 'oriented_rcnn_rvsa_t_256_mtp_dotav1'


def write(path, values, **options):
    driver = {'.png': 'PNG', '.tif': 'GTiff', '.jpg': 'JPEG'}[path[-4:]]
    with rasterio.open(path, 'w', driver=driver, count=len(values), height=values.shape[1], width=values.shape[2],
                       dtype=str(values.dtype), **options) as stream:
        stream.write(values)


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp('predict')
    images = home / 'images'
    images.mkdir()
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (4, 280, 200), dtype=np.uint8)
    write(str(images / 'scene.tif'), values[:3].astype(np.uint16) * 40, crs='EPSG:32650',
          transform=rasterio.Affine(0.5, 0, 400000, 0, -0.5, 4000000))
    write(str(images / 'rgba.png'), values[:, :100, :120])
    write(str(images / 'gray.jpg'), values[:1, :90, :90])
    (images / 'notes.txt').write_text('no image')
    return home


@pytest.fixture(scope='module')
def run(home):
    from mtp.predict.__main__ import main
    options = tiny.write_weights(str(home / 'c.pth'), CONFIG)

    def predict(*words, images=('images',), out='out'):
        assert main([str(home / name) for name in images] + [
            '--config', CONFIG, '--checkpoint', str(home / 'c.pth'), '--out', str(home / out), '--workers=0',
            '--score-thr=0.02'] + list(words) + options) == 0
        return home / out
    return predict


def test_a_folder(run, capfd):
    out = run()
    said = capfd.readouterr()
    assert '3 images' in said.out and 'EPSG:32650; pixels, y upwards' in said.out and 'network' in said.err
    assert {'gray', 'rgba', 'scene'} == set(name[:-4] for name in os.listdir(str(out)) if name.endswith('.jpg'))
    coco = json.loads((out / 'coco.json').read_text())
    assert [(image['file_name'], image['width']) for image in coco['images']] == [
        ('gray.jpg', 90), ('rgba.png', 120), ('scene.tif', 200)]
    counts = {}
    for name in ('gray', 'rgba', 'scene'):
        features = json.loads((out / (name + '.geojson')).read_text())['features']
        counts[name] = len(features)
    assert counts['scene'] > 20 and sum(counts.values()) == len(coco['annotations'])
    lines = [line for path in (out / 'dota').iterdir() for line in path.read_text().splitlines()]
    assert len(lines) == sum(counts.values()) and set(line.split()[0] for line in lines) <= set(counts)
    corners = np.array([feature['geometry']['coordinates'][0] for feature in json.loads(
        (out / 'scene.geojson').read_text())['features']])
    middle = corners.mean(axis=(0, 1))
    assert 400000 < middle[0] < 400100 and 3999860 < middle[1] < 4000000

    before = (out / 'scene.geojson').read_text()
    run()  # started again: nothing is detected anew
    assert 'network' not in capfd.readouterr().err and (out / 'scene.geojson').read_text() == before
    run('--score-thr=0.06', '--wgs84')
    again = json.loads((out / 'scene.geojson').read_text())
    assert len(again['features']) < counts['scene'] and 'crs' not in again
    with pytest.raises(MTPError, match='another test'):
        run('--tiling=demo_ss')  # what it found with other windows is not mixed in


def test_processes_that_read_and_draw_change_nothing(run):
    """Also with what a killed test left: it is not detected again."""
    first, second = run(out='alone'), run('--workers=2', out='helped')
    names = sorted(str(path.relative_to(first)) for path in first.rglob('*.*') if path.suffix != '.shard')
    assert len([name for name in names if name.endswith('.jpg')]) == 3
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    shard = second / 'shards' / 'rank-00000.shard'
    whole = shard.stat().st_size
    os.truncate(str(shard), whole * 2 // 3)  # as after a kill while it was written
    left = shard.read_bytes()[:whole // 3]
    run('--workers=2', out='helped')
    assert shard.stat().st_size == whole and shard.read_bytes()[:whole // 3] == left
    assert (first / 'coco.json').read_bytes() == (second / 'coco.json').read_bytes()


@pytest.mark.parametrize('images, words, said', [
    (('gone.tif',), (), 'no image'),
    (('c.pth',), (), 'cannot read the image'),
    (('images/scene.tif',), ('--bands', '1', '2', '7'), '3 bands'),
    (('images', 'copy/scene.tif'), (), 'share one image id'),
    (('empty',), (), 'no image in'),
])
def test_refusals_come_before_any_work(run, home, images, words, said):
    (home / 'copy').mkdir(exist_ok=True)
    (home / 'empty').mkdir(exist_ok=True)
    write(str(home / 'copy' / 'scene.tif'), np.zeros((1, 9, 9), np.uint8))
    with pytest.raises(MTPError, match=said):
        run(*words, images=images, out='refused')
    assert not (home / 'refused' / 'coco.json').exists()


def test_a_config_that_detects_nothing_is_refused(home):
    from mtp.predict.__main__ import main
    if environment.name() != 'mmrotate1':
        pytest.skip('this environment has detectors only')
    with pytest.raises(MTPError, match='not the config of a detector'):
        main([str(home / 'images'), '--config', 'vit-rvsa-b-224-mae-mtp_eurosat', '--checkpoint', str(home / 'c.pth')])
