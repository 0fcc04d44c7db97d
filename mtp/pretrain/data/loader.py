"""From annotations to batches: the batch of a step is a pure function of (seed, step, rank), whoever computes it."""
import contextlib
import dataclasses
import signal
from typing import Any, Dict, Iterator, List, Tuple, Union

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from mtp import faults, loaders
from mtp.errors import MTPError
from mtp.processes import GENTLE

from .. import tasks
from ..recipe import Recipe
from . import samples
from .annotations import Annotations
from .batch import DatasetBatch, Truth

loaders.install()

PERMUTATION, AUGMENTATION, TRAINING = 0, 1, 2  # first number of a generator's key: what it is for


def batch_sizes(batch: int, counts: Dict[str, int], mode: str = 'avg') -> Dict[str, int]:
    """Images of each data set in one step of one process.

    Args:
        batch: images of all data sets together.
        counts: data set -> number of its training images.
        mode: ``avg`` shares equally; ``ratio`` by the number of images, at least one each. Both round down.

    Raises:
        MTPError: fewer images than data sets.
    """
    if batch < len(counts):
        raise MTPError('--batch_size {} is smaller than the number of data sets ({}: {})'.format(
            batch, len(counts), ' '.join(counts)), hint=f'--batch_size {len(counts)}')
    if mode == 'avg':
        return {name: batch // len(counts) for name in counts}
    sizes = {name: max(batch * number // sum(counts.values()), 1) for name, number in counts.items()}
    while sum(sizes.values()) > batch:  # the lower bound of one image may have lifted a small set
        sizes[max(sizes, key=lambda name: sizes[name])] -= 1
    return sizes


class StepDataset(Dataset):
    """Item n is the batch of step n (from 0): data set -> DatasetBatch, or the MTPError that prevented it.

    Each data set is gone through in its own endless sequence of permutations, keyed by (seed, data set, epoch); process
    ``rank`` of ``world`` takes every ``world``-th batch of it.

    Args:
        sources: data set -> Annotations.
        sizes: data set -> images a step.
        side: image size in pixels.
        recipe: :class:`~mtp.pretrain.recipe.Recipe`.
        seed, rank, world: non-negative integers.
        skip_bad: replace a damaged sample by another image instead of failing.
        augment: False takes every image whole and undistorted.
        length: number of steps.
    """

    def __init__(self, sources: Dict[str, Annotations], sizes: Dict[str, int], side: int, recipe: Recipe, seed: int = 0,
                 rank: int = 0, world: int = 1, skip_bad: bool = False, augment: bool = True,
                 length: int = 1 << 40) -> None:
        self.sources, self.sizes, self.side, self.recipe = sources, sizes, side, recipe
        self.seed, self.rank, self.world, self.skip_bad, self.length = seed, rank, world, skip_bad, length
        self.augment, self._orders = augment, {}

    def __len__(self) -> int:
        return self.length

    def _order(self, name: str, epoch: int) -> np.ndarray:
        if self._orders.get(name, (None,))[0] != epoch:
            rng = samples.generator(PERMUTATION, self.seed, tasks.number(name), epoch)
            self._orders[name] = epoch, rng.permutation(len(self.sources[name]))
        return self._orders[name][1]

    def image_index(self, name: str, step: int, slot: int) -> Tuple[int, int]:
        """Which image stands in ``slot`` of this process's batch of ``step``, and in which epoch of its data set."""
        place = (step * self.world + self.rank) * self.sizes[name] + slot
        epoch, row = divmod(place, len(self.sources[name]))
        return int(self._order(name, epoch)[row]), epoch

    def __getitem__(self, step: int) -> Union[Dict[str, DatasetBatch], MTPError]:
        try:
            return {name: self._batch(name, step) for name in self.sources}
        except MTPError as error:
            return error

    def _batch(self, name: str, step: int) -> DatasetBatch:
        skipped = []
        made = [self._sample(name, step, slot, skipped) for slot in range(self.sizes[name])]
        return dataclasses.replace(samples.collate(made, self.side, self.recipe.small_crop_label), skipped=skipped)

    def _sample(self, name: str, step: int, slot: int, skipped: List[str]) -> Tuple[np.ndarray, np.ndarray, Truth]:
        source, (index, _) = self.sources[name], self.image_index(name, step, slot)
        rng = samples.generator(AUGMENTATION, self.seed, step, self.rank, tasks.number(name), slot)
        for _ in range(len(source)):
            try:
                return samples.make(source, index, self.side, rng, self.recipe.colour, self.augment)
            except MTPError as error:
                faults.stop_at_a_limit(error)
                if not self.skip_bad:
                    raise
                skipped.append(str(error))
                index = (index + 1) % len(source)
        raise MTPError(f'{name}: no image of the data set can be read')


def _as_made(item: Any) -> Any:
    return item


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)  # one process, one core: the workers are the parallelism
    for number in GENTLE + (signal.SIGINT,):  # sent to the whole group; the trainer decides
        signal.signal(number, signal.SIG_IGN)


def build_dataloader(dataset: Dataset, first: int, last: int, workers: int, pin: bool = False) -> DataLoader:
    """Loader of the batches of steps ``first`` .. ``last`` - 1, made by ``workers`` processes (0: in this one)."""
    ahead = dict(prefetch_factor=3) if workers else {}  # torch 2 refuses a number where there is no worker
    return DataLoader(dataset, batch_size=None, sampler=range(first, last), num_workers=workers, pin_memory=pin,
                      worker_init_fn=_start_worker, collate_fn=_as_made, **ahead)


@contextlib.contextmanager
def running(dataloader: DataLoader) -> Iterator[Iterator]:
    """Iterator over the batches of ``dataloader``.

    Its processes end with the block, also when it raises: they ignore the signals that end other processes.
    """
    batches = iter(dataloader)
    try:
        yield batches
    finally:
        if dataloader.num_workers:
            batches._shutdown_workers()


def epochs(dataset: StepDataset, step: int) -> int:
    """Largest epoch that any data set has reached at ``step``."""
    return max(dataset.image_index(name, step, 0)[1] for name in dataset.sources)


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch for one step, so that drop path and box sampling are functions of (seed, step, rank) too."""
    torch.manual_seed(int(samples.generator(TRAINING, seed, step, rank).integers(1 << 62)))
