"""COCO's compressed run-length masks, many at once: check them, and give area and box without drawing them.

A mask is a list of run lengths, background first, down the columns; ``counts`` packs it as text, five bits a
character, each run from the third on as the difference from the one two places before. pycocotools trusts that text
and writes outside its memory when it lies, so every mask from a file passes here first.
"""
from typing import List, Sequence, Tuple

import numpy as np

MAX_PIXELS = 1 << 31


class RunsError(ValueError):
    """A mask that is not one; ``index`` tells which."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def runs(counts: Sequence[str]) -> Tuple[np.ndarray, np.ndarray]:
    """Unpack ``counts`` of several masks.

    Args:
        counts: the packed text of each mask.

    Returns:
        All run lengths one after the other (int64), and where each mask starts in them (int64, one more than masks).

    Raises:
        RunsError: characters outside the alphabet, a number that does not end, an over-long number.
    """
    starts_of_text = np.concatenate([[0], np.cumsum([len(text) for text in counts])]).astype(np.int64)
    try:
        data = np.frombuffer(''.join(counts).encode('ascii'), np.uint8).astype(np.int64) - 48
    except UnicodeEncodeError:
        index = next(index for index, text in enumerate(counts) if not text.isascii())
        raise RunsError(index, 'counts are not ASCII') from None
    wrong = np.flatnonzero((data < 0) | (data > 63))
    if len(wrong):
        raise RunsError(_owner(starts_of_text, wrong[0]), 'counts hold a character outside the alphabet')
    last = (data & 32) == 0
    empty = starts_of_text[1:] == starts_of_text[:-1]
    if empty.any():
        raise RunsError(int(np.argmax(empty)), 'counts are empty')
    if len(counts) and not last[starts_of_text[1:] - 1].all():
        raise RunsError(int(np.argmin(last[starts_of_text[1:] - 1])), 'counts are cut off')
    ends = np.flatnonzero(last)
    firsts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64) if len(ends) else ends
    digits = ends - firsts + 1
    if len(digits) and digits.max() > 8:
        raise RunsError(_owner(starts_of_text, firsts[np.argmax(digits)]), 'counts hold an over-long number')
    place = np.arange(len(data)) - np.repeat(firsts, digits)
    values = np.add.reduceat((data & 31) << (5 * place), firsts) if len(ends) else np.zeros(0, np.int64)
    values = values - (((data[ends] & 16) > 0).astype(np.int64) << (5 * digits))  # the sign of the last five bits
    first_run = np.searchsorted(ends, starts_of_text[:-1])
    offsets = np.concatenate([first_run, [len(ends)]]).astype(np.int64)
    return _undo_differences(values, offsets), offsets


def _owner(starts: np.ndarray, position: int) -> int:
    return int(np.searchsorted(starts, position, side='right')) - 1


def _undo_differences(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Runs 0, 1 and 2 of a mask are plain; run i > 2 is the difference from run i - 2."""
    lengths = np.diff(offsets)
    place = np.arange(len(values)) - np.repeat(offsets[:-1], lengths)
    result = values.copy()
    for parity in (0, 1):
        chain = (place % 2 == parity)
        index = np.flatnonzero(chain)
        if not len(index):
            continue
        # even chains restart at place 2 (place 0 is plain and not part of the sums), odd ones at place 1
        restart = place[index] <= (2 if parity == 0 else 1)
        total = np.cumsum(values[index])
        base = (total - values[index])[restart]
        result[index] = total - base[np.cumsum(restart) - 1]
    return result


