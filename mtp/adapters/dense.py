"""The loop of a map: windows of images, in order, through a network, blended and written a row of windows at a time.

A network is an object with ``channels``, ``prepare(pixels)`` (what the toolbox's pipeline makes of one window: a list
of (side, side, 3) uint8 BGR, one or a pair; runs in the loader's workers), ``collate(samples)``, ``load()`` and
``__call__(batch)`` (scores (n, channels, side, side) float32, an array). ``mtp.adapters.mmrotate1.dense`` has it.

Blending and writing are done by a thread beside the network: NumPy lets go of the interpreter's lock, and a GPU does
not wait for them. Windows of all images stand in one row, and a batch is always made of the same ones: what is written
depends neither on the number of processes nor on where a run was killed. The first row of windows of a share is
computed by two.
"""
import os
import time
from concurrent import futures
from functools import partial
from typing import (Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Protocol, Sequence, Set,
                    Tuple, Type, Union)

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from mtp import progress
from mtp.adapters import inference
from mtp.errors import MTPError
from mtp.tiles import blend, cut, masked, parts
from mtp.tiles.rows import Rows

PADDING = (104, 116, 124)  # about the mean that is subtracted: what lies outside an image is nothing


#: (image, row of windows): what is written at once.
Strip = Tuple[int, int]
#: Window, what it is (what is wrong with its image, or whether there is data), where there is data (None: everywhere).
Mark = Tuple[int, Union[inference.Broken, bool], Optional[np.ndarray]]


class Network(Protocol):
    """See above."""
    channels: int

    def prepare(self, pixels: List[np.ndarray]) -> Any:
        """A sample of the pixels (side, side, 3) uint8 BGR of one window, or of a pair of windows."""

    def collate(self, samples: List[Any]) -> Any:
        """Samples -> batch."""

    def load(self) -> None:
        """Build the network and read its weights."""

    def __call__(self, batch: Any) -> np.ndarray:
        """Batch -> scores (n, channels, side, side) float32, which stay as they are: they are read during the next."""


class Image(NamedTuple):
    """One image of a map, or a pair of one grid: id, files, and its windows."""
    stem: str
    paths: Tuple[str, ...]
    grid: blend.Grid


class Order:
    """All windows of all images in one row.

    Args:
        images: list of :class:`Image`.

    Attributes:
        strips: (image, row of windows) of each part, in order.
        count: of windows.
    """

    def __init__(self, images: Sequence[Image]) -> None:
        self.images = images
        self.strips = [(number, row) for number, image in enumerate(images) for row in range(len(image.grid.y))]
        sizes = [len(image.grid.x) * len(image.grid.y) for image in images]
        self._first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.count = int(self._first[-1])

    def place(self, window: int) -> Tuple[int, int, int]:
        """(image, row, column) of a window."""
        number = int(np.searchsorted(self._first, window, 'right')) - 1
        row, column = divmod(int(window - self._first[number]), len(self.images[number].grid.x))
        return number, row, column

    def needed(self, strips: Iterable[Strip]) -> np.ndarray:
        """Which windows (count,) bool reach into ``strips``."""
        found = np.zeros(self.count, bool)
        for number, row in strips:
            grid, first = self.images[number].grid, self._first[number]
            found[first + grid.lead(row) * len(grid.x):first + (row + 1) * len(grid.x)] = True
        return found

    def share(self, rank: int, world: int) -> List[Strip]:
        """The strips of one of ``world`` processes: neighbours, with about the same number of windows for each."""
        width = [len(self.images[number].grid.x) for number, _ in self.strips]
        edges = np.searchsorted(np.cumsum(width), self.count * np.arange(1, world) / world)
        begin, end = ([0] + edges.tolist() + [len(self.strips)])[rank:rank + 2]
        return self.strips[begin:end]


class _Windows(Dataset):
    """Batches of prepared windows by number; each worker reads an image from top to bottom."""

    def __init__(self, order: Order, batches: List[int], network: Network, size: int,
                 opener: Callable[[str], Rows]) -> None:
        self.order, self.batches, self.size, self.opener = order, batches, size, opener
        self.prepare, self.collate = network.prepare, network.collate
        self._at: Optional[int] = None
        self._rows: List[Rows] = []
        self._broken: Dict[int, inference.Broken] = {}

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Tuple[List[Mark], Any]:
        first = self.batches[index] * self.size
        found = [(window,) + self._window(window) for window in range(first, min(first + self.size, self.order.count))]
        samples = [sample for _, sample, _ in found if sample is not None and not isinstance(sample, inference.Broken)]
        # what is left of a window is where there is data: None everywhere, False nowhere
        marks = [(window, sample if isinstance(sample, inference.Broken) else sample is not None, valid)
                 for window, sample, valid in found]
        return marks, self.collate(samples) if samples else None

    def _window(self, window: int) -> Tuple[Any, Optional[np.ndarray]]:
        number, row, column = self.order.place(window)
        image = self.order.images[number]
        if number in self._broken:
            return self._broken[number], None
        try:
            if self._at != number:
                self._at, self._rows = number, [self.opener(path) for path in image.paths]
            return self._read(image.grid, row, column)
        except (MTPError, OSError) as error:  # OSError: gone since it was listed, or the disk does not answer
            self._broken[number] = inference.broken(' or '.join(image.paths), error)
            return self._broken[number], None

    def _read(self, grid: blend.Grid, row: int, column: int) -> Tuple[Any, Optional[np.ndarray]]:
        x, y = grid.x[column], grid.y[row]
        pieces, valid = [], None
        for rows in self._rows:
            pixels = cut.crop(rows.take(y, y + grid.side), (x, 0, x + grid.side, grid.side), PADDING)
            pixels, there = masked.valid_of(pixels)
            pieces.append(pixels)
            valid = there if valid is None else valid if there is None else valid & there
        if valid is not None and not valid.any():
            return None, valid
        return self.prepare(pieces), valid


