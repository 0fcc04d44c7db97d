"""A run killed anywhere and started again ends with the weights of a run that nobody disturbed."""
import json
import os
import random
import signal
import socket
import time

import pytest
import torch

from mtp.errors import CONTINUE, FAILED, OK, USAGE
from mtp.report.passport import KEYS, fingerprint
from tests.adapters import going_on

STEPS = 6
LAST = 'last_vit_t_rvsa_ss_rd_pretrn_model.pth'
KILLS = int(os.environ.get('MTP_KILLS', 2))  # ci/resume asks for more
WORDS = ['--backbone', 'vit_t_rvsa', '--tasks', 'rd', 'ss', '--datasets', 'fast', 'sota', '--batch_size', '2',
         '--end_iter',
         str(STEPS), '--image_size', '64', '--init_backbone', 'none', '--interval', '2', '--workers', '1']


@pytest.fixture
def start(zygote, samrs_root, tmp_path):
    """Start the short run in a folder."""
    def begin(folder, *words, **options):
        return zygote.start(tmp_path / 'said.txt', *WORDS, '--save_path', str(folder), *words,
                            MTP_DATA_ROOT=str(samrs_root),
                            **options)
    return begin


def reach(process, folder, step):
    """Wait until ``step`` stands in the log."""
    path = os.path.join(str(folder), 'log.jsonl')
    while process.poll() is None:
        if os.path.exists(path):
            with open(path) as stream:
                if any(json.loads(line)['step'] >= step for line in stream.read().split('\n')[:-1]):
                    return
        time.sleep(0.02)
    raise AssertionError(process.said())


def weights(folder):
    return torch.load(os.path.join(str(folder), LAST))['state_dict']


def assert_equal(first, second):
    assert list(first) == list(second)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.fixture(scope='module')
def undisturbed(zygote, samrs_root, tmp_path_factory):
    """(folder, seconds) of a run that nobody disturbs."""
    folder, began = tmp_path_factory.mktemp('undisturbed'), time.monotonic()
    roots = dict(MTP_DATA_ROOT=str(samrs_root), MTP_WORK_ROOT=str(folder.parent))
    code, said = zygote.start(folder / 'said.txt', *WORDS, '--save_path', str(folder), **roots).wait()
    assert code == OK, said
    return folder, time.monotonic() - began


def test_files_of_a_run(undisturbed, start):
    folder, _ = undisturbed
    names = set(os.listdir(str(folder)))
    for stem in ('Iter_2_vit_t_rvsa_ss_rd_pretrn_model', 'Iter_4_vit_t_rvsa_ss_rd_pretrn_model', LAST[:-4],
                 LAST[:-4].replace('last', 'best')):
        assert {stem + '.pth', stem + '_encoder.pth'} <= names
    assert {'log.jsonl', 'loss_curves.png', 'passport.json', 'index.html', 'validation.json',
            'last_checkpoint'} <= names
    assert not [name for name in names if name.endswith('.tmp')]
    encoder = torch.load(str(folder / LAST.replace('.pth', '_encoder.pth')))
    assert 'pos_embed' in encoder['state_dict'] and 'optimizer' not in encoder and encoder['iteration'] == STEPS
    with open(str(folder / 'log.jsonl')) as stream:
        lines = [json.loads(line) for line in stream]
    assert [line['step'] for line in lines] == list(range(1, STEPS + 1))
    assert {key.split('/')[0] + '/' + key.split('/')[1] for key in lines[0] if '/' in key} == {
        'ss/sota', 'ss/fast', 'rd/sota', 'rd/fast'}
    assert lines[0]['lr'] == pytest.approx(1e-3) and lines[-1]['lr'] < lines[0]['lr'] / 4
    assert all(line['memory'] > 0 and 0 <= line['data_wait'] <= 1 and line['skipped'] == 0 for line in lines)
    with open(str(folder / 'passport.json')) as stream:
        passport = json.load(stream)
    assert passport['status'] == 'complete' and passport['metrics']['loss'] == pytest.approx(lines[-1]['loss'],
                                                                                             abs=1e-5)
    assert set(passport['data']) == {'sota', 'fast'} and passport['kind'] == 'pretrain' and passport['earlier'] == []
    assert passport['weights'] == fingerprint(weights(folder)) and set(KEYS) <= set(passport)
    code, said = start(folder).wait()
    assert code == OK and f'all {STEPS} steps are done' in said


def test_no_file_of_a_run_names_a_root(undisturbed, samrs_root):
    folder, _ = undisturbed
    assert going_on.naming(folder, samrs_root, ['said.txt']) == going_on.naming(folder, folder.parent,
                                                                                ['said.txt']) == []
    with open(str(folder / 'passport.json')) as stream:
        said = json.load(stream)
    assert said['folder'] == said['config']['save_path'] == 'work_dirs/' + folder.name


