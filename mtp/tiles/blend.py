"""Scores of overlapping windows, blended into those of the whole image, a row of windows at a time.

A window counts fully in its middle and less and less towards its sides, and nothing at all where the network saw its
rim: along a side that another window reaches over, the outer quarter of the overlap counts nothing and the rest rises
linearly. So there are no seams, and a network whose receptive field is at most that quarter gives what it gives for the
image in one piece. Along the border of the image there is no other window: there it counts fully.

Memory holds the rows of one window over the whole width, whatever the height of the image.
"""
from typing import Iterator, NamedTuple, Optional, Tuple

import numpy as np

from .windows import starts

#: Of the overlap: the part that counts nothing.
_RIM = 4
#: Numbers that are added, and divided, at a time.
_ADDED, _TAKEN = 1 << 15, 1 << 19


class Grid(NamedTuple):
    """Windows over an image.

    Attributes:
        width, height: of the image.
        side: of a window.
        x, y: where the windows begin, rising.
    """
    width: int
    height: int
    side: int
    x: Tuple[int, ...]
    y: Tuple[int, ...]

    def rows(self, row: int) -> Tuple[int, int]:
        """(first, last + 1) of the rows of the image that are complete once the windows of ``row`` are in."""
        return self.y[row], self.y[row + 1] if row + 1 < len(self.y) else self.height

    def lead(self, row: int) -> int:
        """The first row of windows that reaches over the first of :meth:`rows`."""
        return next(index for index, start in enumerate(self.y) if start + self.side > self.y[row])


def grid(width: int, height: int, side: int, overlap: int) -> Grid:
    """The :class:`Grid` of windows that overlap by ``overlap`` pixels, the last by more."""
    return Grid(width, height, side, tuple(starts(width, side, overlap).tolist()),
                tuple(starts(height, side, overlap).tolist()))


def profile(start: int, side: int, length: int, overlap: int) -> np.ndarray:
    """Weight (side,) float32 of each pixel of a window along one axis.

    Args:
        start: of the window.
        side: of it.
        length: of the image along this axis.
        overlap: of neighbouring windows.
    """
    rim = overlap // _RIM
    ramp = max(1, overlap - 2 * rim)
    rise = np.clip((np.arange(side) - rim + 1) / (ramp + 1), 0, 1)
    weight = np.ones(side)
    if start > 0:
        weight = np.minimum(weight, rise)
    if start + side < length:
        weight = np.minimum(weight, rise[::-1])
    return weight.astype(np.float32)


class Band:
    """Sums over the rows of one row of windows.

    Args:
        grid: :class:`Grid`.
        overlap: of it.
        channels: scores of a pixel.
        row: of windows, the first one.
    """

    def __init__(self, grid: Grid, overlap: int, channels: int, row: int = 0) -> None:
        self.grid, self.overlap, self.row = grid, overlap, row
        self._sums = np.zeros((channels, grid.side, grid.width), np.float32)
        self._valid = np.zeros((grid.side, grid.width), bool)
        self._x = [profile(start, grid.side, grid.width, overlap) for start in grid.x]
        self._total = np.zeros(grid.width, np.float32)
        for start, weight in zip(grid.x, self._x):
            part = self._total[start:start + grid.side]
            part += weight[:len(part)]
        self._down = np.zeros(grid.side, np.float32)
        self._weigh()

    def _weigh(self) -> None:
        self._y = profile(self.grid.y[self.row], self.grid.side, self.grid.height, self.overlap)
        self._down += self._y

    def move(self) -> None:
        """Go down to the next row of windows; rows above it are gone."""
        step = self.grid.y[self.row + 1] - self.grid.y[self.row]
        for held, axis in ((self._sums, 1), (self._valid, 0), (self._down, 0)):
            rows = np.moveaxis(held, axis, 0)
            for start in range(0, len(rows) - step, step):  # in pieces that do not overlap
                piece = rows[start + step:start + 2 * step]
                rows[start:start + len(piece)] = piece
            rows[-step:] = 0
        self.row += 1
        self._weigh()

    def add(self, column: int, scores: np.ndarray, valid: Optional[np.ndarray] = None) -> None:
        """Add one window.

        Args:
            column: of it in the grid.
            scores: (channels, side, side) float32.
            valid: (side, side) bool, where the image holds data; None for everywhere.
        """
        start = self.grid.x[column]
        stop = min(start + self.grid.side, self.grid.width)
        weight = np.outer(self._y, self._x[column][:stop - start])
        for rows in _pieces(len(weight), stop - start, _ADDED):
            for sums, plane in zip(self._sums[:, rows, start:stop], scores[:, rows, :stop - start]):
                sums += plane * weight[rows]
        self._valid[:, start:stop] |= True if valid is None else valid[:, :stop - start]

    def finished(self) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
        """Yield the rows that are complete, a few at a time from top to bottom: mean scores (channels, n, width)
        float32, and where there is data (n, width) bool.
        """
        first, last = self.grid.rows(self.row)
        for rows in _pieces(last - first, self.grid.width * len(self._sums), _TAKEN):
            weight = np.maximum(np.outer(self._down[rows], self._total), np.float32(1e-12))
            yield self._sums[:, rows] / weight, self._valid[rows]


def _pieces(count: int, width: int, numbers: int) -> Iterator[slice]:
    """``count`` rows in pieces of about so many numbers each: what is made of one is still in the processor's cache
    when it is needed.
    """
    step = max(1, numbers // width)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
