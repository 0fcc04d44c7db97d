"""Validation over whole sets on all processes: every image exactly once, and one figure in per cent at the end.

See published.md#validation-of-pretraining.
The images of each set are cut into batches that do not depend on the number of processes; process r takes every
world-th batch. So any number of processes finds bit for bit what one process finds, and nothing is padded or counted
twice.
"""
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch

from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.progress import Progress

from ..data import loader, samples
from ..data.annotations import Annotations
from ..data.batch import normalise
from ..model.model import PretrainModel
from ..tasks import HEADLINE
from . import heartbeat
from .communicator import Communicator
from .metrics import METRICS
from .stop import Stop


#: What :class:`ValDataset` gives: number, data set, image indices, images (n, 3, S, S) uint8, metas, semantic labels.
Batch = Tuple[int, str, List[int], torch.Tensor, List[Dict[str, Any]], List[np.ndarray]]


class ValDataset(torch.utils.data.Dataset):
    """Item n is the n-th of this process's batches: (number, data set, image indices, images, metas, semantic labels).

    Args:
        sources: data set -> Annotations of its validation part.
        size: images at a time.
        side: input side in pixels.
        tasks: whose truth is read.
        rank, world: this process among all.
    """

    def __init__(self, sources: Dict[str, Annotations], size: int, side: int, tasks: Sequence[str], rank: int = 0,
                 world: int = 1) -> None:
        self.sources, self.side = sources, side
        self.reads_labels = any(METRICS[task].reads_labels for task in tasks)
        batches = [(name, range(begin, min(begin + size, len(source))))
                   for name, source in sources.items() for begin in range(0, len(source), size)]
        self.all = len(batches)
        self.mine = list(enumerate(batches))[rank::world]
        self.rounds = -(-self.all // world)  # of the process with most batches

    def __len__(self) -> int:
        return len(self.mine)

    def __getitem__(self, place: int) -> Union[Batch, MTPError]:
        number, (name, indices) = self.mine[place]
        source = self.sources[name]
        try:
            images, metas = zip(*(samples.whole(source, index, self.side) for index in indices))
            sizes = [meta['ori_shape'] for meta in metas]
            segs = [samples.read_semantic(source.seg(index), size, len(catalogue.get(name).classes))
                    for index, size in zip(indices, sizes)] if self.reads_labels else []
        except MTPError as error:
            return error
        return number, name, list(indices), torch.stack(images), list(metas), segs


class Evaluator:
    """What one process has found so far: a metric per task."""

    def __init__(self, tasks: Sequence[str], background: bool) -> None:
        self.first = int(not background)
        self.metrics = {task: METRICS[task](self.first) for task in tasks}

    def add(self, source: Annotations, index: int, found: Dict[str, Any], seg: Optional[np.ndarray]) -> None:
        """Count one image. ``found``: task -> its prediction; ``seg``: (h, w) uint8 truth or None."""
        for task, metric in self.metrics.items():
            metric.add(source, index, found[task], seg)

    def packed(self) -> Dict[str, Dict[str, Any]]:
        """task -> data set -> what its metric sends."""
        return {task: metric.packed() for task, metric in self.metrics.items()}


def figures(parts: List[Dict[str, Dict[str, Any]]], sources: Dict[str, Annotations], tasks: Sequence[str],
            first: int = 0) -> Dict[str, Optional[float]]:
    """Scores in per cent from what all processes packed.

    Returns:
        ``task/dataset/figure`` -> per cent (None where a set has no object of the task), and ``mean``: the mean of
        :data:`~mtp.pretrain.tasks.HEADLINE` over tasks and data sets.
    """
    result = {}
    for name, source in sources.items():
        found = {task: METRICS[task].figures([part[task][name] for part in parts if name in part[task]], source, first)
                 for task in tasks}
        result.update(('/'.join((task, name, key)), None if value is None else round(100 * value, 4))
                      for task, values in found.items() for key, value in values.items())
    counted = [result['/'.join((task, name, HEADLINE[task]))] for task in tasks for name in sources]
    counted = [value for value in counted if value is not None]
    result['mean'] = round(float(np.mean(counted)), 4) if counted else None
    return result


@torch.no_grad()
def evaluate(model: PretrainModel, sources: Dict[str, Annotations], side: int, comm: Communicator, size: int = 1,
             workers: int = 0, stop: Optional[Stop] = None,
             show_progress: bool = True) -> Optional[Dict[str, Optional[float]]]:
    """Validate ``model``.

    Args:
        model: PretrainModel; it is left in the mode (train or eval) that it was in.
        sources: data set -> Annotations of its validation part.
        side: input side in pixels.
        comm: :class:`~mtp.pretrain.engine.communicator.Communicator`; all of its processes have to call.
        size: images at a time in each process.
        workers: loader processes of each process.
        stop: object whose ``asked`` says that the run shall end; then validation ends early.
        show_progress: show it in the first process.

    Returns:
        In the first process the scores of :func:`figures`, in the others {}; None everywhere when it was stopped.

    Raises:
        MTPError: a file of the validation set is damaged.
    """
    dataset = ValDataset(sources, size, side, model.tasks, comm.rank, comm.world)
    evaluator, training = Evaluator(model.tasks, model.background), model.training
    progress = Progress('validation', dataset.all) if comm.is_main and show_progress else None
    dataloader = loader.build_dataloader(dataset, 0, len(dataset), workers, comm.device.type == 'cuda')
    model.eval()
    try:
        with loader.running(dataloader) as batches:
            for turn in range(dataset.rounds):
                batch = next(batches, None)
                if comm.any(isinstance(batch, MTPError)):
                    raise batch if isinstance(batch, MTPError) else heartbeat.FailedElsewhere()
                if comm.any(bool(stop and stop.asked)):
                    return None
                if batch is not None:
                    _count(model, sources, comm.device, evaluator, batch)
                if progress:
                    progress.update(min(comm.world, dataset.all - turn * comm.world))
    finally:
        model.train(training)
    if progress:
        progress.close()
    parts = comm.gather(evaluator.packed())
    return {} if parts is None else figures(parts, sources, model.tasks, evaluator.first)


def _count(model: PretrainModel, sources: Dict[str, Annotations], device: torch.device, evaluator: Evaluator,
           batch: Batch) -> None:
    _, name, indices, images, metas, segs = batch
    ready = normalise(images.to(device, non_blocking=True), [meta['img_shape'] for meta in metas])
    found = model.predict(ready, metas, name)
    for place, index in enumerate(indices):
        evaluator.add(sources[name], index, {task: values[place] for task, values in found.items()},
                  segs[place] if segs else None)