def test_tensorboard_holds_losses_and_scores(undisturbed):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    found = EventAccumulator(str(undisturbed[0] / 'tensorboard'))
    found.Reload()
    assert [event.step for event in found.Scalars('run/loss')] == list(range(1, STEPS + 1))
    assert [event.step for event in found.Scalars('validation/mean')] == [2, 4, 6]
    assert {'rd/sota/loss_cls', 'ss/fast/loss_ce', 'run/data_wait', 'run/memory'} <= set(found.Tags()['scalars'])


def test_best_checkpoint_is_that_of_the_best_score(undisturbed):
    folder, _ = undisturbed
    with open(str(folder / 'validation.json')) as stream:
        records = json.load(stream)
    assert [item['step'] for item in records] == [2, 4, 6]
    best = max(records, key=lambda item: item['scores']['mean'])['step']
    kept = torch.load(str(folder / LAST.replace('last', 'best')))
    assert kept['iteration'] == best


def test_validating_a_checkpoint_later_with_two_processes_finds_the_same(undisturbed, zygote, samrs_root, tmp_path):
    folder, _ = undisturbed
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        port = one.getsockname()[1]
    runs = [zygote.start(tmp_path / 'said.txt', '--save_path', str(folder), '--out', str(tmp_path / 'scores.json'),
                         call='mtp.pretrain.validate:main', MTP_DATA_ROOT=str(samrs_root), RANK=str(rank),
                         WORLD_SIZE='2',
                         LOCAL_RANK=str(rank), MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port)) for rank in (0, 1)]
    for run in runs:
        code, said = run.wait()
        assert code == OK, said
    with open(str(folder / 'validation.json')) as stream:
        known = json.load(stream)[-1]
    found = json.loads((tmp_path / 'scores.json').read_text())
    assert known['step'] == STEPS and found['scores'] == known['scores'] and found['split'] == 'valid'


@pytest.mark.parametrize('workers', [0, 3])
def test_killed_at_random_points(undisturbed, start, tmp_path, workers):
    """SIGKILL to all processes of a run at random moments, while it steps, saves, validates or draws."""
    folder, seconds = undisturbed
    rng, kills, runs, finished = random.Random(workers), 0, 0, False
    while kills < KILLS or not finished:
        home = tmp_path / str(runs)
        process = start(home, '--workers', str(workers))
        if kills < KILLS:
            time.sleep(rng.uniform(0.2, 0.9) * seconds)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
        code, said = process.wait()
        finished = code == OK
        assert finished or code == -signal.SIGKILL, said
        if finished:
            assert_same_run(home, folder)
            runs += 1


def assert_same_run(home, folder):
    assert_equal(weights(home), weights(folder))
    assert (home / 'validation.json').read_text() == (folder / 'validation.json').read_text()
    with open(str(home / 'log.jsonl')) as stream:
        assert [json.loads(line)['step'] for line in stream] == list(range(1, STEPS + 1))


def test_asked_to_stop_and_a_damaged_newest_checkpoint(undisturbed, start, tmp_path):
    process = start(tmp_path)
    reach(process, tmp_path, 2)
    process.send(signal.SIGTERM)
    code, said = process.wait()
    assert code == CONTINUE, said
    done = max(int(name.split('_')[1]) for name in os.listdir(str(tmp_path)) if name.startswith('Iter_'))
    if done > 2:  # the newest is cut short: the one before, of step 2, is taken
        with open(str(tmp_path / f'Iter_{done}_vit_t_rvsa_ss_rd_pretrn_model.pth'), 'r+b') as stream:
            stream.truncate(100000)
    code, said = start(tmp_path).wait()
    assert code == OK, said
    assert ('skipped a damaged checkpoint' in said) == (done > 2)
    assert_equal(weights(tmp_path), weights(undisturbed[0]))


def test_a_full_disk_leaves_the_old_checkpoint_whole(undisturbed, start, tmp_path):
    """A limit on the size of a file says what a full disk says."""
    code, said = start(tmp_path, '--end_iter', '2', '--interval', '1', call='full_disk:main').wait()
    assert code == FAILED and 'cannot write the checkpoint' in said and 'make room' in said
    assert torch.load(str(tmp_path / 'Iter_1_vit_t_rvsa_ss_rd_pretrn_model.pth'))['iteration'] == 1
    assert not [name for name in os.listdir(str(tmp_path)) if name == LAST or name.endswith('.tmp')]


def test_another_run_is_not_continued(undisturbed, start):
    code, said = start(undisturbed[0], '--seed', '5').wait()
    assert code == USAGE and 'seed 2023 there, 5 now' in said
