import os
import subprocess
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger, submitted
from tests.launch.fakes import ask

QUEUE = ['12|finetune-a|RUNNING|3:05|gpu[01-02]', '13_0|finetune-2-configs|PENDING|0:00|(Resources)']


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
    assert [line.split()[0] for line in lines] == ['JOB', '12', '13_0', '9', '8', '7_1', '6']
    assert 'running' in lines[1] and lines[1].endswith('work_dirs/slurm/finetune-a-12.log')
    assert 'pending' in lines[2] and lines[2].endswith('(Resources)')
    assert 'complete' in lines[3] and 'failed with exit code 2' in lines[4]
    assert 'stopped' in lines[5] and 'SLURM ends this job' in lines[5] and 'gone' in lines[6]


def test_status_of_nothing_says_how_to_begin(tmp_path):
    assert 'make pretrain SUBMIT=1' in submitted.status(ask(), str(tmp_path), [])


@pytest.mark.parametrize('job, name', [('mtp', 'finetune-a-12.log'), ('9', 'pretrain-vit_l_rvsa-9.log'),
                                       ('pretrain-vit_l_rvsa', 'pretrain-vit_l_rvsa-9.log'), ('7_1', 'finetune-b-7_1.log')])
def test_the_log_that_is_meant(root, job, name):
    assert os.path.basename(submitted.chosen(ask(JOB=job), root)) == name


def test_a_log_that_is_not_there(root):
    with pytest.raises(MTPError, match="no log of '99'"):
        submitted.chosen(ask(JOB='99'), root)


def test_a_long_log_is_read_from_its_end(tmp_path):
    (tmp_path / 'x').write_text('[mtp] 2026-01-01 00:00:00 job 1\n' + 'y' * submitted.TAIL_BYTES + '\nlast\n')
    assert submitted.tail(str(tmp_path / 'x'))[-1] == 'last' and submitted.last_word(str(tmp_path / 'x')) == ('', '')


def test_squeue_that_does_not_answer(tmp_path):
    tool = tmp_path / 'squeue'
    tool.write_text('#!/bin/sh\necho "Unable to contact slurm controller" >&2; exit 1\n')
    tool.chmod(0o755)
    with pytest.raises(MTPError, match='Unable to contact'):
        submitted.squeue(str(tool))
    tool.write_text('#!/bin/sh\necho "1|a|RUNNING|0:01|n1"\n')
    assert submitted.squeue(str(tool)) == ['1|a|RUNNING|0:01|n1'] and submitted.squeue(None) == []


def test_logs_as_they_are_typed(root):
    words = [sys.executable, '-m', 'mtp.launch.submitted', 'logs']
    done = subprocess.run(words, cwd=ledger.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          env=dict(os.environ, MTP_WORK_ROOT=os.path.join(root, 'work_dirs'), JOB='12'))
    assert done.returncode == 0 and done.stdout.endswith('step 1\n') and 'finetune-a-12.log' in done.stderr
