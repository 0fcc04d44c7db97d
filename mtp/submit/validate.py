"""Everything that a server would reject in a submission, with file and line."""
import functools
import itertools
import os
import re
import shlex
from typing import Callable, Container, Iterable, Iterator, List, Optional, Sequence, Tuple
from xml.etree import ElementTree

import numpy as np

from mtp import workers
from mtp.boxes import bounds_of_polygons, polygon_areas
from mtp.data import catalogue
from mtp.data import images as image_files
from mtp.progress import track
from mtp.tiles.pixels import list_images

from . import fair1m, loveda, results, zips
from .package import format_of
from .problems import Problem, Problems, Report, Sizes

_XML_NAME = re.compile(r'test/([^/\\]+)\.xml')
_BLOCK = 200  # XML that a process checks at a time
_OBJECT = re.compile(b'<object[ >/]')
_MOST_XML = 64 << 20  # bytes of one file: a hundred thousand objects
_Member = Tuple[str, str, Tuple[int, int]]  # its name in the zip, image id, size of the image
#: What makes the submission of a data set from a folder of result texts.
_PACK = 'python scripts/dota_submit_txt_to_fair1m_xml.py --txt_dir {} --images {}'


def validate(source: str, dataset: str, images: str) -> Report:
    """Check a submission.

    Args:
        source: zip of a submission, or the folder that :func:`mtp.submit.package` wrote it to. A folder of DOTA texts
            without a zip is taken as the zip that would be made of them.
        dataset: a name of the catalogue, with a format of :data:`CHECKS`.
        images: folder of the original test images.

    Returns:
        :class:`~mtp.submit.problems.Report`.

    Raises:
        MTPError: the zip or the images cannot be read at all.
    """
    kind = format_of(dataset, CHECKS)
    sizes = {stem: image_files.size(path) for stem, path in list_images(images).items()}
    path, check = source, CHECKS[kind]
    if os.path.isdir(source):
        path = ARCHIVES[kind](source)
        if path == source and kind in UNPACKED:
            check = functools.partial(UNPACKED[kind], images=images)
    return check(path, catalogue.get(dataset).classes, sizes)


def _named_zip(folder: str) -> str:
    """The zip in ``folder`` that has its name, or ``folder`` itself, which is taken as one."""
    path = os.path.join(folder, os.path.basename(os.path.abspath(folder)) + '.zip')
    return path if os.path.isfile(path) else folder


def _test_zip(folder: str) -> str:
    """``test.zip`` in ``folder``; the folder itself where it holds texts that were not packed yet."""
    path = os.path.join(folder, 'test.zip')
    return path if os.path.isfile(path) or not any(map(results.is_result_text, os.listdir(folder))) else folder


def _zip_beside(folder: str) -> str:
    return folder.rstrip('/') + '.zip'


def _check_dota(source: str, classes: Sequence[str], sizes: Sizes) -> Report:
    found, problems = results.read_results(source)
    if not found.classes:
        problems.append(Problem(source, 0, 'holds no Task1_<class>.txt'))
    for name in found.classes:
        if name not in classes:
            called = catalogue.class_called(name, classes)
            problems.append(Problem(_text_name(name), 0, '{!r} is not a class of this data set{}'.format(
                name, called and '; the server calls it ' + called or '')))
    problems += [Problem(_text_name(name), 0, 'is empty; the official evaluation crashes on it, leave the file out')
                 for name in found.empty]
    return _report(found, classes, sizes, problems, [])


def _check_unpacked(source: str, classes: Sequence[str], sizes: Sizes, images: str) -> Report:
    """A folder of FAIR1M's result texts that was not packed yet: empty files, and other spellings, do no harm."""
    found, problems = results.read_results(source)
    found, notes = results.with_known_classes(found, classes, problems)
    command = _PACK.format(shlex.quote(source), shlex.quote(images))
    return _report(found, classes, sizes, problems, notes + ['not packed yet: ' + command])


def _report(found: results.Results, classes: Sequence[str], sizes: Sizes, problems: Problems,
            warnings: List[str]) -> Report:
    """:class:`~mtp.submit.problems.Report` on result texts; ``problems`` has what was seen of them already."""
    for rows, message in _faulty_rows(found, sizes):
        problems += (Problem(_text_name(found.classes[found.label[row]]), int(found.line[row]), message(row))
                     for row in np.flatnonzero(rows))
    warnings = warnings + [f'no text for class {name}: taken as no detection' for name in classes
                           if name not in found.classes] + _suspicions(found, sizes)
    return Report(sorted(problems), warnings, len(sizes), len(found.score), problems.unlisted)


def _text_name(name: str) -> str:
    return f'Task1_{name}.txt'