class Spent(NamedTuple):
    """What a map took: windows through the network, windows that hold no data, seconds in all, in the network."""
    windows: int
    empty: int
    seconds: float
    network: float


def run(network: Network, images: Sequence[Image], overlap: int, folder: str, mark: str, settings: inference.Settings,
        pack: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Spent:
    """Compute this rank's share of the maps; parts that are there already are passed over.

    Args:
        network: see above; loaded only when there is something to do.
        images: list of :class:`Image`.
        overlap: of windows.
        folder: of the parts; see :mod:`mtp.tiles.parts`.
        mark: fingerprint.
        settings: :class:`~mtp.adapters.inference.Settings`.
        pack: function (scores (channels, rows, width), valid (rows, width)) -> numbers of a part.

    Returns:
        :class:`Spent`.

    Raises:
        MTPError: parts of another prediction; images that cannot be read, when all others are done.
    """
    order = Order(images)
    mine = order.share(settings.rank, settings.world)
    todo = [strip for strip in mine if not parts.is_done(_path(folder, images, strip), mark)]
    writer = _Writer(order, set(todo), overlap, network.channels, folder, mark, pack)
    needed = order.needed(todo)
    batches = np.unique(np.flatnonzero(needed) // settings.batch).tolist()
    total, start = int(order.needed(mine).sum()), time.perf_counter()
    shown = progress.Progress('windows', total=total, done=total - int(needed.sum())) if settings.rank == 0 else None
    windows, empty, seconds = 0, 0, 0.0
    with _Beside() as beside:
        for marks, batch in _batches(order, batches, network, settings) if batches else ():
            before = time.perf_counter()
            scores = network(batch) if batch is not None else ()
            seconds += time.perf_counter() - before
            beside.do(partial(writer.take, marks, scores, needed))
            windows += sum(what is True for _, what, _ in marks)
            empty += sum(what is False for _, what, _ in marks)
            if shown:
                shown.update(int(needed[[window for window, _, _ in marks]].sum()))
    writer.close()
    spent = Spent(windows, empty, time.perf_counter() - start, seconds)
    if shown:
        shown.close(inference.note(windows, empty, spent.network / spent.seconds))
    inference.say_broken(writer.broken)
    return spent


def _path(folder: str, images: Sequence[Image], strip: Strip) -> str:
    return parts.path_of(folder, images[strip[0]].stem, strip[1])


class _Beside:
    """Does one thing after another beside the network, which waits only where there is one more to be done; what is
    raised there is raised here. A context manager: at its end all is done.
    """

    def __enter__(self) -> '_Beside':
        self._thread = futures.ThreadPoolExecutor(1)
        self._last: Optional['futures.Future[None]'] = None
        return self

    def do(self, work: Callable[[], None]) -> None:
        """Begin ``work`` when the one before it is done."""
        self._wait()
        self._last = self._thread.submit(work)

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        self._thread.shutdown()
        if kind is None:
            self._wait()


class _Writer:
    """Takes windows in order and writes the rows that are complete."""

    _band: blend.Band  # of the row of windows at hand

    def __init__(self, order: Order, todo: Set[Strip], overlap: int, channels: int, folder: str, mark: str,
                 pack: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        self.order, self.todo, self.overlap, self.channels = order, todo, overlap, channels
        self.folder, self.mark, self.pack = folder, mark, pack
        self.broken: List[inference.Broken] = []
        self._at: Optional[Strip] = None

    def take(self, marks: Sequence[Mark], scores: Iterable[np.ndarray], needed: np.ndarray) -> None:
        """The windows of a batch: what each is, and the scores of those with data; others than ``needed`` pass by."""
        found = iter(scores)
        for window, what, valid in marks:
            mine = next(found) if what is True else None
            if needed[window]:
                self.add(self.order.place(window), what if isinstance(what, inference.Broken) else mine, valid)

    def add(self, place: Tuple[int, int, int], scores: Union[None, np.ndarray, inference.Broken],
            valid: Optional[np.ndarray]) -> None:
        """One window: its scores, None where it holds no data, or what is wrong with its image."""
        number, row, column = place
        if self._at != (number, row):
            self._next(number, row)
        if isinstance(scores, inference.Broken):
            self.broken.append(scores)
            self.todo = {strip for strip in self.todo if strip[0] != number}
        elif scores is not None:
            self._band.add(column, scores, valid)

    def _next(self, number: int, row: int) -> None:
        self.close()
        if self._at is not None and self._at == (number, row - 1):
            self._band.move()
        else:
            self._band = blend.Band(self.order.images[number].grid, self.overlap, self.channels, row)
        self._at = number, row

    def close(self) -> None:
        """Write the rows that are complete."""
        if self._at is not None and self._at in self.todo:
            rows = np.concatenate([self.pack(*each) for each in self._band.finished()], axis=1)
            parts.write(_path(self.folder, self.order.images, self._at), rows, self.mark)


def _batches(order: Order, batches: List[int], network: Network,
             settings: inference.Settings) -> Iterator[Tuple[List[Mark], Any]]:
    """Iterator of (marks, batch) in order. The workers begin to read before the network is there."""
    cv2.setNumThreads(0)  # the workers are the parallelism
    windows = _Windows(order, batches, network, settings.batch, settings.opener)
    found = iter(DataLoader(windows, batch_size=None, num_workers=settings.workers, collate_fn=inference.as_it_is,
                            worker_init_fn=partial(inference.begin, os.getpid())))
    network.load()
    return found
