"""Reading images: which there are, and their pixels."""
import os

from mtp.data.converting import natural
from mtp.errors import MTPError

SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp')


def list_images(folder):
    """Images in ``folder``, not below it: ``{stem: path}`` in natural order.

    Raises:
        MTPError: no such folder, no image in it, or two images of one stem.
    """
    if not os.path.isdir(folder):
        raise MTPError('there is no image folder {}'.format(folder))
    found = {}
    for name in sorted(os.listdir(folder), key=natural):
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in SUFFIXES or name.startswith('.'):
            continue
        path = os.path.join(folder, name)
        if stem in found:
            raise MTPError('{} and {} share one image id'.format(found[stem], path), hint='keep one of them')
        found[stem] = path
    if not found:
        raise MTPError('no image in {}'.format(folder), hint='images end in ' + ', '.join(SUFFIXES))
    return found


def read_image(path):
    """Pixels of an image as (height, width, 3) uint8, BGR.

    Gray, palette, RGBA and 16-bit images come as OpenCV's colour mode makes them, as MMRotate's splitter reads them; an
    orientation tag is not applied, because boxes refer to the stored rows.

    Raises:
        MTPError: the file cannot be decoded.
    """
    import cv2
    pixels = cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if os.path.isfile(path) else None
    if pixels is None:
        raise MTPError('cannot decode image {}'.format(path), hint='replace this file with a whole copy')
    return pixels
