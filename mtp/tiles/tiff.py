"""Rows and columns of a TIFF without decoding the rest of it, by rasterio where it is installed.

Only kinds whose pixels are the same whoever decodes them: 8 bits, gray or RGB, upright. The others, and all where
rasterio is missing, are decoded whole by OpenCV.
"""
import copy
import warnings

import numpy as np

from mtp.errors import MTPError

SUFFIXES = ('.tif', '.tiff')
_STEP = 1 << 20  # pixels
_CACHE = 32 << 20  # bytes of decoded blocks that GDAL keeps: its default is a share of all memory
_BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _FORMAT = 258, 262, 274, 277, 339
_BLACK_IS_ZERO, _RGB = 1, 2


def open_windows(path):
    """:class:`TiffRows` of the image, or None where OpenCV has to decode it."""
    try:
        import rasterio  # noqa: F401
    except ImportError:
        return None
    return TiffRows(path) if path.lower().endswith(SUFFIXES) and _is_plain(path) else None


def _is_plain(path):
    from PIL import Image, TiffImagePlugin

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # only tags are read
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of damaged tags
            with TiffImagePlugin.TiffImageFile(path) as image:
                tags = image.tag_v2
                samples = tags.get(_SAMPLES, 1)
                return (set(tags.get(_BITS, ())) == {8} and set(tags.get(_FORMAT, (1,))) == {1}
                        and (samples, tags.get(_PHOTOMETRIC)) in ((1, _BLACK_IS_ZERO), (3, _RGB))
                        and tags.get(_ORIENTATION, 1) == 1)
    except Exception:  # Pillow raises many kinds for a damaged file; OpenCV's reader says what is wrong with it
        return False
    finally:
        Image.MAX_IMAGE_PIXELS = limit


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
    """

    def __init__(self, path, opened):
        self.path, self._file, self._x_start = path, opened, 0
        self.width, self.height = opened.width, opened.height
        self._block, block_width = opened.block_shapes[0]
        self.tiled = block_width < opened.width
        self._forget()

    def _forget(self):
        self._buffer, self._first = np.empty((0, self.width, 3), dtype=np.uint8), 0

    def columns(self, x_start, x_stop):
        """A reader of these columns alone."""
        part = copy.copy(self)
        part._x_start, part.width = self._x_start + int(x_start), int(min(x_stop, self.width) - x_start)
        part._forget()
        return part

    def take(self, start, stop):
        """See :func:`mtp.tiles.rows.open_rows`."""
        start, stop = int(start), min(int(stop), self.height)
        kept = self._buffer[max(0, start - self._first):]
        begin = start + len(kept)
        if stop > begin:
            rows = np.empty((stop - start, self.width, 3), dtype=np.uint8)
            rows[:len(kept)] = kept
            for first, last in self._steps(begin, stop):
                rows[first - start:last - start] = self.pixels(((first, last),
                                                                (self._x_start, self._x_start + self.width)))
            self._buffer, self._first = rows, start
        return self._buffer[start - self._first:stop - self._first]

    def _steps(self, start, stop):
        """Ranges of rows that end where blocks of the file do, so that no block is decoded twice."""
        step = max(1, _STEP // (self.width * self._block)) * self._block
        edges = [start] + list(range((start // step + 1) * step, stop, step)) + [stop]
        return zip(edges, edges[1:])

    def pixels(self, window):
        """Pixels (height, width, 3) uint8 BGR of ``((first row, last), (first column, last))``."""
        raise NotImplementedError

    def read(self, bands, **what):
        """Numbers as they stand in the file, (bands, height, width); ``what`` is rasterio's.

        Raises:
            MTPError: they cannot be decoded.
        """
        import rasterio
        try:
            with rasterio.Env(GDAL_CACHEMAX=_CACHE):
                return self._file.read(bands, **what)
        except (rasterio.errors.RasterioError, OSError, ValueError) as error:
            raise MTPError('cannot decode image {}: {}'.format(self.path, error),
                           hint='replace this file with a whole copy') from None


class TiffRows(WindowRows):
    """Rows of a plain TIFF."""

    def __init__(self, path):
        import rasterio
        with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=_CACHE):
            warnings.simplefilter('ignore')  # of a missing place on the ground
            try:
                opened = rasterio.open(path)
            except (rasterio.errors.RasterioError, OSError) as error:
                raise MTPError('cannot decode image {}: {}'.format(path, error),
                               hint='replace this file with a whole copy') from None
        super().__init__(path, opened)

    def pixels(self, window):
        """See :class:`WindowRows`; gray has one band for all three colours."""
        return np.moveaxis(self.read(None, window=window)[::-1], 0, -1)
