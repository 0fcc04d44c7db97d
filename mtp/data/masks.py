"""Masks of class numbers, as segmentation trains on them: one byte a pixel, none of a class that does not exist."""
from typing import NamedTuple, Tuple

import numpy as np

from mtp.data import images
from mtp.errors import MTPError
from mtp.files import PathLike


class Rule(NamedTuple):
    """What the numbers of a data set's masks are.

    Attributes:
        highest: number of a class.
        colours: RGB of each class, in order, in the pictures of masks that the publisher or a tool makes.
        first: number of the first of them; black, where it is no colour of a class, is the number before.
    """
    highest: int
    colours: Tuple[Tuple[int, int, int], ...]
    first: int = 0


def decode(path: PathLike) -> Tuple[str, np.ndarray]:
    """Pillow's mode and the pixels of an image file as they are stored, numbers of a palette among them.

    Raises:
        MTPError: it cannot be read whole.
    """
    from PIL import Image

    images.header(path)
    try:
        with Image.open(path) as image:
            return image.mode, np.asarray(image)
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise MTPError(f'cannot read {path}: {error}') from None


def read(path: PathLike, rule: Rule) -> Tuple[np.ndarray, bool]:
    """(height, width) uint8 class numbers, and whether the file holds them as they are.

    A file of three equal channels, or in the colours of the classes, says the same and is turned into numbers.

    Raises:
        MTPError: another depth, a colour of no class, or a number of no class; names file, pixel and value.
    """
    mode, pixels = decode(path)
    if mode not in ('L', 'P', 'RGB', 'RGBA'):
        raise MTPError(f'{path}: a mask of mode {mode}, and one byte a pixel is expected')
    plain = mode in ('L', 'P')  # training reads the numbers of a palette, not its colours
    numbers = pixels if plain else _numbers(path, pixels[..., :3], rule)
    if numbers.max() > rule.highest:
        row, column = np.argwhere(numbers > rule.highest)[0]
        raise MTPError('{}: {} at row {}, column {}; classes are numbered up to {}'.format(
            path, numbers[row, column], row, column, rule.highest))
    return numbers, plain


def _numbers(path: PathLike, pixels: np.ndarray, rule: Rule) -> np.ndarray:
    if (pixels == pixels[..., :1]).all() and pixels.max() <= rule.highest:
        return np.ascontiguousarray(pixels[..., 0])
    table = {(0, 0, 0): rule.first - 1} if rule.first else {}
    table.update(((red, green, blue), number) for number, (red, green, blue) in enumerate(rule.colours, rule.first))
    code = pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    numbers = np.full(code.shape, -1, np.int64)
    for (red, green, blue), number in table.items():
        numbers[code == (red << 16 | green << 8 | blue)] = number
    if (numbers < 0).any():
        row, column = np.argwhere(numbers < 0)[0]
        raise MTPError('{}: a mask in colours, and {} at row {}, column {} is the colour of no class'.format(
            path, tuple(pixels[row, column].tolist()), row, column),
            hint='give masks of class numbers, one byte a pixel')
    return numbers.astype(np.uint8)
