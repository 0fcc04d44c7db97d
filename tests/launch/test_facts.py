import os

import pytest

from mtp.launch import facts, host, ledger
from mtp.launch.facts import Card
from tests.launch.fakes import ask, machine


def program(path, text):
    path.write_text('#!/bin/sh\n' + text)
    path.chmod(0o755)
    return str(path)


def test_cards_of_a_new_driver(tmp_path):
    tool = program(tmp_path / 'smi', 'echo "NVIDIA H100, 535.1, 9.0"; echo "NVIDIA A100, 535.1, 8.0"')
    assert facts.cards(tool) == [Card('NVIDIA H100', '535.1', (9, 0)), Card('NVIDIA A100', '535.1', (8, 0))]


def test_cards_of_a_driver_that_does_not_say_the_architecture(tmp_path):
    tool = program(tmp_path / 'smi', 'case "$*" in *compute_cap*) exit 2;; esac; echo "Tesla V100, 418.87.00"')
    assert facts.cards(tool) == [Card('Tesla V100', '418.87.00', None)]


def test_no_card_no_tool(tmp_path):
    assert facts.cards(program(tmp_path / 'smi', 'exit 9')) == [] and facts.cards(None) == []


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
