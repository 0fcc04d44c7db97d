"""What the readers of label files return: plain columns."""
from typing import Any, Dict, NamedTuple, Sequence, Tuple

import numpy as np


Row = Tuple[str, Sequence[float], int]  # name, numbers, difficult


class Polygons(NamedTuple):
    """Oriented objects of one image."""

    names: Tuple[str, ...]  # class names
    polygons: np.ndarray  # (n, 4, 2) float64, corners x, y in pixels in the order of the file
    difficult: np.ndarray  # (n,) int64; the last column of DOTA text as it stands; 0 where the format has none
    meta: Dict[str, Any]  # what else the file says: width, height, filename, gsd, imagesource, scores


class Boxes(NamedTuple):
    """Upright objects of one image."""

    names: Tuple[str, ...]
    boxes: np.ndarray  # (n, 4) float64, xmin, ymin, xmax, ymax in pixels
    difficult: np.ndarray  # (n,) int64
    meta: Dict[str, Any]


def polygons(rows: Sequence[Row], meta: Dict[str, Any]) -> Polygons:
    """:class:`Polygons` from (name, eight numbers, difficult) rows."""
    return Polygons(tuple(row[0] for row in rows), np.array([row[1] for row in rows], np.float64).reshape(-1, 4, 2),
                    np.array([row[2] for row in rows], np.int64), meta)


def boxes(rows: Sequence[Row], meta: Dict[str, Any]) -> Boxes:
    """:class:`Boxes` from (name, four numbers, difficult) rows."""
    return Boxes(tuple(row[0] for row in rows), np.array([row[1] for row in rows], np.float64).reshape(-1, 4),
                 np.array([row[2] for row in rows], np.int64), meta)