def _faulty_rows(found: results.Results, sizes: Sizes) -> Iterator[Tuple[np.ndarray, Callable[[int], str]]]:
    """Pairs of a mask over the detections and a function from a row to what is wrong with it."""
    unknown = np.array([image not in sizes for image in found.images], dtype=bool)

    def no_image(row: int) -> str:
        name = found.images[found.image[row]]
        if '__' in name:
            return f'{name!r} is a tile, not an image of the test set; the tiles were not merged'
        return f'{name!r} is not an image of the test set'

    def no_score(row: int) -> str:
        return f'score {found.score_text[row]} is not between 0 and 1'

    yield unknown[found.image] if len(unknown) else np.zeros(0, dtype=bool), no_image
    yield ~((found.score >= 0) & (found.score <= 1)), no_score
    flat = ~(polygon_areas(found.polygon) > 0)
    yield flat, lambda row: 'the box has no area'
    yield _crossed(found.polygon) & ~flat, lambda row: 'the sides of the box cross'


def _crossed(polygons: np.ndarray) -> np.ndarray:
    """Which quadrilaterals have a pair of opposite sides that cross."""
    corners = polygons.reshape(-1, 4, 2)

    def side(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        return np.sign((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))

    def cross(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
        return (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
    a, b, c, d = (corners[:, index] for index in range(4))
    return cross(a, b, c, d) | cross(b, c, d, a)


def _suspicions(found: results.Results, sizes: Sizes) -> List[str]:
    warnings = []
    known = np.array([image in sizes for image in found.images], dtype=bool)
    size = np.array([sizes.get(image, (0, 0)) for image in found.images], dtype=np.float64).reshape(-1, 2)
    outside = wholly_outside(found.polygon, size[found.image]) & known[found.image]
    if outside.any():
        row = int(np.argmax(outside))
        warnings.append('{} detections lie wholly outside their image, the first is {}:{}'.format(
            int(outside.sum()), _text_name(found.classes[found.label[row]]), found.line[row]))
    if len(found.score) > 1000 and len(np.unique(found.score)) <= 101:
        warnings.append('the {} scores have only {} values: were they rounded?'.format(
            len(found.score), len(np.unique(found.score))))
    silent = len(sizes) - int(known.sum())
    if silent:
        warnings.append(f'{silent} of {len(sizes)} images have no detection')
    return warnings


def _check_fair1m(source: str, classes: Sequence[str], sizes: Sizes) -> Report:
    problems, warnings, count, empty, outside = Problems(), [], 0, 0, []
    with zips.open_zip(source) as archive:
        wanted = _wanted(archive.namelist(), sizes, problems)
    work = functools.partial(_check_xmls, source, frozenset(fair1m.official_names(classes)))
    blocks = [wanted[start:start + _BLOCK] for start in range(0, len(wanted), _BLOCK)]
    found = itertools.chain.from_iterable(workers.in_order(work, blocks, min(os.cpu_count() or 1, len(blocks))))
    for (member, _, _), (objects, astray, faults, unlisted) in zip(track(wanted, 'validate'), found):
        count += objects
        empty += not objects
        outside += [member] * astray
        problems += faults
        problems.unlisted += unlisted
    seen = {image for _, image, _ in wanted}
    problems += [Problem(f'test/{image}.xml', 0, 'is missing') for image in sizes if image not in seen]
    if outside:
        warnings.append(f'{len(outside)} detections lie wholly outside their image, the first in {outside[0]}')
    if empty:
        warnings.append(f'{empty} of {len(sizes)} images have no detection')
    return Report(list(problems), warnings, len(seen), count, problems.unlisted)


def _wanted(members: Iterable[str], sizes: Sizes, problems: Problems) -> List[_Member]:
    """(member, image id, size) of each XML in a zip that is to be looked into; of other members ``problems`` tells."""
    wanted = {}
    for member in members:
        match = _XML_NAME.fullmatch(image_files.one_form(member))
        if member == 'test/':
            continue
        if not match:
            problems.append(Problem(member, 0, 'is not test/<image>.xml, and the zip must hold nothing else'))
        elif match.group(1) in wanted:
            problems.append(Problem(member, 0, 'is in the zip more than once'))
        elif match.group(1) not in sizes:
            problems.append(Problem(member, 0, 'is not an image of the test set'))
        else:
            wanted[match.group(1)] = (member, match.group(1), sizes[match.group(1)])
    return list(wanted.values())


def _check_xmls(source: str, names: Container[str],
                wanted: Iterable[_Member]) -> List[Tuple[int, int, List[Problem], int]]:
    """For each of ``wanted`` (member, image id, size): objects, those outside the image, problems, how many more."""
    checked = []
    with zips.open_zip(source) as archive:
        for member, image, size in wanted:
            problems, data = Problems(), zips.read_member(archive, member, _MOST_XML)
            if data is None:
                problems.append(Problem(member, 0, 'has more than {} MiB, or is packed in a way that servers do not '
                                                   'read'.format(_MOST_XML >> 20)))
            counts = (0, 0) if data is None else _check_xml(member, image, data, size, names, problems)
            checked.append(counts + (list(problems), problems.unlisted))
    return checked


def _check_xml(member: str, image: str, data: bytes, size: Tuple[int, int], names: Container[str],
               problems: Problems) -> Tuple[int, int]:
    """Numbers of objects in one XML and of those outside the image; its faults go to ``problems``."""
    if b'<!DOCTYPE' in data or b'<!ENTITY' in data:
        problems.append(Problem(member, 0, 'declares a document type, which no result needs'))
        return 0, 0
    try:
        # As UTF-8 whatever it claims to be, so that no encoding hides a document type from the test above.
        root = ElementTree.fromstring(data, ElementTree.XMLParser(encoding='utf-8'))
    except ElementTree.ParseError as error:
        problems.append(Problem(member, error.position[0], f'is not XML: {error}'))
        return 0, 0
    objects = root.find('objects')
    if root.tag != 'annotation' or objects is None:
        problems.append(Problem(member, 0, 'is not an annotation with objects'))
        return 0, 0
    if root.findtext('source/filename') != image + '.tif':
        problems.append(Problem(member, 0, 'filename is {!r}, not {}.tif'.format(
            root.findtext('source/filename'), image)))
    stated = (root.findtext('size/width'), root.findtext('size/height'))
    if stated != (str(size[0]), str(size[1])):
        problems.append(Problem(member, 0, 'says {} x {}, the image is {} x {}'.format(*(stated + tuple(size)))))
    nodes, corners, lines = objects.findall('object'), [], _lines_of_objects(data)
    for node, line in zip(nodes, itertools.chain(lines, itertools.repeat(0))):
        fault, points = _object_fault(node, names)
        corners.append(points)
        if fault:
            problems.append(Problem(member, line, fault))
    return len(nodes), _outside_and_flat(member, lines, corners, size, problems)


def _outside_and_flat(member: str, lines: Sequence[int], corners: Sequence[Optional[Sequence[float]]],
                      size: Tuple[int, int], problems: Problems) -> int:
    """How many of the boxes (8 numbers, or None) lie outside; flat and crossed ones are problems."""
    rows = [index for index, points in enumerate(corners) if points]
    boxes = np.array([corners[index] for index in rows], dtype=np.float64).reshape(-1, 8)
    flat = ~(polygon_areas(boxes) > 0)
    for fault, message in ((flat, 'the box has no area'), (_crossed(boxes) & ~flat, 'the sides of the box cross')):
        for row in np.flatnonzero(fault):
            problems.append(Problem(member, lines[rows[row]] if rows[row] < len(lines) else 0, message))
    return int(wholly_outside(boxes, np.array([size])).sum())


def wholly_outside(polygons: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Which polygons (n, 8) share nothing with their images of ``size`` (n or 1, 2)."""
    bounds = bounds_of_polygons(polygons)
    return ((bounds[:, 2:] <= 0) | (bounds[:, :2] >= size)).any(axis=1)


def _lines_of_objects(data: bytes) -> List[int]:
    """The line on which each object starts."""
    starts = np.array([match.start() for match in _OBJECT.finditer(data)], dtype=np.int64)
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord('\n'))
    return (np.searchsorted(ends, starts) + 1).tolist()


def _object_fault(node: ElementTree.Element, names: Container[str]) -> Tuple[str, Optional[List[float]]]:
    """What is wrong with an object, or '', and its corners (8 numbers), or None where something is."""
    guess = node.find('possibleresult')
    name = guess.findtext('name') if guess is not None else None
    if guess is None or name not in names:
        return f'{name!r} is not a class of FAIR1M-2.0', None
    text = guess.findtext('probability')
    score = _number(text)
    if score is None or not 0 <= score <= 1:
        return f'probability {text!r} is not a number between 0 and 1', None
    ring = node.find('points')
    points = [point.text or '' for point in (() if ring is None else ring) if point.tag == 'point']
    if len(points) != 5 or points[0] != points[4]:
        return f'has {len(points)} points, not 4 and the first again', None
    corners = [_number(value) for point in points[:4] for value in point.split(',')]
    known = [value for value in corners if value is not None]
    return ('a point is not x,y', None) if not len(corners) == len(known) == 8 else ('', known)


def _number(text: Optional[str]) -> Optional[float]:
    """The finite number that ``text`` is, or None."""
    try:
        value = float(text or '')
    except ValueError:
        return None
    return value if value - value == 0 else None


#: Format of a submission (``submission`` in the catalogue) -> check of its zip, where the server's rules are known ...
CHECKS = {'dota': _check_dota, 'fair1m': _check_fair1m, 'loveda': loveda.check}
#: ... the zip that belongs to a folder of it, and the check of a folder that was not packed yet.
ARCHIVES = {'dota': _named_zip, 'fair1m': _test_zip, 'loveda': _zip_beside}
UNPACKED = {'fair1m': _check_unpacked}
