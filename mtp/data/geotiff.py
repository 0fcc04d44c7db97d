"""Where the pixels of a GeoTIFF lie on the ground, from its tags alone (no GDAL)."""
import warnings
from typing import NamedTuple, Optional, Tuple

import numpy as np

from mtp.errors import MTPError

SCALE, TIEPOINT, TRANSFORMATION, KEYS = 33550, 33922, 34264, 34735
GEOGRAPHIC, PROJECTED = 2048, 3072  # GeoKeys that hold an EPSG code


class Grid(NamedTuple):
    """Size, map to the ground and coordinate system of a raster."""

    width: int
    height: int
    to_ground: Tuple[float, float, float, float, float, float]  # x = a*col + b*row + c, y = d*col + e*row + f
    epsg: Optional[int]

    def pixels(self, ground: np.ndarray) -> np.ndarray:
        """Pixel coordinates (n, 2), column and row with the corner of the first pixel at 0, of ground points (n, 2)."""
        a, b, c, d, e, f = self.to_ground
        return (np.asarray(ground, np.float64) - (c, f)) @ np.linalg.inv(np.array([[a, b], [d, e]])).T


def read(path) -> Grid:
    """The :class:`Grid` of the GeoTIFF ``path``.

    Raises:
        MTPError: missing, no TIFF, or without a place on the ground.
    """
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # only tags are read
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of damaged tags; what is missing is told below
            with Image.open(path) as image:
                tags = dict(getattr(image, 'tag_v2', {}))
                width, height = image.size
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise MTPError('cannot read the image {}: {}'.format(path, error)) from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    try:
        matrix = _matrix(tags)
        epsg = _epsg(tags.get(KEYS, ()))
    except (TypeError, ValueError, IndexError) as error:
        raise MTPError('{}: its GeoTIFF tags cannot be read: {}'.format(path, error)) from None
    if matrix is None:
        raise MTPError('{}: it has no GeoTIFF tags, so its place on the ground is not known'.format(path))
    a, b, _, d, e, _ = matrix
    if not np.isfinite(matrix).all() or a * e - b * d == 0:
        raise MTPError('{}: its GeoTIFF tags map all pixels to one line: {}'.format(path, matrix))
    return Grid(width, height, matrix, epsg)


def _matrix(tags):
    if TRANSFORMATION in tags:
        m = [float(value) for value in tags[TRANSFORMATION]]
        return m[0], m[1], m[3], m[4], m[5], m[7]
    if SCALE in tags and TIEPOINT in tags:
        sx, sy = (float(value) for value in tags[SCALE][:2])
        column, row, _, x, y, _ = (float(value) for value in tags[TIEPOINT][:6])
        return sx, 0.0, x - column * sx, 0.0, -sy, y + row * sy
    return None


def _epsg(keys):
    """EPSG code in the GeoKey directory: four numbers a key (key, where, count, value) after four of its own."""
    codes = {int(keys[i]): int(keys[i + 3]) for i in range(4, len(keys) - 3, 4) if keys[i + 1] == 0}
    code = codes.get(PROJECTED) or codes.get(GEOGRAPHIC)
    return code if code and code < 32767 else None  # 32767 stands for "user-defined"
