"""Writes the page: scripts with the data, and the parts that are always the same.

A page from disk may load scripts and pictures and nothing else, so data are scripts that call ``MTP.index`` and
``MTP.image``. Columns are packed as base64 of little-endian numbers. Names of files and classes are a stranger's: they
stand in JSON whose ``<`` is escaped, and the page shows them as text.
"""
import base64
import json
import os
import shutil
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from mtp import files

from . import verdicts
from .collection import Boxes, Collection

APP = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'app')
#: What of APP goes into the page, in the order in which it is loaded.
SCRIPTS = ('openseadragon.min.js', 'texts.js', 'store.js', 'view.js', 'masks.js', 'objects.js', 'overlay.js',
           'layer.js', 'panel.js', 'keys.js', 'stage.js', 'main.js')
OTHERS = ('style.css', 'openseadragon.LICENSE.txt')
#: What the page's folder holds, for :func:`mtp.ownership.claim`.
MADE = ('index.html', 'app/*', 'data/*.js', 'tiles/*/done.json', 'tiles/*/*/*.jpg', 'masks/*/*/*.js')
NEVER = 255  # in place of the score of its hit: an object that nothing hits


def write(out: str, title: str, collections: Sequence[Collection],
          sheets: Sequence[Sequence[Tuple[str, Mapping[str, Any]]]]) -> str:
    """Write everything but the tiles.

    Args:
        out: folder of the page.
        title: of the page.
        collections: list of :class:`~mtp.browse.collection.Collection`.
        sheets: for each of them, for each of its images, (key, what :func:`mtp.browse.tiles.cut` says).

    Returns:
        Path of the page.
    """
    entries = []
    for collection, each in zip(collections, sheets):
        rows = [dict(_image(key, name, facts)) for name, (key, facts) in zip(collection.images, each)]
        if collection.boxes:
            _add_boxes(out, collection.boxes, rows)
        entries.append(_entry(collection, rows))
    _script(os.path.join(out, 'data', 'index.js'), 'MTP.index', dict(title=title, collections=entries))
    for name in SCRIPTS + OTHERS:
        with files.atomic_path(os.path.join(out, 'app', name)) as temporary:
            shutil.copyfile(os.path.join(APP, name), temporary)
    path = os.path.join(out, 'index.html')
    with open(os.path.join(APP, 'page.html'), encoding='utf-8') as stream:
        page = stream.read()
    tags = '\n'.join(f'<script src="{name}"></script>' for name in
                     ['app/' + name for name in SCRIPTS[:-1]] + ['data/index.js', 'app/' + SCRIPTS[-1]])
    files.write_text(path, page.replace('<!-- scripts -->', tags))
    return path


def _entry(collection: Collection, rows: List[Dict[str, Any]]) -> Dict[str, Any]:
    boxes, masks = collection.boxes, collection.masks
    return dict(title=collection.title, kind='boxes' if boxes else 'masks' if masks else 'pictures',
                classes=list(collection.classes), palette=[list(map(int, rgb)) for rgb in collection.palette],
                judged=bool(boxes and boxes.known.any() or masks and masks.truth),
                background=masks.background if masks else -1, least=collection.least,
                codes=list(verdicts.CODES), images=rows)


def _image(key: str, name: str, facts: Mapping[str, Any]) -> Dict[str, Any]:
    known = ('width', 'height', 'lowest', 'top', 'pixels', 'regions', 'later')
    return dict({field: facts[field] for field in known if field in facts}, key=key, name=name)


def _add_boxes(out: str, boxes: Boxes, rows: Sequence[Dict[str, Any]]) -> None:
    """Verdicts into the entries of the images, corners into a script for each image."""
    said = verdicts.judge(boxes.found, boxes.truth, boxes.known, boxes.mode)
    percent = to_percent(boxes.found.score)
    hit_percent = np.where(said.hit_by >= 0, percent[said.hit_by] if len(percent) else NEVER, NEVER)
    found = _by_image(boxes.found.image, len(rows), -boxes.found.score)
    truth = _by_image(boxes.truth.image, len(rows))
    for number, row in enumerate(rows):
        mine, true = found[number], truth[number]
        row['known'] = bool(boxes.known[number])
        row['found'] = _packed(_records(percent[mine], said.code[mine], boxes.found.label[mine]), 'u1')
        row['truth'] = _packed(_records(hit_percent[true], boxes.truth.difficult[true], boxes.truth.label[true]), 'u1')
        _script(os.path.join(out, 'data', row['key'] + '.js'), 'MTP.image', row['key'], dict(
            found=_packed(np.rint(boxes.found.polygon[mine] * 10), '<i4'),
            truth=_packed(np.rint(boxes.truth.polygon[true] * 10), '<i4'),
            score=_packed(boxes.found.score[mine], '<f4'), iou=_packed(said.iou[mine], '<f4')))


def to_percent(scores: np.ndarray) -> np.ndarray:
    """Whole percent, rounded down, of scores in 0..1: at least t percent is at least t / 100."""
    return np.clip(np.floor(np.asarray(scores, dtype=np.float64) * 100 + 1e-9), 0, 100).astype(np.int64)


def _by_image(image: np.ndarray, count: int, *order: np.ndarray) -> List[np.ndarray]:
    """Rows of each image, by ``order`` within it."""
    rows = np.lexsort(tuple(order) + (image,)) if order else np.argsort(image, kind='stable')
    return np.split(rows, np.searchsorted(image[rows], np.arange(1, count)))


def _records(percent: np.ndarray, code: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(n, 4) uint8: percent, code, low and high byte of the class."""
    label = np.asarray(label, dtype=np.int64)
    return np.stack([percent, code, label & 255, label >> 8], axis=1) if len(label) else np.zeros((0, 4))


def _packed(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode('ascii')


def _script(path: str, function: str, *arguments: object) -> None:
    """A script that calls ``function`` with what JSON can hold."""
    words = ','.join(json.dumps(value, separators=(',', ':')).replace('<', '\\u003c') for value in arguments)
    files.write_text(path, f'{function}({words});\n')
