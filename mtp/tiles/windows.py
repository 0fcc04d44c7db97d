"""Where the windows over an image lie, and how a tile is called. Everything is in pixels of the original image.

A *rate* never resizes pixels: window and overlap are divided by it, and the network's own resize does the scaling. So
merging needs an offset only.
"""
import re
from typing import Iterable, NamedTuple, Tuple

import numpy as np

from mtp.errors import MTPError

#: Windows within this much of the largest share count as the largest, where no window is filled enough.
_NEAR = 0.01
#: What tiles are called here, and by DOTA_devkit, which has a rate for the window.
_LOOKS_CUT = re.compile(r'.+__(?P<rate>\d+(\.\d+)?)__-?\d+___-?\d+', re.ASCII | re.DOTALL)
_TILE_ID = re.compile(r'(?P<image>.+)__(?P<window>\d{1,9})__(?P<x>\d{1,9})___(?P<y>\d{1,9})', re.ASCII | re.DOTALL)
_CUT_HINT = 'cut the images with: python -m mtp.tiles.cut --help'
#: No window is this small; DOTA_devkit writes the rate (1, 2 or 0.5) where MMRotate writes the window.
_LEAST_WINDOW = 16


class Preset(NamedTuple):
    """How images are cut.

    Attributes:
        window: side of the network's input, pixels.
        overlap: of neighbouring windows, pixels.
        rates: window and overlap are divided by each of these in turn.
        min_share: a window is kept when more than this share of it lies in the image.
        min_inside: an object belongs to a window when at least this share of it lies inside.
        padding: BGR colour of what lies outside the image.
    """
    window: int
    overlap: int
    rates: Tuple[float, ...] = (1.0,)
    min_share: float = 0.6
    min_inside: float = 0.7
    padding: Tuple[int, int, int] = (104, 116, 124)


#: DOTA as in MMRotate's split configs. How FAIR1M was cut for the paper is not published: those two are ours.
PRESETS = {
    'dotav1_ss': Preset(1024, 200),
    'dotav1_ms': Preset(1024, 500, (0.5, 1.0, 1.5)),
    'dotav2_ss': Preset(1024, 200),
    'fair1m_ss': Preset(800, 200),
    'fair1m_ms': Preset(800, 400, (0.5, 1.0, 1.5)),
    'demo_ss': Preset(256, 64),  # the reduced network of the demo
    'demo_ms': Preset(256, 64, (0.75, 1.0, 1.5)),
}


def preset(name: str) -> Preset:
    """The :class:`Preset` called ``name``.

    Raises:
        MTPError: there is none of that name.
    """
    if name not in PRESETS:
        raise MTPError(f'no tiling preset is called {name!r}', hint='take one of: ' + ', '.join(PRESETS))
    return PRESETS[name]


def window_positions(width: int, height: int, how: Preset) -> np.ndarray:
    """Windows over an image.

    Source: MMRotate tools/data/dota/split/img_split.py, get_sliding_window (specified, not copied).

    Args:
        width, height: of the image.
        how: a :class:`Preset`.

    Returns:
        (n, 4) int64 x_start, y_start, x_stop, y_stop; by rate, then x, then y. Windows of an image smaller than the
        window reach beyond it. There is always at least one.
    """
    layers = []
    for rate in how.rates:
        size, overlap = int(how.window / rate), int(how.overlap / rate)
        if not 0 <= overlap < size:
            raise MTPError(f'window {size} with overlap {overlap} never advances')
        x, y = np.meshgrid(starts(width, size, overlap), starts(height, size, overlap), indexing='ij')
        start = np.stack([x.ravel(), y.ravel()], axis=1)
        layers.append(np.concatenate([start, start + size], axis=1))
    windows = np.concatenate(layers)
    inside = np.minimum(windows[:, 2:], [width, height]) - windows[:, :2]
    share = np.prod(inside, axis=1) / np.prod(windows[:, 2:] - windows[:, :2], axis=1)
    kept = share > how.min_share
    return windows[kept if kept.any() else share.max() - share < _NEAR]


def starts(length: int, size: int, overlap: int) -> np.ndarray:
    """Window starts along one axis; the last window is pulled back to the border."""
    step = size - overlap
    count = 1 if length <= size else int(np.ceil((length - size) / step + 1))
    starts = np.arange(count, dtype=np.int64) * step
    if count > 1:
        starts[-1] = min(starts[-1], length - size)
    return starts


def parts_of(windows: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Number of the part, of ``count``, that each window belongs to: about as heavy each, from top to bottom.

    Windows that begin in one row stay together, because its pixels are read once.

    Args:
        windows: (n, 4) x_start, y_start, x_stop, y_stop, in any order.
        weights: (n,) of each.

    Returns:
        (n,) int64; a part may have none.
    """
    _, row = np.unique(windows[:, 1], return_inverse=True)
    heavy = np.bincount(row, weights)
    before = np.cumsum(heavy) - heavy
    return (before * count // heavy.sum()).astype(np.int64)[row]


def tile_id(image_id: str, window: Iterable[int]) -> str:
    """Name of a tile: ``<image id>__<window side>__<x>___<y>``."""
    x_start, y_start, x_stop, _ = (int(value) for value in window)
    return f'{image_id}__{x_stop - x_start}__{x_start}___{y_start}'


def parse_tile_id(name: str) -> Tuple[str, int, int, int]:
    """``(image id, window side, x, y)`` of a tile's name. The image id itself may hold double underscores.

    Raises:
        MTPError: the name is not one of ours, or is one of DOTA_devkit, whose numbers mean something else.
    """
    cut, match = _LOOKS_CUT.fullmatch(name), _TILE_ID.fullmatch(name)
    if cut and float(cut.group('rate')) < _LEAST_WINDOW:
        raise MTPError('{!r} looks like a tile of DOTA_devkit: {} is a rate, not a window, and its offsets are in the '
                       'resized image'.format(name, cut.group('rate')), hint=_CUT_HINT)
    if not match:
        raise MTPError(f'{name!r} is not the name of a tile (image__window__x___y)', hint=_CUT_HINT)
    return match.group('image'), int(match.group('window')), int(match.group('x')), int(match.group('y'))


def looks_cut(name: str) -> bool:
    """Whether ``name`` is that of a tile, ours or another tool's, rather than of a whole image."""
    return bool(_LOOKS_CUT.fullmatch(name))
