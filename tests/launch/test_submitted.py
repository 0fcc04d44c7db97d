import os
import subprocess
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger, submitted
from tests.launch.fakes import ask

QUEUE = ['12|finetune-a|RUNNING|3:05|(null)|gpu[01-02]',
         '13_1|finetune-2-configs|PENDING|0:00|finetune-x,finetune-y|(Resources)']


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / 'work_dirs' / 'slurm'
    folder.mkdir(parents=True)
    for age, (name, text) in enumerate([
            ('finetune-a-12.log', '[mtp] 2026-01-02 03:04:05 job 12 on gpu[01-02], start 1\nstep 1\n'),
            ('pretrain-vit_l_rvsa-9.log', 'x\n[mtp] 2026-01-01 00:00:00 complete\n'),
            ('pretrain-vit_l_rvsa-8.log', '[mtp] 2026-01-01 00:00:00 failed with exit code 2\n'),
            ('finetune-b-7_1.log', '[mtp] 2026-01-01 00:00:00 stopped: SLURM ends this job (cancelled)\n'),
            ('odd-6.log', 'nothing of ours\n'), ('notes.txt', ''), ('finetune-a.sbatch', '')]):
        (folder / name).write_text(text)
        os.utime(str(folder / name), (10 ** 9 - age, 10 ** 9 - age))
    return str(tmp_path)


def test_status_shows_the_queue_first_then_what_the_logs_tell(root):
    lines = submitted.status(ask(), root, QUEUE).splitlines()
    assert [line.split()[0] for line in lines] == ['JOB', '12', '13_1', '9', '8', '7_1', '6']
    assert 'running' in lines[1] and lines[1].endswith('work_dirs/slurm/finetune-a-12.log')
    assert 'pending' in lines[2] and 'finetune-y' in lines[2] and lines[2].endswith('(Resources)')
    assert 'complete' in lines[3] and 'failed with exit code 2' in lines[4]
    assert 'stopped' in lines[5] and 'SLURM ends this job' in lines[5] and 'gone' in lines[6]


def test_status_of_nothing_says_how_to_begin(tmp_path):
    assert 'make pretrain SUBMIT=1' in submitted.status(ask(), str(tmp_path), [])


@pytest.mark.parametrize('job, name', [('mtp', 'finetune-a-12.log'), ('9', 'pretrain-vit_l_rvsa-9.log'),
                                       ('pretrain-vit_l_rvsa', 'pretrain-vit_l_rvsa-9.log'),
                                       ('7_1', 'finetune-b-7_1.log')])
def test_the_log_that_is_meant(root, job, name):
    assert os.path.basename(submitted.chosen(ask(JOB=job), root)) == name


def test_a_log_that_is_not_there(root):
    with pytest.raises(MTPError, match="no log of '99'"):
        submitted.chosen(ask(JOB='99'), root)


def test_a_long_log_is_read_from_its_end(tmp_path):
    (tmp_path / 'x').write_text('[mtp] 2026-01-01 00:00:00 job 1\n' + 'y' * submitted.TAIL_BYTES + '\nlast\n')
    assert submitted.tail(str(tmp_path / 'x'))[-1] == 'last'


START = '[mtp] 2026-01-02 03:04:05 job 7 on n1, start {}\n'
# As slurmstepd 22.05 writes it.
SLURM = 'slurmstepd-n1: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-02T03:05:00{} ***\n'
STOPPED = '[mtp] 2026-01-02 03:05:01 stopped: SLURM ends this job (cancelled, preempted or requeued)\n'


@pytest.mark.parametrize('text, state', [
    (START.format(1), 'killed'),  # and no other word: not "start 1" for ever
    (SLURM.format(''), 'cancelled'),  # before batch.sh came to speak
    (START.format(1) + SLURM.format(''), 'cancelled'), (START.format(1) + SLURM.format('') + STOPPED, 'cancelled'),
    (START.format(1) + '[2026-01-02T03:05:00.007] error: *** JOB 7 ON n1 CANCELLED AT 2026-01-02T03:05:00 DUE to '
     'SIGNAL Terminated ***\n' + STOPPED, 'cancelled'),  # as slurmstepd 26.05 does
    (START.format(1) + SLURM.format(' DUE TO PREEMPTION') + STOPPED, 'preempted'),
    (START.format(1) + SLURM.format(' DUE TO TIME LIMIT'), 'out of time'),
    (START.format(1) + SLURM.format(' DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS'), 'stopped'),
    (START.format(1) + SLURM.format(' DUE TO PREEMPTION') + START.format(2) + SLURM.format(''), 'cancelled'),
    (START.format(1) + SLURM.format(' DUE TO JOB REQUEUE') + START.format(2) + '[mtp] 2026-01-02 04:00:00 complete\n',
     'complete'),
    (START.format(1) + 'slurmstepd-n1: error: *** STEP 7.0 ON n1 CANCELLED AT x ***\n' + STOPPED, 'stopped'),
    ('nothing of ours\n', 'gone')])
