"""Which objects belong to a window, and their text lines."""
import numpy as np
import shapely

from mtp.boxes import bounds_of_polygons, overlapping_pairs

_LEAST_AREA = 1e-6


def assign(polygons, windows, min_inside):
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


def _shares(polygons, windows):
    """Pairs (object, window) that may overlap, and the share of the object inside the window."""
    index, window = overlapping_pairs(bounds_of_polygons(polygons), other=windows)
    shapes = shapely.polygons(np.asarray(polygons, dtype=np.float64).reshape(-1, 4, 2))
    broken = ~shapely.is_valid(shapes)
    if broken.any():  # corners in crossing order: take what they enclose instead of failing in the intersection
        shapes[broken] = shapely.make_valid(shapes[broken])
    frames = shapely.box(*np.asarray(windows, dtype=np.float64).T)
    shared = shapely.area(shapely.intersection(shapes[index], frames[window]))
    area = np.maximum(shapely.area(shapes).astype(np.float32), np.float32(_LEAST_AREA))
    return index, window, shared / area[index]


def lines(polygons, names, difficult, indices, cut, x_start, y_start):
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
