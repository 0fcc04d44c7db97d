"""Checkpoints of a run: whole or not at all, and the newest that is whole."""
import os
import resource
import subprocess
import sys

import pytest
import torch

from mtp import faults
from mtp.checkpoints import saved
from mtp.errors import MTPError
from tests import environments, ordinary


def content(step, size=2000):
    return dict(state_dict={'weight': torch.full((size,), float(step))}, optimizer={'state': {}, 'param_groups': []},
                meta=dict(epoch=step, iter=10 * step))


@pytest.fixture
def run(tmp_path):
    for step in (1, 2, 10):
        saved.write(str(tmp_path / f'epoch_{step}.pth'), content(step))
    return tmp_path


def damage(path, place=None, cut=None):
    data = bytearray(path.read_bytes())
    if place is not None:
        data[place] ^= 1
    path.write_bytes(bytes(data[:cut]))


def test_the_newest_by_number_is_gone_on_from(run):
    assert os.path.basename(saved.continued(str(run)).path) == 'epoch_10.pth'
    assert [os.path.basename(path) for path in saved.of_run(str(run))] == ['epoch_10.pth', 'epoch_2.pth', 'epoch_1.pth']
    assert saved.of_run(str(run / 'nothing')) == [] and saved.continued(str(run / 'nothing')) is None


@pytest.mark.parametrize('place, cut', [(4000, None), (None, 3000), (None, 0), (None, 40)])
def test_a_damaged_newest_one_gives_way_to_the_one_before(run, place, cut):
    damage(run / 'epoch_10.pth', place, cut)
    said = []
    found = saved.continued(str(run), warn=said.append)
    assert found.meta['iter'] == 20 and len(said) == 1 and 'damaged' in said[0] and 'epoch_10.pth' in said[0]


def test_a_newest_one_that_the_machine_does_not_let_be_read_is_not_passed_over(run):
    """Else a training would go on from an older one, or begin anew, over what is there."""
    before, said, least = resource.getrlimit(resource.RLIMIT_NOFILE), [], os.dup(0)
    os.close(least)
    paths = saved.of_run(str(run))
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, before[1]))
    try:
        with pytest.raises((MTPError, OSError)) as told, faults.explained():
            saved.choose(paths, saved.lacks, said.append)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert 'epoch_10.pth' in str(told.value) and 'ulimit -n' in told.value.hint and said == []


def test_a_newest_one_that_may_not_be_read_is_not_passed_over(run):
    code = (f'import sys; sys.path.insert(0, {environments.ROOT!r})\n'
            'from mtp.checkpoints import saved\nfrom mtp.errors import run_main\n'
            'run_main(lambda: print(saved.continued(sys.argv[1]).path))')
    os.chmod(str(run / 'epoch_10.pth'), 0)
    done = subprocess.run([sys.executable, '-c', code, str(run)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, preexec_fn=ordinary.become)
    if done.stdout.strip().endswith('epoch_10.pth'):
        pytest.skip('this process may read every file')
    assert done.returncode and 'epoch_10.pth: Permission denied' in done.stdout and 'skipped' not in done.stdout


def test_every_flipped_bit_of_the_tensors_is_noticed(run):
    whole = (run / 'epoch_1.pth').read_bytes()
    begin = whole.index(torch.full((2000,), 1.).numpy().tobytes())
    for place in range(begin, begin + 8000, 797):
        (run / 'epoch_1.pth').write_bytes(whole)
        damage(run / 'epoch_1.pth', place)
        with pytest.raises(MTPError):
            saved.continued(str(run), str(run / 'epoch_1.pth'))


def test_weights_alone_are_passed_over_or_refused(run):
    saved.write(str(run / 'epoch_11.pth'), dict(state_dict=content(11)['state_dict'], meta=dict(epoch=11, iter=110)))
    said = []
    assert saved.continued(str(run), warn=said.append).meta['epoch'] == 10 and 'optimizer' in said[0]
    with pytest.raises(MTPError, match='no state of an optimizer'):
        saved.continued(str(run), str(run / 'epoch_11.pth'))


def test_last_checkpoint_holds_no_folder_and_decides_between_epochs_and_steps(run):
    saved.write(str(run / 'iter_5.pth'), content(5))
    assert os.path.basename(saved.of_run(str(run))[0]) == 'epoch_10.pth'
    saved.point_to(str(run / 'iter_5.pth'))
    assert (run / 'last_checkpoint').read_text() == 'iter_5.pth'
    assert os.path.basename(saved.of_run(str(run))[0]) == 'iter_5.pth'
    (run / 'last_checkpoint').write_bytes(b'\xff\x00\n/elsewhere/iter_7.pth')
    assert os.path.basename(saved.of_run(str(run))[0]) == 'iter_5.pth'


FULL = '''
import resource, sys, torch
from mtp.checkpoints import saved
from mtp.errors import run_main
resource.setrlimit(resource.RLIMIT_FSIZE, (100000, resource.RLIM_INFINITY))
run_main(lambda: saved.write(sys.argv[1], {'state_dict': {'weight': torch.zeros(1000000)}}))
'''


def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(run):
    """torch 1.10 ends the process with signal 6 when its own writer meets a full disk."""
    before = (run / 'epoch_10.pth').read_bytes()
    done = subprocess.run([sys.executable, '-c', FULL, str(run / 'epoch_10.pth')], cwd=environments.ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = done.stdout.decode()
    assert done.returncode == 1 and 'cannot write the checkpoint' in said and 'Traceback' not in said, said
    assert (run / 'epoch_10.pth').read_bytes() == before
    assert not [name for name in os.listdir(str(run)) if name.endswith('.tmp')]


def test_torch_reads_what_was_written(run):
    assert torch.load(str(run / 'epoch_2.pth'))['state_dict']['weight'][0] == 2


def test_a_checkpoint_of_another_network_is_not_put_in():
    model = torch.nn.Linear(2, 3)
    with pytest.raises(MTPError, match='1 of 2 tensors.*bias'):
        saved.fill(model, {'weight': torch.zeros(3, 2), 'bias': torch.zeros(4)}, 'x.pth')
    saved.fill(model, {'weight': torch.ones(3, 2), 'bias': torch.ones(3)}, 'x.pth')
    assert model.bias.sum() == 3
