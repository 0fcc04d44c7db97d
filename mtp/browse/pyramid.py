"""An image, or a mask, as a pyramid of tiles; read from top to bottom once, a few rows in memory.

Level ``top`` has every pixel, each level below it half as many a side (rounded up), the lowest fits into one small
tile. Tiles are squares of ``TILE`` pixels without overlap, ``LEVEL/COLUMN_ROW``, smaller at the right and lower edge:
the layout of Deep Zoom, which OpenSeadragon reads.
"""
from typing import Callable, Optional, Tuple

import numpy as np

Write = Callable[[int, int, int, np.ndarray], None]  # level, column, row, pixels
TILE = 512
_LEAST = 256  # the lowest level is no larger than this


def levels(width: int, height: int) -> Tuple[int, int]:
    """(lowest, top) level of an image of this size; level n has no side longer than 2 ** n."""
    top = int(max(width, height) - 1).bit_length()
    lowest = top
    while max(width, height) > _LEAST << (top - lowest):
        lowest -= 1
    return lowest, top


def build(rows: Callable[[int, int], np.ndarray], width: int, height: int, write: Write,
          halve: Callable[[np.ndarray], np.ndarray]) -> None:
    """Cut the pyramid of an image.

    Args:
        rows: function (start, stop) to the rows of the image, (stop - start, width, bands) uint8; called in order.
        width, height: pixels.
        write: called with (level, column, row, pixels) for each tile.
        halve: function from rows of even number, or the last of the image, to half as many of half the width.
    """
    lowest, top = levels(width, height)
    first: Optional[_Level] = None
    for level in range(lowest, top + 1):
        across, down = (-(-side // (1 << (top - level))) for side in (width, height))
        first = _Level(level, across, down, write, halve, first)
    assert first is not None  # there is a lowest level
    for start in range(0, height, TILE):
        first.take(np.array(rows(start, min(start + TILE, height))))


class _Level:
    """One level: gathers rows until a row of tiles is full, writes it, and hands half of it to the level below."""

    def __init__(self, number: int, width: int, height: int, write: Write, halve: Callable[[np.ndarray], np.ndarray],
                 below: Optional['_Level']) -> None:
        self.number, self.width, self.height = number, width, height
        self._write, self._halve, self._below = write, halve, below
        self._held, self._count, self._row = [], 0, 0

    def take(self, rows: np.ndarray) -> None:
        """The next rows; never more than are missing to a row of tiles."""
        self._held.append(rows)
        self._count += len(rows)
        if self._count < min(TILE, self.height - self._row * TILE):
            return
        strip = self._held[0] if len(self._held) == 1 else np.concatenate(self._held)
        for column in range(-(-self.width // TILE)):
            self._write(self.number, column, self._row, strip[:, column * TILE:(column + 1) * TILE])
        self._held, self._count, self._row = [], 0, self._row + 1
        if self._below:
            self._below.take(self._halve(strip))


def mean_of_four(rows: np.ndarray) -> np.ndarray:
    """Each pixel the mean of four; an odd edge counts twice."""
    import cv2
    height, width = rows.shape[:2]
    if height % 2 or width % 2:
        rows = cv2.copyMakeBorder(rows, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return cv2.resize(rows, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)


def first_of_four(rows: np.ndarray) -> np.ndarray:
    """Each pixel the upper left one of four: class numbers have no mean."""
    return np.ascontiguousarray(rows[::2, ::2])
