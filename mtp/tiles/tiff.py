"""Rows and columns of a TIFF without decoding the rest of it, by rasterio where it is installed.

Only kinds whose pixels are the same whoever decodes them: 8 bits, gray or RGB, upright. The others, and all where
rasterio is missing, are decoded whole by OpenCV.
"""
import warnings

import numpy as np

from mtp.errors import MTPError

SUFFIXES = ('.tif', '.tiff')
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


class TiffRows:
    """Rows of a TIFF, see :func:`mtp.tiles.rows.open_rows`; a range of its columns can be read by itself."""

    def __init__(self, path, x_start=0, x_stop=None):
        import rasterio
        with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=_CACHE):
            warnings.simplefilter('ignore')  # of a missing place on the ground
            try:
                self._file = rasterio.open(path)
            except (rasterio.errors.RasterioError, OSError) as error:
                raise MTPError('cannot decode image {}: {}'.format(path, error),
                               hint='replace this file with a whole copy') from None
        self.path, self._x_start = path, x_start
        self.height, self.width = self._file.height, (x_stop or self._file.width) - x_start
        self._buffer, self._first = np.empty((0, self.width, 3), dtype=np.uint8), 0

    def columns(self, x_start, x_stop):
        """A reader of these columns alone."""
        return TiffRows(self.path, x_start, x_stop)

    def take(self, start, stop):
        """See :func:`mtp.tiles.rows.open_rows`."""
        start, stop = int(start), min(int(stop), self.height)
        kept = self._buffer[start - self._first:]
        begin = start + len(kept)
        if stop > begin:
            rows = np.empty((stop - start, self.width, 3), dtype=np.uint8)
            rows[:len(kept)] = kept
            rows[len(kept):] = np.moveaxis(self._read(begin, stop)[::-1], 0, -1)
            self._buffer, self._first = rows, start
        return self._buffer[start - self._first:stop - self._first]

    def _read(self, start, stop):
        """(1 or 3, rows, width) uint8 RGB."""
        import rasterio
        window = ((start, stop), (self._x_start, self._x_start + self.width))
        try:
            with rasterio.Env(GDAL_CACHEMAX=_CACHE):
                return self._file.read(window=window)
        except (rasterio.errors.RasterioError, OSError) as error:
            raise MTPError('cannot decode image {}: rows {} to {}: {}'.format(self.path, start, stop, error),
                           hint='replace this file with a whole copy') from None
