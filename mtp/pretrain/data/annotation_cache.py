"""Annotations parsed once a run and mapped by all its processes: a folder of ``.npy`` files and a few facts.

See published.md#annotations-per-rank.
Every process and loader worker of a machine maps the same files, so the arrays are in its memory once. The folder's
name holds a hash of everything that the arrays depend on; a changed annotation file makes another folder.
"""
import hashlib
import json
import os
import shutil
import sys
import zlib
from typing import Any, Callable, Protocol, Sequence, cast

import numpy as np

from mtp import files, sealed
from mtp.data import catalogue

from . import annotations

FORMAT = 2
ARRAYS = ('sizes', 'first', 'boxes', 'labels', 'rle', 'rle_first', 'rfirst', 'rboxes', 'rlabels')
FILES = ARRAYS + ('names', 'ends')
FACTS = 'facts.json'


class Processes(Protocol):
    """What is asked of the processes of a run: its communicator, or whoever stands for it.

    Attributes:
        local: number of this process on its machine.
    """

    local: int

    def first(self, work: Callable[[], Any]) -> Any:
        """``work()`` of the first process, in all of them."""

    def wait(self) -> None:
        """Until all processes are here."""


def key(name: str, split: str, drop_degenerate: bool) -> str:
    """Hash of what a subset's arrays depend on: the instance file's bytes, the others' names, sizes and times."""
    where, entry = annotations.check_folders(name, split), catalogue.get(name)
    digest = hashlib.sha256(json.dumps(
        [FORMAT, name, split, drop_degenerate, list(entry.classes), files.sha256(where['coco'])]).encode())
    with os.scandir(where['rotated']) as found:
        for item in sorted(found, key=lambda item: item.name):
            facts = item.stat()
            digest.update(f'{item.name} {facts.st_size} {facts.st_mtime_ns}\n'.encode())
    return digest.hexdigest()[:16]


def read(folder: str, name: str, split: str, drop_degenerate: bool, comm: Processes) -> annotations.Annotations:
    """As :func:`annotations.read`, mapped from below ``folder``; all processes of ``comm`` have to call.

    Raises:
        MTPError: names file, entry and field of what is missing or wrong; in every process.
    """
    place = comm.first(lambda: _ensure(folder, name, split, drop_degenerate))
    if comm.local == 0 and not os.path.isdir(place):  # a machine that does not share the first one's disk
        _ensure(folder, name, split, drop_degenerate)
    comm.wait()
    return load(place, name, split)


def _ensure(folder: str, name: str, split: str, drop_degenerate: bool) -> str:
    """Path of the arrays, which are made when they are not there; missing image files are noticed either way."""
    place = os.path.join(folder, f'{name}_{split}_{key(name, split, drop_degenerate)}')
    if os.path.isdir(place) and not intact(place):
        sys.stderr.write(f'warning: the annotations in {place} are damaged and are made anew\n')
        shutil.rmtree(place)
    if os.path.isdir(place):
        found = load(place, name, split)
        annotations.check_files(name, split, found.names)
    else:
        save(place, annotations.read(name, split, drop_degenerate))
    return place


def save(place: str, found: annotations.Annotations) -> None:
    """Write the arrays of ``found`` to the folder ``place``; it appears when it is whole."""
    temporary = files.temporary_of(place)
    os.makedirs(temporary)
    try:
        for array in ARRAYS:
            np.save(os.path.join(temporary, array + '.npy'), getattr(found, array))
        ends = np.cumsum([len(os.fsencode(item)) for item in found.names], dtype=np.int64)
        np.save(os.path.join(temporary, 'names.npy'), np.frombuffer(b''.join(map(os.fsencode, found.names)), np.uint8))
        np.save(os.path.join(temporary, 'ends.npy'), ends)
        sums = {array: check_sum(os.path.join(temporary, array + '.npy')) for array in FILES}
        sealed.write(os.path.join(temporary, FACTS), dict(skipped=found.skipped, sums=sums))
        os.rename(temporary, place)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        if not os.path.isdir(place):  # else another run was faster
            raise


def intact(place: str) -> bool:
    """Whether every file in ``place`` is as it was written. Reads them all, a gigabyte or more a second."""
    facts = sealed.read(os.path.join(place, FACTS), lambda text: None) or {}
    sums = facts.get('sums')
    try:
        return isinstance(sums, dict) and isinstance(facts.get('skipped'), dict) and all(
            check_sum(os.path.join(place, array + '.npy')) == sums.get(array) for array in FILES)
    except OSError:
        return False


def check_sum(path: str) -> str:
    """CRC-32 of a file, in hex."""
    value = 0
    with open(path, 'rb') as stream:
        for block in iter(lambda: stream.read(1 << 22), b''):
            value = zlib.crc32(block, value)
    return f'{value:08x}'


def load(place: str, name: str, split: str) -> annotations.Annotations:
    """:class:`~mtp.pretrain.data.annotations.Annotations` mapped from the folder ``place``, which is :func:`intact`."""
    arrays = {array: _map(place, array) for array in ARRAYS}
    facts = sealed.read(os.path.join(place, FACTS)) or {}
    names = cast(Sequence[str], Names(_map(place, 'names'), _map(place, 'ends')))  # slices aside, which nobody takes
    return annotations.Annotations(name, split, names, skipped=facts['skipped'], **arrays)


def _map(place: str, array: str) -> np.ndarray:
    return np.load(os.path.join(place, array + '.npy'), mmap_mode='r').view(np.ndarray)


class Names:
    """A sequence of file names in two arrays: their bytes one after the other, and where each ends."""

    def __init__(self, text: np.ndarray, ends: np.ndarray) -> None:
        self.text, self.ends = text, ends

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self):
            raise IndexError(index)
        begin = self.ends[index - 1] if index else 0
        return os.fsdecode(self.text[begin:self.ends[index]].tobytes())
