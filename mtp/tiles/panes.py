"""Rows and columns of a raster without decoding the rest of it."""
import copy
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Sequence, Tuple

import numpy as np

from mtp.data import raster_files
from mtp.errors import MTPError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

_STEP = 1 << 20  # pixels

Window = Tuple[Tuple[int, int], Tuple[int, int]]  # first row and the one behind the last, and columns alike


class WindowRows:
    """Rows of a raster that can be read by windows, see :func:`mtp.tiles.rows.open_rows`.

    What is read is kept for the next call as far as it is asked for again. A band is read and made into pixels in steps
    of :data:`_STEP` pixels, so that memory goes with what is asked for.

    Args:
        path: of the file, for messages.
        opened: by rasterio.

    Attributes:
        width, height: pixels.
        tiled: the file is stored in tiles, so that a range of columns can be read without what lies beside it.
        channels: numbers of a pixel.
    """

    channels = 3

    def __init__(self, path: str, opened: 'DatasetReader') -> None:
        self.path, self._file, self._x_start = path, opened, 0
        self.width, self.height = opened.width, opened.height
        self._block, block_width = opened.block_shapes[0]
        self.tiled = block_width < opened.width
        self._forget()

    def _forget(self) -> None:
        self._buffer, self._first = np.empty((0, self.width, self.channels), dtype=np.uint8), 0

    def columns(self, x_start: int, x_stop: int) -> 'WindowRows':
        """A reader of these columns alone."""
        part = copy.copy(self)
        part._x_start, part.width = self._x_start + int(x_start), int(min(x_stop, self.width) - x_start)
        part._forget()
        return part

    def take(self, start: int, stop: int) -> np.ndarray:
        """See :func:`mtp.tiles.rows.open_rows`."""
        start, stop = int(start), min(int(stop), self.height)
        kept = self._buffer[max(0, start - self._first):]
        begin = start + len(kept)
        if stop > begin:
            rows = np.empty((stop - start, self.width, self.channels), dtype=np.uint8)
            rows[:len(kept)] = kept
            for first, last in self._steps(begin, stop):
                rows[first - start:last - start] = self.pixels(((first, last),
                                                                (self._x_start, self._x_start + self.width)))
            self._buffer, self._first = rows, start
        return self._buffer[start - self._first:stop - self._first]

    def _steps(self, start: int, stop: int) -> Iterator[Tuple[int, int]]:
        """Ranges of rows that end where blocks of the file do, so that no block is decoded twice."""
        step = max(1, _STEP // (self.width * self._block)) * self._block
        edges = [start] + list(range((start // step + 1) * step, stop, step)) + [stop]
        return zip(edges, edges[1:])

    def pixels(self, window: Window) -> np.ndarray:
        """Pixels (height, width, channels) uint8, BGR first, of ``((first row, last), (first column, last))``."""
        raise NotImplementedError

    def read(self, bands: Sequence[int], **what: object) -> np.ndarray:
        """Numbers as they stand in the file, (bands, height, width); ``what`` is rasterio's.

        Raises:
            MTPError: they cannot be decoded.
        """
        return self._decoded(self._file.read, bands, what)

    def masks(self, bands: Sequence[int], **what: object) -> np.ndarray:
        """As :meth:`read`, of the masks of the bands: uint8, 0 where the file says that it holds no data."""
        return self._decoded(self._file.read_masks, bands, what)

    def _decoded(self, reader: Callable[..., np.ndarray], bands: Sequence[int],
                 what: Mapping[str, object]) -> np.ndarray:
        try:
            with raster_files.settings():
                return reader(bands, **what)
        except Exception as error:  # rasterio has several kinds, and passes on those of its parts
            raise MTPError(f'cannot decode image {self.path}: {error}',
                           hint='replace this file with a whole copy') from None
