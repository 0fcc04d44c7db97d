import pytest

from mtp.launch import slurm
from mtp.launch.jobs import Job
from tests.launch.fakes import ask, machine

HOST = machine('/repo')


def job(processes=1, distributed=True):
    return Job('mmrotate1', ('x.py', 'a'), ('data',), ('work_dirs',), distributed, processes)


@pytest.mark.parametrize('words, expected', [
    ({}, 'none'), ({'GPUS': '2'}, 'pytorch'), ({'NODES': '2'}, 'pytorch'), ({'LAUNCHER': 'slurm'}, 'slurm')])
def test_what_the_toolboxes_call_it(words, expected):
    assert slurm.tool_launcher(ask(**words)) == expected


def test_srun_is_the_published_one():
    settings = ask(LAUNCHER='slurm', NODES='8', GPUS='4', GRES='dcu:4', PARTITION='gpu')
    assert ' '.join(slurm.srun(settings, HOST, job(32))) == (
        'srun -J mtp -p gpu --gres=dcu:4 --ntasks=32 --ntasks-per-node=4 --cpus-per-task=8 --kill-on-bad-exit=1')


def test_srun_without_a_partition_and_with_more_words():
    settings = ask(LAUNCHER='slurm', ACCEL='none', SRUN_ARGS='--mem 8G', JOB='night', CPUS_PER_TASK='2')
    assert ' '.join(slurm.srun(settings, HOST, job())) == (
        'srun -J night --ntasks=1 --ntasks-per-node=1 --cpus-per-task=2 --kill-on-bad-exit=1 --mem 8G')


def test_one_process_takes_no_card_from_the_cluster():
    words = slurm.srun(ask(LAUNCHER='slurm', NODES='4', GPUS='4'), HOST, job(distributed=False))
    assert '--ntasks=1' in words and not any(word.startswith('--gres') for word in words)


@pytest.mark.parametrize('words, expected', [
    ({'GPUS': '4'}, 'gpu:4'), ({'GPUS': '4', 'GRES': 'dcu'}, 'dcu:4'), ({'GRES': 'gpu:a100:2'}, 'gpu:a100:2'),
    ({'ACCEL': 'none'}, ''), ({'ACCEL': 'none', 'GRES': 'license:1'}, 'license:1')])
def test_gres(words, expected):
    assert slurm.gres(ask(LAUNCHER='slurm', **words), HOST) == expected


def test_one_process_needs_no_torchrun():
    assert slurm.spread('native', ask(), HOST, job()).words[1:] == ('-u', 'x.py', 'a')


def test_torchrun_on_one_machine_takes_a_free_port():
    words = slurm.spread('native', ask(GPUS='2'), HOST, job(2)).words
    assert words[1:] == ('-m', 'torch.distributed.run', '--nproc_per_node=2', '--master_port=23456', 'x.py', 'a')
    assert '--master_port=7' in slurm.torchrun(ask(GPUS='2', PORT='7'), HOST)


def test_torchrun_over_machines_agrees_on_a_port():
    words = slurm.torchrun(ask(NODES='2', NODE_RANK='1', MASTER_ADDR='a'), HOST)
    assert words[3:] == ('--nnodes=2', '--node_rank=1', '--master_addr=a', '--master_port=29500')


@pytest.mark.parametrize('words', [{}, {'NODE_RANK': '0'}, {'MASTER_ADDR': 'a'}, {'NODE_RANK': '2', 'MASTER_ADDR': 'a'},
                                   {'NODE_RANK': 'x', 'MASTER_ADDR': 'a'}])
def test_several_machines_by_hand_need_a_rank_and_a_master(words):
    problems = slurm.problems(ask(NODES='2', **words), HOST)
    assert 'NODE_RANK' in problems[0].message and 'MASTER_ADDR=' in problems[0].hint
    assert not slurm.problems(ask(NODES='2', NODE_RANK='1', MASTER_ADDR='a'), HOST)


def test_slurm_without_srun():
    assert 'no srun' in slurm.problems(ask(LAUNCHER='slurm'), HOST._replace(tools={}))[0].message
    assert not slurm.problems(ask(LAUNCHER='slurm'), HOST)


@pytest.mark.parametrize('words, processes, network', [
    ({}, 1, 'none'), ({'GPUS': '4'}, 4, 'none'), ({'NODES': '2'}, 2, 'host'), ({'LAUNCHER': 'slurm'}, 1, 'none'),
    ({'LAUNCHER': 'slurm', 'GPUS': '4'}, 4, 'host')])
def test_only_a_container_alone_has_no_network(words, processes, network):
    found = slurm.spread('docker', ask(**words), HOST, job(processes)).words
    assert found[found.index('--network') + 1] == network


def test_a_partition_that_is_not_there():
    problem, = slurm.problems(ask(LAUNCHER='slurm', PARTITION='cpu,gup'), HOST._replace(partitions=('cpu', 'gpu')))
    assert 'no partition gup; the cluster has cpu, gpu' in problem.message and 'sinfo' in problem.hint
    assert not slurm.problems(ask(LAUNCHER='slurm', PARTITION='cpu'), HOST._replace(partitions=('cpu', 'gpu')))
    assert not slurm.problems(ask(LAUNCHER='slurm', PARTITION='gup'), HOST)  # nobody to ask


def test_inside_a_batch_job_srun_takes_its_size_from_there():
    settings = ask(SUBMIT='1', NODES='8', GPUS='4', PARTITION='gpu', CPUS_PER_TASK='3', SRUN_ARGS='--label')
    assert slurm.srun(settings, HOST, job(32)) == ['srun', '--cpus-per-task=3', '--kill-on-bad-exit=1', '--label']
    assert slurm.directives(settings, HOST, job(32), 'x') == [
        '#SBATCH ' + word for word in ('--job-name=x', '--partition=gpu', '--gres=gpu:4', '--nodes=8', '--ntasks=32',
                                       '--ntasks-per-node=4', '--cpus-per-task=3')]


def test_the_name_of_a_job_says_what_is_done():
    one, two = job()._replace(name='finetune-a'), job()._replace(name='finetune-b')
    assert slurm.job_name(ask(), [one]) == 'finetune-a'
    assert slurm.job_name(ask(), [one, two]) == 'finetune-2-configs'
    assert slurm.job_name(ask(JOB='night'), [one]) == 'night'
