"""A tiny pretraining, natively, then again from its passport in every runtime of this machine: ``ci/replay``.

Each replay has to end with the same metrics and the same weights, bit for bit; one with other labels must not. The
first passport stays in the cache, so that the test cluster replays the very same run under apptainer. Exit code 4:
docker is asked for and no engine can be started here.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.files import write_json  # noqa: E402
from mtp.launch.settings import from_environ  # noqa: E402

import engine  # noqa: E402

TINY = {
    'BACKBONE': 'vit_t_rvsa', 'IMAGE_SIZE': '64', 'END_ITER': '4', 'INTERVAL': '100', 'WORKERS': '0', 'ACCEL': 'none',
    'SAVE_PATH': 'work_dirs/first'}
IMAGES = 8  # as many as the test cluster draws: the same images, for they depend on nothing else


def kept():
    """Where the first passport stays."""
    return os.path.join(from_environ(os.environ).cache_root, 'replay', 'passport.json')


def make(verb, work, expected=OK, **words):
    """Output of ``make verb`` with data and results below ``work``.

    Raises:
        MTPError: it ended with another exit code than ``expected``.
    """
    words = dict(words, MTP_WORK_ROOT=work, MTP_DATA_ROOT=os.path.join(work, 'data'))
    command = ['make', '--no-print-directory', verb] + ['{}={}'.format(*pair) for pair in sorted(words.items())]
    environment = dict(os.environ, OMP_NUM_THREADS='1')
    done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding='utf-8', errors='replace')
    if bool(done.returncode) != bool(expected):
        raise MTPError('{} ended with {}:\n{}'.format(' '.join(command), done.returncode, done.stdout[-3000:]),
                       code=FAILED)
    return done.stdout


def draw(work):
    """A sample of the three sets, in what pretraining reads."""
    python = os.path.join(ROOT, '.venv', 'mmrotate1', 'bin', 'python')
    environment = dict(os.environ, MTP_DATA_ROOT=os.path.join(work, 'data'), MTP_WORK_ROOT=work, OMP_NUM_THREADS='1')
    for words in (['-m', 'mtp.data.samples', 'samrs', '--images', str(IMAGES), '--out', os.path.join(work, 'data')],
                  ['scripts/convert_pkl_json.py']):
        subprocess.run([python] + words, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


def spoil(work):
    """Labels of another class in one file: the run of then cannot be had from it."""
    folder = os.path.join(work, 'data', 'samrs', 'dotav2_1024_rbb', 'trainval')
    path = os.path.join(folder, 'sota_rbb_train_ins_segmentation.json')
    with open(path, encoding='utf-8') as stream:
        content = json.load(stream)
    for item in content['annotations']:
        item['category_id'] = content['categories'][0]['id']
    write_json(path, content)


def run(runtimes):
    """The run, its replays, and one that has to be refused; a line each."""
    if 'docker' in runtimes:
        engine.ready()
    with tempfile.TemporaryDirectory(prefix='mtp-replay-') as work:
        draw(work)
        began = time.monotonic()
        make('pretrain', work, RUNTIME='native', **TINY)
        print(f'native run: {time.monotonic() - began:.0f} s', flush=True)
        passport = os.path.join(work, 'first', 'passport.json')
        for runtime in runtimes:
            began = time.monotonic()
            said = make('replay', work, RUNTIME=runtime, PASSPORT=passport, OUT='work_dirs/replay/' + runtime)
            if 'weights    equal, bit for bit' not in said or not said.rstrip().endswith('confirmed'):
                raise MTPError(f'the replay in {runtime} confirms nothing:\n{said[-2000:]}', code=FAILED)
            found = said[said.rindex('pretrain of'):]
            print(f'replay in {runtime}: {time.monotonic() - began:.0f} s\n{found}', flush=True)
        with open(passport, encoding='utf-8') as stream:
            write_json(kept(), json.load(stream))
        spoil(work)
        said = make('replay', work, expected=FAILED, RUNTIME='native', PASSPORT=passport, OUT='work_dirs/replay/spoilt')
        if 'NOT CONFIRMED' not in said or 'the hashes differ: sota' not in said or 'weights    differ' not in said:
            raise MTPError('a replay with other labels was not refused:\n' + said[-2000:], code=FAILED)
        print('a replay with other labels: not confirmed, and the data are named')


def main(argv=None):
    """Replay a tiny pretraining in native and docker, and compare bit for bit."""
    parser = argparse.ArgumentParser(prog='ci/replay', description=main.__doc__)
    parser.add_argument('runtimes', nargs='*', help='native, docker, apptainer (default: native docker)')
    chosen = parser.parse_args(argv).runtimes or ['native', 'docker']
    unknown = sorted(set(chosen) - {'native', 'docker', 'apptainer'})
    if unknown:
        raise MTPError('there is no runtime {}'.format(', '.join(unknown)), hint='native docker apptainer')
    run(chosen)
    return OK


if __name__ == '__main__':
    run_main(main)
