"""The published command lines on four tiles: train, go on, test, package; and what they refuse."""
import json
import os
import subprocess
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmrotate.visualization import RotLocalVisualizer

from mtp.adapters.mmrotate1 import cli, testing
from mtp.adapters.mmrotate1.runner import MTPRunner
from mtp.errors import MTPError
from mtp.tiles import shards
from tests import environments
from tests.adapters import tiny

CONFIG = 'configs/mtp/demo/oriented_rcnn_rvsa_t_256_mtp_dotav1.py'
STEPS = ['train_cfg.max_iters=2', 'train_dataloader.batch_size=2', 'default_hooks.checkpoint.interval=1',
         'default_hooks.logger.interval=1', 'optim_wrapper.paramwise_cfg.num_layers=4']
# A user's own file: the demo's model, tested as a data set whose truth lies with a server.
SUBMISSION = """_base_ = {!r}
test_dataloader = dict(dataset=dict(ann_file=''))
test_evaluator = dict(_delete_=True, type='TileSubmission', dataset='dotav1')
"""
# Its test tiles, judged while it trains.
JUDGED = """_base_ = {!r}
val_dataloader = dict(_delete_=True, batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                      dataset={{{{_base_.test_dataloader.dataset}}}})
val_evaluator = dict(_delete_=True, type='DOTAMetric', metric='mAP')
val_cfg = dict(_delete_=True, type='ValLoop')
train_cfg = dict(val_interval=1)
"""


def train(*words, options=()):
    cli.train([CONFIG, '--work-dir=work_dirs/run', *words, '--cfg-options', *tiny.NARROW, *STEPS, *options])


@pytest.fixture(scope='module')
def trained(place):
    train()
    return place / 'work' / 'run'


def test_training_leaves_whole_checkpoints(trained):
    assert sorted(name for name in os.listdir(str(trained)) if name.endswith('.pth')) == ['iter_1.pth', 'iter_2.pth']
    assert not [name for name in os.listdir(str(trained)) if name.endswith('.tmp')]


def passport(folder, name='passport.json'):
    return json.loads((folder / name).read_text())


def test_the_passport_of_a_training(trained):
    said = passport(trained)
    assert (said['kind'], said['status'], said['processes']) == ('finetune', 'complete', 1)
    assert said['config']['model']['backbone']['embed_dim'] == 32 and len(said['weights']) == 64
    assert said['data']['train']['img_path']['files'] == said['data']['train']['labels']['files'] == 4
    assert said['code']['commit'] and said['hardware']['cpus'] and said['finished'] >= said['started']


def test_curves_lie_beside_the_log_and_go_to_a_tracker_without_a_key_in_any_file(place, monkeypatch):
    monkeypatch.setattr(RotLocalVisualizer, '_instance_dict', {})  # a process has one
    tiny.check_that_curves_lie_beside_the_log_and_go_to_a_tracker(train, place, monkeypatch, 'loss', 'lr')


def test_nothing_of_a_checkpoint_runs_whichever_way_it_is_named(trained):
    tiny.check_that_nothing_of_a_checkpoint_runs(train, trained, '--resume')


def test_a_second_training_is_refused_and_resume_goes_on_as_a_slurm_task(trained, monkeypatch):
    with pytest.raises(MTPError, match='--resume'):
        train()
    tiny.as_slurm_task(monkeypatch)
    train('--resume', '--launcher=slurm', options=['train_cfg.max_iters=3'])
    first, third = (torch.load(str(trained / name)) for name in ('iter_1.pth', 'iter_3.pth'))
    assert third['meta']['iter'] == 3
    assert [run['status'] for run in passport(trained)['earlier']] == ['complete']
    assert os.environ['MASTER_PORT'] == '13232'  # of job 77, step 0
    assert any(not torch.equal(value, third['state_dict'][name]) for name, value in first['state_dict'].items())


