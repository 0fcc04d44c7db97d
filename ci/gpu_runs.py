"""Checks of ``ci/gpu`` that are command lines: pretraining, fine-tuning, testing, two processes, speed and memory."""
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import torch

from gpu_numbers import ROOT, Figure, NotHere

sys.path[:0] = [os.path.join(ROOT, 'tests', 'adapters')]
import same_detections  # noqa: E402
import tiny  # noqa: E402

from mtp.adapters import environment  # noqa: E402
from mtp.checkpoints import files  # noqa: E402
from mtp.data import catalogue  # noqa: E402
from mtp.errors import FAILED, MTPError  # noqa: E402
from mtp.files import write_text  # noqa: E402
from mtp.launch import ledger  # noqa: E402

LEAF = 'demo/oriented_rcnn_rvsa_t_256_mtp_dotav1.py'
CONFIG = 'configs/mtp/' + LEAF
SUBMISSION = """_base_ = {!r}
test_dataloader = dict(dataset=dict(ann_file=''))
test_evaluator = dict(_delete_=True, type='TileSubmission', dataset='dotav1')
"""
LONGEST = 900  # seconds of one command line
# Steps of pretraining, and side of its images; the published ways whose speed is told.
SIZES = {'cpu': (6, 64), 'cuda': (20, 224)}
SPEED = {'cpu': ['rvsa_t_224', 'internimage_t_128'],
         'cuda': ['rvsa_b_448', 'rvsa_b_1024', 'rvsa_l_448', 'rvsa_l_1024', 'internimage_xl_448']}


