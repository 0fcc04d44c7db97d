"""Tiles of one image as PNG files that share their compression.

Tiles overlap: cut at three scales, a pixel lies in eleven of them, and packing is nearly all of the work. Here every
row of the image is packed once, in strips; a tile's stream is put together from pieces of these rows. It works because
nothing in a row depends on where a tile begins, except its first pixel: PNG's filter "Sub" looks one pixel to the left,
and the packing is Huffman codes only, one code for each strip of rows (see :mod:`mtp.tiles.deflate`). The files are
about as large as those of OpenCV, which uses the same filter, and hold the same pixels.
"""
import mmap
import struct
import zlib
from typing import Iterable, List, NamedTuple, Sequence, Tuple, Union

import cv2
import numpy as np

from . import deflate

#: A narrower tile has rows of less than two words in the stream.
LEAST_WIDTH = 64
STRIP = 128  # rows that share a code
_CHUNK = 1 << 15  # pixels packed at a time
_SUB = 1  # the filter's number, before every row
_LENGTH = np.uint64(56)  # where a table keeps the length beside the bits
_BITS = np.uint64((1 << 56) - 1)
_WORD, _ONE, _LAST = np.uint64(64), np.uint64(1), np.uint64(63)
_MODULUS = 65521  # of Adler-32

Part = Union[bytes, memoryview]  # of a file


class Strip(NamedTuple):
    """Rows of an image, packed.

    Attributes:
        first: number of the first row.
        code: of this strip.
        words: (m,) uint64, the packed rows; one word of nothing before and behind.
        columns: (c,) where tiles begin or end, in pixels; a tile from x needs x and x + 1.
        at: (rows, c) int64, the bit where each column begins in ``words``.
        sums: (rows, c) int32, of the filtered bytes before a column, modulo 65521.
        sums_of_sums: (rows, c) int32, of these sums, one for each byte before a column, modulo 65521.
        pixels: (rows, c, 3) uint8 RGB, the pixel at each column; 0 beyond the image.
    """
    first: int
    code: deflate.Code
    words: np.ndarray
    columns: np.ndarray
    at: np.ndarray
    sums: np.ndarray
    sums_of_sums: np.ndarray
    pixels: np.ndarray

    @property
    def stop(self) -> int:
        """Number of the row behind the last."""
        return self.first + len(self.at)


def columns_of(windows: np.ndarray) -> np.ndarray:
    """The ``columns`` that a strip needs for these windows, (n, 4)."""
    return np.unique(np.concatenate([windows[:, 0], windows[:, 0] + 1, windows[:, 2]]))


