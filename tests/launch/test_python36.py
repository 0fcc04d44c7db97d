"""The front door on a login node that has Python 3.6 alone, in the locale C: one sentence, never a traceback."""
import glob
import os
import shutil
import subprocess

import pytest

from mtp.launch import ledger

PYTHONS = [path for path in [shutil.which('python3.6')] + sorted(glob.glob(
    os.path.expanduser('~/.pyenv/versions/3.6.*/bin/python'))) if path]
DIOR = 'CONFIG=dior/faster_rcnn_rvsa_l_800_mae_mtp_dior'

pytestmark = pytest.mark.skipif(not PYTHONS, reason='there is no Python 3.6 here')


def front(*words):
    """(exit code, output) of ``make VERB``'s command with no tool of a container or cluster around."""
    keep = {name: os.environ[name] for name in ('HOME', 'TMPDIR') if name in os.environ}
    done = subprocess.run([PYTHONS[-1], '-m', 'mtp.launch'] + list(words), cwd=ledger.ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(keep, LC_ALL='C', PATH='/usr/bin:/bin',
                                                             PYTHONDONTWRITEBYTECODE='1', MTP_VENV_ROOT='/nonexistent',
                                                             MTP_DATA_ROOT='/nonexistent'))
    return done.returncode, done.stdout.decode('utf-8', 'replace')


@pytest.mark.parametrize('words, code, text', [
    (('help',), 0, 'DRYRUN=1'), (('pretrain', 'DRYRUN=1'), 0, 'main_pretrain.py'),
    (('finetune', 'DRYRUN=1', DIOR), 0, 'tools/train.py'),
    (('test-fair1m', 'DRYRUN=1', 'RUNTIME=docker'), 0, 'docker run'),
    (('images', 'DRYRUN=1', 'VARIANT=cpu'), 0, 'docker build'), (('setup', 'DRYRUN=1'), 0, '--require-hashes'),
    (('pretrain', 'RUNTIME=docker'), 2, 'next: '), (('pretrain', 'RUNTIME=apptainer'), 2, 'next: '),
    (('pretrain', 'RUNTIME=native'), 2, 'next: make setup'),
    (('pretrain', 'LAUNCHER=slurm', 'RUNTIME=native'), 2, 'next: '),
    (('finetune', 'SUBMIT=1', DIOR), 2, 'next: '), (('status',), 0, ''), (('doctor', 'ENV=mmrotate1', 'RUNTIME=native'),
                                                                          1, 'next: '),
    (('zzzz',), 2, 'next: make help')])
def test_a_verb_on_a_login_node(words, code, text):
    seen, said = front(*words)
    assert seen == code and text in said and 'Traceback' not in said, said
