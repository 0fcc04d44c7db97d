"""A run a task that has to learn its training sample: what trains but learns nothing, or judges wrongly, is found here.

``ci/overfit_finetune [TASK ...]``: one to three minutes a task on one core, nine for rotated. Each trains a published
config reduced by ``--rehearse``, tests it on the very images it was trained on, and has to reach the score stated here.
The rotated detector is trained in each environment and tested in both: the detections have to be the same.
Standard library, Python >= 3.6.
"""
import glob
import json
import os
import subprocess
import sys
import time
from typing import NamedTuple, Tuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp.files import write_json  # noqa: E402
from mtp.launch import jobs  # noqa: E402

# Absolute: in a command, a path that begins with work_dirs/ would be looked for below MTP_WORK_ROOT, which is this.
WORK = os.path.join(ROOT, os.environ.get('MTP_WORK_ROOT') or 'work_dirs', 'overfit_finetune')
DATA = os.path.join(WORK, 'data')
ROTATED = 'rotated'
DEMO = 'configs/{}/demo/oriented_rcnn_rvsa_t_256_mtp_dotav1.py'
# Images are smaller than those of the paper, and so are objects: no anchor of the published sizes fits half of them.
ANCHORS = 'model.rpn_head.anchor_generator.scales=[4] '
# The first tiles of one image, learnt in each environment and tested in both.
LEARNT = {
    'mmrotate1': ANCHORS + 'train_dataloader.dataset.indices=12 optim_wrapper.optimizer.lr=1e-3',
    'mmrotate03': ANCHORS + 'data.train.indices=12 optimizer.lr=1e-3'}
TESTED = {
    'mmrotate1': ANCHORS + 'test_dataloader.dataset.indices=12 test_dataloader.dataset.ann_file=train/annfiles/ '
    'test_dataloader.dataset.data_prefix.img_path=train/images/',
    'mmrotate03': ANCHORS + 'data.test.indices=12 data.test.ann_file=data/demo_dotav1/train/annfiles '
    'data.test.img_prefix=data/demo_dotav1/train/images'}


class Task(NamedTuple('Task', [
        ('name', str), ('config', str), ('samples', str), ('images', int), ('prepare', Tuple[str, ...]),
        ('train', str), ('test', str), ('metric', str), ('least', float)])):
    """One over-fit run.

    Attributes:
        config: of the published run.
        samples: the sample set, ``images`` of them.
        prepare: commands of python that make of it what training reads.
        train: settings of the training beside the reduction, and ``test`` those of the test on the same images.
        metric: in the passport of the test; in percent it has to reach ``least``.
    """


def loaders(*settings):
    """``train_dataloader.x=y`` for each ``x=y``."""
    return ' '.join('train_dataloader.' + setting for setting in settings)


# The four patches of twelve in which something has changed, as they are: 9 pixels of 100. Of all twelve 3 have, and
# every weight of the last layer first learns "unchanged", as what comes into it is never negative; the features of
# changed pixels become 0, and only its bias is left to learn by, perhaps against Adam's long memory: a network that
# knew the pixels (a loss of 0.03; their share alone gives 0.14) called none of them changed.
CHANGE_TRAIN = (
    'train_cfg.max_epochs={0} train_cfg.val_interval=400 default_hooks.checkpoint.interval={0} '
    'param_scheduler.1.T_max={1} param_scheduler.1.end={0} default_hooks.checkpoint.save_best=None '
    'optim_wrapper.optimizer.betas=(0.9,0.95) ' +
    loaders('dataset.indices=[0,4,5,9]', 'dataset.pipeline.1.scale=(96,96)', 'dataset.pipeline.3.rotate_prob=0',
            'dataset.pipeline.3.flip_prob=0', 'dataset.pipeline.4.crop_size=(96,96)',
            'dataset.pipeline.6.brightness_delta=0', 'dataset.pipeline.6.contrast_range=(1,1)',
            'dataset.pipeline.6.saturation_range=(1,1)', 'dataset.pipeline.6.hue_delta=1') + ' ')
# The test on what was trained on.
CHANGE_TEST = (
    'test_dataloader.dataset.pipeline.1.scale=(96,96) test_dataloader.dataset.indices=[0,4,5,9] '
    'test_dataloader.dataset.data_prefix.seg_map_path=train/label '
    'test_dataloader.dataset.data_prefix.img_path_from=train/A test_dataloader.dataset.data_prefix.img_path_to=train/B')
