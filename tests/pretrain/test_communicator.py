"""Several processes: the gradients of one, and an end for all when one ends."""
import os
import signal
import socket
import time

import pytest
import torch

from mtp.errors import CONTINUE, FAILED, OK, USAGE

WORDS = ['--backbone', 'vit_t_rvsa', '--tasks', 'ss', '--datasets', 'sota', '--batch_size', '1', '--image_size', '64',
         '--init_backbone', 'none', '--end_iter', '2000', '--interval', '1000', '--val_interval', '0',
         '--log_interval', '1']


def free_port():
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]


@pytest.fixture
def team(zygote, samrs_root, tmp_path):
    """Start processes of one run, ranks 0 and 1; returns all that were started."""
    started = []

    def begin(*words, port=None, ranks=(0, 1), world=2, **environment):
        port, environment = port or free_port(), dict(dict(MTP_DATA_ROOT=str(samrs_root)), **environment)
        for rank in ranks:
            started.append(zygote.start(
                tmp_path / f'said{rank}.txt', *WORDS, '--save_path', str(tmp_path / 'run'), *words,
                call='pairs:train', RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank),
                MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), **environment))
        return started
    yield begin
    for process in started:
        process.send(signal.SIGKILL)


def wait_for_step(process, folder):
    log = folder / 'run' / 'log.jsonl'
    while process.poll() is None and not (log.exists() and log.stat().st_size):
        time.sleep(0.05)
    assert process.poll() is None, process.said()


def test_two_processes_have_the_gradients_of_one_with_the_doubled_batch(zygote, tmp_path):
    path = str(tmp_path / 'gradients')
    runs = [zygote.start(tmp_path / 'said.txt', path, str(rank), '2', call='pairs:gradients') for rank in (0, 1)]
    runs.append(zygote.start(tmp_path / 'said.txt', path, '9', '1', call='pairs:gradients'))
    for run in runs:
        code, said = run.wait()
        assert code == OK, said
    two, other, one = (torch.load(f'{path}.{rank}') for rank in (0, 1, 9))
    assert list(two) == list(one) and len(one) > 50
    for name, value in one.items():
        assert torch.equal(two[name], other[name])
        assert float((two[name] - value).abs().max()) <= 1e-5 * max(float(value.abs().max()), 1.0), name


def test_two_processes_train_validate_and_agree(team, tmp_path):
    first, second = team('--end_iter', '3', '--interval', '2', '--val_interval', '2', '--use_ckpt', 'True')
    for process in (first, second):
        code, said = process.wait()
        assert code == OK, said
    assert 'validation after step 3' in first.said() and 'validation' not in second.said()
    again, _ = team('--end_iter', '3', '--interval', '2', '--val_interval', '2')[2:]
    assert again.wait()[0] == OK and 'all 3 steps are done' in again.said()


def test_a_killed_process_ends_all(team, tmp_path):
    first, second = team()
    wait_for_step(first, tmp_path)
    began = time.monotonic()
    second.send(signal.SIGKILL)
    code, said = first.wait(60)
    assert code == FAILED and time.monotonic() - began < 60
    assert 'process 0 stops: process 1 has ended without a word' in said and 'Traceback' not in said, said


@pytest.mark.parametrize('victim', [0, 1])
def test_a_killed_process_ends_all_under_torchrun(zygote, samrs_root, tmp_path, victim):
    """Its agent asks the others to stop gently, which they cannot any more; it must not wait until it kills them."""
    run = zygote.start(tmp_path / 'said0.txt', str(free_port()), str(tmp_path), *WORDS, '--save_path',
                       str(tmp_path / 'run'), call='pairs:launched', MTP_DATA_ROOT=str(samrs_root))
    wait_for_step(run, tmp_path)
    pids = [int((tmp_path / f'pid{rank}').read_text()) for rank in (0, 1)]
    began = time.monotonic()
    os.kill(pids[victim], signal.SIGKILL)
    code, said = run.wait(60)
    assert code not in (OK, CONTINUE) and time.monotonic() - began < 25
    assert f'process {1 - victim} stops: process {victim} has ended without a word' in said, said
    assert 'SIGKILL' in said and not [pid for pid in pids if os.path.exists(f'/proc/{pid}')]


def test_a_frozen_process_ends_all(team, tmp_path):
    """As one whose machine is gone: no connection is closed."""
    first, second = team(SILENCE='2')
    wait_for_step(first, tmp_path)
    second.send(signal.SIGSTOP)
    code, said = first.wait(60)
    assert code == FAILED and 'process 1 has given no sign of life' in said


def test_an_error_of_one_process_is_what_all_report(team, samrs_root, tmp_path):
    """A damaged image that only the second process meets."""
    import shutil
    shutil.copytree(str(samrs_root / 'samrs' / 'dotav2_1024_rbb'), str(tmp_path / 'samrs' / 'dotav2_1024_rbb'))
    folder = tmp_path / 'samrs' / 'dotav2_1024_rbb' / 'trainval' / 'images'
    (folder / sorted(os.listdir(str(folder)))[0]).write_bytes(b'broken')
    first, second = team(MTP_DATA_ROOT=str(tmp_path))
    codes = {process.wait(60)[0] for process in (first, second)}
    culprit, other = (first, second) if 'process 0 stops' not in first.said() else (second, first)
    assert OK not in codes and 'error: cannot decode the image' in culprit.said()
    assert 'failed: cannot decode the image' in other.said(), other.said()


def test_stop_reaches_all(team, tmp_path):
    first, second = team()
    wait_for_step(first, tmp_path)
    second.send(signal.SIGUSR1)
    assert [process.wait(60)[0] for process in (first, second)] == [CONTINUE, CONTINUE], first.said() + second.said()
    assert [name for name in os.listdir(str(tmp_path / 'run')) if name.startswith('Iter_')]


def test_a_port_in_use(team):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen(1)
        process, = team(port=taken.getsockname()[1], ranks=(0,))
        code, said = process.wait(60)
    assert code == USAGE and 'cannot be used: Address already in use' in said and 'PORT=' in said
    assert 'Traceback' not in said
