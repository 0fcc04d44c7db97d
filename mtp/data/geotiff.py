"""Where the pixels of a GeoTIFF lie on the ground."""
import os
import shlex
from typing import TYPE_CHECKING, NamedTuple, Optional, Tuple

import numpy as np

from mtp.data import raster_files
from mtp.errors import MTPError
from mtp.files import PathLike

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

SCALE, TIEPOINT, KEYS = 33550, 33922, 34735  # numbers of tags
GEOGRAPHIC = 2048  # the GeoKey that holds the EPSG code of longitude and latitude


class Grid(NamedTuple):
    """Size, map to the ground and coordinate system of a raster."""

    width: int
    height: int
    to_ground: Tuple[float, float, float, float, float, float]  # x = a*col + b*row + c, y = d*col + e*row + f
    epsg: Optional[int]

    def pixels(self, ground: np.ndarray) -> np.ndarray:
        """Pixel coordinates (n, 2), column and row with the corner of the first pixel at 0, of ground points (n, 2)."""
        a, b, c, d, e, f = self.to_ground
        return (np.asarray(ground, np.float64) - (c, f)) @ np.linalg.inv(np.array([[a, b], [d, e]])).T


def read(path: PathLike) -> Grid:
    """The :class:`Grid` of the GeoTIFF ``path``.

    Raises:
        MTPError: missing, no raster, or without a place on the ground.
    """
    with raster_files.open_raster(path) as opened:
        matrix = raster_files.to_ground(opened, path)
        if matrix is None:
            raise MTPError('{}: it has no GeoTIFF tags that say where its pixels lie on the ground'.format(path),
                           hint='gdal_translate -a_srs EPSG:code -a_ullr left top right bottom {} placed.tif'.format(
                               shlex.quote(os.fspath(path))))
        if not np.isfinite(matrix).all():
            raise MTPError(f'{path}: its GeoTIFF tags are not numbers: {matrix}')
        return Grid(opened.width, opened.height, matrix, _epsg(opened))


def _epsg(opened: 'DatasetReader') -> Optional[int]:
    try:
        return opened.crs.to_epsg() if opened.crs else None
    except Exception:  # a coordinate system that PROJ cannot make out is one without a code
        return None
