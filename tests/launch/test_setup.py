"""make setup against a made-up Python 3.8: a shell script that takes every step of a real one."""
import os
import signal
import subprocess
import sys
import time

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger, lock, setup, venvs
from tests.launch.fakes import ask

# FAIL and HANG name words; the step whose command holds one fails or hangs. Every call leaves a line in $CALLS.
PYTHON = r'''#!/bin/sh
case "$1" in -c) echo 3.8.18; exit 0 ;; esac
echo "$*" >> "$CALLS"
if [ -n "$HANG" ]; then case "$*" in *"$HANG"*) touch "$CALLS.hangs"; exec sleep 60 ;; esac; fi
if [ -n "$FAIL" ]; then case "$*" in *"$FAIL"*) echo "ERROR: No matching distribution"; exit 1 ;; esac; fi
case "$*" in
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  *--progress-bar*) echo "Collecting torch==1.10.0 (from x)"; echo "Progress 1 of 2"; echo "Collecting numpy" ;;
  docker/selfcheck.py*) echo "  declared python: 3.8.18; the ledger says 3.8.17" ;;
esac
'''
ENV = 'mmrotate03'


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A machine with a Python 3.8 and a compiler, in a folder of its own."""
    for name, text in (('python3.8', PYTHON), ('c++', '#!/bin/sh\n')):
        path = tmp_path / 'bin' / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    environ = {'HOME': str(tmp_path), 'PATH': '{}:/usr/bin:/bin'.format(tmp_path / 'bin'),
               'CALLS': str(tmp_path / 'calls'), 'PYTHON38': str(tmp_path / 'bin/python3.8'),
               'MTP_VENV_ROOT': str(tmp_path / 'venvs'), 'ENV': ENV}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for name in ('FAIL', 'HANG', 'VARIANT', 'CXX', 'MTP_CACHE_ROOT', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    return environ


def make(world, env=ENV, **words):
    said = []
    environ = dict(world, **words)
    done = setup.Maker(ask(**environ), ledger.ROOT, env, environ, said.append).make()
    return done, said


def calls(world):
    if not os.path.exists(world['CALLS']):
        return []
    with open(world['CALLS']) as stream:
        found = stream.read().splitlines()
    os.unlink(world['CALLS'])
    return found


def state(world, env=ENV):
    return venvs.state(os.path.join(world['MTP_VENV_ROOT'], env), env)


def test_every_step_is_taken_shown_and_stamped(world):
    done, said = make(world)
    assert done and state(world) == 'ready'
    text = calls(world)
    assert [line.split()[-1].rsplit('/', 1)[-1] for line in text[:4]] == [
        ENV, ENV + '-pip.txt', ENV + '-cpu.txt', ENV + '-dev.txt']
    assert all('--require-hashes' in line for line in text[1:4])
    assert text[4].startswith(f'docker/build_ops.py --env {ENV} --variant cpu')
    assert text[5].endswith('mmcv-full==1.6.1') and text[6].startswith('docker/selfcheck.py')
    assert [line.split(',')[0] for line in said if line.startswith('[')] == [
        f'[{ENV} {number}/7' for number in range(1, 8)]
    assert 'the ledger says 3.8.17' in '\n'.join(said)


def test_a_repeat_does_nothing(world):
    make(world)
    calls(world)
    assert make(world)[0] is False and calls(world) == []


@pytest.mark.parametrize('word, message, redone', [
    ('-m venv', 'step "venv" failed', 'all'), ('pip.txt', 'step "pip" failed', 'all'),
    (ENV + '-cpu.txt', 'step "packages" failed', 'all'), ('dev.txt', 'step "tests" failed', 'all'),
    ('build_ops', 'step "compile" failed', 'rest'), ('mmcv-full==', 'step "ops" failed', 'all'),
    ('selfcheck', 'step "selfcheck" failed', 'rest')])
def test_a_failed_step_is_shown_not_trusted_and_made_good(world, monkeypatch, word, message, redone):
    monkeypatch.setenv('FAIL', word)
    with pytest.raises(MTPError, match=message) as caught:
        make(world)
    assert caught.value.code == 1 and 'make setup ENV=' + ENV in str(caught.value)
    assert word == 'build_ops' or 'No matching distribution' in str(caught.value)
    assert state(world) == 'half'
    calls(world)
    monkeypatch.delenv('FAIL')
    make(world)
    assert state(world) == 'ready'
    assert ('-m venv' in calls(world)[0]) == (redone == 'all')


@pytest.mark.parametrize('word, number, again', [
    ('cpu.txt', signal.SIGTERM, True), ('cpu.txt', signal.SIGKILL, True), ('build_ops', signal.SIGINT, False),
    ('build_ops', signal.SIGTERM, False), ('build_ops', signal.SIGKILL, False)])
def test_a_killed_setup_goes_on(world, monkeypatch, word, number, again):
    monkeypatch.setenv('HANG', word)
    child = subprocess.Popen([sys.executable, '-m', 'mtp.launch.setup'], cwd=ledger.ROOT, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, universal_newlines=True)
    until = time.monotonic() + 30
    while not os.path.exists(world['CALLS'] + '.hangs') and time.monotonic() < until:
        time.sleep(0.02)
    child.send_signal(number)
    text = child.communicate(timeout=30)[0]
    assert child.returncode == (-9 if number == signal.SIGKILL else 130)
    assert number == signal.SIGKILL or 'start the same command again to continue' in text
    assert state(world) == 'half'
    calls(world)
    monkeypatch.delenv('HANG')
    _, said = make(world)
    text = calls(world)
    assert ('-m venv' in text[0], 'made anew' in said[0]) == (again, again)
    assert again or text[0].startswith('docker/build_ops.py')
    assert state(world) == 'ready'


def test_another_python_makes_it_anew(world, tmp_path):
    make(world)
    calls(world)
    other = tmp_path / 'bin/other'
    other.write_text(PYTHON.replace('3.8.18', '3.8.17'))
    other.chmod(0o755)
    _, said = make(world, PYTHON38=str(other))
    assert 'its Python or its locks have changed' in said[0] and '-m venv' in calls(world)[0]


def test_changed_locks_are_noticed(world, monkeypatch):
    make(world)
    monkeypatch.setattr(venvs, 'lock_key', lambda name: 'changed')
    assert state(world) == 'old'
    assert make(world)[0] is True and state(world) == 'ready'


def test_a_folder_that_is_not_ours_is_left_alone(world):
    folder = os.path.join(world['MTP_VENV_ROOT'], ENV)
    os.makedirs(os.path.join(folder, 'bin'))
    assert state(world) == 'foreign'
    with pytest.raises(MTPError, match='did not make it.*\n.*mv '):
        make(world)
    assert os.listdir(folder) == ['bin']


def test_remains_of_a_killed_removal_are_removed(world):
    os.makedirs(os.path.join(world['MTP_VENV_ROOT'], f'.old-{ENV}-1', 'lib'))
    make(world)
    assert not [name for name in os.listdir(world['MTP_VENV_ROOT']) if name.startswith('.old')]


def test_no_compiler(world, tmp_path):
    os.unlink(str(tmp_path / 'bin/c++'))
    with pytest.raises(MTPError, match='no C\\+\\+ compiler, and mmcv-full has to be compiled\n  next: sudo apt-get'):
        make(world, PATH=str(tmp_path / 'bin'))
    assert calls(world) == []


def test_no_compiler_is_needed_where_the_wheel_is_cached(world, tmp_path):
    os.unlink(str(tmp_path / 'bin/c++'))
    cache = tmp_path / '.cache/mtp/wheels/mmcv-full-1.6.1-cpu-0123'
    cache.mkdir(parents=True)
    (cache / 'x.whl.sha256').write_text('')
    assert make(world, PATH=str(tmp_path / 'bin'))[0]


def test_no_disk(world, monkeypatch):
    monkeypatch.setattr(setup, 'VENV_BYTES', 1 << 60)
    with pytest.raises(MTPError, match='GB left, .* GB are needed\n  next: MTP_VENV_ROOT='):
        make(world)
    assert calls(world) == []


@pytest.fixture
def unresolved(monkeypatch):
    """The locks of cu113 hold a hash that nobody has resolved."""
    read = lock.read
    monkeypatch.setattr(lock, 'read', lambda name: '# unresolved: torch==1.10.0+cu113\nthe hash ...\n'
                        if name.endswith('cu113') else read(name))


def test_an_unresolved_hash_is_refused_before_anything_is_made(world, unresolved):
    with pytest.raises(MTPError, match='unresolved'):
        make(world, VARIANT='cu113')
    assert calls(world) == []


def test_what_has_no_wheel_is_built_from_its_own_lock_by_the_tools_that_are_there():
    def steps(env):
        return {step.name: step for step in setup.steps(ask(ENV=env), ledger.ROOT, env, 'python3', '3.11.7')}

    found = steps('mmrotate12')
    names = list(found)
    assert names.index('packages') < names.index('sources') < names.index('compile') and found['sources'].fragile
    words = ' '.join(found['sources'].words)
    assert '--require-hashes --no-build-isolation --no-binary :all: -r ' in words
    assert words.endswith('mmrotate12-sources.txt')
    assert found['tests'].key != found['sources'].key != found['packages'].key
    for name in ledger.recorded():
        assert 'sources' not in steps(name)


def test_without_env_the_environments_of_the_record_alone_are_made(world):
    assert [env for env, _ in setup.wanted(ask(), world, ())[0]] == ledger.recorded()
    assert setup.wanted(ask(ENV='mmrotate12'), world, ())[0] == [('mmrotate12', 'cpu')]


def test_a_refused_setup_leaves_nothing_behind(world, unresolved):
    with pytest.raises(MTPError, match='unresolved'):
        make(world, VARIANT='cu113')
    assert not os.path.exists(world['MTP_VENV_ROOT'])


def test_a_refused_setup_leaves_a_whole_environment_alone(world, unresolved):
    make(world)
    with pytest.raises(MTPError, match='unresolved'):
        make(world, VARIANT='cu113')
    assert state(world) == 'ready' and make(world)[0] is False


def test_the_second_environment_is_looked_at_before_the_first_is_made(world, monkeypatch):
    monkeypatch.delenv('ENV')
    os.makedirs(os.path.join(world['MTP_VENV_ROOT'], ledger.recorded()[-1], 'bin'))  # not ours
    done = subprocess.run([sys.executable, '-m', 'mtp.launch.setup'], cwd=ledger.ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 2 and 'did not make it' in done.stdout and calls(world) == []


def test_an_environment_without_a_lock_is_answered_with_make_lock(world, monkeypatch, tmp_path):
    monkeypatch.setattr(setup.lock, 'FOLDER', str(tmp_path / 'locks'))
    with pytest.raises(MTPError, match='cannot read the lock .*\n  next: make lock'):
        make(world)
    with pytest.raises(MTPError, match='next: make lock'):  # what DRYRUN=1 prints
        setup.steps(ask(**world), ledger.ROOT, ENV, 'python3.8', '3.8')


def test_an_environment_whose_lock_is_gone_is_out_of_date(world, monkeypatch, tmp_path):
    make(world)
    monkeypatch.setattr(setup.lock, 'FOLDER', str(tmp_path / 'locks'))
    assert state(world) == 'old'


def test_two_at_once_do_not_meet(world):
    code = ('import sys; from mtp import locks\n'
            'with locks.hold_file(sys.argv[1], "setup"): print(flush=True); sys.stdin.read()')
    first = subprocess.Popen([sys.executable, '-c', code, os.path.join(world['MTP_VENV_ROOT'], ENV)], cwd=ledger.ROOT,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    first.stdout.readline()
    with pytest.raises(MTPError, match=f'is in use: setup since .* process {first.pid} on'):
        make(world)
    first.communicate()
    assert make(world)[0] is True
