"""Pictures of detections on whole images: ``python -m mtp.report.draw --detections ZIP --images DIR --out DIR``."""
import argparse
import colorsys
import functools
import os

import cv2
import numpy as np

from mtp.boxes import polygons_to_rboxes, rboxes_to_polygons
from mtp.data import catalogue
from mtp.data import images as image_files
from mtp.errors import OK, MTPError, run_main
from mtp.files import write_bytes
from mtp.paths import resolve
from mtp.progress import track
from mtp.tiles import workers
from mtp.tiles.detections import Detections
from mtp.tiles.pixels import list_images, read_image

MAX_SIDE = 2048
THRESHOLD = 0.3
_MEMORY = 2 << 30  # bytes of decoded images in all processes together
_LEAST_TEXT_SIDE = 22  # boxes with a shorter side on the picture would disappear behind their score


def draw_detections(image, rboxes, labels, scores, classes, palette, threshold=THRESHOLD, max_side=MAX_SIDE,
                    legend=True):
    """A picture of the detections of one image.

    Args:
        image: (height, width, 3) uint8 BGR; not changed.
        rboxes: (n, 5) cx, cy, w, h, theta in image pixels and radians.
        labels: (n,) indices into ``classes``.
        scores: (n,), or None to draw boxes without a score, such as the truth.
        classes: names.
        palette: RGB of each class.
        threshold: lowest score drawn.
        max_side: the picture is scaled down so that no side is longer; boxes are drawn after that, so lines stay sharp.
        legend: list the classes that occur, with their counts, in the upper left corner.

    Returns:
        (height, width, 3) uint8 BGR.
    """
    scale = min(1.0, max_side / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()
    labels = np.asarray(labels, dtype=np.int64)
    shown = np.arange(len(labels)) if scores is None else np.flatnonzero(np.asarray(scores) >= threshold)
    polygons = rboxes_to_polygons(rboxes)[shown].reshape(-1, 4, 2) * scale
    width = max(1, round(max(size) / 900))
    roomy = np.asarray(rboxes, dtype=np.float64).reshape(-1, 5)[:, 2:4].min(axis=1) * scale >= _LEAST_TEXT_SIDE
    for index, corners in sorted(zip(shown, polygons), key=lambda pair: 0 if scores is None else scores[pair[0]]):
        colour = tuple(int(value) for value in palette[labels[index]][::-1])
        cv2.polylines(picture, [np.round(corners).astype(np.int32)], True, colour, width, cv2.LINE_AA)
        if scores is not None and roomy[index]:
            _text(picture, '{:.2f}'.format(scores[index]), corners[np.argmin(corners[:, 1])], colour, 0.35 * width)
    if legend:
        _legend(picture, labels[shown], classes, palette)
    return picture


def _text(picture, text, position, colour, scale):
    """Text with a dark edge, so that it can be read on any ground."""
    spot = int(position[0]), max(10, int(position[1]) - 2)
    cv2.putText(picture, text, spot, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(picture, text, spot, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)


def _legend(picture, labels, classes, palette):
    scale = max(0.45, max(picture.shape[:2]) / 2400)
    for row, (label, count) in enumerate(zip(*np.unique(labels, return_counts=True))):
        text = '{} {}'.format(classes[label], count)
        _text(picture, text, (8, int((row + 1) * 38 * scale)), tuple(int(v) for v in palette[label][::-1]), scale)


def palette_of(classes):
    """Colours of a list of classes: the catalogue's where a data set has just these, else evenly spread hues."""
    for name in catalogue.names():
        if catalogue.get(name).classes == tuple(classes):
            return catalogue.get(name).palette
    hues = [colorsys.hsv_to_rgb(index / max(1, len(classes)), 0.9, 1.0) for index in range(len(classes))]
    return tuple(tuple(int(255 * value) for value in hue) for hue in hues)


def detections(found, images, out, threshold=THRESHOLD, max_side=MAX_SIDE, palette=None, jobs=None):
    """Draw one picture for every image, ``out/<image>.jpg``; those that are there already are drawn again.

    Args:
        found: :class:`~mtp.tiles.detections.Detections`.
        images: folder of the original images; only those that ``found`` lists are drawn.
        out: folder, made when missing.
        threshold: lowest score drawn.
        max_side: of a picture.
        palette: RGB of each class; default :func:`palette_of` its classes.
        jobs: processes (default: all cores), fewer where images are so big that they would take too much memory.

    Returns:
        Paths written, in order of the images.

    Raises:
        MTPError: an image is missing or cannot be decoded.
    """
    files = list_images(images)
    missing = [name for name in found.images if name not in files]
    if missing:
        raise MTPError('{} of {} images are not in {}, for example {}'.format(
            len(missing), len(found.images), images, missing[0]), hint='give the folder of the original images')
    order = np.argsort(found.image, kind='stable')
    rows_of = np.split(order, np.searchsorted(found.image[order], np.arange(1, len(found.images))))
    tasks = ((files[name], os.path.join(out, name + '.jpg'), found.rbox[rows], found.label[rows], found.score[rows])
             for name, rows in zip(found.images, rows_of))
    work = functools.partial(_draw_image, classes=found.classes, palette=palette or palette_of(found.classes),
                             threshold=threshold, max_side=max_side)
    largest = max([1] + [int(np.prod(image_files.size(files[name]))) for name in found.images])
    jobs = max(1, min(jobs or os.cpu_count() or 1, len(found.images), _MEMORY // (3 * largest)))
    return list(track(workers.in_order(work, tasks, jobs), 'draw', len(found.images)))


def _draw_image(task, classes, palette, threshold, max_side):
    """Write the picture of one image; its path."""
    image, path, *columns = task
    save(path, draw_detections(read_image(image), *columns, classes, palette, threshold, max_side))
    return path


def save(path, picture):
    """Write a BGR picture as JPEG, atomically."""
    done, data = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not done:
        raise MTPError('cannot encode the picture {}'.format(path))
    write_bytes(path, data.tobytes())


def of_results(results, images):
    """:class:`~mtp.tiles.detections.Detections` from result texts, listing also the images without a detection.

    Args:
        results: :class:`~mtp.submit.results.Results`.
        images: ids of all images.
    """
    position = {name: index for index, name in enumerate(images)}
    unknown = [name for name in results.images if name not in position]
    if unknown:
        raise MTPError('the image folder lacks {} images, for example {}'.format(len(unknown), unknown[0]),
                       hint='give the folder of the original images with --images')
    numbers = np.array([position[name] for name in results.images], dtype=np.int64)
    return Detections(results.classes, tuple(images), numbers[results.image] if len(numbers) else results.image,
                      results.label, results.score.astype(np.float32), polygons_to_rboxes(results.polygon))


def main(arguments=None):
    from mtp.submit.results import require
    parser = argparse.ArgumentParser(prog='python -m mtp.report.draw', description='Draw detections on whole images.')
    parser.add_argument('--detections', required=True, help='zip or folder with Task1_<class>.txt')
    parser.add_argument('--images', required=True, help='folder of the original images')
    parser.add_argument('--out', required=True, help='folder for the pictures')
    parser.add_argument('--dataset', choices=catalogue.names(), help='take the colours of this data set')
    parser.add_argument('--score-thr', type=float, default=THRESHOLD, help='lowest score drawn (default: %(default)s)')
    parser.add_argument('--max-side', type=int, default=MAX_SIDE, help='of a picture (default: %(default)s)')
    options = parser.parse_args(arguments)
    images = resolve(options.images)
    results = require(resolve(options.detections))
    found = of_results(results, list(list_images(images)))
    palette = None
    if options.dataset:
        known = catalogue.get(options.dataset)
        strange = [name for name in results.classes if name not in known.classes]
        if strange:
            raise MTPError('{!r} is not a class of {}'.format(strange[0], options.dataset))
        palette = [known.palette[known.classes.index(name)] for name in results.classes]
    written = detections(found, images, resolve(options.out), options.score_thr, options.max_side, palette)
    print('{} pictures in {}'.format(len(written), options.out))
    return OK


if __name__ == '__main__':
    run_main(main)