def areas_and_boxes(sizes: Sequence[Tuple[int, int]], counts: Sequence[str]) -> Tuple[np.ndarray, np.ndarray]:
    """Area and upright box of masks, equal to ``pycocotools.mask.area`` and ``toBbox``.

    Args:
        sizes: (height, width) of each mask.
        counts: its packed runs.

    Returns:
        areas int64 (n,) in pixels; boxes int64 (n, 4) as x, y, width, height, all zero for an empty mask.

    Raises:
        RunsError: the runs of a mask do not fill its size exactly, or cannot be read.
    """
    number = len(counts)
    if not number:
        return np.zeros(0, np.int64), np.zeros((0, 4), np.int64)
    flat, offsets = runs(counts)
    height, width = (np.array(column, np.int64) for column in zip(*sizes))
    for index in np.flatnonzero((height < 1) | (width < 1) | (height * width > MAX_PIXELS))[:1]:
        raise RunsError(int(index), f'its size is {list(sizes[index])}')
    total = np.add.reduceat(flat, offsets[:-1])
    negative = np.minimum.reduceat(flat, offsets[:-1]) < 0
    for index in np.flatnonzero(negative | (total != height * width))[:1]:
        raise RunsError(int(index), 'its runs fill {} pixels, and {} x {} has {}'.format(
            total[index], width[index], height[index], height[index] * width[index]))
    owner = np.repeat(np.arange(number), np.diff(offsets))
    place = np.arange(len(flat)) - offsets[:-1][owner]
    inside = (place % 2 == 1)
    areas = np.bincount(owner[inside], flat[inside], minlength=number).astype(np.int64)
    end = np.cumsum(flat) - (np.cumsum(total) - total)[owner]  # pixels of the mask up to the end of each run
    return areas, _boxes(owner[inside], (end - flat)[inside], end[inside], height, width, number)


def _boxes(owner: np.ndarray, first: np.ndarray, after: np.ndarray, height: np.ndarray, width: np.ndarray,
           number: int) -> np.ndarray:
    """Boxes around runs of pixels ``first`` .. ``after`` - 1 of each owner; a run of no pixels counts as in COCO."""
    tall = height[owner]
    x0, y0 = first // tall, first % tall
    x1, y1 = (after - 1) // tall, (after - 1) % tall
    crosses = x0 < x1  # a run over a column's end touches top and bottom
    low_y, high_y = np.where(crosses, 0, np.minimum(y0, y1)), np.where(crosses, tall - 1, np.maximum(y0, y1))
    boxes = np.zeros((number, 4), np.int64)
    if not len(owner):
        return boxes
    starts = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
    who = owner[starts]
    left, top = np.minimum.reduceat(np.minimum(x0, x1), starts), np.minimum.reduceat(low_y, starts)
    right, bottom = np.maximum.reduceat(np.maximum(x0, x1), starts), np.maximum.reduceat(high_y, starts)
    boxes[who] = np.stack([left, top, right - left + 1, bottom - top + 1], 1)
    return boxes


def as_text(value: object) -> str:
    """``counts`` as str, whether it was pickled as str or bytes; RunsError for anything else."""
    if isinstance(value, bytes):
        value = value.decode('latin-1')
    if not isinstance(value, str):
        raise RunsError(0, f'counts are {type(value).__name__}, not packed text')
    return value


def pack(masks: List[np.ndarray]) -> List[str]:
    """Packed runs of (h, w) 0/1 masks, the reverse of :func:`runs`."""
    packed = []
    for mask in masks:
        flat = np.concatenate([[0], np.asarray(mask, np.uint8).ravel(order='F'), [2]]).astype(np.int64)
        edges = np.flatnonzero(np.diff(flat[:-1]) != 0)
        lengths = np.diff(np.concatenate([[0], edges, [len(flat) - 2]]))
        values = [int(v) - (int(lengths[i - 2]) if i > 2 else 0) for i, v in enumerate(lengths)]
        packed.append(''.join(_pack(value) for value in values))
    return packed


def _pack(value: int) -> str:
    text = ''
    while True:
        digit, value = value & 31, value >> 5
        more = value != (-1 if digit & 16 else 0)
        text += chr(48 + (digit | 32 if more else digit))
        if not more:
            return text
