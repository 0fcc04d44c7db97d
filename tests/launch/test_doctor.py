"""make doctor on made-up machines."""
import json
import os
import subprocess
import sys

import pytest

from mtp.launch import doctor, ledger
from mtp.launch.facts import Card, Facts
from mtp.launch.host import Folder
from tests.launch.fakes import ask, machine

GOOD = {'findings': [{'status': 'ok', 'what': 'torch', 'says': '1.10.0'}] * 3, 'failed': 0}
A100 = Card('A100', '470.57.02', (8, 0))


def facts(**changes):
    found = Facts(python='3.6.8', python38=('/usr/bin/python3.8', '3.8.18'), python38_advice='',
                  compiler='/usr/bin/c++', cards=[A100], shm=8 << 30, free={'work_dirs': 1 << 40},
                  datasets=['dotav1'], partitions=['gpu'],
                  selfchecks={'mmrotate1': GOOD, 'mmrotate03': GOOD})
    return found._replace(**changes)


def question(host=None, words=None, **changes):
    host = host or machine('/repo')
    settings = ask(**(words or {'RUNTIME': 'native', 'VARIANT': 'cu113'}))
    envs = tuple(ledger.names())
    runtimes = {env: doctor.containers.choose(settings, host, env)[0] for env in envs}
    return doctor.Question(settings, host, facts(**changes), envs, runtimes)


def said(judge, *args, **changes):
    return [(found.status, found.says, found.next) for found in judge(question(*args, **changes))]


def test_a_good_machine_has_no_failure_and_every_judge_speaks():
    findings = doctor.judge(question())
    assert {found.status for found in findings} <= {'pass', 'warn'}
    assert len({found.what for found in findings}) >= 10
    assert doctor.text(findings).splitlines()[-1].endswith(' 0 fail')


@pytest.mark.parametrize('status', ['absent', 'half', 'old'])
def test_native_environments_that_are_not_ready(status):
    host = machine('/repo', venvs={'mmrotate1': status, 'mmrotate03': 'ready'})
    found = said(doctor.runtime, host)
    assert [item[0] for item in found] == ['fail', 'pass'] and found[0][2] == 'make setup ENV=mmrotate1'
    warned = said(doctor.python, host)[1]
    assert warned[0] == 'warn' and 'the ledger says 3.8.17' in warned[1]
    assert said(doctor.python, host, python38=None, python38_advice='uv python install 3.8')[1] == (
        'fail', 'there is none', 'uv python install 3.8')


@pytest.mark.parametrize('status, expected', [('absent', 'fail'), ('ready', 'pass')])
def test_a_compiler_is_needed_only_to_make_an_environment(status, expected):
    host = machine('/repo', venvs={'mmrotate1': status, 'mmrotate03': 'ready'})
    assert said(doctor.compiler, host, compiler='')[0][0] == expected
    assert said(doctor.compiler, host)[0] == ('pass', '/usr/bin/c++', '')


@pytest.mark.parametrize('changes, message, following', [
    (dict(tools={}), 'docker is not installed', 'RUNTIME=apptainer'),
    (dict(daemon='Cannot connect'), 'daemon does not answer: Cannot connect', 'systemctl start docker'),
    (dict(images={}), 'no image mtp/mmrotate1:cu113', 'make images ENV=mmrotate1'),
    (dict(images={'mtp/mmrotate1:cu113': 'f' * 64}), 'another ledger: its label is ffffffffffff',
     'make images ENV=mmrotate1')])
def test_the_engine_its_daemon_and_its_images(changes, message, following):
    status, text, command = said(doctor.runtime, machine('/repo', **changes), {'RUNTIME': 'docker'})[0]
    assert status == 'fail' and message in text and following in command


def test_what_the_self_check_found_inside():
    report = {'findings': [{'status': 'fail', 'what': 'torch', 'says': '1.9.0; the ledger says 1.10.0'},
                           {'status': 'declared', 'what': 'opencd', 'says': 'not installed'},
                           {'status': 'fail', 'what': 'nms_rotated', 'says': 'gives [], not [0]'}], 'failed': 2}
    found = said(doctor.inside, selfchecks={'mmrotate1': report, 'mmrotate03': {'error': 'no torch'}})
    assert found[0] == ('fail', '1.9.0; the ledger says 1.10.0', 'make setup ENV=mmrotate1')
    assert found[1][0] == 'warn' and found[2][0] == 'fail' and found[3][0] == 'fail'
    assert found[4] == ('fail', 'the self-check did not run: no torch', 'make setup ENV=mmrotate03')
    assert said(doctor.inside, selfchecks={})[0][0] == 'warn'


