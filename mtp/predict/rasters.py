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
import os
import warnings
from typing import NamedTuple, Optional, Tuple

import numpy as np

from mtp.errors import MTPError

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


class Raster:
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
        self.path = path
        self._file = _open(path)
        self.width, self.height = self._file.width, self._file.height
        self.ground = _ground(self._file)
        self._bands, self._palette = _bands(self._file, path, colours.bands)
        self._range = colours.stretch
        if self._range is None and self._file.dtypes[self._bands[0] - 1] != 'uint8':
            self._range = self._percentiles()
        self._buffer, self._first = np.empty((0, self.width, 3), dtype=np.uint8), 0

    def take(self, start, stop):
        """Rows as (stop - start, width, 3) uint8 BGR. ``start`` must not fall from call to call."""
        stop = min(int(stop), self.height)
        have = self._first + len(self._buffer)
        if stop > have:
            fresh = self._read(window=((max(have, start), stop), (0, self.width)))
            kept = self._buffer[start - self._first:] if start < have else self._buffer[:0]
            self._buffer, self._first = np.concatenate([kept, fresh]), int(start)
        return self._buffer[start - self._first:stop - self._first]

    def overview(self, max_side):
        """The whole picture with no side longer than ``max_side``, (height, width, 3) uint8 BGR."""
        scale = min(1.0, max_side / max(self.width, self.height))
        return self._read(out_shape=(max(1, round(self.height * scale)), max(1, round(self.width * scale))))

    def _read(self, **what):
        values, valid = self._values(what)
        if self._palette is not None:
            pixels = self._palette[values[0]]
        elif self._range is None:
            pixels = np.moveaxis(values, 0, -1)
        else:
            pixels = self._stretched(values, valid)
        return np.ascontiguousarray(np.broadcast_to(pixels[..., ::-1], pixels.shape[:2] + (3,)))

    def _values(self, what):
        """Numbers (bands, height, width) as they stand in the file, and which of them mean something."""
        import rasterio
        bands = list(self._bands)
        shape = {'out_shape': (len(bands),) + what['out_shape']} if 'out_shape' in what else {'window': what['window']}
        smooth = self._palette is None and 'out_shape' in what
        resampling = rasterio.enums.Resampling.average if smooth else rasterio.enums.Resampling.nearest
        try:
            values = self._file.read(bands, resampling=resampling, **shape)
        except (rasterio.errors.RasterioError, OSError, ValueError) as error:
            raise MTPError('cannot decode image {}: {}'.format(self.path, error),
                           hint='replace this file with a whole copy') from None
        valid = np.isfinite(values) if values.dtype.kind == 'f' else np.ones(values.shape, dtype=bool)
        for plane, band in zip(range(len(bands)), bands):
            nothing = self._file.nodatavals[band - 1]
            if nothing is not None:
                valid[plane] &= values[plane] != nothing
        return values, valid

    def _percentiles(self):
        """(bands, 2) lowest and highest value of each band that keep a difference."""
        scale = min(1.0, _SAMPLE_SIDE / max(self.width, self.height))
        values, valid = self._values({'out_shape': (max(1, round(self.height * scale)),
                                                    max(1, round(self.width * scale)))})
        return np.array([np.percentile(plane[mask], PERCENTILES) if mask.any() else (0.0, 1.0)
                         for plane, mask in zip(values, valid)])

    def _stretched(self, values, valid):
        low, high = np.broadcast_to(np.asarray(self._range, dtype=np.float32), (len(values), 2)).T[:, :, None, None]
        scaled = (np.where(valid, values, 0).astype(np.float32) - low) * (255 / np.maximum(high - low, 1e-12))
        scaled = np.where(valid, np.clip(np.rint(scaled), 0, 255), 0)
        return np.moveaxis(scaled.astype(np.uint8), 0, -1)


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
