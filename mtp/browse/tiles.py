"""Tiles of images and masks on the disk: each set lies in a folder named after what it was made from.

So a page that is made again, or goes on after a kill, cuts only what is new: ``done.json`` is written last. An image
that has changed has another name.
"""
import base64
import hashlib
import os
from typing import Any, Dict, NamedTuple, Optional, Tuple

import cv2
import numpy as np

from mtp import files
from mtp.errors import MTPError
from mtp.tiles import rows

from . import masks, pyramid

VERSION = 1
_QUALITY = 88
DONE = 'done.json'


class Task(NamedTuple):
    """One image to be cut.

    Attributes:
        key: of the image, see :func:`key_of`.
        path: of the image.
        found, truth: path of its masks; None without.
        tables: (found, truth) of :func:`mtp.browse.masks.table`.
    """
    key: str
    path: str
    found: Optional[str] = None
    truth: Optional[str] = None
    tables: Tuple[np.ndarray, ...] = ()


def key_of(*sources: Optional[str]) -> str:
    """Name for the tiles of these files: of their paths, sizes and times."""
    facts = [(os.path.abspath(path), os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in sources if path]
    return hashlib.sha256(repr((VERSION, facts)).encode('utf-8', 'surrogateescape')).hexdigest()[:16]


def cut(task: Task, out: str) -> Dict[str, Any]:
    """Cut one image, unless that is done.

    Args:
        task: :class:`Task`.
        out: folder of the page.

    Returns:
        What is known of it: ``width``, ``height``, ``lowest``, ``top`` and, of masks, ``regions`` and ``pixels``.
    """
    folder = os.path.join(out, 'tiles', task.key)
    note = os.path.join(folder, DONE)
    done = files.read_note(note)
    if done.get('version') == VERSION:
        return done
    source = rows.open_rows(task.path)
    width, height = source.width, source.height
    lowest, top = pyramid.levels(width, height)
    pyramid.build(source.take, width, height, _Jpegs(folder), pyramid.mean_of_four)
    done = dict(version=VERSION, width=width, height=height, lowest=lowest, top=top)
    if task.found or task.truth:
        done.update(_cut_masks(task, os.path.join(out, 'masks', task.key), width, height))
    files.write_json(note, done)
    return done


class _Jpegs:
    """Writes tiles as JPEG."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, level: int, column: int, row: int, pixels: np.ndarray) -> None:
        done, data = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        if not done:
            raise MTPError(f'cannot encode a tile of {self.folder}')
        _write(os.path.join(self.folder, str(level), f'{column}_{row}.jpg'), data.tobytes())


class _Scripts:
    """Writes tiles of class numbers as scripts that hold a PNG: a page from disk may not look into a picture file."""

    def __init__(self, folder: str, key: str) -> None:
        self.folder, self.key = folder, key

    def __call__(self, level: int, column: int, row: int, pixels: np.ndarray) -> None:
        data = cv2.imencode('.png', pixels)[1].tobytes()
        name = f'{level}/{column}_{row}'
        text = 'MTP.maskTile("{}/{}","{}");\n'.format(self.key, name, base64.b64encode(data).decode('ascii'))
        _write(os.path.join(self.folder, name + '.js'), text.encode('ascii'))


def _write(path: str, data: bytes) -> None:
    with files.atomic_path(path, durable=False) as temporary, open(temporary, 'wb') as stream:
        stream.write(data)


def _cut_masks(task: Task, folder: str, width: int, height: int) -> Dict[str, Any]:
    """Cut both masks of an image into tiles whose red is what was found, whose green what is true; 0 is neither."""
    codes = [masks.read(path, table, (width, height)) for path, table in zip((task.found, task.truth), task.tables)]
    blank = np.zeros((height, width), dtype=np.uint8)
    found, truth = (blank if code is None else code for code in codes)

    def take(start: int, stop: int) -> np.ndarray:
        return np.stack([blank[start:stop], truth[start:stop], found[start:stop]], axis=-1)  # BGR

    pyramid.build(take, width, height, _Scripts(folder, task.key), pyramid.first_of_four)
    return masks.judge(found, None if task.truth is None else truth)
