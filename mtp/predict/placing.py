"""In which coordinates results are written.

The raster's own coordinate system, or WGS 84 longitude and latitude when asked to. GeoJSON has to name a system by the
code of an authority; one without a code becomes WGS 84 there, while a GeoPackage keeps it. A picture without a place on
the ground has pixels for coordinates, x to the right and y upwards, so that everything lies below the x axis: where
QGIS draws such a picture.
"""
from typing import TYPE_CHECKING, NamedTuple, Optional

import numpy as np

from mtp.tiles.rasters import Ground

if TYPE_CHECKING:
    from rasterio.crs import CRS

WGS84 = 'EPSG:4326'
PIXELS, NAMELESS = 'pixels, y upwards', 'ground units of a coordinate system that the file does not name'
_DEGREES, _METRES, _PIXELS = 9, 3, 2  # decimals: a tenth of a millimetre, a millimetre


class System(NamedTuple):
    """Coordinates that results are written in.

    Attributes:
        name: for people: ``EPSG:32650``, :data:`PIXELS` ...
        crs: as rasterio has it; None where there is none, or no name for it.
        digits: decimals that say enough.
    """
    name: str
    crs: Optional['CRS']
    digits: int


def system_of(ground: Optional[Ground], wgs84: bool = False, coded: bool = False) -> System:
    """The :class:`System` for what was found in a raster.

    Args:
        ground: :class:`~mtp.tiles.rasters.Ground`, or None.
        wgs84: longitude and latitude where the file says where it lies.
        coded: only a system that has the code of an authority.
    """
    if ground is None:
        return System(PIXELS, None, _PIXELS)
    if ground.crs is None:
        return System(NAMELESS, None, _METRES)
    authority = ground.crs.to_authority()
    if wgs84 or authority == ('EPSG', '4326') or coded and authority is None:
        from rasterio.crs import CRS
        return System(WGS84, CRS.from_epsg(4326), _DEGREES)
    name = ':'.join(authority) if authority else 'a coordinate system without a code'
    return System(name, ground.crs, _DEGREES if ground.crs.is_geographic else _METRES)


def place(points: np.ndarray, ground: Optional[Ground], system: System) -> np.ndarray:
    """Pixel coordinates (..., 2), column and row -> coordinates (..., 2) of ``system``."""
    points = np.asarray(points, dtype=np.float64)
    if ground is None:
        return points * [1, -1]
    placed = ground.place(points)
    if system.crs is None or not points.size or system.crs == ground.crs:
        return placed
    from rasterio.warp import transform
    flat = placed.reshape(-1, 2)
    return np.stack(transform(ground.crs, system.crs, flat[:, 0], flat[:, 1]), axis=1).reshape(placed.shape)


def twice_area(rings: np.ndarray) -> np.ndarray:
    """Twice the signed area of rings (..., n, 2): positive where they go counter-clockwise with y upwards. Counted from
    the first point of each: of a small one far from the origin the difference of large products would leave nothing.
    """
    x, y = np.moveaxis(rings - rings[..., :1, :], -1, 0)
    return (x * np.roll(y, -1, axis=-1) - np.roll(x, -1, axis=-1) * y).sum(axis=-1)


def closed(corners: np.ndarray) -> np.ndarray:
    """Corners (n, k, 2) -> closed rings (n, k + 1, 2), counter-clockwise with y upwards, as RFC 7946 wants them."""
    ordered = np.where((twice_area(corners) < 0)[:, None, None], corners[:, ::-1], corners)
    return np.concatenate([ordered, ordered[:, :1]], axis=1)
