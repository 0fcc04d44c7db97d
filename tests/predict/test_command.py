"""``python -m mtp.predict`` on a folder of rasters of every kind, in whichever environment this is."""
import json
import os
import sqlite3

import numpy as np
import pytest

from mtp import ownership
from mtp.errors import MTPError
from tests import environments
from tests.adapters import tiny

rasterio = pytest.importorskip('rasterio')
NAME = environments.of_the_record() or pytest.skip('no toolbox is installed', allow_module_level=True)
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

    def predict(*words, images=('images',), out='out', settings=()):
        assert main([str(home / name) for name in images] + [
            '--config', CONFIG, '--checkpoint', str(home / 'c.pth'), '--out', str(home / out), '--workers=0',
            '--score-thr=0.02'] + list(words) + options + list(settings)) == 0
        return home / out
    predict.home = home
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
    base = sqlite3.connect(str(out / 'predictions.gpkg'))
    assert base.execute('SELECT count(*) FROM objects_EPSG_32650').fetchone() == (counts['scene'],)
    assert dict(base.execute('SELECT image, count(*) FROM objects_pixels GROUP BY image').fetchall()) == {
        name: counts[name] for name in ('gray', 'rgba') if counts[name]}
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
    (('zero.tif',), (), r'zero.tif: it is empty \(0 bytes\)'),
    (('dead.tif',), (), 'dead.tif: it is a link to nowhere.tif, where there is nothing'),
])
def test_refusals_come_before_any_work(run, home, images, words, said):
    (home / 'copy').mkdir(exist_ok=True)
    (home / 'empty').mkdir(exist_ok=True)
    (home / 'zero.tif').write_bytes(b'')
    if not os.path.lexists(str(home / 'dead.tif')):
        (home / 'dead.tif').symlink_to('nowhere.tif')
    write(str(home / 'copy' / 'scene.tif'), np.zeros((1, 9, 9), np.uint8))
    with pytest.raises(MTPError, match=said):
        run(*words, images=images, out='refused')
    assert not (home / 'refused' / 'coco.json').exists()


def test_tiles_are_merged_by_the_rule_of_the_config(run, capfd):
    def objects(out, *words, **more):
        run(*words, out=out, **more)
        said = capfd.readouterr()
        return (out, json.loads((run.home / out / 'coco.json').read_text())['annotations'],
                [line for line in said.out.splitlines() if line.startswith('merge:')], 'network' in said.err,
                ownership.read(str(run.home / out)))

    few, many = objects('merged'), objects('merged', '--iou-thr=0.9', '--rule=gt')
    of_config = objects('of_config', settings=('merge.iou_thr=0.9', 'merge.rule=gt'))
    over = objects('of_config', '--iou-thr=0.1', '--rule=ge', settings=('merge.iou_thr=0.9', 'merge.rule=gt'))
    assert len(many[1]) > len(few[1]) and of_config[1] == many[1] and over[1] == few[1]
    assert [each[2] for each in (few, many, of_config)] == [
        ['merge: of two boxes of a class in an image the worse one goes at ' + rule] for rule in (
            'IoU >= 0.1, as on a CPU', 'IoU > 0.9, as on CUDA', 'IoU > 0.9, as on CUDA')]
    assert [each[3] for each in (few, many, of_config, over)] == [True, False, True, False]  # windows stay computed
    marks = [each[4] for each in (few, many, of_config, over)]
    assert marks[1]['merge'] == marks[2]['merge'] == dict(iou_thr=0.9, rule='gt')
    assert marks[0]['fingerprint'] == marks[3]['fingerprint'] != marks[1]['fingerprint'] == marks[2]['fingerprint']


@pytest.mark.parametrize('word', ['0', '-1', '1.5', 'nan'])
def test_a_threshold_that_cannot_be_is_refused_before_any_work(run, word, capfd):
    with pytest.raises(SystemExit) as left:
        run('--iou-thr=' + word, out='threshold')
    assert left.value.code == 2 and 'argument --iou-thr: a number above 0 and at most 1' in capfd.readouterr().err
    assert not (run.home / 'threshold').exists()


def snapshot(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize('out', ['images', 'theirs'])
def test_what_is_not_ours_is_never_touched(run, home, out):
    (home / 'theirs' / 'dota').mkdir(parents=True, exist_ok=True)
    (home / 'theirs' / 'dota' / 'readme.txt').write_text('mine')
    before = snapshot(home / out)
    with pytest.raises(MTPError, match='was not made by predict') as told:
        run(out=out)
    assert told.value.hint == f'give another folder: --out {home / out}_2'
    assert snapshot(home / out) == before


def test_a_file_beside_our_results_stays(run, home):
    out = run(out='mixed')
    (out / 'dota' / 'readme.txt').write_text('mine')
    (out / 'notes.jpg').write_text('mine')
    run('--score-thr=0.9', out='mixed')
    assert (out / 'dota' / 'readme.txt').read_text() == (out / 'notes.jpg').read_text() == 'mine'
    assert os.listdir(str(out / 'dota')) == ['readme.txt']  # nothing has such a score: our texts have gone


def test_our_own_pictures_are_not_replaced_by_what_is_found_in_them(run, home):
    run(out='again')
    with pytest.raises(MTPError, match='would be replaced by what is made of it'):
        run(images=('again/gray.jpg',), out='again')


def test_a_folder_in_the_place_of_a_file_is_told_before_any_work(run, home, capfd):
    out = run(out='blocked', images=('images/gray.jpg',))
    (out / 'rgba.jpg').mkdir()
    capfd.readouterr()
    with pytest.raises(MTPError, match='blocked holds rgba.jpg, where predict writes a file'):
        run(out='blocked')
    assert 'network' not in capfd.readouterr().err
