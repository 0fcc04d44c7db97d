"""Which images a prediction is about, and whether pairs of them fit."""
import datetime
import hashlib
import os
import shlex
import sys
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from mtp import paths
from mtp.data import images as image_files
from mtp.errors import MTPError
from mtp.tiles import grids, rasters
from mtp.tiles.pixels import list_images

_LATEST = 253402300799  # the last second that has a date of four digits


class Input(NamedTuple):
    """One image, or a pair of one grid.

    Attributes:
        stem: its id.
        paths: of its file, or of the one before and the one after.
    """
    stem: str
    paths: Tuple[str, ...]


def find_images(names: Iterable[str]) -> Dict[str, str]:
    """Images that are named, or lie in folders that are named: id -> path. The id is the file's stem.

    Raises:
        MTPError: nothing there, or two images of one stem.
    """
    return image_files.by_stem(_listed(names))


def _listed(names: Iterable[str]) -> List[str]:
    found = []
    for path in map(paths.resolve, names):
        if not os.path.lexists(path):  # a link to nothing is told as such where it is opened
            raise MTPError(f'there is no image {path}',
                           hint='ls {}'.format(shlex.quote(os.path.dirname(path) or '.')))
        found += list_images(path).values() if os.path.isdir(path) else [path]
    return found


def find_pairs(before: Sequence[str], after: Sequence[str]) -> List[Input]:
    """Pairs: :class:`Input` of each. Files in the order they are named; of two folders those of the same name.

    Raises:
        MTPError: an image has no partner.
    """
    if not before or not after:
        raise MTPError('this config looks at pairs: images before and after', hint="make predict BEFORE=before.tif "
                       'AFTER=after.tif CONFIG=..., or two folders with files of the same names')
    first, second = _listed(before), _listed(after)
    if all(os.path.isfile(paths.resolve(name)) for name in list(before) + list(after)):
        if len(first) != len(second):
            raise MTPError(f'{len(first)} images before and {len(second)} after: each needs a partner',
                           hint='name as many after as before, in the same order')
        stems = image_files.by_stem(first)
        return [Input(stem, (path, other)) for (stem, path), other in zip(stems.items(), second)]
    earlier, later = image_files.by_stem(first), image_files.by_stem(second)
    alone = sorted(set(earlier) ^ set(later))
    if alone:
        path = earlier.get(alone[0]) or later[alone[0]]
        raise MTPError('{} of the images before and after have no partner of the same name, {} among them'.format(
            len(alone), path), hint='name the two files: make predict BEFORE={} AFTER=file'.format(shlex.quote(path)))
    return [Input(stem, (path, later[stem])) for stem, path in earlier.items()]


def check_pair(pair: Input, colours: rasters.Colours) -> Tuple[Tuple[int, int], Optional[rasters.Ground]]:
    """Size (width, height) and ground of a pair; what is odd is said on standard error.

    Raises:
        MTPError: see :func:`mtp.tiles.grids.check`; or one has no such bands.
    """
    for path in pair.paths:
        rasters.size(path, colours)
    before, after = pair.paths
    found = grids.check((before, after))
    for note in found.notes:
        sys.stderr.write(f'warning: {note}\n')
    return found.size, found.ground


def state(files: Iterable[str]) -> str:
    """Text that differs when an image does: results of one are not those of another that has its name."""
    facts = [(os.path.basename(path), os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def stamp(files: Iterable[str]) -> str:
    """ISO time (UTC) of the newest of these files: what is written about them is the same whenever it is written."""
    newest = max(os.stat(path).st_mtime for path in files)  # any number, on a disk whose clock was never set
    return datetime.datetime.utcfromtimestamp(int(min(max(newest, 0), _LATEST))).strftime('%Y-%m-%dT%H:%M:%S.000Z')
