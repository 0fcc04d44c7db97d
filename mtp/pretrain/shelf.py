"""Annotations parsed once a run and mapped by all its processes (S5): a folder of ``.npy`` files and a few facts.

Every process and loader worker of a machine maps the same files, so the arrays are in its memory once. The folder's
name holds a hash of everything that the arrays depend on; a changed annotation file makes another folder.
"""
import hashlib
import json
import os
import shutil

import numpy as np

from mtp import files
from mtp.data import catalogue

from . import annotations

FORMAT = 1
ARRAYS = ('sizes', 'first', 'boxes', 'labels', 'rle', 'rle_first', 'rfirst', 'rboxes', 'rlabels')


def key(name, split, drop_degenerate):
    """Hash of what a subset's arrays depend on: the instance file's bytes, the others' names, sizes and times."""
    where, entry = annotations.check_folders(name, split), catalogue.get(name)
    digest = hashlib.sha256(json.dumps(
        [FORMAT, name, split, drop_degenerate, list(entry.classes), files.sha256(where['coco'])]).encode())
    with os.scandir(where['rotated']) as found:
        for item in sorted(found, key=lambda item: item.name):
            facts = item.stat()
            digest.update('{} {} {}\n'.format(item.name, facts.st_size, facts.st_mtime_ns).encode())
    return digest.hexdigest()[:16]


def read(folder, name, split, drop_degenerate, team):
    """As :func:`annotations.read`, mapped from below ``folder``; all processes of ``team`` have to call.

    Raises:
        MTPError: names file, entry and field of what is missing or wrong; in every process.
    """
    place = team.first(lambda: _ensure(folder, name, split, drop_degenerate))
    if team.local == 0 and not os.path.isdir(place):  # a machine that does not share the first one's disk
        _ensure(folder, name, split, drop_degenerate)
    team.wait()
    return load(place, name, split)


def _ensure(folder, name, split, drop_degenerate):
    """Path of the arrays, which are made when they are not there; missing image files are noticed either way."""
    place = os.path.join(folder, '{}_{}_{}'.format(name, split, key(name, split, drop_degenerate)))
    if os.path.isdir(place):
        found = load(place, name, split)
        annotations.check_files(name, split, found.names)
    else:
        save(place, annotations.read(name, split, drop_degenerate))
    return place


def save(place, found):
    """Write the arrays of ``found`` to the folder ``place``; it appears when it is whole."""
    temporary = '{}.{}.tmp'.format(place, os.getpid())
    os.makedirs(temporary)
    try:
        for array in ARRAYS:
            np.save(os.path.join(temporary, array + '.npy'), getattr(found, array))
        ends = np.cumsum([len(os.fsencode(item)) for item in found.names], dtype=np.int64)
        np.save(os.path.join(temporary, 'names.npy'), np.frombuffer(b''.join(map(os.fsencode, found.names)), np.uint8))
        np.save(os.path.join(temporary, 'ends.npy'), ends)
        files.write_json(os.path.join(temporary, 'facts.json'), dict(skipped=found.skipped))
        os.rename(temporary, place)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        if not os.path.isdir(place):  # else another run was faster
            raise


def load(place, name, split):
    """:class:`~mtp.pretrain.annotations.Annotations` mapped from the folder ``place``."""
    arrays = {array: _map(place, array) for array in ARRAYS}
    with open(os.path.join(place, 'facts.json'), encoding='utf-8') as stream:
        facts = json.load(stream)
    names = Names(_map(place, 'names'), _map(place, 'ends'))
    return annotations.Annotations(name, split, names, skipped=facts['skipped'], **arrays)


def _map(place, array):
    return np.load(os.path.join(place, array + '.npy'), mmap_mode='r').view(np.ndarray)


class Names:
    """A sequence of file names in two arrays: their bytes one after the other, and where each ends."""

    def __init__(self, text, ends):
        self.text, self.ends = text, ends

    def __len__(self):
        return len(self.ends)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(index)
        begin = self.ends[index - 1] if index else 0
        return os.fsdecode(self.text[begin:self.ends[index]].tobytes())
