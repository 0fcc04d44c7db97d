"""One whole pretraining step against the same step as the published code does it (published.md#speed-of-pretraining).

    python ci/bench/pretrain_step.py [vit_t_rvsa vit_b_rvsa] [--quick] [--rounds N] [--busy]

A step is data, forward, backward and optimizer on one image each of three drawn sets. As published: samples are made in
the training process, samples are copied deeply in both box decoders, every decoder runs once per data set,
proposals are decoded with OpenCV box by box, low-quality matches are found in a loop over the objects.
Encoder, transforms and optimizer are the same on both sides. Losses have to agree first; the ratio is published / ours
in time.
"""
import argparse
import copy
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.samplers import RandomSampler
from mmrotate.models.task_modules.coders import MidpointOffsetCoder

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
sys.path.insert(0, ROOT)

from mtp.pretrain import recipe, tasks  # noqa: E402
from mtp.pretrain.data import annotations, loader  # noqa: E402
from mtp.pretrain.data.batch import prepare  # noqa: E402
from mtp.pretrain.model import backbones  # noqa: E402
from mtp.pretrain.model.model import PretrainModel, total  # noqa: E402

SIDES = {'vit_t_rvsa': 224, 'vit_b_rvsa': 224, 'vit_l_rvsa': 448}
DEFAULT = ['vit_t_rvsa', 'vit_b_rvsa']
CLOCK = time.perf_counter  # --busy: time.process_time, which other programs on the machine do not stretch


class Published(PretrainModel):
    """The model with the decoders' work done as published."""

    def slow_down(self):
        """Put the toolboxes' own assigners and coder in the place of ours."""
        for detector in (self.inssegdecoder, self.rotdetdecoder):
            detector.assigner = self._stock(detector.assigner)
            detector.rpn_head.assigner = self._stock(detector.rpn_head.assigner)
        coder = self.rotdetdecoder.rpn_head.bbox_coder
        self.rotdetdecoder.rpn_head.bbox_coder = MidpointOffsetCoder(
            angle_version=coder.angle_version, target_means=coder.means, target_stds=coder.stds)
        return self

    @staticmethod
    def _stock(assigner):
        """``assigner`` with mmdet's own methods."""
        made = copy.copy(assigner)
        made.__class__ = MaxIoUAssigner
        return made

    def forward(self, batches):
        groups = [batches[name] for name in self.datasets]
        maps = self.encode(torch.cat([group.images for group in groups]))
        losses, begin = {}, 0
        for name, group in zip(self.datasets, groups):
            end = begin + len(group.images)
            own = [level[begin:end] for level in maps]
            for task, decoder in self.decoders.items():
                truth = getattr(group, decoder.truth)
                truths = {name: truth if task == 'ss' else copy.deepcopy(truth)}
                losses.update(('/'.join((task,) + key), value) for key, value in decoder.losses(own, truths).items())
            begin = end
        return losses


def build(kind, backbone, side):
    """Model, and optimizer."""
    torch.manual_seed(0)
    chosen = recipe.get('paper')
    encoder, _ = backbones.build(backbone, side, chosen)
    size = backbones.size(backbone)
    model = kind(encoder, recipe=chosen, size=size).train()
    groups = backbones.parameter_groups(model, backbone, chosen, 1e-6, 0.05)
    return model, torch.optim.AdamW(groups, lr=1e-6)


def step(model, optimizer, batches, number):
    """Losses of one step."""
    loader.seed_step(0, number, 0)
    losses = model({name: prepare(batch) for name, batch in batches.items()})
    optimizer.zero_grad(set_to_none=True)
    total(losses).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    return {name: float(value) for name, value in losses.items() if 'loss' in name}


def check_equal(models, steps):
    """Largest relative difference of the thirty losses, with sampling made the same."""
    drawn = RandomSampler.random_choice
    RandomSampler.random_choice = lambda self, gallery, num: gallery[:num]
    try:
        first, second = (step(*models[name], steps[0], 0) for name in ('published', 'ours'))
    finally:
        RandomSampler.random_choice = drawn
    worst = max(abs(first[name] - second[name]) / max(abs(second[name]), 1e-3) for name in second)
    if list(sorted(first)) != list(sorted(second)) or worst > 1e-2:
        raise SystemExit(f'the two ways differ by {worst:.1e}: no benchmark of different functions')
    return worst


def run_published(pair, steps, numbers):
    """Seconds of each step but the first, with everything in this process."""
    seconds = []
    for number in numbers:
        begin = CLOCK()
        step(*pair, steps[number], number)
        seconds.append(CLOCK() - begin)
    return seconds[1:]


def run_ours(pair, steps, numbers, workers):
    """Seconds of each step but the first, with loader processes: what is shared with them is copied in the first."""
    seconds = []
    with loader.running(loader.build_dataloader(steps, numbers[0], numbers[-1] + 1, workers)) as batches:
        for number in numbers:
            begin = CLOCK()
            step(*pair, next(batches), number)
            seconds.append(CLOCK() - begin)
    return seconds[1:]


def compare(backbone, sources, rounds, count):
    side = SIDES[backbone]
    steps = loader.StepDataset(sources, {name: 1 for name in sources}, side, recipe.get('paper'))
    models = {'published': build(Published, backbone, side), 'ours': build(PretrainModel, backbone, side)}
    models['published'][0].slow_down()
    worst = check_equal(models, steps)
    seconds = {'published': [], 'ours': []}
    for turn in range(rounds + 1):
        numbers = range(turn * count, (turn + 1) * count)
        spent = {'published': run_published(models['published'], steps, numbers),
                 'ours': run_ours(models['ours'], steps, numbers, 1)}
        for name in spent if turn else ():  # the first round is for warming up
            seconds[name].append(statistics.mean(spent[name]))
    ratios = [a / b for a, b in zip(seconds['published'], seconds['ours'])]
    print(
        '{} at {}: losses differ by {:.0e}; published {:.2f} s, ours {:.2f} s a step; '
        'ratio {:.2f} ({:.2f} to {:.2f})'.format(
        backbone, side, worst, statistics.median(seconds['published']), statistics.median(seconds['ours']),
        statistics.median(ratios), min(ratios), max(ratios)), flush=True)
    return statistics.median(ratios)


def main():
    global CLOCK
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('backbones', nargs='*', choices=[[]] + sorted(SIDES), default=[])
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--quick', action='store_true', help='the reduced network, one round')
    parser.add_argument('--busy', action='store_true', help='measure processor time, on a machine with other work')
    options = parser.parse_args()
    CLOCK = time.process_time if options.busy else time.perf_counter
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, MTP_DATA_ROOT=folder, PYTHONPATH=ROOT)
        for words in (['-m', 'mtp.data.samples', 'samrs', '--out', folder, '--images', '4'],
                      [os.path.join(ROOT, 'scripts', 'convert_pkl_json.py'), '--jobs', '1']):
            subprocess.run([sys.executable] + words, check=True, env=environment, stdout=subprocess.DEVNULL)
        os.environ['MTP_DATA_ROOT'] = folder
        sources = {name: annotations.read(name) for name in tasks.DATASETS}
        names = options.backbones or (DEFAULT[:1] if options.quick else DEFAULT)
        ratios = [compare(name, sources, 1 if options.quick else options.rounds, 2 if options.quick else 4)
                  for name in names]
    return 'slower than as published' if min(ratios) < 0.9 else 0  # below 0.9 is more than noise


if __name__ == '__main__':
    sys.exit(main())
