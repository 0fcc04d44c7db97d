"""Where a test takes its tiles from: files, or windows cut on the fly; and how they are dealt to processes.

A :class:`Piece` is what one process reads in one go: a tile's file, or neighbouring windows of one image, so that its
rows are read once. Pieces are dealt by what they cost: images of a test set differ in size by a factor of a thousand,
and windows of several scales in their pixels by nine, but the network sees each of them at one size.
"""
import heapq
from typing import Callable, Container, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from mtp.data import images as image_files

from .cut import crop
from .pixels import read_image
from .rows import Rows, open_rows, panels
from .windows import Preset, parse_tile_id, parts_of, tile_id, window_positions

#: An image is split when its windows are more than this share of what each reader gets.
_SPLIT = 4
#: What reading a pixel costs, in windows through the network: 2 % of one of 1024 x 1024 (ci/bench/infer.py).
_READING = 0.02 / 1024 ** 2


class Piece(NamedTuple):
    """Tiles that are read together.

    Attributes:
        path: of the image.
        stem: id of the tile (a file) or of the image (windows).
        windows: (n, 4) int64 x_start, y_start, x_stop, y_stop, by row; None where the file is the tile.
        padding: BGR of what lies outside the image.
        cost: of all its tiles, in windows through the network.
    """
    path: str
    stem: str
    windows: Optional[np.ndarray]
    padding: Tuple[int, ...]
    cost: float

    @property
    def tiles(self) -> List[str]:
        """Ids of the tiles, in the order they are read."""
        return [self.stem] if self.windows is None else [tile_id(self.stem, window) for window in self.windows]


def of_files(files: Mapping[str, str], whole: bool = False) -> List[Piece]:
    """Pieces of tiles that lie in files.

    Args:
        files: tile id -> path, in order.
        whole: the files are whole images, whose names say nothing about their size.
    """
    return [Piece(path, tile, None, (), 1 + _READING * _pixels(tile, path, whole)) for tile, path in files.items()]


def _pixels(tile: str, path: str, whole: bool) -> int:
    if whole:
        width, height = image_files.size(path)
        return width * height
    return parse_tile_id(tile)[1] ** 2


def of_images(images: Mapping[str, str], how: Preset, readers: int = 1,
              size: Callable[[str], Tuple[int, int]] = image_files.size) -> List[Piece]:
    """Pieces of the windows over images.

    Args:
        images: image id -> path, in order.
        how: a :class:`~mtp.tiles.windows.Preset`.
        readers: how many processes will read; an image too big for one of them is split.
        size: function from a path to (width, height), by the header alone.

    Raises:
        MTPError: an image is missing, or its header cannot be read.
    """
    found = []
    for stem, path in images.items():
        windows = window_positions(*size(path), how)
        order = np.lexsort((windows[:, 0], windows[:, 2] - windows[:, 0], windows[:, 1]))
        found.append((path, stem, windows[order]))
    total = sum(_cost(windows) for _, _, windows in found)
    limit = total / (_SPLIT * readers) if readers > 1 else total
    return [Piece(path, stem, part, how.padding, _cost(part)) for path, stem, windows in found
            for part in _split(windows, limit)]


def _cost(windows: np.ndarray) -> float:
    return len(windows) + _READING * float(((windows[:, 2] - windows[:, 0]) * (windows[:, 3] - windows[:, 1])).sum())


def _split(windows: np.ndarray, limit: float) -> List[np.ndarray]:
    """Runs of windows, in order from top to bottom, that cost about ``limit``."""
    count = int(max(1, np.ceil(_cost(windows) / max(1, limit))))
    part = parts_of(windows, np.ones(len(windows)), count)
    return np.split(windows, np.flatnonzero(np.diff(part)) + 1)


def deal(pieces: Sequence[Piece], hands: int) -> List[List[Piece]]:
    """Pieces to ``hands`` processes, so that each takes about as long: a list of lists, each in order.

    It depends on the arguments alone: all processes deal alike. The heaviest goes first, to whoever has least so far.
    """
    loads, dealt = [(0.0, hand) for hand in range(hands)], [[] for _ in range(hands)]
    for index in sorted(range(len(pieces)), key=lambda index: -pieces[index].cost):
        load, hand = heapq.heappop(loads)
        dealt[hand].append(index)
        heapq.heappush(loads, (load + pieces[index].cost, hand))
    return [[pieces[index] for index in sorted(hand)] for hand in dealt]


def without(pieces: Iterable[Piece], done: Container[str]) -> List[Piece]:
    """The pieces less the tiles whose ids are in ``done``."""
    left = []
    for piece in pieces:
        todo = [number for number, tile in enumerate(piece.tiles) if tile not in done]
        if len(todo) == len(piece.tiles):
            left.append(piece)
        elif todo and piece.windows is not None:
            left.append(piece._replace(windows=piece.windows[todo], cost=_cost(piece.windows[todo])))
    return left


def read(piece: Piece, opener: Callable[[str], Rows] = open_rows) -> Iterator[Tuple[str, np.ndarray]]:
    """Yield the tiles of a piece; of an image stored in tiles, panel by panel.

    Args:
        piece: a :class:`Piece`.
        opener: function from the path of an image to its rows; see :func:`~mtp.tiles.rows.open_rows`.

    Yields:
        tile id, pixels (height, width, 3) uint8 BGR of its own.

    Raises:
        MTPError: the image cannot be decoded.
    """
    if piece.windows is None:
        yield piece.stem, read_image(piece.path)
        return
    for rows, x_start, windows in panels(opener(piece.path), piece.windows):
        for window in windows:
            pixels = crop(rows.take(window[1], window[3]), window - [x_start, 0, x_start, 0], piece.padding)
            yield tile_id(piece.stem, window), pixels.copy()
