"""Shards: what each rank of a test found, appended tile by tile, so that a killed test continues.

Format, version 1, little endian. A shard is a file ``rank-<rank>.shard``:

* ``MTPSHARD``, then uint32 length and uint32 CRC-32 of a JSON header (UTF-8) and the header itself:
  ``{"version": 1, "classes": [...], "fingerprint": "..."}``;
* then one record a tile: ``TILE``, uint32 length of the tile's name, uint32 number of detections n, uint32 CRC-32 of
  all that follows, which is the name (UTF-8), n x 5 float32 (cx, cy, w, h, theta in radians, tile pixels), n float32
  scores, n uint16 labels. A tile without detections has a record too: it was done.

A record is written with one call. Whatever follows the first record that is cut short or whose CRC differs is the
damaged tail: it is dropped, and its tiles count as not done. A tile found twice counts once, the first time.
"""
import io
import json
import mmap
import os
import re
import struct
import sys
import time
import zlib
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from mtp import files, sealed
from mtp.errors import MTPError
from mtp.files import atomic_path, check_plain

VERSION = 1
_MAGIC, _TILE = b'MTPSHARD', b'TILE'
_HEAD, _RECORD = struct.Struct('<8sII'), struct.Struct('<4sIII')
_NAME = re.compile(r'rank-(\d+)\.shard')
_ROW = 5 * 4 + 4 + 2
_FLUSH_SECONDS = 20.0

_Damage = Tuple[int, str]  # where it begins, and what is wrong


class Entry(NamedTuple):
    """Where the detections of one tile lie: ``count`` of them from byte ``offset`` of ``path``."""
    tile: str
    path: str
    offset: int
    count: int


class Contents(NamedTuple):
    """What a folder of shards holds.

    Attributes:
        classes: names that the labels count in.
        fingerprint: of the test that wrote the shards.
        entries: by tile id.
        damaged: (path, byte offset where it starts, what is wrong) of each damaged tail.
    """
    classes: Tuple[str, ...]
    fingerprint: str
    entries: Dict[str, Entry]
    damaged: List[Tuple[str, int, str]]


