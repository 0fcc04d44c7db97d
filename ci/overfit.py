#!/usr/bin/env python
"""Proof that all three tasks learn: a reduced model over-fits a few drawn images, from the published command line.

    python ci/overfit.py [--out DIR] [--steps N] [--threads 2]

Draws six training images (two a data set), trains on them whole and undistorted, scores the result on the same images,
and writes pictures of truth and prediction. Exit code 1 where a figure stays below its threshold. Stopped, it goes on
where it was when it is started again.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir)
sys.path.insert(0, ROOT)
from mtp.data.samples import samrs  # noqa: E402
from mtp.errors import CONTINUE, FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.files import write_json  # noqa: E402

#: Per cent that each data set has to exceed.
THRESHOLDS = {'ss/{}/mIoU': 80, 'is/{}/mask_AP50': 70, 'rd/{}/AP50': 70}
DATASETS = ('sota', 'sior', 'fast')
OBJECTS = 10  # tried an image; about half of them find room
IMAGES = 3  # drawn a data set: two to train on, one that the converter calls valid


def main(words=None):
    """Draw, train, score, picture; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', default=os.path.join('work_dirs', 'overfit'),
                        help='folder for everything that is made')
    parser.add_argument('--steps', type=int, default=350)
    parser.add_argument('--threads', type=int, default=2, help='of the training process')
    parser.add_argument('--image_size', type=int, default=224)
    parser.add_argument('--lr', default='1e-3')
    options = parser.parse_args(words)
    out = os.path.abspath(options.out)
    call = Caller(os.path.join(out, 'data'), options.threads)
    started = time.monotonic()
    if not os.path.isdir(os.path.join(out, 'data', 'samrs')):
        draw(os.path.join(out, 'data', 'samrs'), options.image_size)
        call('converting', os.path.join(ROOT, 'scripts', 'convert_pkl_json.py'), '--jobs', '1')
    call('training', *training(options, out))
    trained = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = os.path.join(out, 'run')
    call('scoring', '-m', 'mtp.pretrain.validate', '--save_path', run, '--split', 'train')
    call('pictures', '-m', 'mtp.pretrain.preview', '--save_path', run, '--out', os.path.join(out, 'pictures'),
         '--images', '2',
         '--score', '0.5')
    print(f'training took {trained.ru_utime + trained.ru_stime:.0f} s of processor time')
    return judge(os.path.join(run, 'scores_train.json'), out, time.monotonic() - started)


def draw(folder, side):
    """Images of ``side`` pixels with objects as large as in the usual samples: the smallest anchors have 32 pixels."""
    samrs.SIZE, samrs.OBJECTS = side, OBJECTS
    samrs.write(folder, images=IMAGES)


class Caller:
    """Runs steps in processes of their own, on the data of this proof."""

    def __init__(self, data, threads):
        self.environment = dict(os.environ, MTP_DATA_ROOT=data, OMP_NUM_THREADS=str(threads), PYTHONPATH=ROOT,
                                PYTHONWARNINGS='ignore')

    def __call__(self, title, *words):
        began = time.monotonic()
        done = subprocess.run([sys.executable] + list(words), env=self.environment)
        if done.returncode == CONTINUE:
            raise MTPError(f'stopped while {title}', hint='start the same command again', code=CONTINUE)
        if done.returncode:
            raise MTPError(f'{title} ended with exit code {done.returncode}', code=FAILED)
        print(f'{title}: {time.monotonic() - began:.0f} s', flush=True)


def training(options, out):
    """The command line, behind ``python``: one image a data set and step."""
    words = (f'--backbone vit_t_rvsa --tasks ss is rd --batch_size 3 --end_iter {options.steps} '
             f'--image_size {options.image_size} --lr {options.lr} --init_backbone none '
             '--interval 100 --val_interval 0 --augment False --device cpu --distributed False').split()
    return [os.path.join(ROOT, 'main_pretrain.py')] + words + ['--datasets', *DATASETS, '--save_path',
                                                               os.path.join(out, 'run')]


def judge(path, out, seconds):
    """Print each figure beside its threshold; returns the exit code."""
    with open(path, encoding='utf-8') as stream:
        scores = json.load(stream)['scores']
    rows = [(key.format(name), scores[key.format(name)], limit) for key, limit in THRESHOLDS.items()
            for name in DATASETS]
    for key, value, limit in rows:
        print('{:<20} {:6.2f}  {} {}'.format(key, value, '>' if value > limit else 'NOT >', limit))
    missed = [key for key, value, limit in rows if not value > limit]
    write_json(os.path.join(out, 'verdict.json'), dict(scores=scores, missed=missed, seconds=round(seconds, 1)))
    print('{}; {:.0f} s; pictures: {}'.format('missed: ' + ', '.join(missed) if missed else 'all three tasks learn',
                                              seconds, os.path.join(out, 'pictures')))
    return FAILED if missed else OK


if __name__ == '__main__':
    run_main(main)
