"""Data of one's own, from a folder in a foreign layout to a score near the top, by the one command that people type.

``ci/overfit_own [TASK ...]``: about a minute a task on one core. Each draws ten images in a layout of its own, lets
``make finetune DATA=... TASK=...`` look at it, split, cut, train a network reduced by ``--rehearse`` and test it on the
images that were held back, has to reach the score stated here, and makes the page of ``make browse``.
Standard library, Python >= 3.6.
"""
import glob
import json
import os
import subprocess
import sys
import time
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp.files import write_json  # noqa: E402

WORK = os.path.join(ROOT, os.environ.get('MTP_WORK_ROOT') or 'work_dirs', 'overfit_own')
PYTHON = os.path.join(os.environ.get('MTP_VENV_ROOT') or os.path.join(ROOT, '.venv'), 'mmrotate1', 'bin', 'python')
# Random weights and a few hundred steps, in place of pretrained ones and the published length.
BY_EPOCHS = ('train_cfg.max_epochs={0} train_cfg.val_interval={0} default_hooks.checkpoint.interval={0} '
             'optim_wrapper.optimizer.lr=1e-3 ')
BOXES = BY_EPOCHS.format(100) + 'param_scheduler.1.milestones=[80,95] param_scheduler.1.end=100'


class Task(NamedTuple('Task', [
        ('name', str), ('layout', str), ('backbone', str), ('words', str), ('metric', str), ('least', float)])):
    """One over-fit run.

    Attributes:
        layout: one that ``tests/own/drawn.py`` draws.
        words: settings of the training.
        metric: in the passport of the test; in percent it has to reach ``least``.
    """


TASKS = (
    Task('rotated', 'geojson', 'rvsa_t', BOXES, 'dota/mAP', 90),
    Task('horizontal', 'yolo', 'rvsa_b', BOXES, 'coco/bbox_mAP_50', 90),
    Task('segmentation', 'masks', 'rvsa_b', 'train_cfg.max_iters=300 train_cfg.val_interval=300 '
         'default_hooks.checkpoint.interval=300 optim_wrapper.optimizer.lr=1e-3', 'mIoU', 85),
    Task('change', 'pairs', 'rvsa_b', BY_EPOCHS.format(150), 'changed/Fscore', 90),
    Task('classification', 'classes', 'rvsa_b', BY_EPOCHS.format(40), 'accuracy/top1', 90))


def main(wanted):
    """Run the tasks among ``wanted`` (all when empty) and print the table."""
    known = [task.name for task in TASKS]
    if set(wanted) - set(known):
        sys.exit('error: there are the tasks {}'.format(', '.join(known)))
    os.makedirs(WORK, exist_ok=True)
    rows = [run(task) for task in TASKS if not wanted or task.name in wanted]
    print('\n{:<16}{:<10}{:<20}{:>9}{:>9}{:>9}'.format('task', 'layout', 'metric', 'reached', 'least', 'seconds'))
    for task, value, seconds in rows:
        print(f'{task.name:<16}{task.layout:<10}{task.metric:<20}{value:>9.2f}{task.least:>9.2f}{seconds:>9.0f}')
    write_json(os.path.join(WORK, 'overfit.json'), {task.name: value for task, value, _ in rows})
    return 0 if all(value >= task.least for task, value, _ in rows) else 1


def run(task):
    """The task, its score in percent, seconds."""
    start, data = time.monotonic(), os.path.join(WORK, 'drawn', task.name)
    if not os.path.isdir(data):
        call(task, [PYTHON, os.path.join(ROOT, 'tests', 'own', 'drawn.py'), task.layout, data])
    call(task, ['make', 'finetune', 'DATA=' + data, 'TASK=' + task.name, 'BACKBONE=' + task.backbone, 'INIT=none',
                'RUNTIME=native', 'ARGS=--rehearse --cfg-options ' + task.words])
    folder = os.path.join(WORK, 'own', f'{task.name}-{task.name}-{task.backbone}-none', 'train', 'predict')
    with open(os.path.join(folder, 'passport-test.json'), encoding='utf-8') as stream:
        value = json.load(stream)['metrics'][task.metric] or 0.
    pictures = glob.glob(os.path.join(folder, 'show', '**', '*.[pj][np]g'), recursive=True)
    print(f'{task.name}: {task.metric} {value:.4g}, {len(pictures)} pictures in {folder}/show')
    call(task, ['make', 'browse', 'RUN=' + folder, 'RUNTIME=native'])
    print(f'page {folder}/browse/index.html')
    sys.stdout.flush()
    share = task.metric.startswith(('coco/', 'dota/'))
    return task, value * 100 if share else value, time.monotonic() - start


def call(task, words):
    """Run one command; what it prints goes to a log beside the results."""
    log = os.path.join(WORK, task.name + '.log')
    variables = dict(dict({'OMP_NUM_THREADS': '1'}, **os.environ), MTP_WORK_ROOT=WORK)
    with open(log, 'ab') as stream:
        code = subprocess.call(words, cwd=ROOT, env=variables, stdout=stream, stderr=subprocess.STDOUT)
    if code:
        with open(log, encoding='utf-8', errors='replace') as stream:
            sys.exit('{} failed; the end of {}:\n{}'.format(words[1], log, ''.join(stream.readlines()[-20:])))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
