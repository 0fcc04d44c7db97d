"""task.sh: which variables of a SLURM task enter an apptainer container."""
import os
import subprocess

from mtp.launch import ledger, settings

SCRIPT = os.path.join(ledger.ROOT, 'mtp', 'launch', 'task.sh')


def entered(**environment):
    """Variables that apptainer would let in, when the task has these."""
    found = subprocess.check_output(['bash', SCRIPT, 'env', '-0'], env=dict(environment, PATH=os.environ['PATH']))
    pairs = [item.split('=', 1) for item in found.decode().split('\0') if item]
    return {name[len('APPTAINERENV_'):]: value for name, value in pairs if name.startswith('APPTAINERENV_')}


def test_the_allow_list_and_nothing_else():
    given = {'SLURM_PROCID': '3', 'NCCL_SOCKET_IFNAME': 'ib0', 'MASTER_PORT': '1', 'HOME': '/home/me', 'SECRET': 'x',
             'MTP_DATA_ROOT': '/scratch', 'MTP_SEED': '1', 'PYTHONPATH': '/x', 'XNCCL_A': '1'}
    assert entered(**given) == {'SLURM_PROCID': '3', 'NCCL_SOCKET_IFNAME': 'ib0', 'MASTER_PORT': '1', 'MTP_SEED': '1'}


def test_it_agrees_with_the_launcher():
    names = ['SLURM_JOB_ID', 'UCX_TLS', 'GLOO_A', 'MTP_WORK_ROOT', 'MTP_CACHE_ROOT', 'OMP_NUM_THREADS', 'HOME', 'USER',
             'CUDA_VISIBLE_DEVICES', 'LD_PRELOAD', 'TORCH_DISTRIBUTED_DEBUG', 'HSA_X', 'MTP_', 'MASTER_ADDRESS']
    assert set(entered(**{name: '1' for name in names})) == set(filter(settings.passes, names))


def test_values_with_blanks_quotes_and_line_ends_arrive():
    value = 'a "b" $c `d`\n*'
    assert entered(MTP_NOTE=value)['MTP_NOTE'] == value


def test_the_exit_code_is_that_of_the_program():
    assert subprocess.call(['bash', SCRIPT, 'bash', '-c', 'exit 7']) == 7
