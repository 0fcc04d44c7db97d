"""A run killed anywhere and started again ends with the weights of a run that nobody disturbed."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from mtp.errors import CONTINUE, OK, USAGE
from mtp.report.passport import KEYS, fingerprint

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
STEPS = 6
LAST = 'last_vit_t_rvsa_ss_rd_pretrn_model.pth'


def command(folder, *words):
    """A short run of two tasks on two data sets, checkpointed every second step."""
    return [sys.executable, '-W', 'ignore', os.path.join(ROOT, 'main_pretrain.py'), '--backbone', 'vit_t_rvsa', '--tasks', 'rd', 'ss',
            '--datasets', 'fast', 'sota', '--batch_size', '2', '--save_path', str(folder), '--end_iter', str(STEPS),
            '--image_size', '64', '--init_backbone', 'none', '--interval', '2', '--workers', '1', *words]


def start(folder, data, *words):
    environment = dict(os.environ, MTP_DATA_ROOT=str(data), OMP_NUM_THREADS='1', PYTHONPATH=ROOT)
    return subprocess.Popen(command(folder, *words), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process):
    said = process.communicate(timeout=300)[0].decode()
    return process.returncode, said


def run(folder, data, *words):
    return finish(start(folder, data, *words))


def reach(process, folder, step):
    """Wait until ``step`` stands in the log."""
    path = os.path.join(str(folder), 'log.jsonl')
    while process.poll() is None:
        if os.path.exists(path):
            with open(path) as stream:
                if any(json.loads(line)['step'] >= step for line in stream.read().split('\n')[:-1]):
                    return
        time.sleep(0.02)
    raise AssertionError(process.communicate()[0].decode())


def weights(folder):
    return torch.load(os.path.join(str(folder), LAST))['state_dict']


def assert_equal(first, second):
    assert list(first) == list(second)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.fixture(scope='module')
def undisturbed(samrs_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp('undisturbed')
    code, said = run(folder, samrs_root)
    assert code == OK, said
    return folder


def test_files_of_a_run(undisturbed, samrs_root):
    names = set(os.listdir(str(undisturbed)))
    for stem in ('Iter_2_vit_t_rvsa_ss_rd_pretrn_model', 'Iter_4_vit_t_rvsa_ss_rd_pretrn_model', LAST[:-4]):
        assert {stem + '.pth', stem + '_encoder.pth'} <= names
    assert {'log.jsonl', 'loss_curves.png', 'passport.json'} <= names
    assert not [name for name in names if name.endswith('.tmp')]
    encoder = torch.load(str(undisturbed / LAST.replace('.pth', '_encoder.pth')))
    assert 'pos_embed' in encoder['state_dict'] and 'optimizer' not in encoder and encoder['iteration'] == STEPS
    with open(str(undisturbed / 'log.jsonl')) as stream:
        lines = [json.loads(line) for line in stream]
    assert [line['step'] for line in lines] == list(range(1, STEPS + 1))
    assert {key.split('/')[0] + '/' + key.split('/')[1] for key in lines[0] if '/' in key} == {
        'ss/sota', 'ss/fast', 'rd/sota', 'rd/fast'}
    assert lines[0]['lr'] == pytest.approx(1e-3) and lines[-1]['lr'] < lines[0]['lr'] / 4
    with open(str(undisturbed / 'passport.json')) as stream:
        passport = json.load(stream)
    assert passport['status'] == 'complete' and passport['metrics']['loss'] == pytest.approx(lines[-1]['loss'], abs=1e-5)
    assert set(passport['data']) == {'sota', 'fast'} and passport['kind'] == 'pretrain' and passport['earlier'] == []
    assert passport['weights'] == fingerprint(weights(undisturbed)) and set(KEYS) <= set(passport)
    code, said = run(undisturbed, samrs_root)
    assert code == OK and 'all {} steps are done'.format(STEPS) in said


@pytest.mark.parametrize('step, words', [(1, ('--workers', '0')), (3, ('--workers', '2'))])
def test_killed_and_started_again(undisturbed, samrs_root, tmp_path, step, words):
    process = start(tmp_path, samrs_root, *words)
    reach(process, tmp_path, step)
    process.kill()
    process.communicate()
    code, said = run(tmp_path, samrs_root)
    assert code == OK, said
    assert ('continuing from' in said) == (step > 2)
    assert_equal(weights(tmp_path), weights(undisturbed))


def test_asked_to_stop_and_a_damaged_newest_checkpoint(undisturbed, samrs_root, tmp_path):
    process = start(tmp_path, samrs_root)
    reach(process, tmp_path, 2)
    process.send_signal(signal.SIGTERM)
    code, said = finish(process)
    assert code == CONTINUE, said
    done = max(int(name.split('_')[1]) for name in os.listdir(str(tmp_path)) if name.startswith('Iter_'))
    if done > 2:  # the newest is cut short: the one before, of step 2, is taken
        with open(str(tmp_path / 'Iter_{}_vit_t_rvsa_ss_rd_pretrn_model.pth'.format(done)), 'r+b') as stream:
            stream.truncate(100000)
    code, said = run(tmp_path, samrs_root)
    assert code == OK, said
    assert ('skipped a damaged checkpoint' in said) == (done > 2)
    assert_equal(weights(tmp_path), weights(undisturbed))


def test_another_run_is_not_continued(undisturbed, samrs_root):
    code, said = run(undisturbed, samrs_root, '--seed', '5')
    assert code == USAGE and 'seed 2023 there, 5 now' in said
