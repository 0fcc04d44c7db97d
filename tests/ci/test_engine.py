"""The right docker client is found among several, and a machine without an engine is told apart from a failure."""
import os
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger
from tests.launch.fakes import client

sys.path.insert(0, os.path.join(ledger.ROOT, 'ci'))
import engine  # noqa: E402
import localbase  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'ci'))


def test_the_first_client_with_buildkit_and_a_daemon_is_taken(tmp_path, monkeypatch):
    client(tmp_path / 'a', '28.2.2', daemon=True)
    good = client(tmp_path / 'b', '20.10.24', daemon=True)
    monkeypatch.setenv('PATH', '{}{}{}'.format(tmp_path / 'a', os.pathsep, tmp_path / 'b') + os.pathsep + '/bin')
    assert engine.ready(say=lambda text: None) == good


def test_a_daemon_that_does_not_come_up_has_a_code_of_its_own(tmp_path, monkeypatch):
    dead = client(tmp_path / 'a', '20.10.24')
    (tmp_path / 'a' / 'dockerd').write_text('#!/bin/sh\necho "no permission for iptables"\nexit 1\n')
    (tmp_path / 'a' / 'dockerd').chmod(0o755)
    monkeypatch.setenv('PATH', '{}{}/bin'.format(tmp_path / 'a', os.pathsep))
    monkeypatch.setattr(engine, 'LOG', str(tmp_path / 'log'))
    monkeypatch.setattr(engine, 'START_SECONDS', 5)
    with pytest.raises(MTPError, match='no permission for iptables') as caught:
        engine.start(dead, say=lambda text: None)
    assert caught.value.code == engine.NO_ENGINE == 4


def test_what_cannot_be_installed_has_that_code_too(monkeypatch):
    monkeypatch.setattr(engine.os, 'getuid', lambda: 1000)
    with pytest.raises(MTPError, match='docker.io missing') as caught:
        engine.install('docker.io')
    assert caught.value.code == engine.NO_ENGINE and 'sudo apt-get install docker.io' in str(caught.value)


LOCKED_APT = """#!/bin/sh
echo "$*" >>"$0.calls"
[ -e "$0.locked" ] || exit 0
rm "$0.locked"
echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"
exit 100
"""


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """An apt-get that finds its lock taken once."""
    path = tmp_path / 'apt-get'
    path.write_text(LOCKED_APT)
    path.chmod(0o755)
    (tmp_path / 'apt-get.locked').write_text('')
    monkeypatch.setenv('PATH', f'{tmp_path}{os.pathsep}/bin:/usr/bin')
    monkeypatch.setattr(engine.os, 'getuid', lambda: 0)
    monkeypatch.setattr(engine, 'LOCK_PAUSE', 0.01)
    return path


def test_another_apt_get_is_waited_for(apt):
    engine.install('podman')
    assert [line.split()[0] for line in (apt.parent / 'apt-get.calls').read_text().splitlines()] == [
        'update', 'update', 'install']


def test_an_apt_that_stays_locked_is_no_machine_without_an_engine(apt, monkeypatch):
    monkeypatch.setattr(engine, 'LOCK_SECONDS', -1)
    with pytest.raises(MTPError, match='locked by another program') as caught:
        engine.install('podman')
    assert caught.value.code == 1 != engine.NO_ENGINE and 'process 7' in str(caught.value)


def test_python_is_copied_without_what_belongs_to_the_host(tmp_path):
    prefix = tmp_path / 'prefix'
    for name in ('lib/python3.8/site-packages/own', 'lib/python3.8/test', 'lib/python3.8/lib-dynload',
                 'lib/python3.8/json/__pycache__', 'include/python3.8', 'bin'):
        (prefix / name).mkdir(parents=True)
    (prefix / 'lib/python3.8/lib-dynload/_tkinter.so').write_text('')
    (prefix / 'lib/python3.8/json/decoder.py').write_text('')
    (prefix / 'bin/python3.8').write_text('')
    localbase.copy_python(str(prefix), 'python3.8', str(tmp_path / 'local'))
    made = {os.path.relpath(os.path.join(folder, name), str(tmp_path / 'local'))
            for folder, folders, files in os.walk(str(tmp_path / 'local')) for name in folders + files}
    assert {'bin/python3.8', 'lib/python3.8/json/decoder.py', 'include/python3.8',
            'lib/python3.8/site-packages'} <= made
    assert not any('own' in name or 'test' in name or '_tkinter' in name or '__pycache__' in name for name in made)
