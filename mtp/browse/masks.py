"""Masks of class numbers: reading them, and where what was found differs from what is true.

In memory a mask has codes: class index + 1, and 0 where there is no class.
"""
from typing import Any, Dict, List, Optional, Tuple

import cv2
import numpy as np

from mtp.data import masks, raster_files
from mtp.errors import MTPError

_SIDE = 4096  # mistakes are looked for on masks no larger than this
_MOST = 200  # regions kept of an image, the largest
_LEAST = 9  # pixels of a region


def table(classes: int, first: int, changes: bool = False) -> np.ndarray:
    """(256,) uint8: from the number in a file to the code.

    Args:
        classes: how many there are.
        first: number of the first one.
        changes: masks of change detection: whatever is not 0 has changed.
    """
    codes = np.zeros(256, dtype=np.uint8)
    codes[first:first + classes] = np.arange(1, classes + 1)
    if changes:
        codes[:] = 2
        codes[0] = 1
    return codes


def read(path: Optional[str], codes: np.ndarray, size: Tuple[int, int]) -> Optional[np.ndarray]:
    """Codes (height, width) uint8 of a mask; None without a path.

    Args:
        path: of an image of class numbers, or None.
        codes: of :func:`table`.
        size: (width, height) of its image.

    Raises:
        MTPError: it cannot be read, or has another size than its image.
    """
    if path is None:
        return None
    if path.lower().endswith(('.tif', '.tiff')):
        with raster_files.open_raster(path) as opened:
            numbers = opened.read(1)
    else:
        numbers = masks.decode(path)[1]
        numbers = numbers if numbers.ndim == 2 else numbers[..., 0]
    if numbers.shape[::-1] != tuple(size):
        raise MTPError('the mask {} has {} x {} pixels, and its image {} x {}'.format(
            path, *(numbers.shape[::-1] + tuple(size))), hint='write the mask again')
    return codes[numbers.astype(np.uint8)]


def judge(found: np.ndarray, truth: Optional[np.ndarray]) -> Dict[str, Any]:
    """What the page has to know of a pair of masks before it draws them.

    Args:
        found: (height, width) codes.
        truth: the same, or None where it is not known.

    Returns:
        ``pixels``: (found code, true code, number) of each combination; ``regions``: (x, y, width, height, pixels,
        found code, true code) of connected mistakes, the largest first.
    """
    true = np.zeros_like(found) if truth is None else truth
    pairs = np.bincount((found.astype(np.int64) * 256 + true).ravel(), minlength=1 << 16)
    pixels = [[int(pair) >> 8, int(pair) & 255, int(pairs[pair])] for pair in np.flatnonzero(pairs)]
    return dict(pixels=pixels, regions=[] if truth is None else _regions(found, truth))


def _regions(found: np.ndarray, truth: np.ndarray) -> List[List[int]]:
    step = -(-max(found.shape) // _SIDE)
    found, truth = found[::step, ::step], truth[::step, ::step]
    wrong = (found != truth) & (truth > 0)
    regions = []
    for pair in np.unique(found[wrong].astype(np.int64) * 256 + truth[wrong]):
        here = wrong & (found == pair >> 8) & (truth == (pair & 255))
        _, _, stats, _ = cv2.connectedComponentsWithStats(here.astype(np.uint8), connectivity=8)
        rows = stats[1:]
        rows = rows[rows[:, 4] >= _LEAST]
        rows = rows[np.argsort(-rows[:, 4], kind='stable')[:_MOST]].astype(np.int64)
        regions += [[*(int(value) * step for value in row[:4]), int(row[4]) * step * step, int(pair) >> 8,
                     int(pair) & 255] for row in rows]
    return sorted(regions, key=lambda region: -region[4])[:_MOST]