def test_what_became_of_a_job_that_slurm_no_longer_has(tmp_path, text, state):
    path = tmp_path / 'a-7.log'
    path.write_text(text)
    assert submitted.told(str(path))[1] == state


@pytest.mark.parametrize('text', [SLURM.format(' DUE TO PREEMPTION') + STOPPED,
                                  '[mtp] 2026-01-02 03:05:01 requeued: it was asked to stop and has saved\n'])
def test_one_that_would_wait_in_the_queue_and_does_not_was_cancelled_there(tmp_path, text):
    path = tmp_path / 'a-7.log'
    path.write_text(START.format(1) + text)
    assert 'cancelled while it waited' in submitted.told(str(path))[2]


def test_a_task_of_an_array_shows_what_it_does(tmp_path):
    folder = tmp_path / 'work_dirs' / 'slurm'
    folder.mkdir(parents=True)
    for task, name in enumerate(('finetune-x', 'finetune-y')):
        text = '[mtp] 2026-01-01 00:00:00 job 9 on n1, start 1: {}\n{}[mtp] 2026-01-01 00:00:00 complete\n'
        (folder / f'finetune-2-configs-7_{task}.log').write_text(text.format(name, 'step\n' * 20000))
    said = submitted.status(ask(), str(tmp_path), [])
    assert 'finetune-x' in said and 'finetune-y' in said and said.count('complete') == 2
    assert submitted.chosen(ask(JOB='finetune-y'), str(tmp_path)).endswith('-7_1.log')


@pytest.mark.parametrize('number, comment, name', [
    ('13_0', 'a,b', 'a'), ('13_1', 'a,b', 'b'), ('13_2', 'a,b', 'job'), ('13', 'a,b', 'job'),
    ('13_0', 'project 7', 'job'),
    ('13_[0-1]', 'a,b', 'job'), ('13_0', '(null)', 'job')])
def test_the_comment_of_an_array_names_its_tasks(number, comment, name):
    assert submitted.task_name(number, 'job', comment) == name


def test_squeue_that_hangs_is_said(tmp_path, monkeypatch):
    tool = tmp_path / 'squeue'
    tool.write_text('#!/bin/sh\nexec sleep 60\n')
    tool.chmod(0o755)
    monkeypatch.setattr(submitted, 'ANSWER_SECONDS', 0.1)
    with pytest.raises(MTPError, match='says nothing for 0.1 s'):
        submitted.squeue(str(tool))


def test_squeue_that_does_not_answer(tmp_path):
    tool = tmp_path / 'squeue'
    tool.write_text('#!/bin/sh\necho "Unable to contact slurm controller" >&2; exit 1\n')
    tool.chmod(0o755)
    with pytest.raises(MTPError, match='Unable to contact'):
        submitted.squeue(str(tool))
    tool.write_text('#!/bin/sh\necho "1|a|RUNNING|0:01||n1"\n')
    assert submitted.squeue(str(tool)) == ['1|a|RUNNING|0:01||n1'] and submitted.squeue(None) == []


def test_logs_as_they_are_typed(root):
    words = [sys.executable, '-m', 'mtp.launch.submitted', 'logs']
    done = subprocess.run(words, cwd=ledger.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True,
                          env=dict(os.environ, MTP_WORK_ROOT=os.path.join(root, 'work_dirs'), JOB='12'))
    assert done.returncode == 0 and done.stdout.endswith('step 1\n') and 'finetune-a-12.log' in done.stderr


def test_what_only_has_the_name_of_a_log_is_neither_waited_for_nor_a_fault(root):
    folder, before = os.path.join(root, 'work_dirs', 'slurm'), submitted.status(ask(), root, QUEUE)
    os.mkfifo(os.path.join(folder, 'pipe-70.log'))
    os.symlink('gone', os.path.join(folder, 'link-71.log'))
    os.symlink('loop-72.log', os.path.join(folder, 'loop-72.log'))
    os.mkdir(os.path.join(folder, 'folder-73.log'))
    assert submitted.status(ask(), root, QUEUE) == before
    assert os.path.basename(submitted.chosen(ask(), root)) == 'finetune-a-12.log'


def test_what_a_name_in_the_queue_holds_moves_no_cursor_and_breaks_no_row(root):
    text = submitted.status(ask(), root, ['12|a\x1b[2Jb|RUNNING|3:05|two', 'lines|n1', '', '|||||'] + QUEUE)
    assert '\x1b' not in text and len(text.splitlines()) == 8
