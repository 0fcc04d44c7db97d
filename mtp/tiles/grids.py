"""Whether two rasters of one place lie on one grid: else a pixel is compared with another place."""
import os
import shlex
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from mtp.data import raster_files
from mtp.errors import MTPError

from . import rasters

_SAME = 0.01  # of a pixel: corners of two grids so near are the same

_Place = Tuple[Tuple[int, int], rasters.Ground]  # width and height, and where it lies


class Pair(NamedTuple):
    """What a pair has in common.

    Attributes:
        size: (width, height) in pixels.
        ground: :class:`~mtp.tiles.rasters.Ground`, or None where neither says where it lies.
        notes: sentences about what is odd and no error.
    """
    size: Tuple[int, int]
    ground: Optional[rasters.Ground]
    notes: Tuple[str, ...]


def check(paths: Tuple[str, str]) -> Pair:
    """The :class:`Pair` of two files, the earlier date first; from their headers.

    Raises:
        MTPError: one cannot be read, or the two do not lie on one grid; the hint is the command that brings them there.
    """
    (size, ground), (other, there) = map(rasters.place_of, paths)
    notes: List[str] = []
    if ground and there:
        _require_same(paths, (size, ground), (other, there))
    elif size != other:
        raise MTPError('{} and {} are a pair and have {} x {} and {} x {} pixels'.format(*paths, *size, *other),
                       hint='gdal_translate -outsize {} {} {} {}, where both show the same place'.format(
                           *size, shlex.quote(paths[1]), _beside(paths[1])))
    elif ground or there:
        notes.append('{} does not say where it lies: its pixels are taken for those of {}'.format(
            *(paths if there else paths[::-1])))
    return Pair(size, ground or there, tuple(notes + _out_of_order(paths)))


def _require_same(paths: Tuple[str, str], before: _Place, after: _Place) -> None:
    (size, one), (there, other) = before, after
    if one.crs and other.crs and one.crs != other.crs:
        what = f'their coordinate systems are {one.crs.to_string()[:60]} and {other.crs.to_string()[:60]}'
    elif size != there:
        what = 'they have {} x {} and {} x {} pixels'.format(*size, *there)
    else:
        corners = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]])
        away = (other.place(corners) - one.place(corners)) @ np.linalg.inv(np.reshape(one.to_ground, (2, 3))[:, :2].T)
        if np.abs(away).max() <= _SAME:
            return
        what = f'their corners are up to {np.abs(away).max():.2f} pixels apart'
    raise MTPError('{} and {} do not lie on one grid: {}'.format(*paths, what), hint=_mended(paths, size, one))


def _mended(paths: Tuple[str, str], size: Tuple[int, int], ground: rasters.Ground) -> str:
    """The ``gdalwarp`` line that brings the second of a pair to the grid of the first."""
    a, b, c, d, e, f = ground.to_ground
    system = ground.crs and ground.crs.to_string()
    system = f" -t_srs '{system}'" if system else ''
    if b or d or a < 0 or e > 0 or ground.gcps:  # it makes grids with north up alone
        return f'gdalwarp{system} {shlex.quote(paths[0])} {_beside(paths[0])}, and the other onto the grid of that'
    bounds = [c, f + e * size[1], c + a * size[0], f]
    return 'gdalwarp{} -te {} -ts {} {} -r bilinear {} {}'.format(
        system, ' '.join(map(repr, bounds)), *size, shlex.quote(paths[1]), _beside(paths[1]))


def _beside(path: str) -> str:
    return shlex.quote(os.path.splitext(os.path.basename(path))[0] + '_on_grid.tif')


def _out_of_order(paths: Tuple[str, str]) -> List[str]:
    """A sentence where the files themselves have dates in the other order."""
    dates = []
    for path in paths:
        with raster_files.open_raster(path) as opened:
            dates.append(opened.tags().get('TIFFTAG_DATETIME', ''))
    if not (all(dates) and dates[0] > dates[1]):
        return []
    return ['{} is of {}, and {}, which is to be later, of {}: the two dates may be exchanged'.format(
        paths[0], dates[0], paths[1], dates[1])]
