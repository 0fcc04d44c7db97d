"""Validation over whole sets on all processes (D7): every image exactly once, and one figure in per cent at the end.

The images of each set are cut into batches that do not depend on the number of processes; process r takes every
world-th batch. So any number of processes finds bit for bit what one process finds, and nothing is padded or counted
twice.
"""
import collections

import numpy as np
import torch

from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.progress import Progress

from . import feed, samples, scores, watch
from .batch import normalise

#: What the mean is made of: the figure of each task, of each data set (spec 4, "Average accuracy").
HEADLINE = {'ss': 'mIoU', 'is': 'mask_AP', 'rd': 'AP50'}


class Plan(torch.utils.data.Dataset):
    """Item n is the n-th of this process's batches: (number, data set, image indices, images, metas, semantic labels).

    Args:
        sources: data set -> Annotations of its validation part.
        size: images at a time.
        side: input side in pixels.
        tasks: whose truth is read.
        rank, world: this process among all.
    """

    def __init__(self, sources, size, side, tasks, rank=0, world=1):
        self.sources, self.side, self.tasks = sources, side, tasks
        batches = [(name, range(begin, min(begin + size, len(source))))
                   for name, source in sources.items() for begin in range(0, len(source), size)]
        self.all = len(batches)
        self.mine = list(enumerate(batches))[rank::world]
        self.rounds = -(-self.all // world)  # of the process with most batches

    def __len__(self):
        return len(self.mine)

    def __getitem__(self, place):
        number, (name, indices) = self.mine[place]
        source = self.sources[name]
        try:
            images, metas = zip(*(samples.whole(source, index, self.side) for index in indices))
            sizes = [meta['ori_shape'] for meta in metas]
            segs = [samples.read_semantic(source.seg(index), size, len(catalogue.get(name).classes))
                    for index, size in zip(indices, sizes)] if 'ss' in self.tasks else []
        except MTPError as error:
            return error
        return number, name, list(indices), torch.stack(images), list(metas), segs


class Tally:
    """What one process has found so far: data set -> confusion table, matched instances, rotated boxes."""

    def __init__(self, tasks, background):
        self.tasks, self.first = tasks, int(not background)
        self.tables, self.hits, self.rboxes = {}, collections.defaultdict(list), collections.defaultdict(list)

    def add(self, source, index, found, seg):
        """Count one image. ``found``: task -> its prediction; ``seg``: (h, w) uint8 truth or None."""
        if 'ss' in found:
            classes = len(catalogue.get(source.name).classes) + 1
            table = scores.confusion(seg, found['ss'].cpu().numpy(), classes, self.first)
            self.tables[source.name] = self.tables.get(source.name, 0) + table
        if 'is' in found:
            self.hits[source.name].append(_match(source, index, found['is']))
        if 'rd' in found:
            boxes = found['rd'].bboxes.cpu().numpy()
            self.rboxes[source.name].append((
                np.full(len(boxes), index, np.int64), found['rd'].labels.cpu().numpy(),
                found['rd'].scores.cpu().numpy(), boxes))

    def packed(self):
        """Columns of everything, small enough to send."""
        return dict(tables=self.tables, hits={name: _columns(rows) for name, rows in self.hits.items()},
                    rboxes={name: _columns(rows) for name, rows in self.rboxes.items()})


def _match(source, index, found):
    rows = range(source.first[index], source.first[index + 1])
    truth = [source.runs(row, source.sizes[index]) for row in rows]
    ious = {'box': scores.box_overlaps(found.bboxes.cpu().numpy(), source.boxes[rows.start:rows.stop]),
            'mask': scores.mask_overlaps(found.masks.cpu().numpy(), truth)}
    return scores.match_image(index, found.labels.cpu().numpy(), found.scores.cpu().numpy(), ious,
                              source.labels[rows.start:rows.stop])


def _columns(rows):
    return tuple(np.concatenate(column) for column in zip(*rows))


def figures(parts, sources, tasks, first=0):
    """Scores in per cent from what all processes packed.

    Returns:
        ``task/dataset/figure`` -> per cent (None where a set has no object of the task), and ``mean``: the mean of
        :data:`HEADLINE` over tasks and data sets.
    """
    result = {}
    for name, source in sources.items():
        classes = catalogue.get(name).classes
        tables = [part['tables'][name] for part in parts if name in part['tables']]
        hits, rboxes = (_columns([part[kind][name] for part in parts if name in part[kind]])
                        for kind in ('hits', 'rboxes'))
        found = {}
        if 'ss' in tasks:
            found['ss'] = {'mIoU': scores.mean_iou(sum(tables)[first:, first:])}
        if 'is' in tasks:
            counts = np.bincount(source.labels, minlength=len(classes))
            found['is'] = scores.instance_figures(scores.Hits(*hits), counts)
        if 'rd' in tasks:
            found['rd'] = scores.rotated_figures(*rboxes, source, classes)
        result.update(('/'.join((task, name, key)), None if value is None else round(100 * value, 4))
                      for task, values in found.items() for key, value in values.items())
    counted = [result['/'.join((task, name, HEADLINE[task]))] for task in tasks for name in sources]
    counted = [value for value in counted if value is not None]
    result['mean'] = round(float(np.mean(counted)), 4) if counted else None
    return result


@torch.no_grad()
def run(model, sources, side, team, size=1, workers=0, stop=None, say=True):
    """Validate ``model``.

    Args:
        model: PretrainModel; it is left in the mode (train or eval) that it was in.
        sources: data set -> Annotations of its validation part.
        side: input side in pixels.
        team: :class:`~mtp.pretrain.devices.Team`; all of it has to call.
        size: images at a time in each process.
        workers: loader processes of each process.
        stop: object whose ``asked`` says that the run shall end; then validation ends early.
        say: show progress in the first process.

    Returns:
        In the first process the scores of :func:`figures`, in the others {}; None everywhere when it was stopped.

    Raises:
        MTPError: a file of the validation set is damaged.
    """
    plan = Plan(sources, size, side, model.tasks, team.rank, team.world)
    tally, training = Tally(model.tasks, model.background), model.training
    progress = Progress('validation', plan.all) if team.leads and say else None
    model.eval()
    try:
        with feed.running(feed.loader(plan, 0, len(plan), workers, team.device.type == 'cuda')) as batches:
            for turn in range(plan.rounds):
                batch = next(batches, None)
                if team.any(isinstance(batch, MTPError)):
                    raise batch if isinstance(batch, MTPError) else watch.Elsewhere()
                if team.any(bool(stop and stop.asked)):
                    return None
                if batch is not None:
                    _count(model, sources, team.device, tally, batch)
                if progress:
                    progress.update(min(team.world, plan.all - turn * team.world))
    finally:
        model.train(training)
    if progress:
        progress.close()
    parts = team.gather(tally.packed())
    return figures(parts, sources, model.tasks, tally.first) if team.leads else {}


def _count(model, sources, device, tally, batch):
    _, name, indices, images, metas, segs = batch
    ready = normalise(images.to(device, non_blocking=True), [meta['img_shape'] for meta in metas])
    found = model.predict(ready, metas, name)
    for place, index in enumerate(indices):
        tally.add(sources[name], index, {task: values[place] for task, values in found.items()},
                  segs[place] if segs else None)
