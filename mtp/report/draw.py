"""Pictures of detections on whole images; ``python -m mtp.submit.draw`` draws those of a submission."""
import colorsys
import functools
import os
from typing import List, Optional, Sequence, Tuple

import cv2
import numpy as np

from mtp import ownership, workers
from mtp.boxes import rboxes_to_polygons
from mtp.data import catalogue
from mtp.data import images as image_files
from mtp.errors import MTPError
from mtp.files import write_bytes
from mtp.progress import track
from mtp.tiles.detections import Detections
from mtp.tiles.pixels import list_images, read_image

Palette = Sequence[Sequence[int]]  # red, green, blue of each class

VERB = 'pictures'
MAX_SIDE = 2048
THRESHOLD = 0.3
_MEMORY = 2 << 30  # bytes of decoded images in all processes together
_LEAST_TEXT_SIDE = 22  # boxes with a shorter side on the picture would disappear behind their score


def draw_detections(image: np.ndarray, rboxes: np.ndarray, labels: np.ndarray, scores: Optional[np.ndarray],
                    classes: Sequence[str], palette: Palette, threshold: float = THRESHOLD, max_side: int = MAX_SIDE,
                    legend: bool = True) -> np.ndarray:
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
            _text(picture, f'{scores[index]:.2f}', corners[np.argmin(corners[:, 1])], colour, 0.35 * width)
    if legend:
        _legend(picture, labels[shown], classes, palette)
    return picture


def _text(picture: np.ndarray, text: str, position: Sequence[float], colour: Tuple[int, ...], scale: float) -> None:
    """Text with a dark edge, so that it can be read on any ground."""
    spot = int(position[0]), max(10, int(position[1]) - 2)
    cv2.putText(picture, text, spot, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(picture, text, spot, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)


def _legend(picture: np.ndarray, labels: np.ndarray, classes: Sequence[str], palette: Palette) -> None:
    scale = max(0.45, max(picture.shape[:2]) / 2400)
    for row, (label, count) in enumerate(zip(*np.unique(labels, return_counts=True))):
        text = f'{classes[label]} {count}'
        _text(picture, text, (8, int((row + 1) * 38 * scale)), tuple(int(v) for v in palette[label][::-1]), scale)


def palette_of(classes: Sequence[str]) -> Palette:
    """Colours of a list of classes: the catalogue's where a data set has just these, else evenly spread hues."""
    for name in catalogue.names():
        if catalogue.get(name).classes == tuple(classes):
            return catalogue.get(name).palette
    hues = [colorsys.hsv_to_rgb(index / max(1, len(classes)), 0.9, 1.0) for index in range(len(classes))]
    return tuple(tuple(int(255 * value) for value in hue) for hue in hues)


def detections(found: Detections, images: str, out: str, threshold: float = THRESHOLD, max_side: int = MAX_SIDE,
               palette: Optional[Palette] = None, jobs: Optional[int] = None, option: str = '--show-dir') -> List[str]:
    """Draw one picture for every image, ``out/<image>.jpg``; those that are there already are drawn again.

    Args:
        found: :class:`~mtp.tiles.detections.Detections`.
        images: folder of the original images; only those that ``found`` lists are drawn.
        out: folder, new or one of pictures that were drawn here (:mod:`mtp.ownership`).
        threshold: lowest score drawn.
        max_side: of a picture.
        palette: RGB of each class; default :func:`palette_of` its classes.
        jobs: processes (default: all cores), fewer where images are so big that they would take too much memory.
        option: of the command line that names another folder.

    Returns:
        Paths written, in order of the images.

    Raises:
        MTPError: an image is missing or cannot be decoded; the folder holds something else.
    """
    files = list_images(images)
    missing = [name for name in found.images if name not in files]
    if missing:
        raise MTPError('{} of {} images are not in {}, for example {}'.format(
            len(missing), len(found.images), images, missing[0]), hint='give the folder of the original images')
    ownership.claim(out, VERB, ownership.exactly(name + '.jpg' for name in found.images), option=option)
    order = np.argsort(found.image, kind='stable')
    rows_of = np.split(order, np.searchsorted(found.image[order], np.arange(1, len(found.images))))
    tasks = ((files[name], os.path.join(out, name + '.jpg'), found.rbox[rows], found.label[rows], found.score[rows])
             for name, rows in zip(found.images, rows_of))
    work = functools.partial(_draw_image, classes=found.classes, palette=palette or palette_of(found.classes),
                             threshold=threshold, max_side=max_side)
    largest = max([1] + [int(np.prod(image_files.size(files[name]))) for name in found.images])
    jobs = max(1, min(jobs or os.cpu_count() or 1, len(found.images), _MEMORY // (3 * largest)))
    return list(track(workers.in_order(work, tasks, jobs), 'draw', len(found.images)))


def _draw_image(task: Tuple[str, str, np.ndarray, np.ndarray, np.ndarray], classes: Sequence[str], palette: Palette,
                threshold: float, max_side: int) -> str:
    """Write the picture of one image; its path."""
    image, path, *columns = task
    save(path, draw_detections(read_image(image), *columns, classes, palette, threshold, max_side))
    return path


def save(path: str, picture: np.ndarray) -> None:
    """Write a BGR picture as JPEG, atomically."""
    done, data = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not done:
        raise MTPError(f'cannot encode the picture {path}')
    write_bytes(path, data.tobytes())


if __name__ == '__main__':
    from mtp import moved
    moved.run('mtp.submit.draw')