def test_going_on_from_a_checkpoint_that_is_named(trained):
    with pytest.raises(MTPError, match='no checkpoint .*iter_9.pth'):
        train('--resume', 'work_dirs/run/iter_9.pth', '--work-dir=work_dirs/other')
    train('--resume', 'work_dirs/run/iter_1.pth', '--work-dir=work_dirs/other')
    other = trained.parent / 'other'
    assert torch.load(str(other / 'iter_2.pth'))['meta']['iter'] == 2 and not (other / 'iter_1.pth').exists()
    assert passport(other)['started_from']['file'].endswith('run/iter_1.pth')
    # what the run was loaded from is not what it goes on from
    train('--resume', '--work-dir=work_dirs/other', options=['load_from=gone.pth', 'train_cfg.max_iters=3'])
    assert torch.load(str(other / 'iter_3.pth'))['meta']['iter'] == 3
    with pytest.raises(MTPError, match='no checkpoint gone.pth'):
        train('--resume', '--work-dir=work_dirs/third', options=['load_from=gone.pth'])


def test_the_published_command_without_launcher_trains_and_judges_one_model_in_two_processes(place):
    """As published, each process would train alone (published.md#missing-launcher). Where they are started nothing is
    left, for in a container that is a folder nobody can write to."""
    here, folder, own = place / 'here', place / 'work' / 'pair', place / 'judged.py'
    here.mkdir()
    own.write_text(JUDGED.format(os.path.join(environments.ROOT, CONFIG.replace('mtp', 'mmrotate1', 1))))
    words = [sys.executable, '-m', 'torch.distributed.launch', '--nproc_per_node=2', '--nnodes=1',
             '--master_port=29877', '--master_addr=127.0.0.1', os.path.join(environments.ROOT, 'tools', 'train.py'),
             str(own), f'--work-dir={folder}', '--cfg-options', *tiny.NARROW, *STEPS]
    done = subprocess.run(words, cwd=str(here), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = done.stdout.decode()
    assert done.returncode == 0, said[-6000:]
    assert {'iter_1.pth', 'iter_2.pth'} <= set(os.listdir(str(folder)))
    assert 'Distributed training: True' in said and said.count('Iter(train) [2/2]') == 1
    assert os.listdir(str(here)) == [] and not list(folder.glob('*/collected'))
    assert 0 <= passport(folder)['metrics']['dota/mAP'] <= 1


def test_every_metric_collects_in_the_folder_of_the_run(tmp_path):
    cfg = dict(model=torch.nn.Linear(1, 1), work_dir=str(tmp_path), experiment_name='collected')
    runner = MTPRunner(**cfg)
    inside = str(tmp_path / runner.timestamp / 'collected')
    built = runner.build_evaluator([dict(type='mmdet.CocoMetric'), dict(type='DumpResults', out_file_path='x.pkl')])
    assert [metric.collect_dir for metric in built.metrics] == [inside, inside]
    chosen = runner.build_evaluator(dict(type='DumpResults', out_file_path='x.pkl', collect_dir='/else'))
    assert chosen.metrics[0].collect_dir == '/else'


def test_a_metric_that_is_added_to_a_test_collects_there_too_and_knows_the_data_set(tmp_path, monkeypatch):
    runner = MTPRunner(model=torch.nn.Linear(1, 1), work_dir=str(tmp_path), experiment_name='added')
    loop = types.SimpleNamespace(evaluator=Evaluator([]), dataloader=types.SimpleNamespace(
        dataset=types.SimpleNamespace(metainfo=dict(classes=('forest',)))))
    monkeypatch.setattr(MTPRunner, 'test_loop', loop)
    runner.cfg.update(default_scope='mmpretrain', work_dir=str(tmp_path))
    testing.scenes(runner)
    testing.dump(runner, str(tmp_path / 'x.pkl'))
    inside = str(tmp_path / runner.timestamp / 'collected')
    assert [metric.collect_dir for metric in loop.evaluator.metrics] == [inside, inside]
    assert [metric.dataset_meta for metric in loop.evaluator.metrics] == 2 * [dict(classes=('forest',))]


def submit(trained, *words):
    own = trained.parent / 'own.py'
    own.write_text(SUBMISSION.format(os.path.join(environments.ROOT, CONFIG.replace('mtp', 'mmrotate1', 1))))
    cli.test([str(own), str(trained / 'iter_2.pth'), '--work-dir=work_dirs/test', *words,
              '--cfg-options', *tiny.NARROW])


def numbers(folder):
    """Scores and coordinates of all lines of a submission."""
    lines = [line.split()[1:] for path in sorted(folder.glob('Task1_*.txt')) for line in path.read_text().splitlines()]
    return np.array(lines, float)


def test_a_test_ends_in_a_submission_and_goes_on_after_a_kill(trained):
    submit(trained, '--show-dir=work_dirs/show')
    work = trained.parent / 'test'
    with zipfile.ZipFile(str(work / 'submit' / 'submit.zip')) as archive:
        assert all(name.startswith('Task1_') for name in archive.namelist())
    found = list(shards.read_shards(str(work / 'submit.shards')))
    assert len(found) == 4 and sum(len(scores) for _, _, scores, _ in found) > 0
    assert [path.name for path in (trained.parent / 'show').glob('*.jpg')] == ['P0000.jpg']
    os.rename(str(work / 'submit'), str(work / 'before'))
    (work / 'submit').mkdir()
    (work / 'submit' / 'mine.txt').write_text('not of a test')
    with pytest.raises(MTPError, match='was not made by test'):
        submit(trained)
    (work / 'submit' / 'mine.txt').unlink()
    shard = work / 'submit.shards' / 'rank-00000.shard'
    shard.write_bytes(shard.read_bytes()[:-30])  # as a kill leaves it
    submit(trained)
    before, after = numbers(work / 'before'), numbers(work / 'submit')
    before, after = (rows[np.lexsort(rows[:, :0:-1].round().T)] for rows in (before, after))  # equal scores: any order
    assert before.shape == after.shape and np.abs(before - after).max() < 0.011  # the last printed digit


def test_the_tool_judges_with_the_published_metric(trained):
    words = [sys.executable, 'tools/test.py', CONFIG, str(trained / 'iter_2.pth'), '--work-dir', str(trained / 'judge'),
             '--out', str(trained / 'found.pkl'), '--cfg-options', *tiny.NARROW,
             'val_cfg=None', 'val_dataloader=None', 'val_evaluator=None']
    done = subprocess.run(words, cwd=environments.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0 and b'dota/mAP' in done.stdout, done.stdout.decode()[-2000:]
    assert (trained / 'found.pkl').exists()
    said = passport(trained / 'judge', 'passport-test.json')
    assert said['status'] == 'complete' and 0 <= said['metrics']['dota/mAP'] <= 1
    assert said['started_from']['file'].endswith('iter_2.pth') and len(said['started_from']['sha256']) == 64


@pytest.mark.parametrize('words, said', [
    (['configs/mmrotate03/demo/oriented_rcnn_rvsa_t_256_mtp_dotav1.py', 'x.pth'], 'mmrotate03, but mmrotate1'),
    ([CONFIG, 'nothing.pth'], 'no checkpoint nothing.pth'),
    (['oriented_rcnn_rvsa_l_800_mae_mtp_diorr', '{}/iter_2.pth'], 'no data folder'),
    (['no_such_config', 'x.pth'], 'no config'),
    ([CONFIG, '{}/iter_2.pth', '--tta'], 'no test-time augmentation'),
    ([CONFIG, '{}/iter_2.pth', '--out', 'found.txt'], '.pkl'),
])
def test_refusals_come_before_any_work(trained, words, said):
    with pytest.raises(MTPError, match=said):
        cli.test([word.format(trained) for word in words])


def test_a_checkpoint_of_another_network_is_refused(trained):
    with pytest.raises(MTPError, match='does not fit'):
        cli.test([CONFIG, str(trained / 'iter_2.pth'), '--work-dir=work_dirs/other'])
