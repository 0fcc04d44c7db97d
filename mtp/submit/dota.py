"""DOTA Task 1 results: one text a class, and the flat zip the server takes."""
import os
import zipfile
from typing import List, Mapping, Tuple

import numpy as np

from mtp import workers
from mtp.boxes import rboxes_to_polygons
from mtp.errors import MTPError
from mtp.files import atomic_path
from mtp.tiles.detections import Detections

_CHUNK = 20000
_WORTH_A_PROCESS = 20000  # detections
_LINE = '%s %r ' + ' '.join(['%.2f'] * 8)

_Task = Tuple[str, Tuple[str, ...], np.ndarray, np.ndarray, np.ndarray]  # path, image ids; image, score, box of a class


def write(detections: Detections, out_dir: str, images: Mapping[str, str], jobs: int = 1) -> List[str]:
    """Texts and zip for DOTA; see :func:`mtp.submit.package`. ``images`` is not used: the texts name the images."""
    paths = write_texts(detections, out_dir, jobs)
    if not paths:
        raise MTPError('there is no detection at all, and the server takes no empty submission',
                       hint='check the weights and the score threshold of the test')
    target = os.path.join(out_dir, os.path.basename(os.path.abspath(out_dir)) + '.zip')
    # not strict: where a clock was never set, files are of 1970, and a zip begins with 1980
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, 'w', zipfile.ZIP_DEFLATED,
                                                           strict_timestamps=False) as archive:
        for path in paths:
            archive.write(path, os.path.basename(path))
    return [target] + paths


def write_texts(detections: Detections, out_dir: str, jobs: int = 1) -> List[str]:
    """Write ``Task1_<class>.txt`` for every class with a detection; an empty file would crash the official evaluation.

    A line is ``image score x1 y1 x2 y2 x3 y3 x4 y4``: the score in full precision, the corners clockwise from the best
    begin point with two decimals, as MMRotate 0.3.4 prints them. Images keep their order, scores fall.

    Args:
        detections: :class:`~mtp.tiles.detections.Detections`.
        out_dir: folder, made when missing.
        jobs: processes; a class is written by one of them.

    Returns:
        Paths, in order of the classes.
    """
    tasks = []
    order = np.lexsort((-detections.score, detections.image, detections.label))
    begin = np.searchsorted(detections.label[order], np.arange(len(detections.classes) + 1))
    for label, name in enumerate(detections.classes):
        rows = order[begin[label]:begin[label + 1]]
        if len(rows):
            tasks.append((os.path.join(out_dir, f'Task1_{name}.txt'), detections.images, rows, detections))
    jobs = jobs if len(order) > _WORTH_A_PROCESS else 1
    largest_first = sorted(tasks, key=lambda task: -len(task[2]))
    for _ in workers.run(_write_text, list(map(_columns, largest_first)), jobs):
        pass
    return [path for path, _, _, _ in tasks]


def _columns(task: Tuple[str, Tuple[str, ...], np.ndarray, Detections]) -> _Task:
    path, images, rows, detections = task
    return path, images, detections.image[rows], detections.score[rows], detections.rbox[rows]


def _write_text(task: _Task) -> None:
    path, images, image, score, rbox = task
    with atomic_path(path) as temporary, open(temporary, 'w', encoding='utf-8', newline='') as stream:
        for start in range(0, len(image), _CHUNK):
            part = slice(start, start + _CHUNK)
            ids = [images[index] for index in image[part].tolist()]
            corners = rboxes_to_polygons(rbox[part]).T.tolist()
            scores = score[part].astype(np.float64).tolist()
            stream.write('\n'.join([_LINE % row for row in zip(ids, scores, *corners)]) + '\n')
