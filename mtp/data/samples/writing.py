"""What all sample sets share: the folder that appears whole or not at all, and files in it."""
import contextlib
import json
import os
import pickle
import shutil
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

import cv2
import numpy as np

from mtp import ownership
from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.files import temporary_of, write_json

MARK = catalogue.SAMPLE_MARK
GENERATION = 1  # raise it when the same seed draws other pictures


@contextlib.contextmanager
def sample_folder(path: str, settings: Mapping[str, Any], overwrite: bool = False) -> Iterator[Optional[str]]:
    """Give a scratch folder whose files go to ``path`` when the block succeeds, or None when the same set lies there.

    A folder that was not written here is never touched; of one that was, only the files that were written. Its lock is
    to be held.

    Args:
        path: the folder of the sample set.
        settings: JSON-able dict that, with GENERATION, tells one set from another.
        overwrite: replace a sample set made with other settings.

    Raises:
        MTPError: ``path`` holds something else.
    """
    mark = dict(settings, generation=GENERATION)
    if os.path.lexists(path) and not os.path.isdir(path) or ownership.content(path):
        found, made = _read_mark(path)
        if found == mark:
            yield None
            return
        if found is None:
            raise MTPError(f'{path} is not a sample set and is left alone', hint='choose another --out')
        if not overwrite:
            raise MTPError(f'{path} holds a sample set made otherwise: {found}',
                           hint='add --overwrite, or choose another --out')
        if made is None:
            raise MTPError(f'{path} holds a sample set of an earlier version, which does not say what it wrote',
                           hint='choose another --out')
    scratch = temporary_of(path)
    os.makedirs(scratch)
    try:
        yield scratch
        _put(scratch, path, mark)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _put(scratch: str, path: str, mark: Mapping[str, Any]) -> None:
    """Move the files of ``scratch`` to ``path``; what an earlier set has left there goes, nothing else does."""
    names = sorted(os.path.relpath(os.path.join(place, name), scratch)
                   for place, _, leaves in os.walk(scratch) for name in leaves)
    if not ownership.content(path):
        write_json(os.path.join(scratch, MARK), dict(mark, made=names))
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(path)
        os.rename(scratch, path)
        return
    before = _read_mark(path)[1] or []
    taken = [name for name in names if name not in before and os.path.lexists(os.path.join(path, name))]
    if taken:
        raise MTPError('{} holds {}, which is none of the sample set: it is left alone'.format(
            path, ownership.some(taken)), hint='choose another --out')
    write_json(os.path.join(path, MARK), dict(set='', made=sorted(set(before) | set(names))))
    for name in before:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(path, name))
    for name in names:
        os.makedirs(os.path.dirname(os.path.join(path, name)), exist_ok=True)
        os.replace(os.path.join(scratch, name), os.path.join(path, name))
    write_json(os.path.join(path, MARK), dict(mark, made=names))


def _read_mark(folder: str) -> Tuple[Optional[Dict[str, Any]], Optional[List[str]]]:
    """(settings, names of the files that were written or None) of a sample set; (None, None) where none lies."""
    try:
        with open(os.path.join(folder, MARK), encoding='utf-8') as stream:
            mark = json.load(stream)
        made = mark.pop('made', None)
    except (OSError, ValueError, RecursionError, AttributeError):
        return None, None
    plain = isinstance(made, list) and all(isinstance(name, str) and _below(name) for name in made)
    return mark, made if plain else None


def _below(name: str) -> bool:
    return not os.path.isabs(name) and '..' not in name.split('/')


def _parent(path: str) -> str:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def save_image(path: str, image: np.ndarray) -> None:
    """Write ``image`` (h, w, 3) RGB or (h, w) uint8; the suffix of ``path`` chooses the format."""
    bgr = image if image.ndim == 2 else image[..., ::-1]
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.endswith('.jpg') else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    if not cv2.imwrite(_parent(path), bgr, [] if path.endswith('.tif') else options):
        raise MTPError(f'could not write {path}', hint='look for a full disk or a read-only folder')


def save_text(path: str, text: str) -> None:
    """Write UTF-8 text with its line ends as they are."""
    with open(_parent(path), 'w', encoding='utf-8', newline='') as stream:
        stream.write(text)


def save_pickle(path: str, value: object) -> None:
    """Write a pickle of protocol 4, as the SAMRS labels are."""
    with open(_parent(path), 'wb') as stream:
        pickle.dump(value, stream, protocol=4)
