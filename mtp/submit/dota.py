"""DOTA Task 1 results: one text a class, and the flat zip the server takes."""
import os
import zipfile

import numpy as np

from mtp.boxes import rboxes_to_polygons
from mtp.errors import MTPError
from mtp.files import atomic_path

_CHUNK = 100000
_LINE = '%s %r ' + ' '.join(['%.2f'] * 8)


def write(detections, out_dir, images):
    """Texts and zip for DOTA; see :func:`mtp.submit.package`. ``images`` is not used: the texts name the images."""
    paths = write_texts(detections, out_dir)
    if not paths:
        raise MTPError('there is no detection at all, and the server takes no empty submission',
                       hint='check the weights and the score threshold of the test')
    target = os.path.join(out_dir, os.path.basename(os.path.abspath(out_dir)) + '.zip')
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, 'w', zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, os.path.basename(path))
    return [target] + paths


def write_texts(detections, out_dir):
    """Write ``Task1_<class>.txt`` for every class with a detection; an empty file would crash the official evaluation.

    A line is ``image score x1 y1 x2 y2 x3 y3 x4 y4``: the score in full precision, the corners clockwise from the best
    begin point with two decimals, as MMRotate 0.3.4 prints them. Images keep their order, scores fall.

    Returns:
        Paths, in order of the classes.
    """
    paths = []
    order = np.lexsort((-detections.score, detections.image, detections.label))
    begin = np.searchsorted(detections.label[order], np.arange(len(detections.classes) + 1))
    for label, name in enumerate(detections.classes):
        rows = order[begin[label]:begin[label + 1]]
        if not len(rows):
            continue
        paths.append(os.path.join(out_dir, 'Task1_{}.txt'.format(name)))
        with atomic_path(paths[-1]) as temporary, open(temporary, 'w', encoding='utf-8', newline='') as stream:
            for start in range(0, len(rows), _CHUNK):
                stream.write(_text(detections, rows[start:start + _CHUNK]))
    return paths


def _text(detections, rows):
    ids = [detections.images[index] for index in detections.image[rows].tolist()]
    scores = detections.score[rows].astype(np.float64).tolist()
    corners = rboxes_to_polygons(detections.rbox[rows]).T.tolist()
    return '\n'.join([_LINE % row for row in zip(ids, scores, *corners)]) + '\n'
