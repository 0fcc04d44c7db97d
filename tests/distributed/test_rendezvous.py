import pytest

from mtp.distributed import handshake, hostlist, rendezvous
from mtp.errors import MTPError
from mtp.launch import settings

STEP = {'SLURM_JOB_ID': '4242', 'SLURM_STEP_ID': '0', 'SLURM_PROCID': '5', 'SLURM_LOCALID': '1',
        'SLURM_STEP_NUM_TASKS': '8', 'SLURM_NTASKS': '8', 'SLURM_STEP_NODELIST': 'gpu[03-04]',
        'SLURM_JOB_NODELIST': 'gpu[01-04]'}


def test_one_process_alone():
    assert rendezvous.prepare({}) == {'RANK': '0', 'WORLD_SIZE': '1', 'LOCAL_RANK': '0', 'MASTER_ADDR': '127.0.0.1',
                                      'MASTER_PORT': '29500'}


def test_a_task_of_srun():
    found = rendezvous.prepare(STEP)
    assert (found['RANK'], found['WORLD_SIZE'], found['LOCAL_RANK']) == ('5', '8', '1')
    assert found['MASTER_ADDR'] == 'gpu03'  # of the step, not of the whole allocation


def test_all_tasks_of_a_step_agree_and_other_jobs_differ():
    def port(**changes):
        return rendezvous.prepare(dict(STEP, **changes))['MASTER_PORT']

    assert port() == port(SLURM_PROCID='0', SLURM_LOCALID='0')
    others = [port(SLURM_JOB_ID=str(4242 + step)) for step in range(1, 200)] + [port(SLURM_STEP_ID='1')]
    assert port() not in others
    assert len(set(others)) == len(others)


@pytest.mark.parametrize('job', [1, 999, 12345678, 2 ** 31])
def test_port_lies_below_those_of_outgoing_connections(job):
    assert 1024 < rendezvous.step_port(job, 3) < 32768


def test_the_users_master_wins():
    found = rendezvous.prepare(dict(STEP, MASTER_PORT='16003', MASTER_ADDR='10.1.1.1'))
    assert (found['MASTER_ADDR'], found['MASTER_PORT']) == ('10.1.1.1', '16003')


def test_torchrun_inside_an_allocation_is_not_srun():
    batch = dict(STEP, RANK='1', WORLD_SIZE='2', LOCAL_RANK='1', MASTER_ADDR='127.0.0.1', MASTER_PORT='40002')
    assert rendezvous.prepare(batch) == {'RANK': '1', 'WORLD_SIZE': '2', 'LOCAL_RANK': '1', 'MASTER_ADDR': '127.0.0.1',
                                         'MASTER_PORT': '40002'}


def test_python_started_by_a_batch_script_is_one_process():
    batch = {name: value for name, value in STEP.items() if 'STEP' not in name}
    assert rendezvous.prepare(dict(batch, SLURM_PROCID='0'))['WORLD_SIZE'] == '1'


def test_the_environment_is_not_changed():
    before = dict(STEP)
    rendezvous.prepare(STEP)
    assert STEP == before


@pytest.mark.parametrize('changes, named', [
    ({'SLURM_PROCID': '8'}, '8 of 8'),
    ({'SLURM_PROCID': 'x'}, 'SLURM_PROCID'),
    ({'SLURM_JOB_ID': ''}, 'SLURM_JOB_ID'),
    ({'RANK': '2', 'WORLD_SIZE': '2', 'LOCAL_RANK': '0'}, '2 of 2'),
])
def test_contradictions_are_named(changes, named):
    with pytest.raises(MTPError, match=named):
        rendezvous.prepare(dict(STEP, **changes))


def test_everything_that_is_read_is_let_into_a_container():
    class Recorder(dict):
        def get(self, name, default=None):
            seen.add(name)
            return dict.get(self, name, default)

        def __contains__(self, name):
            seen.add(name)
            return dict.__contains__(self, name)

    seen = set()
    rendezvous.prepare(Recorder(STEP, SLURM_STEP_NODELIST='', SLURM_JOB_NODELIST=''))
    slurm = set(name for name in seen if name.startswith('SLURM'))
    assert len(slurm) >= 7
    assert slurm <= set(rendezvous.SLURM_VARIABLES)
    assert set(rendezvous.SLURM_VARIABLES) == set(name for name in settings.passed_patterns()
                                                  if name.startswith('SLURM'))
    assert hostlist.expand('localhost') == ['localhost']


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """A SLURM that knows where the node ``n-x`` is; the network does not."""
    tool = tmp_path / 'scontrol'
    tool.write_text('#!/bin/sh\necho "NodeName=$4 Arch=x86_64 NodeAddr=10.1.2.3 NodeHostName=n-x Version=22"\n')
    tool.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    monkeypatch.setattr(rendezvous.socket, 'getaddrinfo', unknown)
    return tool


def unknown(*words):
    raise rendezvous.socket.gaierror(-2, 'Name or service not known')


def test_a_node_that_the_network_does_not_know_is_found_by_slurm(scontrol):
    assert rendezvous.address('n-x') == '10.1.2.3'
    step = {'SLURM_PROCID': '0', 'SLURM_STEP_NUM_TASKS': '2', 'SLURM_LOCALID': '0', 'SLURM_JOB_ID': '7',
            'SLURM_STEP_NODELIST': 'n-x,n-y', 'SLURM_STEP_ID': '0'}
    assert rendezvous.prepare(step)['MASTER_ADDR'] == '10.1.2.3'
    assert rendezvous.prepare(dict(step, MASTER_ADDR='mine'))['MASTER_ADDR'] == 'mine'


@pytest.mark.parametrize('script', ['exit 1', 'echo nothing'])
def test_a_node_that_nobody_knows_keeps_its_name(scontrol, script):
    scontrol.write_text('#!/bin/sh\n' + script)
    assert rendezvous.address('n-x') == 'n-x'


def test_a_name_that_nobody_knows_is_said_with_the_setting_that_mends_it():
    said = 'process 1 on a did not reach process 0 at n-x:12000 within 45 s: Name or service not known'
    assert 'MASTER_ADDR=' in handshake._hint(said) and 'scontrol show node' in handshake._hint(said)
