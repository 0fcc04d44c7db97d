"""Filling polygons in a mask: a pixel belongs to a polygon that holds its centre, as GDAL decides it."""
from typing import Sequence

import numpy as np


def fill(mask: np.ndarray, rings: Sequence[np.ndarray], value: int) -> None:
    """Burn one polygon into ``mask``.

    Holes and parts are told apart by the even-odd rule over all rings. A centre exactly on an edge belongs to the
    polygon on its left, or above it.

    Args:
        mask: (height, width), changed in place.
        rings: (n, 2) float64 arrays of x, y in pixels, the corner of the first pixel at 0; closed or not.
        value: what to write.
    """
    height, width = mask.shape
    edges = np.concatenate([np.concatenate([ring, np.roll(ring, -1, 0)], 1) for ring in rings if len(ring) > 2]
                           or [np.zeros((0, 4))])
    x0, y0, x1, y1 = np.where((edges[:, 1] > edges[:, 3])[:, None], edges[:, [2, 3, 0, 1]], edges).T  # downwards
    # rows whose centre y + 0.5 lies in [y0, y1)
    first = np.clip(np.ceil(y0 - 0.5), 0, height).astype(np.int64)
    after = np.clip(np.ceil(y1 - 0.5), 0, height).astype(np.int64)
    number = np.maximum(after - first, 0)
    if not number.any():
        return
    edge = np.repeat(np.arange(len(edges)), number)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number) + first[edge]
    share = (row + 0.5 - y0[edge]) / (y1 - y0)[edge]
    column = np.clip(np.floor(x0[edge] + share * (x1 - x0)[edge] + 0.5), 0, width).astype(np.int64)
    top, left, right = row.min(), column.min(), column.max()
    turns = np.zeros((row.max() - top + 1, right - left + 1), np.int32)
    np.add.at(turns, (row - top, column - left), 1)
    inside = np.cumsum(turns, 1)[:, :-1] % 2 == 1  # an odd number of edges on the left
    window = mask[top:top + inside.shape[0], left:right]
    window[inside] = value
