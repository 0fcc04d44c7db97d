"""The published command lines on four tiles: train, go on, test, package, in two processes too; what they refuse."""
import json
import os
import pickle
import subprocess
import sys
import zipfile

import pytest

from mtp.adapters.mmrotate03 import cli
from mtp.errors import MTPError
from mtp.tiles import shards
from tests import environments
from tests.adapters import tiny

CONFIG = 'configs/mtp/demo/oriented_rcnn_rvsa_t_256_mtp_dotav1.py'
STEPS = ['runner.max_iters=2', 'data.samples_per_gpu=2', 'checkpoint_config.interval=1', 'log_config.interval=1',
         'optimizer.paramwise_cfg.num_layers=4']

# A user's own file: the demo's model, its test tiles judged while it trains.
JUDGED = """_base_ = {!r}
data = dict(val=dict(type='DOTADataset', version='le90', ann_file='data/demo_dotav1/test/annfiles/',
                     img_prefix='data/demo_dotav1/test/images/', pipeline={{{{_base_.test_pipeline}}}}))
evaluation = dict(interval=1, metric='mAP')
"""


def train(*words, options=()):
    cli.train([CONFIG, '--work-dir=work_dirs/run', *words, '--cfg-options', *tiny.NARROW, *STEPS, *options])


@pytest.fixture(scope='module')
def trained(place):
    train()
    return place / 'work' / 'run'


def check(trained, *words):
    cli.test([CONFIG, str(trained / 'iter_2.pth'), *words, '--cfg-options', *tiny.NARROW])


def test_training_and_going_on_as_a_slurm_task(trained, monkeypatch):
    assert {'iter_1.pth', 'iter_2.pth', 'latest.pth'} <= set(os.listdir(str(trained)))
    with pytest.raises(MTPError, match='--resume'):
        train()
    tiny.as_slurm_task(monkeypatch)
    train('--resume', '--launcher=slurm', options=['runner.max_iters=3'])
    assert os.environ['MASTER_PORT'] == '13232'  # of job 77, step 0
    assert (trained / 'iter_3.pth').exists()


def test_curves_lie_beside_the_log_and_go_to_a_tracker_without_a_key_in_any_file(place, monkeypatch):
    tiny.check_that_curves_lie_beside_the_log_and_go_to_a_tracker(
        train, place, monkeypatch, 'train/loss', 'learning_rate')


def test_a_network_for_other_classes_is_named_before_the_first_step(place):
    with pytest.raises(MTPError, match='model.roi_head.bbox_head.num_classes is 3, and the data set has 15 classes'):
        train('--work-dir=work_dirs/classes', options=['model.roi_head.bbox_head.num_classes=3'])


def test_nothing_of_a_checkpoint_runs_whichever_way_it_is_named(trained):
    tiny.check_that_nothing_of_a_checkpoint_runs(train, trained, '--resume-from')


