"""From merged detections to the files a server takes."""
import glob
import os
import re
import shlex
import sys
from typing import Container, List, Mapping, Optional, Sequence

import numpy as np

from mtp import ownership
from mtp.boxes import polygon_areas, rboxes_to_polygons
from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.tiles.detections import Detections
from mtp.tiles.pixels import list_images

from . import dota, fair1m

_CHUNK = 20000  # boxes looked at a time: the intermediate arrays stay small

#: Format of a submission (``submission`` in the catalogue) -> what writes it from merged detections.
WRITERS = {'dota': dota.write, 'fair1m': fair1m.write}
#: ... and patterns of the files it leaves; {} is the name of their folder.
LEAVES = {'dota': ('Task1_*.txt', '{}.zip'), 'fair1m': ('Task1_*.txt', 'test.zip')}


def leaves(out_dir: str) -> List[str]:
    """Patterns of all files that a submission of any format leaves in ``out_dir``: what may be cleared away there."""
    name = glob.escape(os.path.basename(os.path.abspath(out_dir)))
    return sorted({pattern.format(name) for patterns in LEAVES.values() for pattern in patterns})


def package(detections: Detections, dataset: str, out_dir: str, images: str, jobs: Optional[int] = None) -> List[str]:
    """Write the submission of a data set.

    Args:
        detections: :class:`~mtp.tiles.detections.Detections`; class names are mapped to the data set's by name.
        dataset: a name of the catalogue, with a format of :data:`WRITERS`.
        out_dir: folder to fill; must not exist or be empty.
        images: folder of the original test images.
        jobs: processes (default: all cores).

    Returns:
        Paths written. DOTA: ``Task1_<class>.txt`` of every class that has a detection and a flat
        ``<name of out_dir>.zip`` of them. FAIR1M: the same texts and ``test.zip`` with ``test/<id>.xml`` for every
        image.

    Raises:
        MTPError: unknown data set, class or image; a test image that no tile belongs to; nothing detected (DOTA).
    """
    write = WRITERS[format_of(dataset, WRITERS)]
    check_out(out_dir)
    found = list_images(images)
    check_ids(found)
    detections = _with_classes_of(detections, dataset)
    check_images(detections.images, found, images)
    detections = _with_area(detections)
    os.makedirs(out_dir, exist_ok=True)
    return write(detections, out_dir, found, jobs or os.cpu_count() or 1)


def format_of(dataset: str, formats: Container[str]) -> str:
    """Format of the submission of a data set, which is one of ``formats``.

    Raises:
        MTPError: it has none of them.
    """
    known = catalogue.having('submission', formats)
    if dataset not in known:
        raise MTPError(f'no submission is known for data set {dataset!r}',
                       hint='take one of: ' + ', '.join(sorted(known)))
    return catalogue.get(dataset).submission


def check_out(out_dir: str) -> None:
    """Raise MTPError when a submission cannot be written to ``out_dir``: to be called before hours of work, not after.

    The folder must not exist or be empty, and it, or the nearest folder above it, must be writable.
    """
    if os.path.exists(out_dir) and not os.path.isdir(out_dir):
        raise MTPError(f'{out_dir} is a file, not a folder', hint='give another --out')
    if ownership.content(out_dir):
        raise MTPError(f'{out_dir} is not empty', hint='remove it, or give another --out')
    above = os.path.abspath(out_dir)
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    if not os.access(above, os.W_OK | os.X_OK):
        raise MTPError(f'{above} is not writable', hint='give another --out')


def _with_classes_of(detections: Detections, dataset: str) -> Detections:
    """The detections with labels in the order of the data set's classes."""
    classes = catalogue.get(dataset).classes
    unknown = [name for name in detections.classes if name not in classes]
    if unknown:
        raise MTPError(f'the detections have the class {unknown[0]!r}, which {dataset} has not',
                       hint='check that the test ran with the config of this data set')
    order = np.array([classes.index(name) for name in detections.classes], dtype=np.int64)
    mapped = detections._replace(classes=classes, label=order[detections.label] if len(order) else detections.label)
    return mapped.select(np.lexsort((-mapped.score, mapped.label, mapped.image)))


def _with_area(detections: Detections) -> Detections:
    """Without the boxes that two decimals print as a line: they can match nothing. Says how many."""
    flat = np.zeros(len(detections.score), dtype=bool)
    for start in range(0, len(flat), _CHUNK):
        corners = rboxes_to_polygons(detections.rbox[start:start + _CHUNK], normalise=False)
        flat[start:start + _CHUNK] = ~(polygon_areas(np.round(corners, 2)) > 0)
    if not flat.any():
        return detections
    sys.stderr.write(f'warning: {flat.sum()} of {len(flat)} detections have no area and are left out\n')
    return detections.select(~flat)


def check_ids(found: Mapping[str, str]) -> None:
    """Raise MTPError when the name of an image cannot stand in a result text, whose fields are parted by blanks.

    Args:
        found: image id -> path.
    """
    for name, path in found.items():
        if name.split() != [name] or not name.isprintable():
            good = re.sub(r'[^\w.()+=,@%-]+', '_', name)
            hint = 'mv {} {}'.format(*map(shlex.quote, (path, os.path.join(
                os.path.dirname(path), good + os.path.splitext(path)[1]))))
            raise MTPError('the name of the image {!r} has blanks; a line of results with it could not be read'.format(
                name), hint=hint)


def check_images(ids: Sequence[str], found: Mapping[str, str], folder: str) -> None:
    """Raise MTPError unless ``ids`` are those of all images ``found`` (id -> path) in ``folder``."""
    unknown = [image for image in ids if image not in found]
    if unknown:
        raise MTPError('{} of {} image ids are not in {}, for example {!r}'.format(
            len(unknown), len(ids), folder, unknown[0]), hint='give the folder of the images that were cut')
    missing = sorted(set(found) - set(ids))
    if missing:
        raise MTPError('{} of {} images in {} were not tested, for example {}'.format(
            len(missing), len(found), folder, missing[0]), hint='start the test again; it does the missing ones')
