"""Masks of one's own: what their numbers or colours mean, and what is wrong with them."""
import shlex
from typing import NamedTuple, Optional, Tuple

import numpy as np

from mtp.data import masks, raster_files
from mtp.errors import MTPError

IGNORED = 255  # a pixel of no class: left out of loss and score
FULL = 255  # what many tools write for "yes"


class Meaning(NamedTuple):
    """How the pixels of a mask become class numbers.

    Attributes:
        classes: how many there are.
        colours: RGB of each class; () where masks hold numbers.
        yes: the number that stands for class 1 (255 in masks of black and white), or None.
    """
    classes: int
    colours: Tuple[Tuple[int, int, int], ...] = ()
    yes: Optional[int] = None


def raw(path: str) -> np.ndarray:
    """(height, width) numbers, or (height, width, 3) RGB, as they are stored.

    Raises:
        MTPError: it cannot be read, or holds fractions.
    """
    if path.lower().endswith(('.tif', '.tiff')):
        with raster_files.open_raster(path) as opened, raster_files.settings():
            pixels = np.moveaxis(opened.read(), 0, -1)
        pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    else:
        pixels = masks.decode(path)[1]
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8)
    if pixels.dtype.kind == 'f' or pixels.ndim == 3 and pixels.shape[2] not in (3, 4):
        raise MTPError('{}: {} of {} bands; a mask has class numbers or colours'.format(
            path, pixels.dtype, 1 if pixels.ndim == 2 else pixels.shape[2]),
            hint='gdal_translate -ot Byte -b 1 {} mask.png'.format(shlex.quote(path)))
    if pixels.ndim == 3:
        pixels = pixels[..., :3]
        pixels = pixels[..., 0] if (pixels == pixels[..., :1]).all() else pixels
    return pixels


def seen(path: str) -> Tuple[Tuple[int, ...], bool]:
    """The numbers in a mask, and whether it is in colours instead; then there are none."""
    pixels = raw(path)
    return ((), True) if pixels.ndim == 3 else (tuple(np.unique(pixels).tolist()), False)


def numbers(path: str, meaning: Meaning) -> np.ndarray:
    """(height, width) uint8 class numbers, 255 where none.

    Raises:
        MTPError: a value or colour of no class; names file, row, column and value.
    """
    pixels = raw(path)
    if meaning.colours:
        return _of_colours(path, pixels, meaning)
    if pixels.ndim == 3:
        raise MTPError(f'{path}: a mask in colours, and no table says which class has which',
                       hint='write class_dict.csv beside the folders: name,red,green,blue')
    result = pixels
    if meaning.yes is not None:
        result = np.where(pixels == meaning.yes, 1, pixels)
    wrong = (result >= meaning.classes) & (result != IGNORED) | (result < 0)
    _refuse(path, wrong, pixels, f'classes are numbered from 0 to {meaning.classes - 1}, and {IGNORED} is ignored')
    return result.astype(np.uint8)


def _of_colours(path: str, pixels: np.ndarray, meaning: Meaning) -> np.ndarray:
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, 2)
    code = pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    result = np.full(code.shape, -1, np.int64)
    for number, (red, green, blue) in enumerate(meaning.colours):
        result[code == (red << 16 | green << 8 | blue)] = number
    _refuse(path, result < 0, pixels, 'the table has no class of this colour')
    return result.astype(np.uint8)


def _refuse(path: str, wrong: np.ndarray, pixels: np.ndarray, why: str) -> None:
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise MTPError(f'{path}: {pixels[row, column].tolist()} at row {row}, column {column}: {why}',
            hint='write it as PNG: packing as JPEG changes numbers' if path.lower().endswith(('.jpg', '.jpeg')) else
            'mend the mask, name a class that the table lacks there, or LENIENT=1 leaves the image out')


def changed(path: str) -> np.ndarray:
    """(height, width) uint8: 255 where a mask of change says so, 0 elsewhere.

    Raises:
        MTPError: it is neither 0 and 1 nor 0 and 255; a JPEG may have what its packing makes of these.
    """
    pixels = raw(path)
    if pixels.ndim == 3:
        raise MTPError(f'{path}: a mask of change in colours', hint='give 0 and 255, one band')
    if not path.lower().endswith(('.jpg', '.jpeg')):
        wrong = (pixels != 0) & (pixels != 1) & (pixels != FULL)
        _refuse(path, wrong, pixels, 'a mask of change holds 0 and 1, or 0 and 255')
        return np.where(pixels > 0, FULL, 0).astype(np.uint8)
    return np.where(pixels >= 128, FULL, 0).astype(np.uint8)