class Place:
    """A folder with drawn data, in which command lines run on one device.

    Args:
        home: the folder. device: ``cuda`` or ``cpu``.
    """

    def __init__(self, home, device):
        self.home, self.device = home, device

    def path(self, *parts):
        return os.path.join(self.home, *parts)

    def start(self, words, device=None, **more):
        """Start ``python WORDS`` in the checkout; its output goes to a file of its own."""
        environment = dict(os.environ, MTP_DATA_ROOT=self.path('data'), MTP_WORK_ROOT=self.path('work'),
                           PYTHONPATH=ROOT, **more)
        if (device or self.device) == 'cpu':
            environment.update(CUDA_VISIBLE_DEVICES='')
        with open(self.path('said.txt'), 'ab') as log:
            return subprocess.Popen([sys.executable] + words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def run(self, words, device=None, **more):
        """Run it to its end.

        Raises:
            MTPError: it ended with another exit code than 0; with the end of what it said.
        """
        process = self.start(words, device, **more)
        try:
            code = process.wait(LONGEST)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        if code:
            with open(self.path('said.txt'), encoding='utf-8', errors='replace') as stream:
                said = stream.read()[-2000:]
            raise MTPError('{} ended with {}:\n{}'.format(' '.join(words), code, said), code=FAILED)


def _samrs(place):
    if not os.path.isdir(place.path('data', 'samrs')):
        place.run(['-m', 'mtp.data.samples', 'samrs', '--images', '6', '--out', place.path('data')], 'cpu')
        place.run(['scripts/convert_pkl_json.py', '--jobs', '1'], 'cpu')


def _pretraining(place, folder, steps):
    side = SIZES[place.device][1]
    return ('main_pretrain.py --backbone vit_t_rvsa --tasks rd ss --datasets fast sota --batch_size 2 --end_iter {} '
            '--image_size {} --init_backbone none --interval 2 --val_interval 0 --workers 1 --mixed_precision True '
            '--device {} --save_path {}').format(steps, side, place.device, folder).split()


def pretraining(place):
    """Pretraining in half precision, and the same killed half way and started again."""
    if importlib.util.find_spec('mmpretrain') is None:
        raise NotHere('pretraining wants OpenMMLab 2')
    _samrs(place)
    steps = SIZES[place.device][0]
    whole, killed = place.path('whole'), place.path('killed')
    place.run(_pretraining(place, whole, steps))
    process = place.start(_pretraining(place, killed, steps))
    _wait_for(process, os.path.join(killed, 'log.jsonl'), steps // 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    place.run(_pretraining(place, killed, steps))
    ends = [_newest(folder) for folder in (whole, killed)]
    apart = max(float((a - ends[1].state_dict[name]).abs().max() / a.abs().max().clamp(min=1e-6))
                for name, a in ends[0].state_dict.items() if a.is_floating_point())
    scaled = ends[1].rest.get('scaler')
    bound = 0. if place.device == 'cpu' else .05
    found = [Figure(f'weights of {steps} steps, killed and resumed', apart, bound)]
    if place.device == 'cuda':  # on processors half precision is bfloat16, which needs no scaling of the loss
        found.append(Figure('a state of GradScaler in the checkpoint is missing', float(not scaled), 0))
    return found


def _newest(folder):
    name, = [each for each in os.listdir(folder) if re.match(r'last_.*_model\.pth$', each)]
    return files.load(os.path.join(folder, name))


def _wait_for(process, log, step):
    """Until ``step`` stands in the log."""
    until = time.monotonic() + LONGEST
    while process.poll() is None and time.monotonic() < until:
        if os.path.exists(log):
            with open(log, encoding='utf-8') as stream:
                if any(json.loads(line)['step'] >= step for line in stream.read().split('\n')[:-1]):
                    return
        time.sleep(0.02)
    raise MTPError(f'pretraining wrote no step {step} before it ended', code=FAILED)


def two_processes(place):
    """Two processes that make one model: NCCL on two cards, gloo on processors."""
    if importlib.util.find_spec('mmpretrain') is None:
        raise NotHere('pretraining wants OpenMMLab 2')
    if place.device == 'cuda' and torch.cuda.device_count() < 2:
        raise NotHere('this machine has one card')
    _samrs(place)
    folder = place.path('pair')
    place.run(['-m', 'torch.distributed.run', '--nproc_per_node=2', '--master_port=29617']
              + _pretraining(place, folder, 2) + ['--distributed', 'True'])
    with open(os.path.join(folder, 'log.jsonl'), encoding='utf-8') as stream:
        done = json.loads(stream.read().strip().split('\n')[-1])
    return [Figure('loss after {} steps'.format(done['step']), done['loss'], None)]


def _tiles(place):
    """Tiles to learn from, and one image with rectangles cut at the demo's scales to be tested on."""
    if os.path.isdir(place.path('data', 'dotav1')):
        return
    tiny.write_tiles(place.path('data', 'demo_dotav1', 'train'), catalogue.get('dotav1').classes[:2], 8)
    images = place.path('data', 'dotav1', 'test', 'images')
    os.makedirs(images)
    r, pixels = np.random.RandomState(0), np.full((300, 500, 3), 96, np.uint8)
    for _ in range(40):
        box = cv2.boxPoints(((r.uniform(0, 500), r.uniform(0, 300)), (r.uniform(20, 60), r.uniform(8, 20)),
                             r.uniform(0, 180)))
        cv2.fillPoly(pixels, [box.astype(np.int32)], tuple(int(each) for each in r.randint(0, 255, 3)))
    cv2.imwrite(os.path.join(images, 'P0000.png'), pixels)
    place.run(['-m', 'mtp.tiles.cut', '--preset', 'demo_ms', '--images', images,
               '--out', place.path('data', 'demo_dotav1', 'test')], 'cpu')


def _generation():
    """Which mmcv this environment is built on: 1 or 2."""
    return ledger.environment(environment.name())['generation']


def finetuning(place):
    """Four steps of a rotated detector."""
    _tiles(place)
    folder = place.path('finetune')
    steps = ['train_cfg.max_iters=4', 'train_dataloader.batch_size=2', 'default_hooks.checkpoint.interval=4',
             'train_dataloader.num_workers=1', 'optim_wrapper.paramwise_cfg.num_layers=4'] if _generation() == 2 else [
        'runner.max_iters=4', 'data.samples_per_gpu=2', 'checkpoint_config.interval=4', 'data.workers_per_gpu=1',
        'optimizer.paramwise_cfg.num_layers=4']
    place.run(['tools/train.py', CONFIG, '--work-dir=' + folder, '--cfg-options', *tiny.NARROW, *steps])
    saved = files.load(os.path.join(folder, 'iter_4.pth')).state_dict
    wrong = sum(not bool(torch.isfinite(each).all()) for each in saved.values() if each.is_floating_point())
    return [Figure('tensors that are no numbers after 4 steps', float(wrong), 0)]


def testing(place):
    """Detections on multi-scale tiles: the card's against the processor's, or single tiles against pairs of them."""
    _tiles(place)
    weights, config = place.path('weights.pth'), CONFIG
    options = tiny.write_weights(weights, CONFIG)
    if _generation() == 2:
        config = place.path('submission.py')
        write_text(config, SUBMISSION.format(os.path.join(ROOT, 'configs', 'mmrotate1', LEAF)))
    batch = ['test_dataloader.batch_size={}', 'test_dataloader.num_workers=1'] if _generation() == 2 else [
        'data.test_dataloader.samples_per_gpu={}', 'data.workers_per_gpu=1']
    rows = []
    for number, device in enumerate((place.device, 'cpu'), 1):
        out = place.path(f'found-{number}.pkl')
        size = number if place.device == 'cpu' else 1
        place.run(['tools/test.py', config, weights, '--work-dir=' + place.path(f'test-{number}'), '--out', out,
                   *options, *[each.format(size) for each in batch]], device)
        read = same_detections.read_new if _generation() == 2 else same_detections.read_old
        rows.append(np.concatenate(read(out)))
    if not len(rows[1]):
        raise MTPError('the test found nothing', code=FAILED)
    alone = same_detections.lonely(rows[0], rows[1]) + same_detections.lonely(rows[1], rows[0])
    return [Figure(f'share of {len(rows[1])} detections without a partner',
                   alone / (len(rows[0]) + len(rows[1])), 0. if place.device == 'cpu' else .02)]


def speed(place):
    """Seconds and memory of a step, by the benchmark of networks."""
    words = ['ci/bench/networks.py', *SPEED[place.device], '--device', place.device]
    words += ['--dtype', 'bf16'] if place.device == 'cuda' and torch.cuda.is_bf16_supported() else ['--rounds', '1']
    said = subprocess.run([sys.executable] + words, cwd=ROOT, env=dict(os.environ, PYTHONPATH=ROOT), check=True,
                          stdout=subprocess.PIPE, encoding='utf-8').stdout
    table = [[cell.strip() for cell in line.strip('| ').split('|')] for line in said.split('\n') if line[:1] == '|']
    head, found = table[0], []
    for row in table[2:]:
        for name, cell in zip(head[2:], row[2:]):
            if re.match(r'[\d.]+$', cell):
                found.append(Figure(f'{row[0]}, {row[1]}: {name}', float(cell), None))
    return found
