"""Huffman codes for bytes, as a block of a deflate stream (RFC 1951) states and uses them: literals, no matches."""
import functools
import heapq
from typing import NamedTuple, Tuple

import numpy as np

END = 256  # the symbol that ends a block
_LONGEST = 15  # bits of a code
#: Order in which a block states the lengths of the codes for code lengths.
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


class Code(NamedTuple):
    """How each byte is written.

    Attributes:
        bits: (257,) uint64, code of each byte and of END, first bit lowest, as it stands in the stream.
        lengths: (257,) uint64, bits of each.
        header: what a block that uses this code begins with, as (value, bits): the first bit is the lowest.
    """
    bits: np.ndarray
    lengths: np.ndarray
    header: Tuple[int, int]


def code_for(counts: np.ndarray) -> Code:
    """The best code for bytes that occur so often.

    Args:
        counts: (256,) how often each byte occurs; one that does not occur gets a long code.
    """
    weights = np.append(np.asarray(counts, np.int64) + 1, 1)
    lengths = _lengths(weights)
    while lengths.max() > _LONGEST:  # only where some bytes are very rare: they lose little by a shorter code
        weights = weights // 4 + 1
        lengths = _lengths(weights)
    return Code(_bits(lengths), lengths.astype(np.uint64), _header(lengths))


def _lengths(weights: np.ndarray) -> np.ndarray:
    """Depth of each symbol in a Huffman tree, (257,) int64."""
    lengths = np.zeros(len(weights), np.int64)
    heap = [(int(weight), index, [index]) for index, weight in enumerate(weights)]
    heapq.heapify(heap)
    while len(heap) > 1:
        first, second = heapq.heappop(heap), heapq.heappop(heap)
        members = first[2] + second[2]
        lengths[members] += 1
        heapq.heappush(heap, (first[0] + second[0], first[1], members))
    return lengths


def _bits(lengths: np.ndarray) -> np.ndarray:
    """Canonical codes of these lengths, their bits reversed."""
    bits, code, previous = np.zeros(len(lengths), np.uint64), 0, 0
    for index in np.lexsort((np.arange(len(lengths)), lengths)):
        length = int(lengths[index])
        code <<= length - previous
        bits[index] = _reversed(code, length)
        code, previous = code + 1, length
    return bits


@functools.lru_cache(maxsize=None)
def _reversed(code: int, length: int) -> int:
    return int('{:0{}b}'.format(code, length)[::-1], 2)


def _header(lengths: np.ndarray) -> Tuple[int, int]:
    """Last block, dynamic codes, 257 literals, one unused distance, and all lengths in 4 bits each.

    A last block is marked by its first bit: :func:`begin_block` takes it away where another one follows.
    """
    fields = [(1, 1), (2, 2), (0, 5), (0, 5), (len(_ORDER) - 4, 4)]
    fields += [(4 if symbol < 16 else 0, 3) for symbol in _ORDER]
    fields += [(_reversed(int(length), 4), 4) for length in lengths] + [(0, 4)]
    value, size = 0, 0
    for field, bits in fields:
        value |= field << size
        size += bits
    return value, size


def begin_block(code: Code, last: bool) -> Tuple[int, int]:
    """(value, bits) of the beginning of a block; ``last`` says whether the stream ends with it."""
    value, size = code.header
    return (value if last else value - 1), size
