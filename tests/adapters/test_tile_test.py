"""``tools/test.py`` on big images, in whichever environment this is: on the fly, from files, killed, going on."""
import argparse
import os
import subprocess
import sys
import time
import zipfile

import cv2
import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.submit import validate
from mtp.tiles import cut, shards
from tests.adapters import tiny
from tests.environments import ROOT, ledger

environment = pytest.importorskip('mtp.adapters.environment')
try:
    NAME = ledger.published(environment.name())
except MTPError as error:
    pytest.skip(str(error), allow_module_level=True)
CONFIG = 'oriented_rcnn_rvsa_t_256_mtp_dotav1'
# In mmrotate1 the demo is judged by labels; this is the same as a data set whose truth lies with a server.
SUBMISSION = """_base_ = {!r}
test_dataloader = dict(dataset=dict(ann_file=''))
test_evaluator = dict(_delete_=True, type='TileSubmission', dataset='dotav1')
"""


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    """Roots with two big images, no tiles, and a checkpoint."""
    home = tmp_path_factory.mktemp('whole')
    images = home / 'data' / 'dotav1' / 'test' / 'images'
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size in (('P0', (200, 300, 3)), ('P1__x', (120, 100, 3))):
        cv2.imwrite(str(images / (name + '.png')), rng.integers(0, 256, size, dtype=np.uint8))
    patch = pytest.MonkeyPatch()
    for kind in ('data', 'weights', 'work'):
        patch.setenv(f'MTP_{kind.upper()}_ROOT', str(home / kind))
    (home / 'own.py').write_text(SUBMISSION.format(
        os.path.join(ROOT, f'configs/{NAME}/demo/{CONFIG}.py')))
    yield home
    patch.undo()


@pytest.fixture(scope='module')
def command(home):
    """Function from a name and further words to those of a test into ``work_dirs/<name>``."""
    options = tiny.write_weights(str(home / 'c.pth'), CONFIG)

    def words_of(name, *words):
        if NAME == 'mmrotate03':
            words = (CONFIG, str(home / 'c.pth'), '--format-only', '--eval-options',
                     f'submission_dir=work_dirs/{name}/submit', '--work-dir=work_dirs/' + name) + words
        else:
            words = (str(home / 'own.py'), str(home / 'c.pth'), '--work-dir=work_dirs/' + name) + words
        return list(words) + options
    return words_of


@pytest.fixture(scope='module')
def run(home, command):
    """Function that tests into ``work_dirs/<name>`` and returns the folder of the submission."""
    def test(name, *words):
        environment.command_line().test(command(name, *words))
        return home / 'work' / name / 'submit'
    return test


def found(folder):
    return {tile: tuple(columns) for tile, *columns in shards.read_shards(str(folder) + '.shards')}


def same(first, second):
    first, second = found(first), found(second)
    assert sorted(first) == sorted(second) and sum(len(scores) for _, scores, _ in first.values()) > 100
    for tile in first:
        for one, other in zip(first[tile], second[tile]):
            assert one.shape == other.shape and np.abs(one - other).max(initial=0) < 1e-3, tile


@pytest.fixture(scope='module')
def flying(run):
    return run('fly', '--batch-size=2', '--workers=1', '--show-dir=work_dirs/show')


def test_windows_are_cut_on_the_fly_where_there_are_no_tiles(home, run, capfd):
    out = run('alone')
    captured = capfd.readouterr()
    said = captured.err
    assert 'at IoU >= 0.1, as on a CPU' in captured.out
    assert 'windows are cut on the fly' in said and '(demo_ms)' in said and 'network' in said
    report = validate.validate(str(out), 'dotav1', str(home / 'data/dotav1/test/images'))
    assert not report.problems and report.images == 2 and report.detections > 10
    assert zipfile.is_zipfile(str(out / 'submit.zip'))


def test_another_threshold_merges_anew_without_the_network(home, run, flying, capfd, monkeypatch):
    module = __import__(f'mtp.adapters.{NAME}.detector', fromlist=['Detector']).Detector
    monkeypatch.setattr(module, '__call__', lambda self, batch: 1 / 0)
    counts, first = {}, validate.validate(str(flying), 'dotav1', str(home / 'data/dotav1/test/images')).detections
    for words in (['--iou-thr=0.9'], ['--cfg-options', 'merge.iou_thr=0.5'], ['--iou-thr=0.1']):
        out = run('fly', '--batch-size=2', '--workers=1', *words)
        counts[words[-1]] = validate.validate(str(out), 'dotav1', str(home / 'data/dotav1/test/images')).detections
        captured = capfd.readouterr()
        threshold = float(words[-1].split('=')[-1])
        assert f'the worse one goes at IoU >= {threshold:g}, as on a CPU' in captured.out
        assert (f'nms (0.1) rules within a tile; whole images are merged at {threshold:g}' in captured.err) == (
            threshold != 0.1)
    assert counts['--iou-thr=0.9'] > counts['merge.iou_thr=0.5'] > counts['--iou-thr=0.1'] == first


