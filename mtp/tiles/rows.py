"""Rows of an image from top to bottom, so that a big PNG is cut without ever being in memory as a whole.

PNG rows are packed one after another, each perhaps as a difference to the one above. So a band of rows is a PNG of its
own once the row above it stands before it in plain form: such small PNGs are put together here, uncompressed, and
OpenCV decodes them. Pixels are those of a decoded whole image. A JPEG is decoded whole by OpenCV, as the toolboxes do
when they train: decoders round differently. All else is read by GDAL (:mod:`mtp.tiles.rasters`).
"""
import struct
import zlib
from typing import Iterator, Optional, Protocol, Tuple

import numpy as np

from mtp.data import images
from mtp.errors import MTPError

from . import panes, rasters
from .pixels import by_opencv

MOST_PIXELS = 1 << 30  # that OpenCV decodes
_BAND_BYTES = 1 << 19  # decoded at a time
_READ = 1 << 18
_PANEL = 4  # of the largest windows
#: PNG colour type -> bytes a pixel, at 8 bits: gray, RGB, gray with alpha, RGBA.
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


class Rows(Protocol):
    """A reader of rows, see :func:`open_rows`."""

    width: int
    height: int

    def take(self, start: int, stop: int) -> np.ndarray:
        """Rows (stop - start, width, 3) uint8 BGR."""


def open_rows(path: str, colours: rasters.Colours = rasters.Colours()) -> Rows:
    """A reader with ``width``, ``height`` and ``take(start, stop)``; :mod:`mtp.tiles.rasters` says what the pixels are.

    ``take`` gives rows as (stop - start, width, 3) uint8 BGR. ``start`` must not fall from call to call: rows above it
    are forgotten. What ``take`` gave is valid until the next call.

    Raises:
        MTPError: the file cannot be read, here or in ``take``.
    """
    width, height = images.size(path)
    with open(path, 'rb') as stream:
        head = stream.read(33)
    if colours != rasters.Colours() or not (len(head) == 33 and head.startswith((images.PNG, images.JPEG))):
        return rasters.Raster(path, colours)
    if head.startswith(images.JPEG):
        fits = width * height <= MOST_PIXELS
        return ArrayRows(by_opencv(path)) if fits else rasters.Raster(path)
    depth, colour, interlaced = head[24], head[25], head[28]
    plain = depth == 8 and colour in _CHANNELS and not interlaced
    return PngRows(path, width, height, colour) if plain else rasters.Raster(path)


def panels(rows: Rows, windows: np.ndarray) -> Iterator[Tuple[Rows, int, np.ndarray]]:
    """Windows side by side that are read together, so that a wide image is never in memory in its full width.

    Only an image stored in tiles is divided: of others, whose rows are stored one behind the other, every part would be
    decoded as often as there are panels.

    Args:
        rows: what :func:`open_rows` gives.
        windows: (n, 4) x_start, y_start, x_stop, y_stop, one at least.

    Yields:
        rows, first column of these, windows (k, 4) in order. What a reader of a part keeps goes with it.
    """
    if not (isinstance(rows, panes.WindowRows) and rows.tiled):
        yield rows, 0, windows
        return
    panel = windows[:, 0] // (_PANEL * (windows[:, 2] - windows[:, 0]).max())
    for number in np.unique(panel):
        group = windows[panel == number]
        x_start, x_stop = int(group[:, 0].min()), int(group[:, 2].max())
        yield rows.columns(x_start, x_stop), x_start, group