TASKS = (
    Task('classification', 'configs/mmrotate1/eurosat/vit-rvsa-b-224-mae-mtp_eurosat.py', 'eurosat', 5,
         ('-m mtp.data.splits eurosat',),
         'train_cfg.max_epochs=100 train_cfg.val_interval=200 default_hooks.checkpoint.interval=100 '
         'optim_wrapper.optimizer.lr=1e-3 model.backbone.img_size=96 ' +
         loaders('batch_size=10', 'dataset.indices=None', 'dataset.pipeline.1.scale=96'),
         'model.backbone.img_size=96 test_dataloader.dataset.data_prefix=train test_dataloader.dataset.indices=None '
         'test_dataloader.dataset.pipeline.1.scale=110 test_dataloader.dataset.pipeline.2.crop_size=96',
         'accuracy/top1', 90),
    Task('horizontal', 'configs/mmrotate1/dior/faster_rcnn_rvsa_b_800_mae_mtp_dior.py', 'samrs', 4,
         ('scripts/dior_h_2_coco.py',), ANCHORS +
         'train_cfg.max_epochs=150 train_cfg.val_interval=200 default_hooks.checkpoint.interval=150 '
         'param_scheduler.0.end=20 param_scheduler.1.milestones=[120,140] param_scheduler.1.end=150 '
         'optim_wrapper.optimizer.lr=1e-3 optim_wrapper.clip_grad.max_norm=5 ' + loaders('batch_size=2'),
         ANCHORS + 'test_dataloader.dataset.ann_file=DIOR_trainval_coco.json test_dataloader.dataset.indices=None '
         'test_dataloader.dataset.data_prefix.img=JPEGImages-trainval '
         'test_evaluator.ann_file=data/samrs/dior/DIOR_trainval_coco.json', 'coco/bbox_mAP_50', 90),
    Task('segmentation', 'configs/mmrotate1/spacenetv1/rvsa-b-upernet-384-mae-mtp-spacenetv1.py', 'spacenet', 8,
         ('scripts/process_spacenet.py',),
         'train_cfg.max_iters=600 train_cfg.val_interval=600 default_hooks.checkpoint.interval=600 '
         'optim_wrapper.optimizer.lr=1e-3 ' + loaders('batch_size=4', 'dataset.indices=None'),
         'test_dataloader.dataset.data_prefix.img_path=train/images test_dataloader.dataset.indices=None '
         'test_dataloader.dataset.data_prefix.seg_map_path=train/labels', 'mIoU', 70),
    Task('change', 'configs/mmrotate1/oscd/rvsa-b-unet-96-mae-mtp_oscd_rgb.py', 'oscd', 1,
         ('-m mtp.data.patches oscd',),
         CHANGE_TRAIN.format(300, 295) + 'optim_wrapper.optimizer.lr=5e-3 model.backbone.img_size=96',
         CHANGE_TEST + ' model.backbone.img_size=96', 'changed/Fscore', 95),
    Task('change-intern', 'configs/mmrotate1/oscd/intern-xl-unet-96-imp-mtp_oscd_rgb.py', 'oscd', 1,
         ('-m mtp.data.patches oscd',),
         CHANGE_TRAIN.format(80, 75) + 'optim_wrapper.optimizer.lr=4e-3 '
         # all is called unchanged for long, see above: then so much more counts what has changed
         'model.decode_head.loss_decode.class_weight=[0.2,1.0]', CHANGE_TEST, 'changed/Fscore', 95),
)


def main(wanted):
    """Run the tasks among ``wanted`` (all when empty) and print the table."""
    known = [task.name for task in TASKS] + [ROTATED]
    if set(wanted) - set(known):
        sys.exit('error: there are the tasks {}'.format(', '.join(known)))
    os.makedirs(DATA, exist_ok=True)
    rows = [run(task) for task in TASKS if not wanted or task.name in wanted]
    rows += rotated() if not wanted or ROTATED in wanted else []
    print('\n{:<16}{:<20}{:>9}{:>9}{:>9}'.format('task', 'metric', 'reached', 'least', 'seconds'))
    for name, metric, value, least, seconds in rows:
        print(f'{name:<16}{metric:<20}{value:>9.2f}{least:>9.2f}{seconds:>9.0f}')
    write_json(os.path.join(WORK, 'overfit.json'), {row[0]: row[2] for row in rows})
    return 0 if all(row[2] >= row[3] for row in rows) else 1