@pytest.mark.parametrize('words, said', [
    (['--cfg-options', 'merge.iou_thr=1.5'], 'iou_thr is 1.5; it has to be a number above 0 and at most 1'),
    (['--cfg-options', 'merge.iou=0.5'], 'merge has no iou; it has iou_thr, rule'),
    (['--cfg-options', 'merge.rule=lt'], "rule is 'lt'; it can be ge, gt")])
def test_a_merge_that_cannot_be_is_refused_first(run, words, said):
    with pytest.raises(MTPError, match=said):
        run('refused', *words)


def test_batches_workers_and_pictures(home, run, flying):
    same(flying, home / 'work/alone/submit')
    assert sorted(path.name for path in (home / 'work/show').glob('*.jpg')) == ['P0.jpg', 'P1__x.jpg']


def test_the_same_from_files(home, run, flying):
    tiles = home / 'data' / 'demo_dotav1' / 'test'
    images = str(home / 'data/dotav1/test/images')
    cut.main(['--preset', 'demo_ms', '--images', images, '--out', str(tiles), '--jobs=1'])
    from_files = run('files')
    same(flying, from_files)
    same(run('asked', '--cut'), from_files)  # tiles are there, but windows are asked for
    one = run('other', '--cut', 'demo_ss', '--images', images)
    assert 0 < len(found(one)) < len(found(flying))


SLOW = """import sys, time
from mtp.adapters import environment
detector = environment.adapter('detector').Detector
call = detector.__call__
detector.__call__ = lambda self, batch: (time.sleep(0.3), call(self, batch))[1]
environment.command_line().test(sys.argv[1:])
"""


def test_killed_and_started_again(home, run, command, flying):
    child = subprocess.Popen([sys.executable, '-c', SLOW] + command('killed', '--batch-size=1'), cwd=ROOT)
    shard, until = home / 'work/killed/submit.shards/rank-00000.shard', time.monotonic() + 300
    while not (shard.exists() and shard.stat().st_size > 3000) and child.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    child.kill()
    child.wait()
    before = len(found(home / 'work/killed/submit'))
    assert 0 < before < len(found(flying)) and not list((home / 'work/killed/submit').glob('Task1*'))
    same(run('killed'), flying)


@pytest.mark.parametrize('words, said', [
    (['--cut', '--images=gone'], 'no folder of uncut'),
    (['--amp'], 'needs a GPU'),
])
def test_refusals_come_before_any_work(run, words, said):
    import torch
    if words == ['--amp'] and torch.cuda.is_available():
        pytest.skip('there is a GPU')
    with pytest.raises(MTPError, match=said):
        run('refused', *words)


def test_neither_tiles_nor_images(home, run, monkeypatch, tmp_path):
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path))
    with pytest.raises(MTPError, match='no folder'):
        run('nothing')


def other_tiles(names):
    """A folder of tiles with these names."""
    folder = os.path.join(os.environ['MTP_DATA_ROOT'], 'demo_dotav1/test/images')
    os.makedirs(folder)
    for name in names:
        cv2.imwrite(os.path.join(folder, name + '.png'), np.zeros((20, 20, 3), np.uint8))


@pytest.mark.parametrize('names, said', [
    (['P0__1__0___0', 'P0__0.5__0___824'], 'DOTA_devkit'),
    (['P0__0.5__0___824'], 'DOTA_devkit'),
    (['P0__256__0___0', 'Q7__256__0___0'], "'Q7'"),
    (['P0__256__0___0'], 'were not tested, for example P1__x'),
])
def test_tiles_that_cannot_end_in_a_submission_are_refused_first(home, run, monkeypatch, tmp_path, names, said):
    images = str(home / 'data/dotav1/test/images')
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path))
    other_tiles(names)
    with pytest.raises(MTPError, match=said):
        run('strange', '--images', images)
    assert not (home / 'work/strange/submit.shards').exists()


def test_a_full_disk_is_noticed_first(run, monkeypatch):
    import shutil
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(10 ** 9, 10 ** 9, 2 ** 20))
    with pytest.raises(MTPError, match='has 0.0 GiB left'):
        run('full')


@pytest.mark.parametrize('words, kind', [
    (['--batch-size=0'], 'whole number of at least 1'), (['--workers=-1'], 'whole number of at least 0'),
    (['--workers=two'], 'whole number of at least 0'), (['--iou-thr=1.5'], 'number above 0 and at most 1'),
    (['--iou-thr=nan'], 'number above 0 and at most 1')])
def test_a_number_that_makes_no_sense_is_told_in_words(words, kind, capsys):
    from mtp.adapters import tile_test  # needs torch
    parser = argparse.ArgumentParser()
    tile_test.add_options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert f'a {kind} is expected' in capsys.readouterr().err
