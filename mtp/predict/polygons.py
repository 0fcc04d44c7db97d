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

_Rings = Sequence[Sequence[Tuple[float, float]]]  # of one polygon, on the ground, as rasterio has them


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
        wanted = ((label, rings) for label, rings in found if label in labels)
        while True:
            some = list(itertools.islice(wanted, _BATCH))
            if not some:
                return
            yield _placed(some, to_pixels, ground, system, simplify)


def _placed(some: Sequence[Tuple[int, _Rings]], to_pixels: Sequence[float], ground: Optional[Ground],
            system: placing.System, simplify: float) -> List[Area]:
    """Labels and rings on the ground -> :class:`Area`; all points go through each step in one call."""
    rings = [ring for _, rings in some for ring in rings]
    points, lengths = _corners(rings, to_pixels), np.array([len(ring) for ring in rings])
    counts = np.array([len(rings) for _, rings in some])
    outer = _outer(counts)
    covered = np.abs(_twice_areas(points, lengths)) / 2
    pixels = np.add.reduceat(np.where(outer, covered, -covered), _starts(counts))
    if simplify:
        points, lengths, counts = _simplified(points, lengths, counts, simplify)
        outer = _outer(counts)
    points = placing.place(points, ground, system)
    # outer rings counter-clockwise with y upwards, holes clockwise, as RFC 7946 wants them
    turned = (_twice_areas(points, lengths) > 0) != outer
    pieces = [piece[::-1] if turn else piece for piece, turn in zip(_split(points, lengths), turned.tolist())]
    ends = np.cumsum(counts).tolist()
    return [Area(label, int(round(count)), pieces[end - number:end])
            for (label, _), count, number, end in zip(some, pixels.tolist(), counts.tolist(), ends)]


def _starts(counts: np.ndarray) -> np.ndarray:
    """Where each of so many begins when all stand in one row."""
    return np.cumsum(counts) - counts


def _outer(counts: np.ndarray) -> np.ndarray:
    """Which rings are the outer one of their polygon, when polygons have so many."""
    found = np.zeros(counts.sum(), bool)
    found[_starts(counts)] = True
    return found


def _split(points: np.ndarray, lengths: np.ndarray) -> List[np.ndarray]:
    """The rings (k, 2) that stand in one row (n, 2)."""
    return [points[end - length:end] for end, length in zip(np.cumsum(lengths).tolist(), lengths.tolist())]


def _corners(rings: Iterable[Sequence[Tuple[float, float]]], to_pixels: Sequence[float]) -> np.ndarray:
    """Points of rings on the ground, in one row -> corners of pixels (n, 2), whole numbers in float64."""
    a, b, c, d, e, f = to_pixels[:6]
    points = np.array(list(itertools.chain.from_iterable(rings)), np.float64)
    return np.rint(points @ np.array([[a, d], [b, e]]) + (c, f))


def _twice_areas(points: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Twice the signed area of closed rings that stand in one row (n, 2), positive where they go counter-clockwise with
    y upwards; counted from the first point of each, so that small ones far from the origin lose nothing.
    """
    starts = _starts(lengths)
    x, y = (points - np.repeat(points[starts], lengths, axis=0)).T
    across = np.zeros(len(points))
    across[:-1] = x[:-1] * y[1:] - x[1:] * y[:-1]
    across[starts[1:] - 1] = 0  # from one ring to the next
    return np.add.reduceat(across, starts)


def _simplified(points: np.ndarray, lengths: np.ndarray, counts: np.ndarray,
                tolerance: float) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rings by Douglas and Peucker's rule, as points, their lengths, and how many each polygon has."""
    rings, found = iter(_split(points, lengths)), []
    for count in counts.tolist():
        found.append(_simpler(list(itertools.islice(rings, count)), tolerance))
    kept = [ring for each in found for ring in each]
    return np.concatenate(kept), np.array([len(ring) for ring in kept]), np.array([len(each) for each in found])


def _simpler(rings: List[np.ndarray], tolerance: float) -> List[np.ndarray]:
    """Rings of one polygon with fewer points; a hole that is left with no area is none."""
    import cv2

    found = []
    for ring in rings:
        less = cv2.approxPolyDP(ring[:-1].astype(np.float32)[:, None], tolerance, True)[:, 0].astype(np.float64)
        if len(less) >= 3:
            found.append(np.concatenate([less, less[:1]]))
        elif not found:
            return rings  # the area itself would be gone
    return found
