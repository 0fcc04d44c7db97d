"""make doctor on made-up machines."""
import json
import os
import subprocess
import sys

import pytest

from mtp.launch import doctor, ledger
from mtp.launch.cards import Card
from mtp.launch.facts import Facts
from mtp.launch.host import Folder
from mtp.launch.node import Node
from tests.launch import fakes
from tests.launch.fakes import ask, machine

GOOD = {'findings': [{'status': 'ok', 'what': 'torch', 'says': '1.10.0'}] * 3, 'failed': 0}
PLACES = ('work_dirs', '.venv', '/home/user/.cache/mtp')
A100 = Card('A100', '470.57.02', (8, 0))


def facts(**changes):
    found = Facts(python='3.6.8', pythons={'3.8': (('/usr/bin/python3.8', '3.8.18'), '')},
                  compiler='/usr/bin/c++', cards=[A100], shm=8 << 30, free={path: 1 << 40 for path in PLACES},
                  datasets=['dotav1'], partitions=['gpu'],
                  selfchecks={'mmrotate1': GOOD, 'mmrotate03': GOOD})
    return found._replace(**changes)


def question(host=None, words=None, **changes):
    host = host or machine('/repo')
    settings = ask(**(words or {'RUNTIME': 'native', 'VARIANT': 'cu117'}))
    envs = tuple(ledger.recorded())
    runtimes = {env: doctor.containers.choose(settings, host, env)[0] for env in envs}
    return doctor.Question(settings, host, facts(**changes), envs, runtimes)


def said(judge, *args, **changes):
    return [(found.status, found.says, found.next) for found in judge(question(*args, **changes))]


def test_a_good_machine_has_no_failure_and_every_judge_speaks():
    findings = doctor.judge(question())
    assert {found.status for found in findings} <= {'pass', 'warn'}
    assert len({found.what for found in findings}) >= 10
    assert doctor.text(findings).splitlines()[-1].endswith(' 0 fail')


def test_an_environment_beside_the_record_is_judged_where_it_is_made_or_a_card_needs_it():
    ready = dict.fromkeys(ledger.names(), 'ready')
    without = machine('/repo', venvs=dict(ready, mmrotate12='absent'))
    asked = ask(RUNTIME='native')
    assert list(doctor._meant(asked, machine('/repo', venvs=ready))) == ledger.names()
    assert list(doctor._meant(asked, without)) == ledger.recorded()
    blackwell = A100._replace(name='NVIDIA B200', architecture=(10, 0), driver='580.95.05')
    here = without._replace(accel='nv', cards=(blackwell,))
    assert list(doctor._meant(asked, here)) == ledger.names()


def test_a_base_image_without_a_digest_is_told_where_images_are_used():
    found = said(doctor.bases, None, {'RUNTIME': 'docker', 'VARIANT': 'cpu'})
    assert {item[0] for item in found} == {'warn'} and len(found) == 4  # two Pythons, and one Debian for each
    assert 'debian:bookworm-slim is taken by its tag' in found[0][1] and found[0][2].startswith('docker buildx')
    assert said(doctor.bases) == []


@pytest.mark.parametrize('status', ['absent', 'half', 'old'])
def test_native_environments_that_are_not_ready(status):
    host = machine('/repo', venvs={'mmrotate1': status, 'mmrotate03': 'ready'})
    found = said(doctor.runtime, host)
    assert [item[0] for item in found] == ['fail', 'pass'] and found[0][2] == 'make setup ENV=mmrotate1'
    warned = said(doctor.python, host)[1]
    assert warned[0] == 'warn' and 'the ledger says 3.8.17' in warned[1]
    assert said(doctor.python, host, pythons={'3.8': (None, 'uv python install 3.8')})[1] == (
        'fail', 'there is none', 'uv python install 3.8')


@pytest.mark.parametrize('status, expected', [('absent', 'fail'), ('ready', 'pass')])
def test_a_compiler_is_needed_only_to_make_an_environment(status, expected):
    host = machine('/repo', venvs={'mmrotate1': status, 'mmrotate03': 'ready'})
    assert said(doctor.compiler, host, compiler='')[0][0] == expected
    assert said(doctor.compiler, host)[0] == ('pass', '/usr/bin/c++', '')


