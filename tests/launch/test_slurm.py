import pytest

from mtp.errors import MTPError
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
    ({'ACCEL': 'none'}, ''), ({'ACCEL': 'none', 'GRES': 'license:1'}, 'license:1'),
    ({'GPUS': '4', 'GRES': 'gpu:a100'}, 'gpu:a100:4'), ({'GPUS': '2', 'GRES': 'gpu'}, 'gpu:2'),
    ({'GPUS': '2', 'GRES': 'gpu:a100:4(S:0-1)'}, 'gpu:a100:4(S:0-1)'),
    ({'GPUS': '2', 'GRES': 'gpu:a100,lscratch:20'}, 'gpu:a100:2,lscratch:20')])
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
    assert not slurm.problems(ask(NODES='2', NODE_RANK='1', MASTER_ADDR='a', MTP_JOB_TOKEN='word'), HOST)


def test_servers_without_slurm_need_a_token_where_others_reach_their_meeting():
    told = slurm.problems(ask(NODES='2', NODE_RANK='1', MASTER_ADDR='a'), HOST)
    assert 'MTP_JOB_TOKEN, and it is not set' in told[0].message and 'export MTP_JOB_TOKEN=' in told[0].hint
    assert not slurm.problems(ask(NODES='2', NODE_RANK='1', MASTER_ADDR='127.0.0.1'), HOST)


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


@pytest.mark.parametrize('words, named', [(dict(GRES='gpu:2', GPUS='4'), 'GRES=gpu:2 gives 2 cards'),
                                          (dict(GRES='gpu:a100:1', GPUS='2'), 'GRES=gpu:a100:1 gives 1 cards')])
def test_more_processes_than_cards_are_refused(words, named):
    found, = slurm.problems(ask(LAUNCHER='slurm', **words), HOST)
    assert named in found.message and 'GRES=gpu' in found.hint
    assert not slurm.problems(ask(LAUNCHER='slurm', **dict(words, GPUS='1')), HOST)


def test_the_time_limit_reaches_srun_and_the_printed_head():
    settings = ask(LAUNCHER='slurm', TIME_LIMIT='12:00:00')
    assert '--time=12:00:00' in slurm.srun(settings, HOST, job())
    assert '#SBATCH --time=12:00:00' in slurm.directives(settings, HOST, job(), 'mtp')
    assert not any('--time' in word for word in slurm.srun(ask(SUBMIT='1', TIME_LIMIT='5'), HOST, job()))


def test_one_process_on_a_card_asks_for_one():
    words = slurm.srun(ask(LAUNCHER='slurm'), HOST, job(distributed=False)._replace(card=True))
    assert '--gres=gpu:1' in words and '--ntasks=1' in words


@pytest.mark.parametrize('word, line', [
    ('--mem=0', '#SBATCH --mem=0'), ('--output=/a b/%j.log', '#SBATCH "--output=/a b/%j.log"'),
    ('--comment=a#b', '#SBATCH "--comment=a#b"'), ('--comment=it\'s "x" \\y',
                                                   '#SBATCH "--comment=it\'s \\"x\\" \\\\y"')])
def test_a_word_of_the_head_is_quoted_as_sbatch_reads_it(word, line):
    assert slurm.directive(word) == line


@pytest.mark.parametrize('word', ['--comment=a\n#SBATCH --uid=0', '--comment=a\rb', '--comment=a\0b'])
def test_a_word_with_a_line_end_is_no_line_of_the_head(word):
    with pytest.raises(MTPError, match='cannot stand in the head'):
        slurm.directive(word)
