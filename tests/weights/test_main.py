"""What a user sees who types ``make weights``."""
import hashlib
import os
import shutil
import subprocess
import sys

import pytest

from mtp.launch import ledger
from mtp.weights import manifest, ready
from tests.weights.small import checkpoint

DIOR = 'configs/mtp/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior.py'
SMALL = 'last_vit_l_rvsa_ss_is_rd_pretrn_model_encoder.pth'


def weights(root, **words):
    environ = {name: value for name, value in os.environ.items() if not name.startswith('MTP_')}
    environ.update(words, MTP_WEIGHTS_ROOT=str(root))
    done = subprocess.run([sys.executable, '-m', 'mtp.weights'], cwd=ledger.ROOT, env=environ, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert 'Traceback' not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_the_table_says_what_is_here_and_for_how_many_runs(tmp_path):
    code, said, _ = weights(tmp_path)
    assert code == 0 and len([line for line in said.splitlines() if line.startswith('missing')]) == 45
    assert '0 of the 95 published runs' in said
    (tmp_path / SMALL).write_bytes(b'x')
    (tmp_path / 'vit-l-mae-checkpoint-1599.pth').write_bytes(b'x')
    manifest.record(str(tmp_path), SMALL, '1' * 64, 1, 'content')
    said = weights(tmp_path)[1]
    assert 'known    16   ' + SMALL in said and 'here     16   vit-l-mae' in said and '32 of the 95' in said


def test_a_config_says_what_it_needs_and_how_a_person_gets_it(tmp_path):
    code, said, _ = weights(tmp_path, CONFIG=DIOR)
    assert code == 1 and SMALL in said and 'to start from' in said and 'its released result' in said
    assert 'open https://1drv.ms/' in said and '(code yqv9)' in said and 'make weights IMPORT=' in said
    (tmp_path / SMALL).write_bytes(b'x')
    (tmp_path / 'faster_rcnn_rvsa_l_800_mae_mtp_dior.pth').write_bytes(b'x')
    assert weights(tmp_path, CONFIG=DIOR)[0] == 0


@pytest.fixture
def site(tmp_path):
    """(folder of the site's mirror, settings that name it and an environment with torch: the one of this test)."""
    pytest.importorskip('torch')
    python = tmp_path / 'venvs' / ledger.serving('train')[0] / 'bin' / 'python'
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    mirror = tmp_path / 'mirror'
    mirror.mkdir()
    return mirror, dict(MTP_MIRROR='file://' + str(mirror), MTP_VENV_ROOT=str(tmp_path / 'venvs'))


def test_a_mirror_of_the_site_is_asked_for_everything(tmp_path, site):
    (mirror, settings), root = site, tmp_path / 'weights'
    came = checkpoint(mirror / SMALL, manifest.entries()[SMALL])
    with open(came, 'rb') as stream:
        digest = hashlib.sha256(stream.read()).hexdigest()
    code, said, _ = weights(root, GET=SMALL, **settings)
    assert code == 0 and (root / SMALL).exists() and 'told by its user' in said
    assert manifest.recorded(str(root))[SMALL]['sha256'] == digest
    (root / SMALL).unlink()
    (mirror / SMALL).write_bytes(b'changed')  # what was recorded is what has to come
    code, _, error = weights(root, GET=SMALL, **settings)
    assert code == 1 and 'is not the file that is wanted' in error and not (root / SMALL).exists()


def test_what_comes_without_a_published_hash_is_read_before_it_is_believed(tmp_path, site):
    (mirror, settings), root = site, tmp_path / 'weights'
    other = 'last_vit_b_rvsa_ss_is_rd_pretrn_model_encoder.pth'
    for content in (lambda: (mirror / SMALL).write_bytes(b'no checkpoint'),
                    lambda: checkpoint(mirror / SMALL, manifest.entries()[other])):
        content()
        code, _, error = weights(root, GET=SMALL, **settings)
        assert code == 1 and f'is not {SMALL}, and was removed' in error and 'next:' in error
        assert not (root / SMALL).exists() and not manifest.recorded(str(root))
    root.joinpath(SMALL).write_bytes(b'somebody laid this here')
    code, _, error = weights(root, GET=SMALL, **settings)
    assert code == 1 and 'next: mv ' in error and root.joinpath(SMALL).read_bytes() == b'somebody laid this here'


def test_what_nobody_can_read_here_is_kept_but_not_believed(tmp_path, site):
    (mirror, settings), root = site, tmp_path / 'weights'
    checkpoint(mirror / SMALL, manifest.entries()[SMALL])
    code, said, _ = weights(root, GET=SMALL, **dict(settings, MTP_VENV_ROOT='/nowhere'))
    assert code == 0 and 'it has not been read' in said and 'next: make setup ENV=' in said
    assert (root / SMALL).exists() and not manifest.recorded(str(root))
    assert weights(root, GET=SMALL, **settings)[0] == 0 and SMALL in manifest.recorded(str(root))


def test_one_file_that_cannot_be_fetched_keeps_no_other_away(tmp_path, site):
    (mirror, settings), root = site, tmp_path / 'weights'
    checkpoint(mirror / SMALL, manifest.entries()[SMALL])
    code, said, error = weights(root, GET='all', **settings)
    assert code != 0 and (root / SMALL).exists()
    told = (said + error).splitlines()
    assert len([line for line in told if line.startswith('error: ')]) == len(manifest.entries()) - 1
    assert told[-1].startswith('  next: ')


def test_what_has_no_address_is_told_to_a_person(tmp_path):
    code, said, _ = weights(tmp_path, GET=SMALL)
    assert code == 1 and 'by hand' in said and 'open https://' in said and not os.listdir(str(tmp_path))


@pytest.mark.parametrize('words, said', [
    (dict(GET='nothing.pth'), "GET is 'nothing.pth'"), (dict(CONFIG='no_such'), "no config 'no_such'"),
    (dict(IMPORT='/nothing', MTP_VENV_ROOT='/nowhere'), 'reading a checkpoint needs torch')])
def test_refusals(tmp_path, words, said):
    code, _, error = weights(tmp_path, **words)
    assert code == 2 and said in error and 'next:' in error


def test_the_verb_of_make_is_the_same(tmp_path):
    if not shutil.which('make'):
        pytest.skip('no make here')
    said = subprocess.check_output(['make', '-s', 'weights', 'MTP_WEIGHTS_ROOT=' + str(tmp_path)], cwd=ledger.ROOT)
    assert b'of the 95 published runs' in said


def test_which_runs_can_start_with_what_is_here(tmp_path):
    data, root = tmp_path / 'data', tmp_path / 'weights'
    for folder in ('samrs/dior/JPEGImages-trainval', 'samrs/dior/JPEGImages-test'):
        (data / folder).mkdir(parents=True)
        (data / folder / 'a.jpg').write_bytes(b'x')
    root.mkdir()
    assert ready.sentence(ready.look(str(root), str(data))).startswith('0 of 45 published files are here; 0 of 95 runs')
    (root / SMALL).write_bytes(b'x')
    found = ready.look(str(root), str(data))
    able = [name for name, run in found['runs'].items() if not run['train']]
    assert able == ['mmrotate1/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior',
                    'mmrotate1/diorr/oriented_rcnn_rvsa_l_800_mae_mtp_diorr']
    assert found['runs'][able[0]]['test'] == ['faster_rcnn_rvsa_l_800_mae_mtp_dior.pth']
    (root / 'faster_rcnn_rvsa_l_800_mae_mtp_dior.pth').write_bytes(b'x')
    assert '2 of 95 runs can train, 1 released results can be tested' in ready.sentence(ready.look(str(root),
                                                                                                   str(data)))
