"""Any raster as rows of 8-bit BGR pixels, and where these lie on the ground.

How pixels become 8-bit colours, whatever the file holds:

* bands: those marked red, green and blue; else the first three; else the first one three times. ``bands`` says
  otherwise, for example 4, 3, 2. Alpha and further bands are passed over.
* a palette: its colours.
* 8 bits: as they are; fewer bits fill 0..255. Anything else is stretched linearly, band by band, from the 0.5th to the
  99.5th percentile of the valid pixels (seen on a reduced picture) to 0..255, or from ``stretch`` = (low, high) for all
  bands. No-data and numbers that are not finite become 0.

The orientation tag of a camera is not applied: boxes refer to the rows as they are stored.

Every verb that looks at images reads them so (:func:`mtp.tiles.rows.open_rows`, :func:`mtp.tiles.pixels.read_image`).
"""
import functools
import os
import shlex
from typing import TYPE_CHECKING, Iterable, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from mtp.data import raster_files
from mtp.errors import MTPError

from . import panes

if TYPE_CHECKING:
    from rasterio.control import GroundControlPoint
    from rasterio.crs import CRS
    from rasterio.io import DatasetReader

#: What GDAL reads here of a file's pixels to find the percentiles.
_SAMPLE_SIDE = 1024
PERCENTILES = (0.5, 99.5)
_DEEP, _REMARKED = ('.tif', '.tiff', '.jp2'), 1000  # suffixes of files that can be more than pictures; files
_INDICES = {'uint8': 1 << 8, 'uint16': 1 << 16}  # numbers that a palette can have
_STRAIGHT = 0.001  # pixels: control points that fit a linear map so well are one

