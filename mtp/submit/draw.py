"""Pictures of a submission: ``python -m mtp.submit.draw --detections ZIP --images DIR --out DIR``."""
import argparse
from typing import List, Optional, Sequence

import numpy as np

from mtp import numbers, ownership
from mtp.boxes import polygons_to_rboxes
from mtp.data import catalogue
from mtp.errors import OK, MTPError, run_main
from mtp.paths import resolve
from mtp.report import draw
from mtp.tiles.detections import Detections
from mtp.tiles.pixels import list_images

from .results import Results, require


def of_results(results: Results, images: Sequence[str]) -> Detections:
    """:class:`~mtp.tiles.detections.Detections` from result texts, listing also the images without a detection.

    Args:
        results: :class:`~mtp.submit.results.Results`.
        images: ids of all images.
    """
    position = {name: index for index, name in enumerate(images)}
    unknown = [name for name in results.images if name not in position]
    if unknown:
        raise MTPError(f'the image folder lacks {len(unknown)} images, for example {unknown[0]}',
                       hint='give the folder of the original images with --images')
    numbers = np.array([position[name] for name in results.images], dtype=np.int64)
    return Detections(results.classes, tuple(images), numbers[results.image] if len(numbers) else results.image,
                      results.label, results.score.astype(np.float32), polygons_to_rboxes(results.polygon))


def main(arguments: Optional[List[str]] = None) -> int:
    """Draw a submission."""
    parser = argparse.ArgumentParser(prog='python -m mtp.submit.draw', description='Draw detections on whole images.')
    parser.add_argument('--detections', required=True, help='zip or folder with Task1_<class>.txt')
    parser.add_argument('--images', required=True, help='folder of the original images')
    parser.add_argument('--out', required=True, help='folder for the pictures')
    parser.add_argument('--dataset', choices=catalogue.names(), help='take the colours of this data set')
    parser.add_argument('--score-thr', type=numbers.share, default=draw.THRESHOLD,
                        help='lowest score drawn (default: %(default)s)')
    parser.add_argument('--max-side', type=numbers.jpeg_side, default=draw.MAX_SIDE,
                        help='of a picture (default: %(default)s)')
    options = parser.parse_args(arguments)
    images = resolve(options.images)
    ownership.check(resolve(options.out), draw.VERB)
    results = require(resolve(options.detections), options.dataset or 'dotav1', images, any_class=not options.dataset)
    found = of_results(results, list(list_images(images)))
    palette = None
    if options.dataset:
        known = catalogue.get(options.dataset)
        strange = [name for name in results.classes if name not in known.classes]
        if strange:
            raise MTPError(f'{strange[0]!r} is not a class of {options.dataset}')
        palette = [known.palette[known.classes.index(name)] for name in results.classes]
    written = draw.detections(found, images, resolve(options.out), options.score_thr, options.max_side, palette,
                              option='--out')
    print(f'{len(written)} pictures in {options.out}')
    return OK


if __name__ == '__main__':
    run_main(main)
