"""The loop of a test, the same in both environments: tiles from their source, through a detector, into a rank's shard.

A detector is an object with ``classes``, ``prepare(tile, pixels)`` (what the toolbox's pipeline makes of one tile; runs
in the loader's workers), ``collate(samples)``, ``load()`` (the network and its weights) and ``__call__(batch)`` (boxes
(n, 5) float32, scores (n,), labels (n,) of each tile). ``mtp.adapters.<environment>.detector`` has it.
"""
import os
import shlex
import time
from functools import partial
from typing import Any, Callable, Iterable, Iterator, List, NamedTuple, Optional, Protocol, Sequence, Tuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mtp import faults, loaders, progress, workers
from mtp.errors import FAILED, MTPError
from mtp.tiles import masked, rows, shards, sources

loaders.install()

#: Boxes, scores and labels of a window in which nothing was found.
NOTHING = np.zeros((0, 5), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)


#: Of one tile: boxes (n, 5) float32 in pixels and radians, scores (n,), labels (n,).
Columns = Tuple[np.ndarray, np.ndarray, np.ndarray]


class Detector(Protocol):
    """See above."""

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes; position = label."""

    def prepare(self, tile: str, pixels: np.ndarray) -> Any:
        """A sample of the pixels (height, width, 3) uint8 BGR of one tile."""

    def collate(self, samples: List[Any]) -> Any:
        """Samples -> batch."""

    def load(self) -> None:
        """Build the network and read its weights."""

    def __call__(self, batch: Any) -> Iterable[Columns]:
        """Batch -> what is found in each of its tiles."""


class Settings(NamedTuple):
    """How a test runs.

    Attributes:
        rank, world: which of how many processes this is.
        batch: tiles a forward pass.
        workers: processes that read and prepare tiles; 0 does it in this one.
        opener: function from a path to rows; see :func:`mtp.tiles.rows.open_rows`.
    """
    rank: int = 0
    world: int = 1
    batch: int = 1
    workers: int = 0
    opener: Callable[[str], rows.Rows] = rows.open_rows

    @property
    def readers(self) -> int:
        """Processes that read images, of all ranks together."""
        return self.world * max(1, self.workers)


class Spent(NamedTuple):
    """What a test took: tiles done now, seconds in all, seconds in the network."""
    tiles: int
    seconds: float
    network: float


class Broken(NamedTuple):
    """An image that could not be read."""
    path: str
    message: str


def broken(path: str, error: Exception) -> Broken:
    """A :class:`Broken`; what to do next is said once for all of them.

    Raises:
        MTPError: the machine does not let it be read, nor any other.
    """
    faults.stop_at_a_limit(error)
    return Broken(path, error.args[0] if isinstance(error, MTPError) else str(error))


def detect(detector: Detector, pieces: Sequence[sources.Piece], folder: str, mark: str, settings: Settings) -> Spent:
    """Run a detector over this rank's share of the tiles and append what it finds to the rank's shard.

    Tiles that are in a shard already are passed over. An image that cannot be read is passed over too, and named when
    all others are done.

    Args:
        detector: see above; it is loaded only when there is something to do.
        pieces: all tiles of the test; see :mod:`mtp.tiles.sources`.
        folder: of the shards.
        mark: fingerprint of the test.
        settings: :class:`Settings`.

    Returns:
        :class:`Spent`.

    Raises:
        MTPError: the folder holds another test; images that cannot be read.
    """
    mine = sources.deal(pieces, settings.world)[settings.rank]
    total = sum(len(piece.tiles) for piece in mine)
    network, start, count, empty, broken = 0.0, time.perf_counter(), 0, 0, []
    with shards.ShardWriter(folder, settings.rank, settings.world, detector.classes, mark) as writer:
        todo = sources.without(mine, writer.done)
        left = sum(len(piece.tiles) for piece in todo)
        shown = progress.Progress(_label(settings), total=total, done=total - left) if settings.rank == 0 else None
        for tiles, batch in _batches(todo, detector, settings) if todo else ():
            if isinstance(batch, Broken):
                broken.append(batch)
                continue
            if batch is None:  # a window without data: there is nothing in it
                writer.append(tiles[0], *NOTHING)
                empty += 1
                if shown:
                    shown.update()
                continue
            before = time.perf_counter()
            found = detector(batch)
            network += time.perf_counter() - before
            for tile, columns in zip(tiles, found):
                writer.append(tile, *columns)
            count += len(tiles)
            if shown:
                shown.update(len(tiles))
        seconds = time.perf_counter() - start
        if shown:
            shown.close(note(count, empty, network / seconds))
    say_broken(broken)
    return Spent(count, seconds, network)


def note(count: int, empty: int, share: float) -> str:
    """What a line of progress ends with: how much of the time the network took, and windows that hold no data."""
    notes = [f'network {100 * share:.0f} % of the time'] if count else []
    return ', '.join(notes + ([f'{empty} without data passed over'] if empty else []))


def _label(settings: Settings) -> str:
    return 'test' if settings.world == 1 else f'test (first of {settings.world} processes)'


def say_broken(broken: Sequence[Broken]) -> None:
    """Raise MTPError where images could not be read: ``broken``, a list of :class:`Broken`."""
    if broken:
        names = sorted(set(each.path for each in broken))
        closed = [name for name in names if faults.may_not_be_read(name)]
        mend = 'ls -ld {}: you may not read {}, mend that'.format(
            ' '.join(map(shlex.quote, closed[:5])), 'them' if len(closed) > 1 else 'it') if closed else (
                'replace ' + ', '.join(names[:5]))
        raise MTPError('{} image{} could not be read; the others are done. {}: {}'.format(
            len(names), 's' if len(names) > 1 else '', os.path.basename(broken[0].path), broken[0].message),
            hint=f'{mend}, and start the same command again: it does what is missing', code=FAILED)


class _Batches(IterableDataset):
    """Batches of prepared tiles; each worker reads pieces of its own."""

    def __init__(self, pieces: Sequence[sources.Piece], detector: Detector, settings: Settings) -> None:
        super().__init__()
        self.pieces, self.settings = pieces, settings
        self.prepare, self.collate = detector.prepare, detector.collate

    def __iter__(self) -> Iterator[Tuple[List[Any], Any]]:
        worker = get_worker_info()
        pieces = sources.deal(self.pieces, worker.num_workers)[worker.id] if worker else self.pieces
        tiles, samples = [], []
        for tile, sample in self._samples(pieces):
            if isinstance(sample, Broken) or sample is None:
                yield [tile], sample
                continue
            tiles.append(tile)
            samples.append(sample)
            if len(samples) == self.settings.batch:
                yield tiles, self.collate(samples)
                tiles, samples = [], []
        if samples:
            yield tiles, self.collate(samples)

    def _samples(self, pieces: Iterable[sources.Piece]) -> Iterator[Tuple[Optional[str], Any]]:
        for piece in pieces:
            try:
                for tile, pixels in sources.read(piece, self.settings.opener):
                    pixels, valid = masked.valid_of(pixels)
                    empty = valid is not None and not valid.any()
                    yield tile, None if empty else self.prepare(tile, pixels)
            except (MTPError, OSError) as error:  # OSError: gone since it was listed, or the disk does not answer
                yield None, broken(piece.path, error)


def _batches(pieces: Sequence[sources.Piece], detector: Detector,
             settings: Settings) -> Iterator[Tuple[List[Any], Any]]:
    """Iterator of (tile ids, batch). The workers begin to read before the network is there."""
    cv2.setNumThreads(0)  # the workers are the parallelism; they would wait for ever if they said so themselves
    found = iter(DataLoader(_Batches(pieces, detector, settings), batch_size=None, num_workers=settings.workers,
                            collate_fn=as_it_is, worker_init_fn=partial(begin, os.getpid())))
    detector.load()
    return found


def as_it_is(batch: Any) -> Any:
    """What a loader does with a batch that is one already."""
    return batch


def begin(parent: int, _: int) -> None:
    """What a worker of a loader does first."""
    workers.begin(parent)  # the reader of a process that was killed waits for ever: nobody takes what it has read
    torch.set_num_threads(1)
