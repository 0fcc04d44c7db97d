"""Any raster as rows of 8-bit BGR pixels, and where these lie on the ground.

How pixels become 8-bit colours, whatever the file holds:

* bands: those marked red, green and blue; else the first three; else the first one three times. ``bands`` says
  otherwise, for example 4, 3, 2. Alpha and further bands are passed over.
* a palette: its colours.
* 8 bits: as they are. Anything else is stretched linearly, band by band, from the 0.5th to the 99.5th percentile of the
  valid pixels (seen on a reduced picture) to 0..255, or from ``stretch`` = (low, high) for all bands. No-data and
  numbers that are not finite become 0.

The orientation tag of a camera is not applied: boxes refer to the rows as they are stored.
"""
import functools
import os
import warnings
from typing import NamedTuple, Optional, Tuple

import numpy as np

from mtp.errors import MTPError
from mtp.tiles import tiff

#: What GDAL reads here of a file's pixels to find the percentiles.
_SAMPLE_SIDE = 1024
PERCENTILES = (0.5, 99.5)
SUFFIXES = ('.tif', '.tiff', '.png', '.jpg', '.jpeg', '.bmp', '.jp2', '.img', '.vrt')


class Colours(NamedTuple):
    """How pixels become colours; see the module's description.

    Attributes:
        bands: numbers of the bands taken as red, green and blue, from 1; None: as the file says.
        stretch: (low, high) for all bands; None: percentiles.
    """
    bands: Optional[Tuple[int, ...]] = None
    stretch: Optional[Tuple[float, float]] = None


class Ground(NamedTuple):
    """Where a raster lies.

    Attributes:
        to_ground: a, b, c, d, e, f with x = a*column + b*row + c and y = d*column + e*row + f, the outer corner of the
            first pixel at (0, 0).
        crs: coordinate system as rasterio has it; None when the file does not say.
    """
    to_ground: Tuple[float, ...]
    crs: object


class Raster(tiff.WindowRows):
    """A raster file.

    Args:
        path: of the file.
        colours: :class:`Colours`.

    Attributes:
        width, height: pixels.
        ground: :class:`Ground`, or None when the file does not say where it lies.

    Raises:
        MTPError: missing, no raster, or of a kind that has no colours; rows that cannot be read, from :meth:`take`.
    """

    def __init__(self, path, colours=Colours()):
        super().__init__(path, _open(path))
        self.ground = _ground(self._file)
        self._bands, self._palette = _bands(self._file, path, colours.bands)
        self._range = colours.stretch
        if self._range is None and self._file.dtypes[self._bands[0] - 1] != 'uint8':
            self._range = _percentiles(path, os.stat(path).st_mtime_ns, self._bands)

    def overview(self, max_side):
        """The whole picture with no side longer than ``max_side``, (height, width, 3) uint8 BGR."""
        return self._colours(*self._reduced(self._bands, max_side))

    def pixels(self, window):
        """See :class:`~mtp.tiles.tiff.WindowRows`."""
        return self._colours(*self._values(self._bands, window=window))

    def _colours(self, values, valid):
        if self._palette is not None:
            pixels = self._palette[values[0]]
        elif self._range is None:
            pixels = np.moveaxis(values, 0, -1)
        else:
            pixels = self._stretched(values, valid)
        return np.ascontiguousarray(np.broadcast_to(pixels[..., ::-1], pixels.shape[:2] + (3,)))

    def _reduced(self, bands, max_side):
        """As :meth:`_values`, of the whole picture with no side longer than ``max_side``."""
        import rasterio
        scale = min(1.0, max_side / max(self.width, self.height))
        shape = (len(bands), max(1, round(self.height * scale)), max(1, round(self.width * scale)))
        how = rasterio.enums.Resampling
        return self._values(bands, out_shape=shape, resampling=how.average if self._palette is None else how.nearest)

    def _values(self, bands, **what):
        """Numbers (bands, height, width) as they stand in the file, and which of them mean something."""
        values = self.read(list(bands), **what)
        valid = np.isfinite(values) if values.dtype.kind == 'f' else np.ones(values.shape, dtype=bool)
        for plane, band in enumerate(bands):
            nothing = self._file.nodatavals[band - 1]
            if nothing is not None:
                valid[plane] &= values[plane] != nothing
        return values, valid

    def _stretched(self, values, valid):
        low, high = np.broadcast_to(np.asarray(self._range, dtype=np.float32), (len(values), 2)).T[:, :, None, None]
        scaled = np.where(valid, values, 0).astype(np.float32)
        scaled -= low  # in place from here on: a band of these numbers is large
        scaled *= 255 / np.maximum(high - low, 1e-12)
        np.clip(np.rint(scaled, out=scaled), 0, 255, out=scaled)
        scaled[~valid] = 0
        return np.moveaxis(scaled.astype(np.uint8), 0, -1)