@pytest.mark.parametrize('changes, message, following', [
    (dict(tools={}), 'docker is not installed', 'RUNTIME=apptainer'),
    (dict(refusal='Cannot connect'), 'daemon does not answer: Cannot connect', 'systemctl start docker'),
    (dict(images={}), 'no image mtp/mmrotate1:cu117', 'make images ENV=mmrotate1'),
    (dict(images={'mtp/mmrotate1:cu117': 'f' * 64}), 'other inputs: its label is ffffffffffff',
     'make images ENV=mmrotate1')])
def test_the_engine_its_daemon_and_its_images(changes, message, following):
    status, text, command = said(doctor.runtime, machine('/repo', **changes), {'RUNTIME': 'docker'})[0]
    assert status == 'fail' and message in text and following in command


def test_what_the_self_check_found_inside():
    report = {'findings': [{'status': 'fail', 'what': 'torch', 'says': '1.9.0; the ledger says 1.10.0'},
                           {'status': 'declared', 'what': 'python', 'says': '3.8.18; the ledger says 3.8.17'},
                           {'status': 'fail', 'what': 'nms_rotated', 'says': 'gives [], not [0]'}], 'failed': 2}
    found = said(doctor.inside, selfchecks={'mmrotate1': report, 'mmrotate03': {'error': 'no torch'}})
    assert found[0] == ('fail', '1.9.0; the ledger says 1.10.0', 'make setup ENV=mmrotate1 VARIANT=cu117')
    assert found[1][0] == 'warn' and found[2][0] == 'fail' and found[3][0] == 'fail'
    assert found[4] == ('fail', 'the self-check did not run: no torch', 'make setup ENV=mmrotate03 VARIANT=cu117')
    assert said(doctor.inside, selfchecks={})[0][0] == 'warn'


@pytest.mark.parametrize('card, statuses, words', [
    (A100, ['pass', 'pass'], 'sm_80'),
    (Card('H100', '535.1.2', (9, 0)), ['fail', 'pass'],
     'sm_90: cu117 of mmrotate1 and mmrotate03 has no code for it, only for sm_37 to sm_86'),
    (Card('L40', '535.1', (8, 9)), ['warn', 'pass'], 'runs there with its code for sm_86'),
    (Card('V100', '418.87.00', None), ['warn', 'fail'], '418.87.00 is too old for CUDA 11.7 of cu117, which')])
def test_cards_and_drivers(card, statuses, words):
    found = said(doctor.cards, cards=[card])
    assert [item[0] for item in found] == statuses and words in ' '.join(item[1] for item in found)
    assert all(item[2] for item in found if item[0] == 'fail')


@pytest.mark.parametrize('words, card, status, following', [
    ({'RUNTIME': 'native', 'VARIANT': 'cu113'}, Card('L40', '535.1', (8, 9)), 'warn', ''),
    ({'RUNTIME': 'native', 'VARIANT': 'cu113'}, Card('H100', '535.1', (9, 0)), 'fail',
     'make setup ENV=mmrotate1 VARIANT=cu121'),
    ({'RUNTIME': 'docker', 'VARIANT': 'cu117'}, Card('H100', '535.1', (9, 0)), 'fail',
     'make images ENV=mmrotate1 VARIANT=cu121'),
    ({'RUNTIME': 'docker', 'VARIANT': 'cu121'}, Card('H100', '535.1', (9, 0)), 'pass', ''),
    ({'RUNTIME': 'apptainer', 'VARIANT': 'cu121'}, Card('K80', '535.1', (3, 7)), 'fail',
     'make sif ENV=mmrotate1 VARIANT=cu117'),
    ({'RUNTIME': 'docker', 'VARIANT': 'cu121'}, Card('GTX 285', '340.1', (1, 3)), 'fail', 'ACCEL=none VARIANT=cpu')])
def test_a_card_is_judged_for_the_variant_with_the_command_that_brings_the_right_one(words, card, status, following):
    found = said(doctor.cards, None, words, cards=[card])[0]
    assert (found[0], found[2][:len(following)]) == (status, following) and bool(found[2]) == bool(following)


def test_the_variant_of_each_environment_is_judged_by_itself(monkeypatch):
    host = machine('/repo', cards=(A100._replace(driver='535.1'),))
    changed = ledger.load()
    changed['environments']['mmrotate03']['variants'] = {'cpu': {'like': 'cpu'}, 'cu121': {'like': 'cu121'}}
    monkeypatch.setattr(ledger, 'load', lambda: changed)
    found = said(doctor.cards, host, {'RUNTIME': 'native', 'ACCEL': 'nv'}, cards=list(host.cards))
    assert [item[1] for item in found] == ['sm_80: cu117 of mmrotate1 has code for it', '535.1 runs CUDA 11.7',
                                           'sm_80: cu121 of mmrotate03 has code for it', '535.1 runs CUDA 12.1']


