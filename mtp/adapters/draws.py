"""What is drawn at random in a training, as a function of (seed, step, place): both environments.

The toolboxes draw from the process's generators, which no checkpoint holds, and begin their data anew when they go on
from one. Here each sample and each step seeds them, and the order of the data goes on where it was: a run that is
killed and goes on ends with the weights of a run that was not.
"""
import hashlib
import itertools
import random
from typing import Any, Iterator, List, Tuple, TypeVar, Union

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler


def seed(*key: Union[int, str]) -> None:
    """Seed the generators of Python, NumPy and torch with a hash of ``key``, a few numbers and words."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    random.seed(digest[:8])
    np.random.seed(int.from_bytes(digest[8:12], 'little'))
    torch.manual_seed(int.from_bytes(digest[12:19], 'little'))


#: A few numbers and words.
Key = Tuple[Union[int, str], ...]
#: A loop of mmengine, which is not known here.
Loop = TypeVar('Loop')


class Draw(int):
    """Index of a sample; ``key`` says what its random numbers come from."""

    key: Key

    def __new__(cls, index: int, key: Key) -> 'Draw':
        made = super().__new__(cls, index)
        made.key = key
        return made

    def __reduce__(self) -> Tuple[Any, ...]:
        return Draw, (int(self), self.key)


class Batches:
    """A batch sampler whose indices are :class:`Draw`.

    Args:
        inner: the batch sampler.
        key: of the run: seed, rank.
        done: steps made before.
        left_out: batches of the first pass over ``inner`` that are not given: they were trained on.
    """

    def __init__(self, inner: BatchSampler, key: Key, done: int = 0, left_out: int = 0) -> None:
        self.inner, self.key, self.done, self.left_out = inner, key, done, left_out

    def __getattr__(self, name: str) -> Any:  # sampler, batch_size, ...: hooks ask for them
        if name == 'inner' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __len__(self) -> int:
        return len(self.inner)

    def __iter__(self) -> Iterator[List[Draw]]:
        left_out, self.left_out = self.left_out, 0
        for batch in itertools.islice(self.inner, left_out, None):
            step, self.done = self.done, self.done + 1
            yield [Draw(index, self.key + (step, place)) for place, index in enumerate(batch)]


class Drawn:
    """A data set that seeds before it makes a sample; everything else is the data set's."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        if isinstance(index, Draw):
            seed(*index.key)
        return self.dataset[int(index)]


def purely(loader: DataLoader, key: Key, done: int = 0, by_epoch: bool = True) -> DataLoader:
    """Let ``loader`` (a DataLoader with a batch sampler) give what ``key`` and the step decide, from step ``done`` on.

    Args:
        by_epoch: the loop counts epochs, and tells the sampler; otherwise steps, and the first one left is given first.

    Returns:
        ``loader``. One that has no batch sampler (a stream) is left as it is.
    """
    batches, left_out = loader.batch_sampler, 0
    if batches is None:
        return loader
    if not by_epoch:
        endless = not hasattr(loader.sampler, 'set_epoch') or 'Infinite' in type(loader.sampler).__name__
        first, left_out = (0, done) if endless else divmod(done, len(batches))
        if first:
            _count_from(loader.sampler, first)
    # DataLoader forbids the change because it might have begun; this one has not
    vars(loader).update(batch_sampler=Batches(batches, key, done, left_out), dataset=Drawn(loader.dataset))
    return loader


def once(loop: Loop) -> Loop:
    """``loop``, an mmengine loop over a loader of :func:`purely`, which does not let its data go on a second time.

    mmengine 0.10 passes over the steps made before by itself, in loops by steps.
    """
    iterator: Any = getattr(loop, 'dataloader_iterator', None)
    if hasattr(iterator, 'skip_iter'):
        iterator.skip_iter = lambda steps: None
    return loop


def _count_from(sampler: Sampler, first: int) -> None:
    """The toolboxes count the passes over the data from where a process began: let theirs be those of the run."""
    set_epoch = sampler.set_epoch
    sampler.set_epoch = lambda epoch: set_epoch(first + epoch)
    sampler.set_epoch(0)
