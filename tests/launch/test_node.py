"""One question to a compute node: what srun is asked, and what the answer means."""
import os
import subprocess

import pytest

from mtp.launch import ledger, node
from mtp.launch.cards import Card
from tests.launch.fakes import ask, machine

PROBE = os.path.join(ledger.ROOT, 'mtp', 'launch', 'probe.sh')


def probed(tmp_path, *words, **tools):
    """The node that probe.sh tells of, on a machine with these tools."""
    for name, text in tools.items():
        path = tmp_path / 'bin' / name.replace('_', '-')
        path.parent.mkdir(exist_ok=True)
        path.write_text('#!/bin/sh\n' + text)
        path.chmod(0o755)
    done = subprocess.run(['bash', PROBE] + [str(word) for word in words], stdout=subprocess.PIPE, check=True,
                          env={'PATH': '{}:/usr/bin:/bin'.format(tmp_path / 'bin'), 'SLURMD_NODENAME': 'gpu07'})
    return node.read(done.stdout.decode())


def test_a_node_with_everything(tmp_path):
    (tmp_path / 'x.sif').write_bytes(b'12345')
    (tmp_path / 'work').mkdir()
    found = probed(tmp_path, tmp_path / 'work', tmp_path / 'x.sif', '', apptainer='echo apptainer version 1.3.2',
                   nvidia_smi='echo "NVIDIA A100, 535.1, 8.0"; echo "NVIDIA A100, 535.1, 8.0"')
    card = Card('NVIDIA A100', '535.1', (8, 0))
    assert found == node.Node('gpu07', found.shm, 'apptainer version 1.3.2', 5, '', 'writable', [card, card])
    assert found.shm > 0 and os.listdir(str(tmp_path / 'work')) == []


def test_a_bare_node(tmp_path):
    found = probed(tmp_path, tmp_path / 'none', tmp_path / 'none.sif', tmp_path / 'python')
    assert (found.apptainer, found.image, found.work, found.cards) == ('', -1, 'missing', [])
    assert 'No such file' in found.python


def test_an_old_driver_does_not_say_the_architecture(tmp_path):
    found = probed(tmp_path, tmp_path, nvidia_smi='case "$*" in *compute_cap*) exit 2;; esac; echo "V100, 418.87.00"')
    assert found.cards == [Card('V100', '418.87.00', None)]


@pytest.mark.skipif(os.getuid() != 0, reason='only root can become somebody else')
def test_a_folder_that_takes_the_user_for_a_stranger(tmp_path):
    """As a share with root_squash does: seen by a uid that owns nothing, it is there and cannot be written."""
    work = tmp_path / 'work'
    work.mkdir(mode=0o755)
    for folder in [tmp_path] + list(tmp_path.parents)[:-2]:  # up to /tmp, which is everybody's
        folder.chmod(0o755)
    stranger = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    said = subprocess.check_output(stranger + ['bash', PROBE, str(work)], universal_newlines=True)
    assert node.read(said).work == 'refused'


def test_what_srun_is_asked():
    host = machine('/repo')
    words = node.words(ask(LAUNCHER='slurm', PARTITION='gpu', SRUN_ARGS='--account=x'), host, 'apptainer', 'mmrotate1')
    assert words[:6] == ['srun', '-J', 'mtp-doctor', '-p', 'gpu', '--gres=gpu:1'] and '--account=x' in words
    assert words[-3:] == ['work_dirs', 'apptainer/mmrotate1-cu117.sif', '']
    words = node.words(ask(LAUNCHER='slurm', ACCEL='none'), host, 'native', 'mmrotate1')
    assert not any(word.startswith('--gres') for word in words) and words[-1] == '.venv/mmrotate1/bin/python'


@pytest.mark.parametrize('script, said', [
    ('(echo "srun: job 7 queued"; echo "srun: error: Unable to allocate resources: Requested nodes are busy") >&2; '
     'exit 1',
     'Requested nodes are busy'), ('exit 3', 'srun ended with 3'), ('echo hello', 'the node said nothing'),
    ('sleep 60', 'timed out')])
def test_a_node_that_does_not_answer(tmp_path, monkeypatch, script, said):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\n' + script.replace('sleep', 'exec sleep'))
    srun.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    monkeypatch.setattr(node, 'ANSWER_SECONDS', 0.5 if 'sleep' in script else 20)
    assert said in node.ask(ask(LAUNCHER='slurm'), machine(str(tmp_path)), 'native', 'mmrotate1')