def rotated():
    """Rows of the rotated detector: trained in each environment; that of mmrotate1 is tested in both, box by box."""
    start = time.monotonic()
    python(['-m', 'mtp.data.samples', 'dota', '--out', DATA, '--images', '1'])
    python(['-m', 'mtp.tiles.cut', '--preset', 'demo_ss', '--images', DATA + '/dotav1/train/images', '--labels',
            DATA + '/dotav1/train/labelTxt', '--out', DATA + '/demo_dotav1/train'])
    rows, folders = [], {env: os.path.join(WORK, 'rotated', env) for env in ('mmrotate1', 'mmrotate03')}
    for env, folder in folders.items():
        if not jobs.newest_checkpoint(folder):
            python(['tools/train.py', DEMO.format(env), '--work-dir', folder, '--cfg-options'] + LEARNT[env].split(),
                   env)
    new, old = (jobs.newest_checkpoint(folder) for folder in folders.values())
    first, second = (os.path.join(folder, name) for folder, name in zip(folders.values(), (new, old)))
    python(['tools/test.py', DEMO.format('mmrotate1'), first, '--work-dir', folders['mmrotate1'] + '/predict', '--out',
            WORK + '/rotated/new.pkl', '--show-dir', WORK + '/rotated/show', '--cfg-options'] +
           TESTED['mmrotate1'].split())
    for name, weights in (('same', first), ('own', second)):
        python(['tools/test.py', DEMO.format('mmrotate03'), weights, '--work-dir', WORK + '/rotated/' + name, '--out',
                WORK + f'/rotated/{name}.pkl', '--eval', 'mAP', '--cfg-options'] + TESTED['mmrotate03'].split(),
               'mmrotate03')
    python(['ci/same_detections.py', WORK + '/rotated/new.pkl', WORK + '/rotated/same.pkl'])
    for name, folder, key in (('mmrotate1', folders['mmrotate1'] + '/predict', 'dota/mAP'),
                              ('mmrotate1 in 03', WORK + '/rotated/same', 'mAP'),
                              ('mmrotate03', WORK + '/rotated/own', 'mAP')):
        rows.append((name, key, 100 * figure(folder, key), 75, time.monotonic() - start))
    return rows


def run(task):
    """Name, metric, score in percent, least score, seconds."""
    start = time.monotonic()
    python(['-m', 'mtp.data.samples', task.samples, '--out', DATA, '--images', str(task.images)])
    mark = os.path.join(DATA, f'.{task.samples}.prepared')
    for line in () if os.path.exists(mark) else task.prepare:
        python(line.split())
    write_json(mark, True)
    folder = os.path.join(WORK, task.name)
    if not jobs.newest_checkpoint(folder):
        python(['tools/train.py', task.config, '--work-dir', folder, '--rehearse', '--cfg-options'] +
               task.train.split())
    python(['tools/test.py', task.config, os.path.join(folder, jobs.newest_checkpoint(folder)),
            '--work-dir', folder + '/predict', '--show-dir', folder + '/show', '--rehearse', '--cfg-options'] +
           task.test.split())
    value = figure(folder + '/predict', task.metric)
    pictures = glob.glob(os.path.join(folder, '**', '*.[pj][np]g'), recursive=True)
    print(f'{task.name}: {task.metric} {value:.4g}, {len(pictures)} pictures in {folder}', flush=True)
    share = task.metric.startswith(('coco/', 'dota/'))
    return task.name, task.metric, value * 100 if share else value, task.least, time.monotonic() - start


def figure(folder, metric):
    """A figure of the test in ``folder``; 0 where it is not a number."""
    with open(os.path.join(folder, 'passport-test.json'), encoding='utf-8') as stream:
        return json.load(stream)['metrics'][metric] or 0.


def python(words, env='mmrotate1'):
    """Run one command of the environment; what it prints goes to a log beside the results."""
    variables = dict({'OMP_NUM_THREADS': '1'}, **os.environ)
    variables.update(MTP_DATA_ROOT=DATA, MTP_WORK_ROOT=WORK)
    binary = os.path.join(os.environ.get('MTP_VENV_ROOT') or '.venv', env, 'bin', 'python')
    log = os.path.join(WORK, 'log.txt')
    with open(log, 'ab') as stream:
        code = subprocess.call([binary] + words, cwd=ROOT, env=variables, stdout=stream, stderr=subprocess.STDOUT)
    if code:
        with open(log, encoding='utf-8', errors='replace') as stream:
            sys.exit('{} failed; the end of {}:\n{}'.format(words[0], log, ''.join(stream.readlines()[-20:])))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