def pack(first: int, rows: np.ndarray, columns: np.ndarray) -> Strip:
    """Pack rows of an image.

    Args:
        first: number of the first of them.
        rows: (n, width, 3) uint8 BGR.
        columns: see :class:`Strip`; none beyond ``width``.
    """
    width = rows.shape[1]
    code = deflate.code_for(np.bincount(_filtered(rows[::4]).ravel(), minlength=256))
    tables = _tables(code)
    step = max(1, _CHUNK // width)
    chunks = [_pack(_filtered(rows[start:start + step]), tables, columns) for start in range(0, len(rows), step)]
    sizes = np.cumsum([1] + [len(words) for words, _, _, _ in chunks])
    words = _apart(sizes[-1])
    np.concatenate([np.zeros(1, np.uint64)] + [chunk[0] for chunk in chunks], out=words)
    at = np.concatenate([chunk[1] + 64 * size for chunk, size in zip(chunks, sizes)])
    pixels = np.zeros((len(rows), len(columns), 3), np.uint8)
    inside = columns < width
    pixels[:, inside] = rows[:, columns[inside], ::-1]
    return Strip(first, code, words, columns, at, np.concatenate([chunk[2] for chunk in chunks]),
                 np.concatenate([chunk[3] for chunk in chunks]), pixels)


def _apart(count: int) -> np.ndarray:
    """(count,) uint64 in memory of its own: it lives long, and would leave holes among what is made and freed."""
    return np.frombuffer(mmap.mmap(-1, 8 * int(count)), np.uint64)


def _filtered(rows: np.ndarray) -> np.ndarray:
    """PNG's filter "Sub": each byte less the one a pixel before, (n, width, 3) RGB."""
    colours = cv2.cvtColor(rows, cv2.COLOR_BGR2RGB).reshape(len(rows), -1)
    result = colours.copy()
    result[:, 3:] -= colours[:, :-3]
    return result.reshape(rows.shape)


def _tables(code: deflate.Code) -> Tuple[np.ndarray, np.ndarray]:
    """Bits and length of two bytes (by both as one number), and of one."""
    single = code.bits[:256] | (code.lengths[:256] << _LENGTH)
    lengths = code.lengths[:256]
    pair = code.bits[None, :256] | (code.bits[:256, None] << lengths[None])  # the second byte is the high one
    return (pair | ((lengths[None] + lengths[:, None]) << _LENGTH)).ravel(), single


def _pack(filtered: np.ndarray, tables: Tuple[np.ndarray, np.ndarray],
          columns: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Words of some rows, and the bit, sum and sum of sums at each column."""
    count, width = filtered.shape[:2]
    pair = filtered[..., 1].astype(np.uint16)
    pair <<= 8
    pair |= filtered[..., 0]
    value = tables[0][pair.ravel()]
    third = tables[1][filtered[..., 2].ravel()]
    size = value >> _LENGTH
    value &= _BITS
    value |= (third & _BITS) << size
    size += third >> _LENGTH
    end = np.cumsum(size)
    start = end - size
    word = start >> np.uint64(6)
    shift = start & _LAST
    begins = np.flatnonzero(np.concatenate([[True], word[1:] != word[:-1]]))  # a pixel has fewer bits than a word
    words = np.zeros(len(begins) + 2, np.uint64)
    words[:-2] = np.bitwise_or.reduceat(value << shift, begins)
    last = np.append(begins[1:], len(word)) - 1  # of each word: the only one that may reach into the next
    words[1:-1] |= (value[last] >> _ONE) >> (_LAST - shift[last])
    return (words,) + _at_columns(filtered.reshape(count, -1), start.reshape(count, width), end[width - 1::width],
                                  columns)


def _at_columns(filtered: np.ndarray, start: np.ndarray, row_end: np.ndarray,
                columns: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    width = start.shape[1]
    inside = columns[columns < width]
    at = np.empty((len(start), len(columns)), np.int64)
    at[:, :len(inside)] = start[:, inside]
    at[:, len(inside):] = row_end[:, None]
    sums = np.cumsum(filtered, axis=1, dtype=np.int64)
    before = np.maximum(3 * columns - 1, 0)  # a byte before each column
    some = columns > 0
    totals = (sums[:, before] * some % _MODULUS).astype(np.int32)
    np.cumsum(sums, axis=1, out=sums)
    return at, totals, (sums[:, before] * some % _MODULUS).astype(np.int32)


class _Piece(NamedTuple):
    """The part of a tile in one strip: bits before each row's first pixel, its first pixel, and the rest of it."""
    strip: Strip
    begin: np.ndarray  # bit in the strip's words
    size: np.ndarray  # bits
    head: np.ndarray  # filter and first pixel
    head_size: np.ndarray


def png(strips: Iterable[Strip], window: Iterable[int]) -> List[Part]:
    """A PNG file of a window.

    Args:
        strips: packed rows without a gap that cover the window, in order.
        window: x_start, y_start, x_stop, y_stop, inside the image, at least LEAST_WIDTH wide, its x in ``columns``.

    Returns:
        The parts of the file, one behind the other.
    """
    x_start, y_start, x_stop, y_stop = (int(value) for value in window)
    pieces, check = [], (1, 0)
    for strip in strips:
        rows = slice(max(0, y_start - strip.first), min(strip.stop, y_stop) - strip.first)
        if rows.start < rows.stop:
            here, first, stop = np.searchsorted(strip.columns, [x_start, x_start + 1, x_stop])
            pieces.append(_piece(strip, rows, here, first, stop))
            check = _adler(check, strip, rows, here, first, stop)
    stream = _stream(pieces)
    header = struct.pack('>IIBBBBB', x_stop - x_start, y_stop - y_start, 8, 2, 0, 0, 0)
    return ([b'\x89PNG\r\n\x1a\n'] + _chunk(b'IHDR', [header])
            + _chunk(b'IDAT', [b'\x78\x01', stream, struct.pack('>HH', check[1], check[0])]) + _chunk(b'IEND', []))


def _chunk(kind: bytes, parts: List[Part]) -> List[Part]:
    check = zlib.crc32(kind)
    for part in parts:
        check = zlib.crc32(part, check)
    return [struct.pack('>I', sum(len(part) for part in parts)), kind] + parts + [struct.pack('>I', check)]


def _piece(strip: Strip, rows: slice, here: int, first: int, stop: int) -> _Piece:
    code, begin = strip.code, strip.at[rows, first]
    head = np.full(len(begin), code.bits[_SUB])
    size = np.full(len(begin), code.lengths[_SUB])
    for channel in strip.pixels[rows, here].T:
        head |= code.bits[channel] << size
        size = size + code.lengths[channel]
    return _Piece(strip, begin, strip.at[rows, stop] - begin, head, size.astype(np.int64))


def _adler(check: Tuple[int, int], strip: Strip, rows: slice, here: int, first: int, stop: int) -> Tuple[int, int]:
    """Check sum behind these rows; each row is the filter's number, the first pixel and the filtered bytes."""
    pixel = strip.pixels[rows, here].astype(np.int64)
    sums, squares = strip.sums[rows].astype(np.int64), strip.sums_of_sums[rows].astype(np.int64)
    length = int(3 * (strip.columns[stop] - strip.columns[first]))
    head = _SUB + pixel.sum(1)
    total = head + sums[:, stop] - sums[:, first]
    inner = 4 * _SUB + pixel @ np.array([3, 2, 1]) + length * (head - sums[:, first])
    inner += squares[:, stop] - squares[:, first]
    before = (check[0] + np.cumsum(total) - total) % _MODULUS
    return (int(check[0] + total.sum()) % _MODULUS,
            int((check[1] + ((4 + length) * before + inner) % _MODULUS).sum() - check[1] * (len(total) - 1)) % _MODULUS)


def _stream(pieces: Sequence[_Piece]) -> memoryview:
    """The deflate stream of the pieces, as bytes: a block for each."""
    starts, position = [], 0
    for piece in pieces:
        sizes = piece.head_size + piece.size
        position += piece.strip.code.header[1]
        starts.append(position + np.cumsum(sizes) - sizes)
        position += int(sizes.sum() + piece.strip.code.lengths[deflate.END])
    out = np.zeros(position // 64 + 2, np.uint64)
    for number, (piece, start) in enumerate(zip(pieces, starts)):
        code = piece.strip.code
        value, size = deflate.begin_block(code, number == len(pieces) - 1)
        _put(out, int(start[0]) - size, value, size)
        end = _rows(out, piece, start)
        _put(out, end, int(code.bits[deflate.END]), int(code.lengths[deflate.END]))
    return memoryview(out).cast('B')[:-(-position // 8)]


def _put(out: np.ndarray, position: int, value: int, size: int) -> None:
    """Add bits of a Python integer to ``out``."""
    value <<= position % 64
    for index in range(position // 64, (position + size - 1) // 64 + 1):
        out[index] |= np.uint64(value & 0xffffffffffffffff)
        value >>= 64


def _rows(out: np.ndarray, piece: _Piece, start: np.ndarray) -> int:
    """Copy the rows of a piece to the bits from ``start`` on; the bit behind the last.

    Words of ``out`` that begin in a row are made from that row, then the bits of each row before its first word.
    """
    words, body = piece.strip.words, start + piece.head_size
    stop = body + piece.size
    first = np.append(start + 63, stop[-1] + 63) >> 6  # the first word that begins in each row, and behind all
    index = np.arange(first[0], first[-1])
    source = (64 * index + np.repeat(piece.begin - body, np.diff(first)))
    value = _bits_at(words, source)
    begins, ends = first[:-1] - first[0], first[1:] - first[0] - 1
    inside_head = np.maximum(body - 64 * first[:-1], 0).astype(np.uint64)
    skipped = np.minimum(64 * first[:-1] - start, 63).astype(np.uint64)
    value[begins] = np.where(inside_head > 0, ((value[begins] >> inside_head) << inside_head)
                             | (piece.head >> skipped), value[begins])
    value[ends] &= np.uint64(0xffffffffffffffff) >> (64 * first[1:] - stop).astype(np.uint64)
    out[first[0]:first[-1]] = value
    lead = piece.head | (_bits_at(words, piece.begin) << piece.head_size.astype(np.uint64))
    out[start >> 6] |= lead << (start & 63).astype(np.uint64)
    return int(stop[-1])


def _bits_at(words: np.ndarray, position: np.ndarray) -> np.ndarray:
    """The 64 bits from each position on."""
    index, shift = position >> 6, (position & 63).astype(np.uint64)
    return (words[index] >> shift) | ((words[index + 1] << _ONE) << (_LAST - shift))
