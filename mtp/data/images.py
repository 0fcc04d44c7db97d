"""Image files: size from the header alone."""
import struct
from typing import Tuple

from mtp.errors import MTPError


def size(path) -> Tuple[int, int]:
    """(width, height) of the image file ``path`` in pixels, without decoding it.

    Raises:
        MTPError: the file is missing or no image.
    """
    try:
        with open(path, 'rb') as stream:
            head = stream.read(26)
        if head[:8] == b'\x89PNG\r\n\x1a\n' and head[12:16] == b'IHDR':
            width, height = struct.unpack('>II', head[16:24])
        else:
            width, height = _size_by_pillow(path)
    except OSError as error:
        raise MTPError('cannot read the image {}: {}'.format(path, error.strerror or error)) from None
    except MTPError:
        raise
    except Exception as error:  # Pillow raises many kinds for a damaged header
        raise MTPError('cannot read the image {}: {}'.format(path, error)) from None
    if width < 1 or height < 1:
        raise MTPError('the image {} has {} x {} pixels'.format(path, width, height))
    return width, height


def _size_by_pillow(path):
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # only the header is read: no bomb can go off
    try:
        with Image.open(path) as image:
            return image.size
    finally:
        Image.MAX_IMAGE_PIXELS = limit