@pytest.mark.parametrize('card, statuses, words', [
    (A100, ['pass', 'pass'], 'sm_80'),
    (Card('H100', '535.1.2', (9, 0)), ['fail', 'pass'], 'sm_90 needs a newer torch than the documented 1.10.0'),
    (Card('L40', '535.1', (8, 9)), ['fail', 'pass'], 'sm_89 needs a newer torch'),
    (Card('V100', '418.87.00', None), ['warn', 'fail'], '418.87.00 is too old for CUDA 11.3, which needs 450.80')])
def test_cards_and_drivers(card, statuses, words):
    found = said(doctor.cards, cards=[card])
    assert [item[0] for item in found] == statuses and words in ' '.join(item[1] for item in found)
    assert all(item[2] for item in found if item[0] == 'fail')


def test_a_card_that_is_asked_for_and_not_there():
    assert said(doctor.cards, cards=[])[0][0] == 'fail'
    slurm = said(doctor.cards, machine('/repo', accel='none'), {'LAUNCHER': 'slurm'}, cards=[])
    assert slurm[0][0] == 'warn' and 'compute nodes' in slurm[0][1]
    assert said(doctor.cards, machine('/repo', accel='none'), {}, cards=[])[0][0] == 'pass'


def test_an_environment_without_cuda_operators_on_a_machine_with_a_card():
    found = said(doctor.cards, None, {'RUNTIME': 'native', 'VARIANT': 'cpu'})
    assert found[1] == ('warn', '470.57.02; the variant cpu has no CUDA operators', 'VARIANT=cu113')


def test_shared_memory():
    assert said(doctor.memory, shm=64 << 20)[0][0] == 'warn'
    assert said(doctor.memory)[0][0] == 'pass'
    assert said(doctor.memory, None, {'RUNTIME': 'docker'}, shm=0) == [('pass', 'docker gives 16g (SHM_SIZE)', '')]


def test_disk():
    assert [item[0] for item in said(doctor.disk, free={'a': 1 << 30, 'b': 1 << 40})] == ['warn', 'pass']


def test_folders():
    host = machine('/repo')
    folders = {'data': Folder(False, False, False), 'weights': Folder(True, False, False),
               'work_dirs': Folder(True, True, False)}
    found = said(doctor.folders, host._replace(folders=folders), datasets=[])
    assert [item[0] for item in found] == ['warn', 'fail', 'fail', 'warn'] and 'mkdir -p data' in found[0][2]
    assert [item[0] for item in said(doctor.folders)] == ['pass'] * 4


@pytest.mark.parametrize('tools, words, status', [
    ({}, {}, 'pass'), ({}, {'LAUNCHER': 'slurm'}, 'fail'), ({'srun': 'srun'}, {'PARTITION': 'gpu'}, 'pass'),
    ({'srun': 'srun'}, {'PARTITION': 'gup'}, 'fail')])
def test_slurm(tools, words, status):
    found = said(doctor.slurm, machine('/repo', tools=tools), words)
    assert found[0][0] == status and bool(found[0][2]) == (status == 'fail')


def test_every_failure_comes_with_a_next_command():
    bare = machine('/repo', tools={}, images={}, sifs={}, venvs={env: 'absent' for env in ledger.names()},
                   folders={path: Folder(True, False, False) for path in ('data', 'weights', 'work_dirs')})
    for words in ({'RUNTIME': 'docker'}, {'RUNTIME': 'apptainer'}, {'RUNTIME': 'native'}, {'LAUNCHER': 'slurm'}):
        findings = doctor.judge(question(bare, words, python38=None, python38_advice='x', compiler='', cards=[], shm=0,
                                         free={'a': 0}, datasets=[], partitions=[], selfchecks={}))
        failed = [found for found in findings if found.status == 'fail']
        assert failed and all(found.next for found in failed)


def test_json_on_this_machine():
    environ = dict(os.environ, JSON='1', RUNTIME='native', ENV='mmrotate1', MTP_VENV_ROOT='/nonexistent')
    done = subprocess.run([sys.executable, '-m', 'mtp.launch.doctor'], cwd=ledger.ROOT, env=environ,
                          stdout=subprocess.PIPE)
    report = json.loads(done.stdout.decode())
    assert done.returncode == 1 and report['runtimes'] == {'mmrotate1': 'native'}
    assert report['failed'] == sum(found['status'] == 'fail' for found in report['findings']) > 0