def test_a_card_that_is_asked_for_and_not_there():
    assert said(doctor.cards, cards=[])[0][0] == 'fail'
    slurm = said(doctor.cards, machine('/repo', accel='none'), {'LAUNCHER': 'slurm'}, cards=[])
    assert slurm[0][0] == 'pass' and 'compute nodes' in slurm[0][1]
    assert said(doctor.cards, machine('/repo', accel='none'), {'ACCEL': 'auto'}, cards=[])[0][0] == 'pass'
    named = said(doctor.cards, machine('/repo', accel='none'), {'VARIANT': 'cu121'}, cards=[])
    assert named == [('fail', 'nvidia-smi shows none', 'nvidia-smi, or ACCEL=none')]


def test_an_environment_without_cuda_operators_on_a_machine_with_a_card():
    found = said(doctor.cards, None, {'RUNTIME': 'native', 'VARIANT': 'cpu'})
    assert found[0] == ('warn', '470.57.02; the variant cpu has no CUDA operators',
                        'make setup ENV=mmrotate1 VARIANT=cu117')


def test_shared_memory():
    assert said(doctor.memory, shm=64 << 20)[0][0] == 'warn'
    assert said(doctor.memory)[0][0] == 'pass'
    assert said(doctor.memory, None, {'RUNTIME': 'docker'}, shm=0) == [('pass', 'docker gives 16g (SHM_SIZE)', '')]


def test_the_disk_of_each_folder_has_its_own_need_and_its_own_setting():
    free = dict.fromkeys(PLACES, 1 << 30)
    made = said(doctor.disk, None, free=free)
    assert [item[0] for item in made] == ['warn'] and 'MTP_WORK_ROOT' in made[0][2]
    absent = machine('/repo', venvs={env: 'absent' for env in ledger.names()})
    found = said(doctor.disk, absent, free=free)
    assert [item[0] for item in found] == ['warn'] * 3
    names = ('MTP_WORK_ROOT', 'MTP_VENV_ROOT', 'MTP_CACHE_ROOT')
    assert all(name in item[2] for name, item in zip(names, found))
    assert '1.1 GB left; the environments take about 8.6 GB' in found[1][1]


def test_the_disk_of_the_engine_is_looked_at_where_docker_is_taken():
    engine = doctor.engines.PLAIN._replace(root='/var/lib/docker')
    words = {'RUNTIME': 'docker', 'VARIANT': 'cpu'}
    bare = machine('/repo', images={}, about=engine, free=20 << 30)
    found = said(doctor.disk, bare, words)[-1]
    assert found[0] == 'warn' and 'building what is missing takes about 30.1 GB' in found[1] and 'data-root' in found[2]
    assert said(doctor.disk, machine('/repo', about=engine, free=20 << 30), words)[-1][0] == 'pass'
    assert not any('engine' in found.what for found in doctor.disk(question(bare)))


def test_docker_without_the_toolkit_gets_no_card():
    host = machine('/repo', about=doctor.engines.PLAIN._replace(cards=False))
    found = said(doctor.cards, host, {'RUNTIME': 'docker'})
    assert found[0][0] == 'fail' and 'NVIDIA container toolkit' in found[0][1] and 'ACCEL=none' in found[0][2]
    assert all(item[0] == 'pass' for item in said(doctor.cards, host, {'RUNTIME': 'native', 'VARIANT': 'cu117'}))


def test_podman_without_a_description_of_the_cards_gets_none():
    host = fakes.changed(machine('/repo'), engine='podman', about=doctor.engines.PLAIN._replace(cards=False))
    found = said(doctor.cards, host, {'RUNTIME': 'podman'})
    assert found[0][0] == 'fail' and 'CDI' in found[0][1] and 'nvidia-ctk cdi generate' in found[0][2]


def test_what_the_engine_said_of_the_self_check_comes_with_its_own_command():
    report = {'error': 'no toolkit', 'next': 'install it'}
    assert said(doctor.inside, selfchecks={'mmrotate1': report})[0][2] == 'install it'


