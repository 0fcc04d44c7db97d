import json
import os
import signal
import subprocess
import sys
import time

import pytest

from mtp import files, locks, processes
from mtp.errors import MTPError

HOLDER = '''
import sys
from mtp import locks
with locks.hold(sys.argv[1], 'finetune'):
    print('held', flush=True)
    sys.stdin.read()
'''


@pytest.fixture
def other(tmp_path):
    """A process that holds the lock of tmp_path/run until it is killed, or its input ends."""
    environ = dict(os.environ, PYTHONPATH=os.getcwd(), SLURM_JOB_ID='')
    child = subprocess.Popen([sys.executable, '-c', HOLDER, str(tmp_path / 'run')], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, env=environ)
    assert child.stdout.readline() == b'held\n'
    yield child
    child.kill()
    child.communicate()


def test_the_second_of_two_is_told_who_holds_the_folder(tmp_path, other):
    with pytest.raises(MTPError) as refused, locks.hold(tmp_path / 'run', 'test'):
        pass
    assert '{} is in use: finetune since'.format(tmp_path / 'run') in str(refused.value)
    assert f'process {other.pid} on {os.uname().nodename}' in str(refused.value)
    assert refused.value.hint == f'wait until it has ended, or stop it: kill {other.pid}'
    assert refused.value.code != 0


def test_a_link_to_the_folder_is_the_folder(tmp_path, other):
    os.symlink(str(tmp_path / 'run'), str(tmp_path / 'link'))
    with pytest.raises(MTPError), locks.hold(tmp_path / 'link', 'test'):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert locks.holder(tmp_path / 'run')['pid'] == other.pid
    with locks.hold(tmp_path / 'run', 'test'):
        assert locks.holder(tmp_path / 'run')['pid'] == os.getpid()


def test_a_process_may_hold_a_folder_twice_and_leaves_no_trace(tmp_path):
    with locks.hold(tmp_path / 'new', 'test'):
        with locks.hold(tmp_path / 'new', 'submit'):
            assert os.listdir(str(tmp_path / 'new')) == [locks.NAME]
        assert os.listdir(str(tmp_path / 'new')) == [locks.NAME]
    assert os.listdir(str(tmp_path)) == []


def test_other_processes_of_a_run_need_no_lock(tmp_path, other):
    with locks.hold(tmp_path / 'run', 'finetune', leads=False):
        pass


def test_without_locks_of_the_file_system_the_file_alone_is_the_lock(tmp_path, other, monkeypatch):
    def none(*_):
        raise OSError(95, 'Operation not supported')

    monkeypatch.setattr(locks.fcntl, 'lockf', none)
    with pytest.raises(MTPError, match='is in use: finetune'), locks.hold(tmp_path / 'run', 'test'):
        pass
    other.kill()
    other.wait()
    with locks.hold(tmp_path / 'run', 'test'):
        assert locks.holder(str(tmp_path / 'run'))['what'] == 'this process'
        assert json.loads((tmp_path / 'run' / locks.NAME).read_text())['what'] == 'test'
    assert os.listdir(str(tmp_path / 'run')) == []


def test_the_lock_of_a_file_lets_others_write_beside_it(tmp_path):
    with locks.hold_file(tmp_path / 'a.json', 'data'), locks.hold_file(tmp_path / 'b.json', 'data'):
        assert sorted(os.listdir(str(tmp_path))) == ['.a.json' + locks.NAME, '.b.json' + locks.NAME]
    assert os.listdir(str(tmp_path)) == []


def test_only_the_leftovers_of_a_locked_file_are_removed(tmp_path):
    mine, other = (leave(tmp_path / name, 1, 'other-123abc', age=3600) for name in ('samrs', 'dotav1'))
    with locks.hold_file(tmp_path / 'samrs', 'samples'):
        assert os.path.exists(other) and not os.path.exists(mine)


def test_what_a_lock_says_cannot_steer_a_terminal():
    said = locks.in_words({'what': '\x1b[2J', 'pid': 7, 'command': 'x\ny', 'job': '12', 'image': 'mtp@sha256'})
    assert said == '\\x1b[2J since ?, process 7 on ? (job 12, mtp@sha256): x\\ny'


def leave(path, pid, place=None, age=0.0):
    """A temporary file of ``path`` as a writer leaves it that is killed."""
    name = files.temporary_of(str(path)).replace(f'.{os.getpid()}.', f'.{pid}.')
    name = name.replace(processes.place(), place or processes.place())
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, 'w') as stream:
        stream.write('half')
    os.utime(name, (time.time() - age,) * 2)
    return name


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_kept(tmp_path, other):
    gone = subprocess.Popen([sys.executable, '-c', ''])
    gone.wait()
    dead = [leave(tmp_path / 'out' / 'epoch_3.pth', gone.pid), leave(tmp_path / 'out' / 'a' / 'b' / 'x', gone.pid),
            leave(tmp_path / 'out' / 'epoch_3.pth', 1, 'other-123abc', age=3600)]
    kept = [leave(tmp_path / 'out' / 'epoch_3.pth', other.pid),
            leave(tmp_path / 'out' / 'shard', 1, 'other-123abc'),  # another process of the same run, elsewhere
            str(tmp_path / 'out' / '.my.notes.tmp')]
    (tmp_path / 'out' / '.my.notes.tmp').write_text('mine')
    with locks.hold(tmp_path / 'out', 'finetune'):
        assert not any(map(os.path.exists, dead))
        assert all(map(os.path.exists, kept))


def test_a_folder_that_somebody_else_holds_is_not_searched_for_leftovers(tmp_path, other):
    left = leave(tmp_path / 'run' / 'x', 1, 'other-123abc', age=3600)
    with locks.hold(tmp_path, 'demo'):
        assert os.path.exists(left)