_Range = Union[Tuple[float, float], Tuple[Tuple[float, float], ...]]  # what becomes 0 and 255: of all bands, or of each


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
        gcps: ground control points as rasterio has them, where these bend the raster so that ``to_ground`` is off by
            more than :data:`_STRAIGHT`; else None.
    """
    to_ground: Tuple[float, ...]
    crs: Optional['CRS']
    gcps: Optional[Tuple['GroundControlPoint', ...]] = None

    def place(self, points: np.ndarray) -> np.ndarray:
        """Where pixel coordinates (..., 2), column and row, lie on the ground: (..., 2) float64."""
        x, y = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
        if self.gcps is None:
            a, b, c, d, e, f = self.to_ground
            return np.stack([a * x + b * y + c, d * x + e * y + f], axis=-1)
        from rasterio.transform import GCPTransformer
        with GCPTransformer(list(self.gcps)) as transformer:
            placed = transformer.xy(y.ravel(), x.ravel(), offset='ul') if x.size else ([], [])
        return np.stack(placed, axis=-1).reshape(x.shape + (2,))


class Raster(panes.WindowRows):
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

    def __init__(self, path: str, colours: Colours = Colours()) -> None:
        super().__init__(path, raster_files.open_raster(path))
        self._bands, self._palette = _bands(self._file, path, colours.bands)
        self._range: Optional[_Range] = colours.stretch
        if self._range is None and self._palette is None:
            self._range = self._own_range()

    @property
    def ground(self) -> Optional[Ground]:
        """See above. Whoever looks at pixels alone does not ask, so a damaged world file is no hindrance."""
        return _ground(self._file, self.path)

    def _own_range(self) -> Optional[_Range]:
        """What becomes 0 and 255: None where 8 bits are colours already."""
        if self._file.dtypes[self._bands[0] - 1] != 'uint8':
            return _percentiles(self.path, os.stat(self.path).st_mtime_ns, self._bands)
        bits = int(self._file.tags(self._bands[0], ns='IMAGE_STRUCTURE').get('NBITS', 8))
        return None if bits == 8 else (0, 2 ** bits - 1)

    def overview(self, max_side: int) -> np.ndarray:
        """The whole picture with no side longer than ``max_side``, (height, width, 3) uint8 BGR."""
        return self._colours(self._reduced(self._bands, max_side))

    def pixels(self, window: panes.Window) -> np.ndarray:
        """See :class:`~mtp.tiles.panes.WindowRows`."""
        return self._colours(self.read(list(self._bands), window=window))

    def _colours(self, values: np.ndarray) -> np.ndarray:
        if self._palette is not None:
            pixels = self._palette[values[0]]
        elif self._range is None:
            pixels = np.moveaxis(values, 0, -1)
        else:
            pixels = self._stretched(values)
        return np.ascontiguousarray(np.broadcast_to(pixels[..., ::-1], pixels.shape[:2] + (3,)))

    def _reduced(self, bands: Sequence[int], max_side: int) -> np.ndarray:
        """Numbers (bands, height, width) of the whole picture with no side longer than ``max_side``."""
        import rasterio
        scale = min(1.0, max_side / max(self.width, self.height))
        shape = (len(bands), max(1, round(self.height * scale)), max(1, round(self.width * scale)))
        how = rasterio.enums.Resampling
        return self.read(list(bands), out_shape=shape, resampling=how.average if self._palette is None else how.nearest)

    def _valid(self, values: np.ndarray, bands: Sequence[int]) -> np.ndarray:
        """Which of the numbers (bands, height, width) of a file mean something."""
        valid = np.isfinite(values) if values.dtype.kind == 'f' else np.ones(values.shape, dtype=bool)
        for plane, band in enumerate(bands):
            nothing = self._file.nodatavals[band - 1]
            if nothing is not None:
                valid[plane] &= values[plane] != nothing
        return valid

    def _stretched(self, values: np.ndarray) -> np.ndarray:
        valid = self._valid(values, self._bands)
        fine = values.dtype.itemsize > 2 and values.dtype != np.float32  # numbers that float32 would make equal
        kind = np.float64 if fine else np.float32
        low, high = np.broadcast_to(np.asarray(self._range, dtype=kind), (len(values), 2)).T[:, :, None, None]
        scaled = np.where(valid, values, 0).astype(kind)
        scaled -= low  # in place from here on: a band of these numbers is large
        scaled *= 255 / np.maximum(high - low, 1e-12)
        np.clip(np.rint(scaled, out=scaled), 0, 255, out=scaled)
        scaled[~valid] = 0
        return np.moveaxis(scaled.astype(np.uint8), 0, -1)


@functools.lru_cache(maxsize=None)  # the whole file is read for it, and each piece of an image opens the file anew
def _percentiles(path: str, _: int, bands: Tuple[int, ...]) -> Tuple[Tuple[float, float], ...]:
    """Lowest and highest value of each band that keep a difference; ``_`` tells versions of the file apart."""
    raster = Raster(path, Colours(bands, (0, 1)))
    values = raster._reduced(bands, _SAMPLE_SIDE)
    valid = raster._valid(values, bands)
    return tuple(tuple(np.percentile(plane[mask], PERCENTILES)) if mask.any() else (0.0, 1.0)
                 for plane, mask in zip(values, valid))


def _bands(opened: 'DatasetReader', path: str,
           wanted: Optional[Sequence[int]]) -> Tuple[Tuple[int, ...], Optional[np.ndarray]]:
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
        raise MTPError(f'{path} holds complex numbers, which have no colour',
                       hint=f'gdal_calc.py -A {shlex.quote(path)} --calc="abs(A)" --outfile=amplitude.tif')
    if bands == (kinds.get('palette'),) and types <= set(_INDICES):
        table = opened.colormap(bands[0])
        return bands, np.array([table.get(value, (0, 0, 0))[:3] for value in range(_INDICES[types.pop()])], np.uint8)
    return bands, None


def remark(paths: Iterable[str], colours: Colours = Colours()) -> str:
    """A sentence about rasters whose pixels become colours in a way that a user may not expect; '' where none does.

    Args:
        paths: of images; of many no more than :data:`_REMARKED` are looked at.
        colours: :class:`Colours`.

    Raises:
        MTPError: one cannot be read.
    """
    kept = [path for path in paths if path.lower().endswith(_DEEP)][:_REMARKED]
    told = [(path, words) for path, words in ((path, _unexpected(path, colours)) for path in kept) if words]
    if not told:
        return ''
    more = f' ({len(told)} images are so, or alike)' if len(told) > 1 else ''
    return '{}: {}{}'.format(*told[0], more)


def _unexpected(path: str, colours: Colours) -> str:
    with raster_files.open_raster(path) as opened:
        bands, palette = _bands(opened, path, colours.bands)
        kinds = [getattr(kind, 'name', '') for kind in opened.colorinterp]
        rest = [number for number, kind in enumerate(kinds, 1) if number not in bands and kind != 'alpha']
        words = []
        if rest and not colours.bands:
            words.append('of its {} bands {} taken for {}'.format(opened.count, ', '.join(map(str, bands)) + (
                ' is' if len(bands) == 1 else ' are'), 'gray' if len(bands) == 1 else 'red, green and blue'))
        if opened.dtypes[bands[0] - 1] != 'uint8' and palette is None and not colours.stretch:
            words.append('{} is stretched from the {}th to the {}th percentile'.format(
                opened.dtypes[bands[0] - 1], *PERCENTILES))
        return ', '.join(words)


def bands_of(opened: 'DatasetReader', path: str, colours: Colours = Colours()) -> Tuple[int, ...]:
    """Numbers of the bands of an opened raster that are looked at, from 1."""
    return _bands(opened, path, colours.bands)[0]


def _ground(opened: 'DatasetReader', path: str) -> Optional[Ground]:
    matrix = raster_files.to_ground(opened, path)
    return Ground(matrix, opened.crs) if matrix else _by_control_points(*opened.gcps)


def _by_control_points(gcps: Sequence['GroundControlPoint'], crs: Optional['CRS']) -> Optional[Ground]:
    """The :class:`Ground` of a raster with at least three ground control points that are not in one line, or None."""
    if len(gcps) < 3:
        return None
    pixels = np.array([[point.col, point.row, 1] for point in gcps])
    ground = np.array([[point.x, point.y] for point in gcps])
    columns, _, rank, _ = np.linalg.lstsq(pixels, ground, rcond=None)
    if rank < 3 or not np.isfinite(columns).all() or not abs(np.linalg.det(columns[:2])) > 0:
        return None
    (a, d), (b, e), (c, f) = columns
    off = (pixels @ columns - ground) @ np.linalg.inv(columns[:2])  # in pixels
    return Ground((a, b, c, d, e, f), crs, None if np.abs(off).max() < _STRAIGHT else tuple(gcps))


def size(path: str, colours: Colours = Colours()) -> Tuple[int, int]:
    """(width, height) of a raster, from its header.

    Raises:
        MTPError: no raster, or one that has no colours, or whose place on the ground cannot be read.
    """
    with raster_files.open_raster(path) as opened:
        _ground(opened, path)
        _bands(opened, path, colours.bands)
        return opened.width, opened.height


def place_of(path: str) -> Tuple[Tuple[int, int], Optional[Ground]]:
    """((width, height), :class:`Ground` or None) of a raster, from its header."""
    with raster_files.open_raster(path) as opened:
        return (opened.width, opened.height), _ground(opened, path)