@functools.lru_cache(maxsize=None)  # the whole file is read for it, and each piece of an image opens the file anew
def _percentiles(path, _, bands):
    """Lowest and highest value of each band that keep a difference; ``_`` tells versions of the file apart."""
    values, valid = Raster(path, Colours(bands, (0, 1)))._reduced(bands, _SAMPLE_SIDE)
    return tuple(tuple(np.percentile(plane[mask], PERCENTILES)) if mask.any() else (0.0, 1.0)
                 for plane, mask in zip(values, valid))


def _open(path):
    try:
        import rasterio
    except ImportError as error:
        raise MTPError('rasters are read with rasterio, which this Python lacks: {}'.format(error),
                       hint='make setup') from None
    if not os.path.isfile(path):
        raise MTPError('there is no image {}'.format(path))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # most pictures have no place on the ground
        try:
            opened = rasterio.open(path)
        except (rasterio.errors.RasterioError, OSError) as error:
            raise MTPError('cannot read the image {}: {}'.format(path, error)) from None
    if opened.count == 0:
        raise MTPError('{} holds no image of its own but {}'.format(path, ', '.join(opened.subdatasets) or 'nothing'))
    return opened


def _bands(opened, path, wanted):
    """Numbers of the bands for red, green, blue (or one for gray), and the palette (n, 3) uint8 RGB or None."""
    kinds = {getattr(kind, 'name', ''): number for number, kind in reversed(list(enumerate(opened.colorinterp, 1)))}
    if wanted:
        strange = [number for number in wanted if not 1 <= number <= opened.count]
        if strange or len(wanted) not in (1, 3):
            raise MTPError('{} has {} bands; bands {} cannot be red, green and blue'.format(
                path, opened.count, ' '.join(map(str, wanted))), hint='--bands 1 2 3')
        bands = tuple(wanted)
    elif {'red', 'green', 'blue'} <= set(kinds):
        bands = (kinds['red'], kinds['green'], kinds['blue'])
    else:
        bands = (1, 2, 3) if opened.count >= 3 else (1,)
    types = set(opened.dtypes[number - 1] for number in bands)
    if any(name.startswith('complex') for name in types):
        raise MTPError('{} holds complex numbers, which have no colour'.format(path), hint='give its amplitude')
    if bands == (kinds.get('palette'),) and 'uint8' in types:
        table = opened.colormap(bands[0])
        return bands, np.array([table.get(value, (0, 0, 0))[:3] for value in range(256)], dtype=np.uint8)
    return bands, None


def _ground(opened):
    matrix = opened.transform
    if matrix.is_identity or matrix.determinant == 0:
        return None
    return Ground((matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f), opened.crs)


def size(path, colours=Colours()):
    """(width, height) of a raster, from its header.

    Raises:
        MTPError: no raster, or one that has no colours.
    """
    with _open(path) as opened:
        _bands(opened, path, colours.bands)
        return opened.width, opened.height
