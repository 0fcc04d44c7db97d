import os
import socket
import subprocess

import pytest

from mtp.launch import host, ledger
from mtp.launch.runtimes import apptainer
from tests.launch.fakes import ask


def program(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text('#!/bin/sh\n' + text)
    (folder / name).chmod(0o755)
    return str(folder / name)


def test_a_docker_that_answers(tmp_path):
    assert host.answer(program(tmp_path, 'docker', 'echo 28.2.2')) == ''


@pytest.mark.parametrize('script, said', [('echo first >&2; echo "Cannot connect" >&2; exit 1',
                                           'first\nCannot connect'),
                                          ('exit 5', 'docker version ended with 5')])
def test_a_docker_that_does_not(tmp_path, script, said):
    assert host.answer(program(tmp_path, 'docker', script)) == said


def test_a_docker_that_hangs(tmp_path):
    assert 'timed out' in host.answer(program(tmp_path, 'docker', 'exec sleep 60'), timeout=0.2)


@pytest.mark.parametrize('address, said', [
    ('https://user:secret@host/x/y.git', 'https://host/x/y.git'), ('https://host/x@y', 'https://host/x@y'),
    ('git@host:x/y.git', 'git@host:x/y.git'), ('/home/user/mtp', ''), ('file:///home/user/mtp', '')])
def test_the_address_of_the_source_holds_no_secret_and_no_path_of_this_machine(tmp_path, address, said):
    assert host.source(str(tmp_path)) == ''
    for words in (['init', '-q'], ['remote', 'add', 'origin', address]):
        subprocess.check_call(['git', '-C', str(tmp_path)] + words)
    assert host.source(str(tmp_path)) == said


def test_ledger_digests_and_ids_of_images(tmp_path):
    script = ('case "$*" in *mmrotate1:cpu) echo "WARNING: old" >&2; echo abc; echo sha256:1;; '
              '*old*) echo "<no value>"; echo sha256:2;; *plain*) echo; echo sha256:3;; *) exit 1;; esac')
    found = host.image_facts(program(tmp_path, 'docker', script), ['mtp/mmrotate1:cpu', 'old', 'plain', 'absent'])
    assert found == {'mtp/mmrotate1:cpu': ('abc', 'sha256:1'), 'old': ('', 'sha256:2'), 'plain': ('', 'sha256:3')}


def test_ledger_digest_of_an_apptainer_image(tmp_path):
    tool = program(tmp_path, 'apptainer', 'echo "org.mtp.environment: mmrotate1"; echo "org.mtp.ledger: abc"')
    assert apptainer.labels(tool, 'x.sif')[host.DIGEST_LABEL] == 'abc'
    assert apptainer.labels(tool, 'x.sif')[host.ENV_LABEL] == 'mmrotate1'
    assert apptainer.labels(program(tmp_path, 'broken', 'exit 1'), 'x.sif') == {}
    assert apptainer.labels(str(tmp_path / 'nothing'), 'x.sif') == {}


def test_folders(tmp_path):
    assert host.folder(str(tmp_path)) == (True, True, True)
    assert host.folder(str(tmp_path / 'none')) == (False, False, False)


def test_a_free_port_can_be_listened_on():
    with socket.socket() as server:
        server.bind(('127.0.0.1', host.free_port()))


@pytest.mark.parametrize('tools, expected', [({'nvidia-smi': '/usr/bin/nvidia-smi'}, 'nv')])
def test_accelerator(tools, expected):
    assert host.accelerator(tools) == expected


def test_looking_at_a_machine_without_asking_for_docker(tmp_path, monkeypatch):
    program(tmp_path / 'bin', 'docker', f'touch {tmp_path}/asked')
    monkeypatch.setenv('PATH', '{}:{}'.format(tmp_path / 'bin', os.environ['PATH']))
    found = host.look(ask(RUNTIME='native'))
    assert found.engines == {} and not (tmp_path / 'asked').exists()
    assert set(found.venvs) == set(ledger.names()) and set(found.folders) == {'data', 'weights', 'work_dirs'}
    host.look(ask(RUNTIME='docker'))
    assert (tmp_path / 'asked').exists()


def test_revision(tmp_path):
    assert host.revision(str(tmp_path)) == 'unknown'