class ArrayRows:
    """Rows of pixels (height, width, 3) that are in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels
        self.height, self.width = pixels.shape[:2]

    def take(self, start: int, stop: int) -> np.ndarray:
        """See :func:`open_rows`."""
        return self._pixels[start:stop]


class PngRows:
    """Rows of a PNG with 8 bits a channel, decoded band by band."""

    def __init__(self, path: str, width: int, height: int, colour: int) -> None:
        self.path, self.width, self.height, self._colour = path, width, height, colour
        self._length = width * _CHANNELS[colour]  # bytes of a row
        self._band = max(1, min(height, _BAND_BYTES // (self._length + 1)))
        self._packed = _inflate(path, (self._length + 1) * self._band)
        self._above: Optional[bytes] = None  # plain bytes of the last row decoded
        self._buffer = np.empty((0, width, 3), dtype=np.uint8)
        self._first = self._next = 0  # the buffer holds rows from _first up to _next

    def take(self, start: int, stop: int) -> np.ndarray:
        """See :func:`open_rows`."""
        stop = min(stop, self.height)
        self._forget(start)
        self._reserve(stop - start + self._band)
        while self._next < stop:
            rows = self._decode(min(self._band, self.height - self._next))
            at = self._next - self._first
            if at >= 0:
                self._buffer[at:at + len(rows)] = rows
            elif at + len(rows) > 0:
                self._buffer[:at + len(rows)] = rows[-at:]
            self._next += len(rows)
            if self._next == self.height and any(self._packed):  # reads on to the check sums, or the first byte more
                raise MTPError(f'cannot decode image {self.path}: it holds more than {self.height} rows',
                               hint='replace this file with a whole copy')
        return self._buffer[start - self._first:stop - self._first]

    def _forget(self, start: int) -> None:
        """Move the rows from ``start`` on to the front of the buffer, in pieces that do not overlap."""
        gone, kept = start - self._first, max(0, self._next - start)
        for row in range(0, kept if gone else 0, max(1, gone)):
            count = min(gone, kept - row)
            self._buffer[row:row + count] = self._buffer[row + gone:row + gone + count]
        self._first = start

    def _reserve(self, rows: int) -> None:
        if len(self._buffer) < rows:
            kept = max(0, self._next - self._first)
            larger = np.empty((rows, self.width, 3), dtype=np.uint8)
            larger[:kept] = self._buffer[:kept]
            self._buffer = larger

    def _decode(self, count: int) -> np.ndarray:
        """The next ``count`` rows, (count, width, 3)."""
        import cv2
        packed = next(self._packed, b'')
        if len(packed) != count * (self._length + 1):
            raise MTPError('cannot decode image {}: it ends before row {} of {}'.format(
                self.path, self._next + count, self.height), hint='replace this file with a whole copy')
        lead = b'' if self._above is None else b'\0' + self._above
        png = _png(self.width, count + bool(lead), self._colour, lead + packed)
        rows = cv2.imdecode(np.frombuffer(png, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
        if rows is None:
            raise MTPError(f'cannot decode image {self.path}: rows from {self._next} are damaged',
                           hint='replace this file with a whole copy')
        if rows.ndim == 2:
            self._above = rows[-1].tobytes()
            rows = np.repeat(rows[..., None], 3, axis=2)
        else:
            # OpenCV has BGR(A) where the file has RGB(A), and gray three times where it has gray and alpha.
            order = {2: [2, 1, 0], 4: [0, 3], 6: [2, 1, 0, 3]}[self._colour]
            self._above = rows[-1][:, order].tobytes()
        return rows[bool(lead):, :, :3]


def _png(width: int, height: int, colour: int, rows: bytes) -> bytes:
    """A PNG, uncompressed, of rows in packed form."""
    header = struct.pack('>IIBBBBB', width, height, 8, colour, 0, 0, 0)
    parts = [images.PNG]
    for kind, data in ((b'IHDR', header), (b'IDAT', zlib.compress(rows, 0)), (b'IEND', b'')):
        parts += [struct.pack('>I', len(data)), kind, data, struct.pack('>I', zlib.crc32(data, zlib.crc32(kind)))]
    return b''.join(parts)


def _inflate(path: str, size: int) -> Iterator[bytes]:
    """Yield the packed rows of a PNG in pieces of ``size`` bytes; the last is what is left."""
    inflater, held, length = zlib.decompressobj(), [], 0
    try:
        for data in _image_data(path):
            while data:
                piece = inflater.decompress(data, size - length)
                data = inflater.unconsumed_tail
                held.append(piece)
                length += len(piece)
                if length == size:
                    yield b''.join(held)
                    held, length = [], 0
                elif not piece:
                    break
    except zlib.error as error:
        raise MTPError(f'cannot decode image {path}: {error}',
                       hint='replace this file with a whole copy') from error
    yield b''.join(held)


def _image_data(path: str) -> Iterator[bytes]:
    """Yield the compressed pixels of a PNG, piece by piece; every chunk's check sum is verified."""
    with open(path, 'rb') as stream:
        stream.seek(len(images.PNG))
        while True:
            head = stream.read(8)
            if len(head) < 8:
                return
            left, kind = struct.unpack('>I4s', head)
            if kind == b'IEND':
                return
            check = zlib.crc32(kind)
            while left:
                data = stream.read(min(left, _READ))
                if not data:
                    return
                left -= len(data)
                check = zlib.crc32(data, check)
                if kind == b'IDAT':
                    yield data
            if stream.read(4) != struct.pack('>I', check):
                raise MTPError(f'cannot decode image {path}: a check sum is wrong',
                               hint='replace this file with a whole copy')
