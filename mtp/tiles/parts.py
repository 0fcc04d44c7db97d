"""What is known of a map, a row of windows at a time: one file a row, so that a killed prediction goes on.

``<folder>/<image>/<row>.part``, little endian: ``MTPPART1``, uint32 length and uint32 CRC-32 of a JSON header, the
header, then the numbers, packed by zlib, whose CRC-32 the header holds. The header names the prediction
(``fingerprint``) and the shape (planes, rows, width) of the numbers, uint8: classes, and after them the scores of every
class where these are wanted.
"""
import json
import os
import struct
import zlib
from typing import Optional, Tuple

import numpy as np

from mtp.errors import MTPError
from mtp.files import atomic_path, check_plain

_MAGIC, _HEAD = b'MTPPART1', struct.Struct('<8sII')
_LEVEL = 1  # of zlib: maps are mostly of one colour
NODATA, STEPS = 255, 254  # no class; steps from a score of 0 to one of 1


def path_of(folder: str, image: str, row: int) -> str:
    """Where the part of one row of windows of ``image`` lies."""
    return os.path.join(folder, image, f'{row:06d}.part')


def packed(scores: np.ndarray, valid: np.ndarray, scores_too: bool) -> np.ndarray:
    """Numbers of a part (planes, rows, width) uint8: the class of each pixel, then the scores of all classes.

    Args:
        scores: (classes, rows, width) float32, before the softmax.
        valid: (rows, width) bool.
        scores_too: whether they are wanted.
    """
    found = [np.where(valid, _best(scores), np.uint8(NODATA))[None]]
    if scores_too:
        shares = np.exp(scores - scores.max(axis=0))
        shares *= STEPS / shares.sum(axis=0)
        found.append(np.where(valid, np.rint(shares).astype(np.uint8), np.uint8(NODATA)))
    return np.concatenate(found)


def _best(scores: np.ndarray) -> np.ndarray:
    """Number (rows, width) uint8 of the first of the largest scores, plane by plane: NumPy's argmax over the first axis
    goes through the memory in steps as long as a plane.
    """
    best, number = scores[0].copy(), np.zeros(scores.shape[1:], np.uint8)
    for plane in range(1, len(scores)):
        np.copyto(number, np.uint8(plane), where=scores[plane] > best)
        np.maximum(best, scores[plane], out=best)
    return number


def write(path: str, numbers: np.ndarray, fingerprint: str) -> None:
    """Write ``numbers`` (planes, rows, width) uint8; they are whole or not there."""
    packed = zlib.compress(np.ascontiguousarray(numbers).tobytes(), _LEVEL)
    header = json.dumps(dict(fingerprint=fingerprint, shape=numbers.shape, check=zlib.crc32(packed))).encode()
    with atomic_path(path, durable=False) as temporary, open(temporary, 'wb') as stream:
        stream.write(_HEAD.pack(_MAGIC, len(header), zlib.crc32(header)) + header + packed)


def read(path: str) -> Optional[Tuple[np.ndarray, str]]:
    """Numbers (planes, rows, width) uint8 and fingerprint of a part; None where it is missing or damaged."""
    try:
        check_plain(path)
        with open(path, 'rb') as stream:
            data = stream.read()
        magic, length, check = _HEAD.unpack_from(data)
        text, packed = data[_HEAD.size:_HEAD.size + length], data[_HEAD.size + length:]
        if magic != _MAGIC or zlib.crc32(text) != check:
            return None
        header = json.loads(text.decode())
        planes, rows, width = shape = tuple(header['shape'])
        if zlib.crc32(packed) != header['check']:
            return None
        numbers = zlib.decompressobj().decompress(packed, planes * rows * width + 1)
        return np.frombuffer(numbers, np.uint8).reshape(shape), header['fingerprint']
    except (OSError, ValueError, KeyError, TypeError, struct.error, zlib.error):
        return None


def is_done(path: str, fingerprint: str) -> bool:
    """Whether a whole part lies there.

    Raises:
        MTPError: it is of another prediction.
    """
    found = os.path.exists(path) and read(path)
    if not found:
        return False
    if found[1] != fingerprint:
        raise MTPError(f'{path} belongs to another prediction ({found[1]}), this one is {fingerprint}',
                       hint=f'use another folder, or remove {os.path.dirname(os.path.dirname(path))}')
    return True
