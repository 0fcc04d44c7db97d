"""What the server of LoveDA would reject in a zip of predictions, which ``scripts/change_loveda_label.py`` makes."""
import io
import os
from typing import Optional, Sequence, Tuple

import numpy as np
from PIL import Image

from mtp.data import images
from mtp.progress import track

from . import zips
from .problems import Problem, Problems, Report, Sizes

_SPARE = 1 << 20  # bytes of a PNG beside its pixels
_HIGHEST = 6  # classes 0..6; MMSegmentation counts from 1
_FOREIGN = {'P': 'a palette image', 'RGB': 'an RGB image', 'RGBA': 'an RGBA image'}


def check(source: str, classes: Sequence[str], sizes: Sizes) -> Report:
    """:class:`~mtp.submit.problems.Report` of a zip.

    Args:
        source: its path.
        classes: not used: numbers stand for them.
        sizes: image id -> (width, height).
    """
    problems, seen = Problems(), set()
    with zips.open_zip(source) as archive:
        for member in track(archive.namelist(), 'validate'):
            stem, suffix = images.stem(member), os.path.splitext(member)[1]
            if '/' in member or '\\' in member:
                problems.append(Problem(member, 0, 'lies in a folder; the zip must be flat'))
            elif suffix != '.png':
                problems.append(Problem(member, 0, 'is not called <image>.png'))
            elif stem in seen:
                problems.append(Problem(member, 0, 'is in the zip more than once'))
            elif stem not in sizes:
                problems.append(Problem(member, 0, 'is not an image of the test set'))
            else:
                seen.add(stem)
                most = sizes[stem][0] * sizes[stem][1] + _SPARE
                fault = _fault(zips.read_member(archive, member, most), sizes[stem])
                problems += [Problem(member, 0, fault)] if fault else []
    problems += [Problem(f'{stem}.png', 0, 'is missing') for stem in sizes if stem not in seen]
    return Report(list(problems), [], len(seen), 0, problems.unlisted)


def _fault(data: Optional[bytes], size: Tuple[int, int]) -> str:
    """What is wrong with a prediction, or ''."""
    if data is None:
        return 'has more bytes than pixels, or is packed in a way that servers do not read'
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.size != tuple(size):
                return 'is {} x {}, the image is {} x {}'.format(*(image.size + tuple(size)))
            kind, mode, pixels = image.format, image.mode, np.asarray(image)
    except Exception as error:  # Pillow raises many kinds for a damaged file
        return f'cannot be read: {error}'
    if kind != 'PNG':
        return f'is {kind} and not PNG'
    if mode != 'L' or pixels.dtype != np.uint8:
        return 'is {} and not one channel of 8 bits'.format(_FOREIGN.get(mode, 'of mode ' + mode))
    highest = int(pixels.max())
    if highest == _HIGHEST + 1 and pixels.min() == 0:
        return 'holds 0 and 7: it knows 8 classes, and LoveDA has 7; no data was learnt as a class'
    if highest == _HIGHEST + 1:
        return 'holds 7, on which the server breaks off: classes are 0 to 6; scripts/change_loveda_label.py shifts them'
    return f'holds {highest}, and classes are 0 to {_HIGHEST}' if highest > _HIGHEST else ''
