"""FAIR1M-2.0 results: one XML for every test image, in the folder ``test/`` of a zip."""
import os
import re
import time
import zipfile
from typing import Iterable, List, Mapping, NamedTuple, Sequence, Tuple, Union
from xml.sax.saxutils import escape

import numpy as np

from mtp import workers
from mtp.boxes import rboxes_to_polygons
from mtp.data import catalogue
from mtp.data import images as image_files
from mtp.files import atomic_path
from mtp.progress import Progress
from mtp.tiles.detections import Detections

from .dota import write_texts

#: What the published results say about themselves; the server does not look at it.
RESEARCH = {'version': '2.0', 'provider': 'WHU', 'author': 'SIGMA_dw', 'pluginname': 'FAIR1M',
            'pluginclass': 'object detection', 'time': '2024-02'}

_HEAD = '''<?xml version="1.0" encoding="utf-8"?>
<annotation>
\t<source>
\t\t<filename>{filename}</filename>
\t\t<origin>GF2/GF3</origin>
\t</source>
\t<research>
{research}
\t</research>
\t<size>
\t\t<width>{width}</width>
\t\t<height>{height}</height>
\t\t<depth>{depth}</depth>
\t</size>
'''
_OBJECT = '''\t\t<object>
\t\t\t<coordinate>pixel</coordinate>
\t\t\t<type>rectangle</type>
\t\t\t<description>None</description>
\t\t\t<possibleresult>
\t\t\t\t<name>%s</name>
\t\t\t\t<probability>%s</probability>
\t\t\t</possibleresult>
\t\t\t<points>
{points}\t\t\t</points>
\t\t</object>
'''
#: Formats of a coordinate: as it is, and with the two decimals that the text of the same detection has.
EXACT, AS_TEXT = '%.6f', '%.2f0000'
_BLOCK = 100  # images of which a process makes the XML at a time

_Task = Tuple[List[str], List[str], List[int], 'Columns']  # ids, paths, numbers of detections, and these


class Columns(NamedTuple):
    """The detections of all images.

    Attributes:
        names: official class names.
        rows: image id -> its rows, an array or a range; images without detections may be left out.
        label: (n,) integers, count in ``names``.
        score: (n,) float32, or texts.
        box: (n, 5) rotated boxes or (n, 8) corners.
        form: format of a coordinate.
    """
    names: Tuple[str, ...]
    rows: Mapping[str, Union[np.ndarray, Sequence[int]]]
    label: np.ndarray
    score: Union[np.ndarray, List[str]]
    box: np.ndarray
    form: str


def official_names(classes: Iterable[str]) -> Tuple[str, ...]:
    """Spelling on the server of the catalogue's class names: ``Small-Car`` is ``Small Car``, ``other-ship`` stays."""
    spelling = catalogue.get('fair1m').spelling
    return tuple(spelling.get(name, name) for name in classes)


def write(detections: Detections, out_dir: str, images: Mapping[str, str], jobs: int = 1) -> List[str]:
    """Texts and ``test.zip`` for FAIR1M; see :func:`mtp.submit.package`.

    The corners in the XML are those of the texts (two decimals), so both say the same.
    """
    paths = write_texts(detections, out_dir, jobs)
    target = os.path.join(out_dir, 'test.zip')
    order = np.argsort(detections.image, kind='stable')
    begin = np.searchsorted(detections.image[order], np.arange(len(detections.images) + 1))
    rows = {image: order[begin[index]:begin[index + 1]] for index, image in enumerate(detections.images)}
    write_zip(target, images, Columns(official_names(detections.classes), rows, detections.label, detections.score,
                                      detections.rbox, AS_TEXT), jobs)
    return [target] + paths


def write_zip(target: str, images: Mapping[str, str], columns: Columns, jobs: int = 1) -> None:
    """Write the zip: ``test/<id>.xml`` for every image, also for those without a detection.

    Args:
        target: path of the zip.
        images: image id -> path; only headers are read.
        columns: :class:`Columns`.
        jobs: processes that make XML, a block of images each; this one packs it meanwhile.
    """
    stamp, ids = max(time.localtime()[:6], (1980, 1, 1, 0, 0, 0)), list(images)  # a zip begins with 1980
    blocks = [ids[start:start + _BLOCK] for start in range(0, len(ids), _BLOCK)]
    tasks = (_task(block, images, columns) for block in blocks)
    progress = Progress('xml', total=len(ids))
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, 'w', zipfile.ZIP_DEFLATED) as archive:
        for block, texts in zip(blocks, workers.in_order(_documents, tasks, min(jobs, len(blocks)))):
            for image, text in zip(block, texts):
                member = zipfile.ZipInfo(f'test/{image}.xml', date_time=stamp)
                member.compress_type = zipfile.ZIP_DEFLATED
                member.external_attr = 0o644 << 16
                archive.writestr(member, text)
            progress.update(len(block))
    progress.close()


def is_zip(path: str) -> bool:
    """Whether the file is what :func:`write_zip` writes: a zip of ``test/<id>.xml`` and nothing else."""
    try:
        with zipfile.ZipFile(path) as archive:
            return all(re.match(r'test/[^/]+\.xml$', name) for name in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def _task(block: List[str], images: Mapping[str, str], columns: Columns) -> _Task:
    """What a process has to know about a block of images: ids, paths, and their detections one behind the other."""
    rows = [np.asarray(columns.rows.get(image, ()), dtype=np.int64) for image in block]
    every = np.concatenate(rows)
    texts = isinstance(columns.score, list)
    score = [columns.score[row] for row in every.tolist()] if texts else columns.score[every]
    part = columns._replace(rows={}, label=columns.label[every], score=score, box=columns.box[every])
    return block, [images[image] for image in block], [len(each) for each in rows], part


def _documents(task: _Task) -> List[bytes]:
    """XML of each image of a block, as bytes."""
    block, paths, counts, columns = task
    box = columns.box if columns.box.shape[1] == 8 else rboxes_to_polygons(columns.box)
    corners, names = box.tolist(), [columns.names[label] for label in columns.label.tolist()]
    score = columns.score if isinstance(columns.score, list) else map(repr, columns.score.astype(np.float64).tolist())
    objects, start, texts = list(zip(names, score, corners)), 0, []
    for image, path, count in zip(block, paths, counts):
        texts.append(document(image, path, objects[start:start + count], columns.form).encode('utf-8'))
        start += count
    return texts


def document(image: str, path: str, objects: Sequence[Tuple[str, str, Sequence[float]]], form: str) -> str:
    """XML text of one image, in the form of the published results (tabs, LF).

    Args:
        image: id.
        path: of the image; only its header is read.
        objects: list of (class name, score as text, eight coordinates).
        form: of a coordinate.
    """
    width, height, depth = _header(path)
    research = '\n'.join(f'\t\t<{key}>{escape(value)}</{key}>' for key, value in RESEARCH.items())
    head = _HEAD.format(filename=escape(image) + '.tif', research=research, width=width, height=height, depth=depth)
    if not objects:
        return head + '\t<objects/>\n</annotation>\n'
    points = f'\t\t\t\t<point>{form},{form}</point>\n' * 5
    template = _OBJECT.format(points=points)  # filled with %, the fastest way: a test set has millions of objects
    rows = [template % (name, score, *corners, corners[0], corners[1]) for name, score, corners in objects]
    return '{}\t<objects>\n{}\t</objects>\n</annotation>\n'.format(head, ''.join(rows))


def _header(path: str) -> image_files.Header:
    """Width, height and number of bands of an image, from its header."""
    return image_files.header(path)
