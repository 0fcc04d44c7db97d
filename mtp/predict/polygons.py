"""Outlines of the areas of one class in a map, in coordinates of the ground.

rasterio's ``shapes`` (GDAL's polygoniser) reads the file row by row; areas that touch at a corner alone are two. Their
outlines follow the sides of pixels, and neighbours share them exactly, unless they are simplified.
"""
import itertools
from typing import Container, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from mtp.data import raster_files
from mtp.tiles.rasters import Ground

from . import placing

_BATCH = 4096  # polygons placed on the ground together


class Area(NamedTuple):
    """One area: number of its class, pixels it covers, closed rings (k, 2), the outer one first, counter-clockwise."""
    label: int
    pixels: int
    rings: List[np.ndarray]


def areas(path: str, labels: Container[int], ground: Optional[Ground], system: placing.System,
          simplify: float = 0) -> Iterator[List[Area]]:
    """Yield lists of :class:`Area` of a map of classes.

    Args:
        path: of the map.
        labels: numbers of the classes that are wanted.
        ground: :class:`~mtp.tiles.rasters.Ground`, or None.
        system: :class:`~mtp.predict.placing.System` of the coordinates.
        simplify: pixels by which an outline may leave those of the map.
    """
    import rasterio
    from rasterio.features import shapes

    with raster_files.settings(), raster_files.open_raster(path) as opened:
        to_pixels = ~opened.transform  # of a band, the outlines come on the ground
        found = ((int(value), shape['coordinates']) for shape, value in shapes(rasterio.band(opened, 1)))
        wanted = ((label, [_corners(ring, to_pixels) for ring in rings]) for label, rings in found if label in labels)
        while True:
            some = list(itertools.islice(wanted, _BATCH))
            if not some:
                return
            yield _placed(some, ground, system, simplify)


def _corners(ring: Sequence[Tuple[float, float]], to_pixels: Sequence[float]) -> np.ndarray:
    """A ring on the ground -> corners of pixels, whole numbers in float64."""
    a, b, c, d, e, f = to_pixels[:6]
    return np.rint(np.array(ring, np.float64) @ np.array([[a, d], [b, e]]) + (c, f))


def _placed(some: Sequence[Tuple[int, List[np.ndarray]]], ground: Optional[Ground], system: placing.System,
            simplify: float) -> List[Area]:
    """Polygons in pixels -> :class:`Area`; all points go to the ground in one call."""
    pixels = [_pixels(rings) for _, rings in some]
    if simplify:
        some = [(label, _simplified(rings, simplify)) for label, rings in some]
    rings = [ring for _, all_rings in some for ring in all_rings]
    points = placing.place(np.concatenate(rings), ground, system)
    pieces = iter(np.split(points, np.cumsum([len(ring) for ring in rings])[:-1]))
    return [Area(label, count, [_turned(next(pieces), outer=not index) for index in range(len(all_rings))])
            for (label, all_rings), count in zip(some, pixels)]


def _pixels(rings: Iterable[np.ndarray]) -> int:
    outer, *holes = (abs(placing.twice_area(ring[:-1])) / 2 for ring in rings)
    return int(round(outer - sum(holes)))


def _turned(ring: np.ndarray, outer: bool) -> np.ndarray:
    """Outer rings counter-clockwise with y upwards, holes clockwise, as RFC 7946 wants them."""
    return ring if (placing.twice_area(ring[:-1]) > 0) == outer else ring[::-1]


def _simplified(rings: List[np.ndarray], tolerance: float) -> List[np.ndarray]:
    """Rings by Douglas and Peucker's rule; a hole that is left with no area is none."""
    import cv2

    found = []
    for ring in rings:
        less = cv2.approxPolyDP(ring[:-1].astype(np.float32)[:, None], tolerance, True)[:, 0].astype(np.float64)
        if len(less) >= 3:
            found.append(np.concatenate([less, less[:1]]))
        elif not found:
            return rings  # the area itself would be gone
    return found