class ShardWriter:
    """Appends the detections of one rank; a context manager.

    Tiles must be dealt to the ranks before those in :attr:`done` are skipped, so that all ranks deal alike.

    Args:
        folder: of all shards of this test; made when missing.
        rank, world: of this process.
        classes: names, in the order of the labels.
        fingerprint: any text that differs when results cannot be mixed (config, weights, preset).

    Attributes:
        done: tile ids on disk already, in the shards of any rank.
        skipped: detections left out because a number was not finite.

    Raises:
        MTPError: the folder holds shards of another test.
    """

    def __init__(self, folder: files.PathLike, rank: int, world: int, classes: Sequence[str], fingerprint: str) -> None:
        self.folder, self.rank, self.world = os.fspath(folder), rank, world
        self.classes, self.fingerprint = tuple(classes), str(fingerprint)
        self.path = os.path.join(self.folder, f'rank-{rank:05d}.shard')
        self.done: Set[str] = set()
        self.skipped = 0
        self._stream: Optional[io.FileIO] = None
        self._flushed = time.monotonic()

    def __enter__(self) -> 'ShardWriter':
        os.makedirs(self.folder, exist_ok=True)
        for path in _paths(self.folder):
            mine = path == self.path
            # Shards of ranks that this run does not have belong to nobody else: rank 0 mends them.
            self._take_over(path, mend=mine or (self.rank == 0 and _rank(path) >= self.world))
        if not os.path.exists(self.path):
            with atomic_path(self.path) as temporary, open(temporary, 'wb') as stream:
                stream.write(_header(self.classes, self.fingerprint))
        self._stream = open(self.path, 'ab', buffering=0)
        return self

    def _take_over(self, path: str, mend: bool) -> None:
        header, entries, damage = _scan(path)
        if header is None:
            if mend:
                os.replace(path, path + '.damaged')
            return
        if (tuple(header['classes']), header['fingerprint']) != (self.classes, self.fingerprint):
            raise MTPError('{} belongs to another test ({}), this one is {}'.format(
                path, header['fingerprint'], self.fingerprint),
                hint=f'use another folder, or remove {self.folder}')
        self.done.update(entry.tile for entry in entries)
        if damage and mend:
            os.truncate(path, damage[0])

    def append(self, tile_id: str, rboxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> None:
        """Record the detections of one tile, also when there are none. A tile done already is left as it is.

        Args:
            tile_id: see :func:`mtp.tiles.windows.tile_id`.
            rboxes: (n, 5) float32, tile pixels and radians.
            scores: (n,) float32.
            labels: (n,) integers.

        Raises:
            MTPError: shapes that do not fit, or a label that is no class.
        """
        if tile_id in self.done:
            return
        rboxes, scores = np.asarray(rboxes, dtype='<f4').reshape(-1, 5), np.asarray(scores, dtype='<f4').reshape(-1)
        labels = np.asarray(labels, dtype=np.int64).reshape(-1)
        if not len(rboxes) == len(scores) == len(labels):
            raise MTPError(f'tile {tile_id}: {len(rboxes)} boxes, {len(scores)} scores, {len(labels)} labels')
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise MTPError('tile {}: labels from {} to {}, but there are {} classes'.format(
                tile_id, labels.min(), labels.max(), len(self.classes)))
        finite = np.isfinite(rboxes).all(axis=1) & np.isfinite(scores)
        if not finite.all():
            self.skipped += int((~finite).sum())
            rboxes, scores, labels = rboxes[finite], scores[finite], labels[finite]
        self._write(tile_id, rboxes.tobytes() + scores.tobytes() + labels.astype('<u2').tobytes(), len(scores))

    def _write(self, tile_id: str, payload: bytes, count: int) -> None:
        name = tile_id.encode('utf-8')
        body = name + payload
        record = _RECORD.pack(_TILE, len(name), count, zlib.crc32(body)) + body
        rest = memoryview(record)
        try:
            while rest:  # a raw write stops short where there is no more room; the next one says why
                rest = rest[self._stream.write(rest):]
        except OSError as error:
            error.filename = self.path
            raise
        self.done.add(tile_id)
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            os.fsync(self._stream.fileno())
            self._flushed = time.monotonic()

    def __exit__(self, *_: object) -> None:
        os.fsync(self._stream.fileno())
        self._stream.close()
        if self.skipped:
            sys.stderr.write('warning: {} detections with a number that is not finite were left out of {}\n'.format(
                self.skipped, self.path))


def contents(folder: files.PathLike) -> Contents:
    """What a folder of shards holds, as :class:`Contents`.

    Raises:
        MTPError: no shard in the folder, or shards of different tests.
    """
    paths = _paths(folder) if os.path.isdir(folder) else []
    if not paths:
        raise MTPError(f'no shard (rank-*.shard) in {folder}', hint='run the test that writes them first')
    first, entries, damaged = None, {}, []
    for path in paths:
        header, found, damage = _scan(path)
        if damage:
            damaged.append((path,) + damage)
        if header is None:
            continue
        identity = (tuple(header['classes']), header['fingerprint'])
        if first not in (None, identity):
            raise MTPError('{} is of another test than the shards before it: {} and {}'.format(
                path, identity[1], first[1]), hint='give each test a folder of its own')
        first = identity
        for entry in found:
            entries.setdefault(entry.tile, entry)
    if first is None:
        raise MTPError(f'every shard in {folder} is damaged: {damaged[0][2]}', hint='run the test again')
    return Contents(first[0], first[1], entries, damaged)


def read_shards(folder: files.PathLike) -> Iterator[Tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (tile id, rboxes (n, 5) float32, scores (n,) float32, labels (n,) int64) of every tile in a folder."""
    reader = PayloadReader()
    for entry in contents(folder).entries.values():
        yield (entry.tile,) + reader.read([entry])


class PayloadReader:
    """Reads the detections of entries, keeping the shards mapped."""

    def __init__(self) -> None:
        self._maps: Dict[str, mmap.mmap] = {}

    def read(self, entries: Iterable[Entry]) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Detections of several :class:`Entry`, one behind the other.

        Returns:
            rboxes (n, 5) float32, scores (n,) float32, labels (n,) int64.
        """
        boxes, scores, labels = [], [], []
        for entry in entries:
            data, start = self._data(entry.path), entry.offset
            middle, end = start + 20 * entry.count, start + 24 * entry.count
            boxes.append(data[start:middle])
            scores.append(data[middle:end])
            labels.append(data[end:end + 2 * entry.count])
        return (np.frombuffer(b''.join(boxes), '<f4').reshape(-1, 5), np.frombuffer(b''.join(scores), '<f4'),
                np.frombuffer(b''.join(labels), '<u2').astype(np.int64))

    def _data(self, path: str) -> mmap.mmap:
        if path not in self._maps:
            with open(path, 'rb') as stream:
                self._maps[path] = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[path]


def _paths(folder: files.PathLike) -> List[str]:
    """Shards in a folder, by rank."""
    names = [name for name in os.listdir(folder) if _NAME.fullmatch(name)]
    return [os.path.join(folder, name) for name in sorted(names, key=_rank)]


def _rank(path: str) -> int:
    return int(_NAME.fullmatch(os.path.basename(path)).group(1))


def _header(classes: Sequence[str], fingerprint: str) -> bytes:
    text = json.dumps({'version': VERSION, 'classes': list(classes), 'fingerprint': fingerprint}).encode('utf-8')
    return _HEAD.pack(_MAGIC, len(text), zlib.crc32(text)) + text


def _scan(path: str) -> Tuple[Optional[Dict[str, Any]], List[Entry], Optional[_Damage]]:
    """Header (None when damaged), entries of the whole records, and (offset, reason) of the damaged tail or None."""
    check_plain(path)
    size = os.path.getsize(path)
    if size < _HEAD.size:
        return None, [], (0, 'the file is cut short')
    with open(path, 'rb') as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data, \
            memoryview(data) as view:
        magic, length, check = _HEAD.unpack_from(view)
        end = _HEAD.size + length
        if magic != _MAGIC or end > size or zlib.crc32(view[_HEAD.size:end]) != check:
            return None, [], (0, 'the header is damaged')
        header = sealed.parse(bytes(view[_HEAD.size:end]))
        if not isinstance(header, dict) or not isinstance(header.get('version'), int):
            return None, [], (0, 'the header is not one of ours')
        if header['version'] != VERSION:
            raise MTPError('{} is a shard of version {}, this program reads {}'.format(
                path, header['version'], VERSION), hint='run the test again into a folder of its own')
        names, mark = header.get('classes'), header.get('fingerprint')
        if not isinstance(names, list) or not all(isinstance(text, str) for text in names + [mark]):
            return None, [], (0, 'the header is not one of ours')
        entries, damage = _records(path, view, end, len(names))
        return header, entries, damage


def _records(path: str, view: memoryview, offset: int, classes: int) -> Tuple[List[Entry], Optional[_Damage]]:
    entries, size = [], len(view)
    while offset < size:
        if offset + _RECORD.size > size:
            return entries, (offset, 'the last record is cut short')
        magic, name_length, count, check = _RECORD.unpack_from(view, offset)
        start = offset + _RECORD.size
        payload = start + name_length
        end = payload + count * _ROW
        if magic != _TILE or end > size:
            return entries, (offset, f'the record at byte {offset} is cut short')
        if zlib.crc32(view[start:end]) != check:
            return entries, (offset, f'the record at byte {offset} is damaged')
        name = _name(view[start:payload])
        if name is None or not _sane(view[payload:end], count, classes):
            return entries, (offset, f'the record at byte {offset} is not one of ours')
        entries.append(Entry(name, path, payload, count))
        offset = end
    return entries, None


def _name(data: memoryview) -> Optional[str]:
    """The tile's name, or None: nobody but us writes records with a right check sum, but a file may be anybody's."""
    try:
        return bytes(data).decode('utf-8')
    except UnicodeDecodeError:
        return None


def _sane(data: memoryview, count: int, classes: int) -> bool:
    """Whether every number is finite and every label one of the classes."""
    numbers, labels = np.frombuffer(data[:24 * count], '<f4'), np.frombuffer(data[24 * count:], '<u2')
    return bool(np.isfinite(numbers).all()) and (not count or int(labels.max()) < classes)
