"""Which objects belong to a window, and their text lines."""
from typing import List, Sequence, Tuple

import numpy as np
import shapely

from mtp.boxes import bounds_of_polygons

_LEAST_AREA = 1e-6
_AT_ONCE = 1 << 22  # pairs that are looked at together


def assign(polygons: np.ndarray, windows: np.ndarray, min_inside: float) -> List[Tuple[np.ndarray, np.ndarray]]:
    """Objects of each window.

    An object belongs to a window when at least ``min_inside`` of its area lies in it. The area is rounded to float32
    first, as MMRotate's splitter does: with decimals in the corners an object wholly inside may so count as cut.

    Args:
        polygons: (n, 8) float32.
        windows: (m, 4).
        min_inside: share of the object's area.

    Returns:
        A list of m pairs: indices (k,) int64 in ascending order, cut (k,) bool (less than all of the object inside).
    """
    pair, window, share = _shares(polygons, windows)
    kept = share >= min_inside
    pair, window, share = pair[kept], window[kept], share[kept]
    order = np.lexsort((pair, window))
    begin = np.searchsorted(window[order], np.arange(len(windows) + 1))
    parts = [order[begin[m]:begin[m + 1]] for m in range(len(windows))]
    return [(pair[part], share[part] < 1) for part in parts]


def _shares(polygons: np.ndarray, windows: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (object, window) that may overlap, and the share of the object inside the window."""
    index, window = _meeting(bounds_of_polygons(polygons), np.asarray(windows))
    shapes = shapely.polygons(np.asarray(polygons, dtype=np.float64).reshape(-1, 4, 2))
    broken = ~shapely.is_valid(shapes)
    if broken.any():  # corners in crossing order: take what they enclose instead of failing in the intersection
        shapes[broken] = shapely.make_valid(shapes[broken])
    frames = shapely.box(*np.asarray(windows, dtype=np.float64).T)
    shared = shapely.area(shapely.intersection(shapes[index], frames[window]))
    area = np.maximum(shapely.area(shapes).astype(np.float32), np.float32(_LEAST_AREA))
    return index, window, shared / area[index]


def _meeting(bounds: np.ndarray, windows: np.ndarray) -> Tuple[np.ndarray, ...]:
    """Pairs (object, window) whose bounds (n, 4) and (m, 4) meet: two (k,) int64, by object.

    Each object is held against each window, not against other objects: any number of these may lie in one place.
    """
    found, step = [], max(1, _AT_ONCE // max(1, len(windows)))
    for start in range(0, len(bounds), step):
        low, high = bounds[start:start + step, None, :2], bounds[start:start + step, None, 2:]
        index, window = np.nonzero(((low <= windows[:, 2:]) & (windows[:, :2] <= high)).all(axis=2))
        found.append((index + start, window))
    return tuple(np.concatenate(column) for column in zip(*found)) if found else (np.zeros(0, np.int64),) * 2


def lines(polygons: np.ndarray, names: Sequence[str], difficult: Sequence[int], indices: np.ndarray, cut: np.ndarray,
          x_start: int, y_start: int) -> str:
    """Annotation text of one tile: polygons shifted, not clipped, in float32; difficulty 2 marks an object cut.

    Args:
        polygons: (n, 8) float32 in image pixels.
        names, difficult: of the n objects.
        indices, cut: what :func:`assign` says about this tile.
        x_start, y_start: of the tile.
    """
    offset = np.tile(np.float32([x_start, y_start]), 4)
    rows = []
    for corners, index, is_cut in zip(polygons[indices] - offset, indices, cut):
        mark = 2 if is_cut else difficult[index]
        rows.append('{} {} {}\n'.format(' '.join(map(str, corners)), names[index], mark))
    return ''.join(rows)
