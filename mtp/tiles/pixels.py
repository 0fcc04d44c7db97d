"""Reading images: which there are in a folder, and their pixels."""
import os
from typing import Dict

import numpy as np

from mtp import files

from mtp.data import images
from mtp.data.converting import natural
from mtp.errors import MTPError


def list_images(folder: files.PathLike) -> Dict[str, str]:
    """Images in ``folder``, not below it: ``{stem: path}`` in natural order.

    Raises:
        MTPError: no such folder, no image in it, or two images of one stem.
    """
    if not os.path.isdir(folder):
        raise MTPError(f'there is no image folder {folder}')
    names = sorted(filter(images.is_image, os.listdir(folder)), key=natural)
    if not names:
        raise MTPError(f'no image in {folder}', hint='images end in ' + ', '.join(images.SUFFIXES))
    return images.by_stem([os.path.join(folder, name) for name in names])


def read_image(path: str) -> np.ndarray:
    """Pixels of an image as (height, width, 3) uint8, BGR, by the rule of :mod:`mtp.tiles.rasters`.

    Raises:
        MTPError: the file cannot be decoded, or is too large to be decoded whole.
    """
    from . import rows

    width, height = images.size(path)
    if width * height > rows.MOST_PIXELS:
        raise MTPError(f'the image {path} has {width} x {height} pixels, too many to be decoded whole',
                       hint='python -m mtp.tiles.cut --help: cut it first')
    found = rows.open_rows(path)
    return by_opencv(path) if isinstance(found, rows.PngRows) else found.take(0, height)  # faster, the same pixels


def by_opencv(path: str) -> np.ndarray:
    """As :func:`read_image`, of a file whose pixels OpenCV makes by that rule; the orientation tag is not applied.

    Raises:
        MTPError: the file cannot be decoded.
    """
    import cv2

    return images.decoded(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
