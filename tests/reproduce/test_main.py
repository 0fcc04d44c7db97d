"""What a user sees who types ``make reproduce``."""
import os
import subprocess
import sys

import pytest

from tests import environments

DIOR = 'configs/mtp/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior.py'


def reproduce(tmp_path, **words):
    environ = {name: value for name, value in os.environ.items() if not name.startswith('MTP_')}
    environ.update(RUNTIME='native', ACCEL='none', MTP_DATA_ROOT=str(tmp_path / 'data'), MTP_WORK_ROOT=str(tmp_path),
                   **words)
    done = subprocess.run([sys.executable, '-m', 'mtp.reproduce'], cwd=environments.ROOT, env=environ,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize('words, said', [
    (dict(), 'make reproduce needs a config'),
    (dict(CONFIG='no_such'), "there is no config 'no_such'"),
    (dict(CONFIG=DIOR, DATA='mine'), "DATA is 'mine'; here it can be samples"),
    (dict(CONFIG='configs/mmrotate1/demo/oriented_rcnn_rvsa_t_256_mtp_dotav1.py'), 'no number was published'),
    (dict(CONFIG=DIOR), 'or rehearse on drawn samples: make reproduce CONFIG=')])
def test_refusals(tmp_path, words, said):
    code, _, error = reproduce(tmp_path, **words)
    assert code == 2 and said in error and 'Traceback' not in error
    assert not os.listdir(str(tmp_path))


def test_dryrun_prints_every_step_and_makes_nothing(tmp_path):
    code, text, _ = reproduce(tmp_path, CONFIG=DIOR, DATA='samples', DRYRUN='1')
    steps = ['mtp.data.samples samrs', 'scripts/dior_h_2_coco.py', 'mtp.data check dior --any-count', 'tools/train.py',
             'tools/train.py', 'tools/test.py', 'mtp.reproduce.judge']
    places, start = [], 0
    for step in steps:
        start = text.index(step, start) + 1
        places.append(start)
    assert code == 0 and places == sorted(places) and str(tmp_path / 'rehearsal') in text
    assert not os.listdir(str(tmp_path))


@pytest.mark.parametrize('words, said', [
    (dict(CONFIG=DIOR), '# published with 4 processes, here with 1: ACCUMULATE=auto sums gradients'),
    (dict(CONFIG=DIOR, ACCUMULATE='1', GPUS='2'), '# published with 4 processes, here with 2: ACCUMULATE=1\n'),
    (dict(CONFIG='configs/mmrotate03/dotav1/oriented_rcnn_rvsa_l_1024_mae_mtp_dota10.py'),
     '# trains configs/mmrotate1/dotav1/oriented_rcnn_rvsa_l_1024_mae_mtp_dota10.py: the published number of')])
def test_what_differs_from_the_published_run_is_said_in_the_plan(tmp_path, words, said):
    code, text, _ = reproduce(tmp_path, DRYRUN='1', **words)
    assert code == 0 and said in text
    assert '# published with' not in reproduce(tmp_path, DRYRUN='1', **dict(words, GPUS='4', CONFIG=DIOR))[1]