def test_a_variant_that_nobody_knows():
    assert said(doctor.variant, None, {'VARIANT': 'cu999'}) == [
        ('fail', "the ledger knows no 'cu999'", 'VARIANT=' + ' or '.join(ledger.variants()))]
    assert said(doctor.variant, None, {'VARIANT': 'mine', 'ACCEL': 'rocm'}) == []
    assert doctor.judge(question(None, {'VARIANT': 'cu999'}))  # no judge falls over it
    assert said(doctor.cards, None, {'VARIANT': 'cu999'}) == []


NODE = Node('gpu07', 8 << 30, 'apptainer version 1.3', -1, '3.8.18', 'writable', [A100])


def at_node(words=None, **changes):
    words = dict({'LAUNCHER': 'slurm', 'RUNTIME': 'native', 'VARIANT': 'cu117'}, **words or {})
    return {found.what.replace(' on gpu07', ''): found for found in
            doctor.node(question(machine('/repo'), words, node=NODE._replace(**changes)))}


def test_a_good_compute_node():
    found = at_node()
    assert {each.status for each in found.values()} == {'pass'} and set(found) == {
        'shared memory', 'MTP_WORK_ROOT', 'A100', 'driver'}


@pytest.mark.parametrize('changes, what, following', [
    (dict(cards=[]), 'card', 'GRES=gpu:1'), (dict(cards=[Card('V100', '418.1', (7, 0))]), 'driver', 'ACCEL=none'),
    (dict(work='missing'), 'MTP_WORK_ROOT', 'all nodes see'), (dict(work='refused'), 'MTP_WORK_ROOT', 'may write'),
    (dict(python='probe.sh: line 18: .venv/mmrotate1/bin/python: No such file or directory'), 'environment',
     'make setup'),
    (dict(python=''), 'environment', 'make setup')])
def test_what_a_compute_node_lacks(changes, what, following):
    found = at_node(**changes)[what]
    assert found.status == 'fail' and following in found.next


def test_the_image_on_a_compute_node(tmp_path):
    words = {'RUNTIME': 'apptainer', 'SIF': str(tmp_path / 'x.sif')}
    assert at_node(words, image=-1)['image'].status == 'fail'
    assert at_node(words, apptainer='')['apptainer'].status == 'fail'
    (tmp_path / 'x.sif').write_bytes(b'12345')
    assert at_node(words, image=5)['image'].status == 'pass'
    assert '4 bytes there and 5 here' in at_node(words, image=4)['image'].says


@pytest.mark.parametrize('answer, status', [
    ('srun: error: Unable to allocate resources: Requested nodes are busy', 'warn'),
    ('srun: error: Unable to allocate resources: Invalid partition name specified', 'fail'), ('', None)])
def test_a_compute_node_that_does_not_answer(answer, status):
    found = list(doctor.node(question(None, {'LAUNCHER': 'slurm'}, node=answer)))
    assert [each.status for each in found] == ([status] if status else [])


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
        findings = doctor.judge(question(bare, words, pythons={'3.8': (None, 'x')}, compiler='', cards=[], shm=0,
                                         free=dict.fromkeys(PLACES, 0), datasets=[], partitions=[], selfchecks={}))
        failed = [found for found in findings if found.status == 'fail']
        assert failed and all(found.next for found in failed)


def test_json_on_this_machine():
    environ = dict(os.environ, JSON='1', RUNTIME='native', ENV='mmrotate1', MTP_VENV_ROOT='/nonexistent')
    done = subprocess.run([sys.executable, '-m', 'mtp.launch.doctor'], cwd=ledger.ROOT, env=environ,
                          stdout=subprocess.PIPE)
    report = json.loads(done.stdout.decode())
    assert done.returncode == 1 and report['runtimes'] == {'mmrotate1': 'native'}
    assert report['failed'] == sum(found['status'] == 'fail' for found in report['findings']) > 0


@pytest.mark.parametrize('missing, status', [(['x.pth'], 'warn'), ([], 'pass')])
def test_an_empty_weights_folder_is_no_pass(missing, status):
    ready = {'sentence': '0 of 45', 'runs': {'mmrotate1/dior/x': {'train': missing, 'test': ['no released result']}}}
    assert said(doctor.runs, ready=ready)[0] == (status, '0 of 45', 'make weights' if missing else '')
    assert not said(doctor.runs, ready={})
