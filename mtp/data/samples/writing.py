"""What all sample sets share: the folder that appears whole or not at all, and files in it."""
import contextlib
import json
import os
import pickle
import shutil

import cv2

from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.files import write_json

MARK = catalogue.SAMPLE_MARK
GENERATION = 1  # raise it when the same seed draws other pictures


@contextlib.contextmanager
def sample_folder(path, settings, overwrite=False):
    """Give a scratch folder that becomes ``path`` when the block succeeds, or None when the same set lies there.

    A folder that was not written here is never touched; a killed run leaves only a scratch folder that the next one
    removes.

    Args:
        path: the folder of the sample set.
        settings: JSON-able dict that, with GENERATION, tells one set from another.
        overwrite: replace a sample set made with other settings.

    Raises:
        MTPError: ``path`` holds something else.
    """
    mark = dict(settings, generation=GENERATION)
    if os.path.isdir(path) and os.listdir(path):
        found = _read_mark(path)
        if found == mark:
            yield None
            return
        if found is None:
            raise MTPError('{} is not a sample set and is left alone'.format(path), hint='choose another --out')
        if not overwrite:
            raise MTPError('{} holds a sample set made otherwise: {}'.format(path, found),
                           hint='add --overwrite, or choose another --out')
    scratch = os.path.join(os.path.dirname(path) or '.', '.{}.part'.format(os.path.basename(path)))
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    try:
        yield scratch
        write_json(os.path.join(scratch, MARK), mark)
        if os.path.isdir(path):
            shutil.rmtree(path)
        os.rename(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _read_mark(folder):
    try:
        with open(os.path.join(folder, MARK), encoding='utf-8') as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def _parent(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def save_image(path, image):
    """Write ``image`` (h, w, 3) RGB or (h, w) uint8; the suffix of ``path`` chooses the format."""
    bgr = image if image.ndim == 2 else image[..., ::-1]
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if path.endswith('.jpg') else [cv2.IMWRITE_PNG_COMPRESSION, 3]
    if not cv2.imwrite(_parent(path), bgr, [] if path.endswith('.tif') else options):
        raise MTPError('could not write {}'.format(path), hint='look for a full disk or a read-only folder')


def save_text(path, text):
    """Write UTF-8 text with its line ends as they are."""
    with open(_parent(path), 'w', encoding='utf-8', newline='') as stream:
        stream.write(text)


def save_pickle(path, value):
    """Write a pickle of protocol 4, as the SAMRS labels are."""
    with open(_parent(path), 'wb') as stream:
        pickle.dump(value, stream, protocol=4)
