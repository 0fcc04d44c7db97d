import os
import subprocess

import pytest

from mtp.launch import cards, facts, host, ledger
from mtp.launch.cards import Card
from tests.launch.fakes import ask, machine


def program(path, text):
    path.write_text('#!/bin/sh\n' + text)
    path.chmod(0o755)
    return str(path)


def test_cards_of_a_new_driver(tmp_path):
    tool = program(tmp_path / 'smi', 'echo "NVIDIA H100, 535.1, 9.0"; echo "NVIDIA A100, 535.1, 8.0"')
    assert cards.look(tool) == [Card('NVIDIA H100', '535.1', (9, 0)), Card('NVIDIA A100', '535.1', (8, 0))]


def test_cards_of_a_driver_that_does_not_say_the_architecture(tmp_path):
    tool = program(tmp_path / 'smi', 'case "$*" in *compute_cap*) exit 2;; esac; echo "Tesla V100, 418.87.00"')
    assert cards.look(tool) == [Card('Tesla V100', '418.87.00', None)]


def test_no_card_no_tool(tmp_path):
    assert cards.look(program(tmp_path / 'smi', 'exit 9')) == [] and cards.look(None) == []


def test_partitions(tmp_path):
    assert host.partitions(program(tmp_path / 'sinfo', 'echo gpu; echo " cpu "; echo gpu')) == ('gpu', 'cpu')
    assert host.partitions(program(tmp_path / 'broken', 'exit 1')) == ()


def test_room_on_the_disk_of_a_folder_that_is_not_there_yet(tmp_path):
    assert facts.disk_free(str(tmp_path / 'a' / 'b')) > 0


def test_data_sets_that_are_there(tmp_path):
    from mtp.data import catalogue
    folder = next(iter(catalogue.get('dotav1').splits.values())).images
    os.makedirs(str(tmp_path / folder))
    assert facts.datasets(str(tmp_path), catalogue) == ['dotav1']


@pytest.mark.parametrize('script, expected', [
    ('echo warning; printf \'{\\n"failed": 0}\'', {'failed': 0}),
    ('echo broken >&2; exit 1', {'error': 'broken'}), ('exit 3', {'error': 'it ended with 3'})])
def test_the_report_of_the_self_check(tmp_path, script, expected):
    (tmp_path / 'mmrotate1' / 'bin').mkdir(parents=True)
    program(tmp_path / 'mmrotate1' / 'bin' / 'python', script)
    settings = ask(RUNTIME='native', MTP_VENV_ROOT=str(tmp_path), ENV='mmrotate1')
    assert facts.selfcheck(settings, machine(ledger.ROOT), 'mmrotate1') == expected
    absent = machine(ledger.ROOT, venvs={'mmrotate1': 'absent'})
    assert facts.selfcheck(settings, absent, 'mmrotate1') is None


def test_what_docker_said_is_what_the_self_check_shows(tmp_path):
    (tmp_path / 'mmrotate1' / 'bin').mkdir(parents=True)
    program(tmp_path / 'mmrotate1' / 'bin' / 'python', """
echo 'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]]' >&2
echo >&2; echo "Run 'docker run --help' for more information" >&2; exit 125""")
    settings = ask(RUNTIME='native', MTP_VENV_ROOT=str(tmp_path), ENV='mmrotate1')
    found = facts.selfcheck(settings, machine(ledger.ROOT), 'mmrotate1')
    assert 'NVIDIA container toolkit' in found['error'] and 'ACCEL=none' in found['next']


@pytest.mark.parametrize('words, image', [({}, 'cu117'), ({'ACCEL': 'none'}, 'cpu'), ({'VARIANT': 'cpu'}, 'cpu')])
def test_a_login_node_looks_into_the_image_that_the_job_takes(tmp_path, monkeypatch, words, image):
    asked = []
    answer = subprocess.CompletedProcess((), 0, b'{\n"failed": 0}', b'')
    monkeypatch.setattr(facts.subprocess, 'run', lambda words, **other: asked.append(words) or answer)
    settings = ask(LAUNCHER='slurm', RUNTIME='apptainer', **words)
    facts.selfcheck(settings, machine(ledger.ROOT, accel='none'), 'mmrotate1')
    assert f'apptainer/mmrotate1-{image}.sif' in asked[0] and '--nv' not in asked[0]


@pytest.mark.parametrize('words, tools, asked', [
    (dict(LAUNCHER='slurm'), {'srun': 'srun'}, True), (dict(LAUNCHER='slurm', PARTITION='gpu'), {'srun': 'srun'}, True),
    (dict(LAUNCHER='slurm', PARTITION='gup'), {'srun': 'srun'}, False), (dict(LAUNCHER='slurm'), {}, False),
    ({}, {'srun': 'srun'}, False)])
def test_a_compute_node_is_asked_where_jobs_go_to_one(monkeypatch, words, tools, asked):
    monkeypatch.setattr(facts.node, 'ask', lambda *given: 'asked')
    host = machine(ledger.ROOT, tools=tools, partitions=('gpu',) if 'PARTITION' in words else ())
    assert facts.compute_node(ask(**words), host, ['mmrotate1']) == ('asked' if asked else '')
