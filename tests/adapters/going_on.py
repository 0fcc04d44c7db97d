"""What a training in either environment has to do after a kill, a flipped bit, a move; each environment calls it."""
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch

from mtp import sealed
from mtp.errors import MTPError
from mtp.launch.replay import neutral
from tests import environments


def steps(folder):
    return sorted(name for name in os.listdir(str(folder)) if name.startswith(('iter_', 'epoch_')))


def weights(path):
    return torch.load(str(path), map_location='cpu')['state_dict']


def assert_equal(first, second):
    assert list(first) == list(second)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def flip(path, share=0.5):
    """Flip one bit in the middle of a file."""
    with open(str(path), 'r+b') as stream:
        place = int(os.path.getsize(str(path)) * share)
        stream.seek(place)
        byte = stream.read(1)[0]
        stream.seek(place)
        stream.write(bytes([byte ^ 16]))


def killed(whole, target, kept):
    """A copy of a finished run as a kill would have left it, in another place, with the first ``kept`` checkpoints."""
    shutil.copytree(str(whole), str(target), symlinks=True)
    for name in steps(target)[kept:]:
        os.unlink(str(target / name))
    passport = json.loads((target / 'passport.json').read_text())
    passport.pop('seal')
    (target / 'passport.json').write_text(json.dumps(dict(passport, status='running', metrics=None, weights=None)))
    return target


def check_the_end(train, whole, target, capsys):
    """Killed after the third of four checkpoints, which has a flipped bit: it goes on from the second, elsewhere."""
    third, last = steps(whole)[2:]
    home = killed(whole, target, 3)
    flip(home / third)
    (home / 'last_checkpoint').write_text('/somewhere/else/' + third)
    train('--resume', '--work-dir', str(home))
    said = capsys.readouterr().out
    assert 'skipped a damaged checkpoint' in said and third in said and 'going on from' in said
    assert_equal(weights(home / last), weights(whole / last))
    assert (home / 'last_checkpoint').read_text().strip() == last
    before, after = (json.loads((folder / 'passport.json').read_text()) for folder in (whole, home))
    assert after['status'] == 'complete' and after['weights'] == before['weights'] and len(after['weights']) == 64


def check_that_a_validation_is_made_up_for(train, whole, target):
    """Killed behind the last checkpoint, in its validation."""
    home = killed(whole, target, 4)
    records = sealed.read_list(str(whole / 'validation.json'))
    assert len(records) == 4 and records[-1]['step'] == 8 and records[-1]['epoch'] == 4
    sealed.write_list(str(home / 'validation.json'), records[:-1])
    train('--resume', '--work-dir', str(home))
    assert (home / 'validation.json').read_text() == (whole / 'validation.json').read_text()
    after, before = (json.loads((folder / 'passport.json').read_text()) for folder in (home, whole))
    assert after['metrics'] == before['metrics'] == records[-1] and after['status'] == 'complete'


def naming(folder, root, but=()):
    """Files below ``folder``, but for those of some names, that hold the absolute path ``root``."""
    found = [path for path in folder.rglob('*') if path.is_file() and path.name not in but]
    assert len(found) > 6
    return [str(path) for path in found if os.fsencode(str(root)) in path.read_bytes()]


def check_that_roots_may_change(train, whole, place, other, monkeypatch):
    """Begun with roots below ``place``, killed after step 3 of 4, moved below ``other``: it goes on to the same end."""
    assert naming(whole, place) == []
    shutil.copytree(str(place / 'data'), str(other / 'data'))
    home = killed(whole, other / 'work' / 'whole', 3)
    for kind in ('data', 'weights', 'work'):
        monkeypatch.setenv(f'MTP_{kind.upper()}_ROOT', str(other / kind))
    train('--resume', '--work-dir=work_dirs/whole')
    assert_equal(weights(home / 'iter_4.pth'), weights(whole / 'iter_4.pth'))
    assert naming(home, place) == naming(home, other) == []
    before, after = (json.loads((folder / 'passport.json').read_text()) for folder in (whole, home))
    assert neutral(before, 'data') == neutral(after, 'data')
    assert before['folder'] == after['folder'] == 'work_dirs/whole'


def check_that_nothing_changes(train, home):
    """``--resume`` of a finished run."""
    before = {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
    train('--resume', '--work-dir', str(home))
    assert {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()} == before


def check_that_weights_alone_are_refused(train, home, tmp_path, option):
    torch.save(dict(state_dict=weights(home / 'iter_4.pth'), meta={}), str(tmp_path / 'weights.pth'))
    with pytest.raises(MTPError, match='no state of an optimizer(.|\n)*load_from='):
        train(option, str(tmp_path / 'weights.pth'), '--work-dir', str(tmp_path / 'new'))


HOLDER = """import sys
from mtp import locks
with locks.hold(sys.argv[1], 'finetune'):
    print('held', flush=True)
    sys.stdin.read()
"""


def check_two_at_once(train, home):
    """Another process works in the folder."""
    holder = subprocess.Popen([sys.executable, '-c', HOLDER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              cwd=environments.ROOT)
    try:
        assert holder.stdout.readline() == b'held\n'
        with pytest.raises(MTPError, match=f'is in use: finetune since .* process {holder.pid}'):
            train('--resume', '--work-dir', str(home))
    finally:
        holder.communicate()