def test_two_processes_train_and_judge_one_model(place):
    """Where they are started nothing is left, for in a container that is a folder nobody can write to."""
    here, folder, own = place / 'here', place / 'work' / 'pair', place / 'judged.py'
    here.mkdir()
    own.write_text(JUDGED.format(os.path.join(environments.ROOT, CONFIG.replace('mtp', 'mmrotate03', 1))))
    words = [sys.executable, '-m', 'torch.distributed.launch', '--nproc_per_node=2', '--master_port=29873',
             os.path.join(environments.ROOT, 'tools', 'train.py'), str(own), '--launcher=pytorch', '--work-dir',
             str(folder), '--cfg-options', *tiny.NARROW, *STEPS]
    done = subprocess.run(words, cwd=str(here), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()[-3000:]
    assert {'iter_1.pth', 'iter_2.pth'} <= set(os.listdir(str(folder)))
    assert done.stdout.decode().count('Iter [2/2]') == 1  # one of them writes the log
    assert os.listdir(str(here)) == [] and not (folder / '.eval_hook').exists()
    said = json.loads((folder / 'passport.json').read_text())
    assert 0 <= said['metrics']['mAP'] <= 1, 'the last validation is kept'


def test_the_published_test_command_ends_in_a_submission(trained):
    check(trained, '--format-only', '--show-dir=work_dirs/show',
          '--eval-options', 'submission_dir=work_dirs/out/submit')
    out = trained.parent / 'out'
    with zipfile.ZipFile(str(out / 'submit' / 'submit.zip')) as archive:
        assert archive.namelist() and all(name.startswith('Task1_') for name in archive.namelist())
    assert len(list(shards.read_shards(str(out / 'submit.shards')))) == 4
    assert [path.name for path in (trained.parent / 'show').glob('*.jpg')] == ['P0000.jpg']
    check(trained, '--format-only', '--eval-options', 'submission_dir=work_dirs/out/submit')  # ours: packed anew


def test_two_processes_share_the_tiles_and_find_the_same(trained):
    folder = str(trained.parent / 'two')
    words = [sys.executable, '-m', 'torch.distributed.launch', '--nproc_per_node=2', '--master_port=29871',
             'tools/test.py', CONFIG, str(trained / 'iter_2.pth'), '--launcher=pytorch', '--work-dir', folder,
             '--out', folder + '/found.pkl', '--cfg-options', *tiny.NARROW]
    done = subprocess.run(words, cwd=environments.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()[-2000:]
    both = {tile: (boxes, scores) for tile, boxes, scores, _ in shards.read_shards(folder + '/shards')}
    assert sorted(os.listdir(folder + '/shards')) == ['rank-00000.shard', 'rank-00001.shard']
    check(trained, '--out', str(trained / 'one.pkl'), '--work-dir=work_dirs/one')
    one = shards.read_shards(str(trained.parent / 'one' / 'shards'))
    alone = {tile: (boxes, scores) for tile, boxes, scores, _ in one}
    assert sorted(both) == sorted(alone)
    for tile, (boxes, scores) in alone.items():
        assert boxes.shape == both[tile][0].shape
        assert abs(scores - both[tile][1]).max() < 1e-5 and abs(boxes - both[tile][0]).max() < 1e-3
    with open(str(trained / 'one.pkl'), 'rb') as stream:
        results = pickle.load(stream)
    assert len(results) == 4 and len(results[0]) == 15 and results[0][0].shape[1] == 6


def test_the_tiles_are_judged_by_their_labels(trained, capsys):
    cli.test([CONFIG, str(trained / 'iter_2.pth'), '--eval', 'mAP', '--work-dir=work_dirs/judged', '--cfg-options',
              'data.test.ann_file=data/demo_dotav1/test/annfiles', *tiny.NARROW])
    assert 'mAP 0.' in capsys.readouterr().out
    said = json.loads((trained.parent / 'judged' / 'passport-test.json').read_text())
    assert said['status'] == 'complete' and 0 <= said['metrics']['mAP'] <= 1
    assert said['data']['test']['images']['files'] == 4 and len(said['started_from']['sha256']) == 64


@pytest.mark.parametrize('words, said', [
    (['configs/mtp/dotav2/oriented_rcnn_rvsa_l_1024_mae_mtp_dota20.py', 'x.pth', '--eval', 'mAP'],
     'mmrotate1, but mmrotate03'),
    ([CONFIG, 'nothing.pth', '--eval', 'mAP'], 'no checkpoint nothing.pth'),
    ([CONFIG, '{}/iter_2.pth'], 'nothing is asked for'),
    ([CONFIG, '{}/iter_2.pth', '--format-only'], 'needs a folder'),
    ([CONFIG, '{}/iter_2.pth', '--format-only', '--eval-options', 'submission_dir='], 'needs a folder'),
    (['no_such_config', 'x.pth', '--eval', 'mAP'], 'no config'),
    ([CONFIG, '{}/iter_2.pth', '--eval', 'mAP'], 'does not fit'),  # of a narrower network
    ([CONFIG, '{}/iter_2.pth', '--format-only', '--eval', 'mAP'], 'exclude each other'),
    ([CONFIG, '{}/iter_2.pth', '--eval', 'bbox'], 'mAP only'),
    ([CONFIG, '{}/iter_2.pth', '--format-only', '--eval-options', 'submission_dir=x', 'nms=3'], 'no nms'),
    ([CONFIG, '{}/iter_2.pth', '--format-only', '--eval-options', 'submission_dir=x', 'images=gone'],
     'no folder of uncut'),
    (['configs/mtp/fair1m/oriented_rcnn_rvsa_l_800_mae_mtp_fair1m20.py', '{}/iter_2.pth', '--eval', 'mAP'],
     'no folder of'),
])
def test_refusals_come_before_any_work(trained, words, said):
    with pytest.raises(MTPError, match=said):
        cli.test([word.format(trained) for word in words])


def test_results_of_other_weights_are_not_mixed(trained):
    check(trained, '--out', str(trained / 'a.pkl'), '--work-dir=work_dirs/mixed')
    with pytest.raises(MTPError, match='another test'):
        cli.test([CONFIG, str(trained / 'iter_1.pth'), '--out', str(trained / 'b.pkl'), '--work-dir=work_dirs/mixed',
                  '--cfg-options', *tiny.NARROW])
