"""DOTA result texts to a FAIR1M-2.0 submission: one pass, where the published script rewrites a file per detection."""
import argparse
import os
from typing import Mapping, Optional, Sequence, Tuple

import numpy as np

from mtp.boxes import polygon_areas
from mtp.data import catalogue, converting
from mtp.errors import MTPError
from mtp.paths import resolve
from mtp.tiles.pixels import list_images

from . import fair1m, results


def convert(texts: str, images: str, target: str, any_class: bool = False, dry_run: bool = False,
            jobs: int = 1) -> Tuple[int, int]:
    """Write the zip of a folder or zip of result texts.

    Args:
        texts: folder or zip of ``Task1_<class>.txt``, class names with hyphens as in the catalogue.
        images: folder of the test images.
        target: path of the zip to write.
        any_class: take class names as they are, also those that FAIR1M-2.0 does not have.
        dry_run: read and check everything, write nothing.
        jobs: processes.

    Returns:
        (number of images, number of detections).

    Raises:
        MTPError: names file and line of the first fault; nothing is written.
    """
    known = catalogue.get('fair1m').classes
    found = results.require(texts, 'fair1m', images, any_class)
    files = list_images(images)
    _check(found, files, images)
    names = fair1m.official_names(found.classes)
    rank = np.array([known.index(name) if name in known else len(known) for name in found.classes])
    order = np.lexsort((found.label, rank[found.label], found.image))
    begin = np.searchsorted(found.image[order], np.arange(len(found.images) + 1))
    rows = {image: order[begin[index]:begin[index + 1]] for index, image in enumerate(found.images)}
    columns = fair1m.Columns(names, rows, found.label, found.score_text, found.polygon, fair1m.EXACT)
    if not dry_run:
        fair1m.write_zip(target, files, columns, jobs)
    return len(files), len(found.score)


def _check(found: results.Results, files: Mapping[str, str], images: str) -> None:
    where = 'Task1_{}.txt, line {}'
    unknown = np.array([image not in files for image in found.images], dtype=bool)
    bad = np.flatnonzero(unknown[found.image]) if len(found.images) else []
    if len(bad):
        name = found.images[found.image[bad[0]]]
        hint = ('they are of tiles: python -m mtp.submit.merge --help merges what tools/test.py found' if '__' in name
                else
                'give the folder of the test images with --images')
        raise MTPError('{}: there is no image {} in {} ({} such lines)'.format(
            where.format(found.classes[found.label[bad[0]]], found.line[bad[0]]), name, images, len(bad)), hint=hint)
    flat = np.flatnonzero(~(polygon_areas(found.polygon) > 0))
    if len(flat):
        raise MTPError('{}: the box has no area ({} such lines)'.format(
            where.format(found.classes[found.label[flat[0]]], found.line[flat[0]]), len(flat)))


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description='Turn DOTA result texts into a FAIR1M-2.0 submission: a zip with '
                                                 'test/<id>.xml for every test image.')
    parser.add_argument('--txt_dir', default='fair1m', help='folder or zip of Task1_<class>.txt (default: fair1m)')
    parser.add_argument('--images', default=catalogue.get('fair1m').source['test'].images,
                        help='folder of the test images, for their names and sizes')
    parser.add_argument('--out', help='zip to write (default: test.zip in --txt_dir)')
    parser.add_argument('--any-class', action='store_true', help='take classes that FAIR1M-2.0 does not have')
    converting.add_options(parser, strict=False)
    options = parser.parse_args(arguments)
    texts, images = resolve(options.txt_dir), images_folder(options.images)
    target = resolve(options.out) if options.out else os.path.join(texts, 'test.zip')
    converting.refuse_existing([target], options, fair1m.is_zip)
    with converting.alone(target, options):
        counts = convert(texts, images, target, options.any_class, options.dry_run, options.jobs)
    print('{}: {} images, {} detections{}'.format(target, *counts, ' (dry run: nothing written)' if options.dry_run
                                                  else ''))
    return converting.finish(dict(zip(('images', 'detections'), counts)), [], options)


def images_folder(images: str) -> str:
    """Real path of an image folder as a person or the catalogue writes it."""
    if os.path.isdir(resolve(images)):
        return resolve(images)
    below = resolve('data/' + images)
    return below if os.path.isdir(below) else resolve(images)
