"""Layouts with a text file an image: DOTA, YOLO's boxes, YOLO's rotated boxes and YOLO's outlines."""
import math
from typing import Any, Callable, List, Optional, Sequence, Tuple, TypeVar

import numpy as np

from mtp import faults
from mtp.data import dota, images, text
from mtp.errors import MTPError
from mtp.files import PathLike
from mtp.own import tables
from mtp.own.folder import SAYS, Folder, Matcher, listed_parts, part_of, stem
from mtp.own.records import Asked, Found, Record, Shape, box, ring

Result = TypeVar('Result')
SAMPLED = 400  # label files that are looked at to find out which layout it is
LISTS = tuple(SAYS) + ('trainval', 'readme', 'requirements')
LEAVE = 'mend it, or LENIENT=1 behind the same command leaves the image out'
_SLACK = 1e-3  # by how much a share may leave 0..1: what rounding to three places makes


def evidence(kind: str) -> Callable[[Folder], List[str]]:
    """A function of a folder to its label files of this ``kind``: dota, yolo, yolo-obb or yolo-seg."""
    def found(folder: Folder) -> List[str]:
        names = label_files(folder)
        step = max(1, len(names) // SAMPLED)
        kinds = {name: kind_of(folder.path(name)) for name in names[::step]}
        mine = [name for name, said in kinds.items() if said == kind]
        return mine if step == 1 else mine + [name for name in names if name not in kinds] if mine else []
    return found


def label_files(folder: Folder) -> List[str]:
    """Text files that can be labels: lists and tables are none."""
    return [name for name in folder.ending('.txt') if tables.kind_of_table(name) is None
            and stem(name).lower() not in LISTS]


def kind_of(path: PathLike) -> str:
    """What the first line with labels looks like; '' of a file without one, or of something else."""
    try:
        lines = text.read_lines(path)
    except MTPError:
        return ''
    for line in lines:
        tokens = line.split()
        if len(tokens) >= 9 and all(map(_is_number, tokens[:8])) and not _is_number(tokens[8]):
            return 'dota'
        if tokens and all(map(_is_number, tokens)):
            outline = len(tokens) % 2 and len(tokens) > 6
            return {5: 'yolo', 9: 'yolo-obb'}.get(len(tokens), 'yolo-seg' if outline else '')
    return ''


def _is_number(token: str) -> bool:
    try:
        return math.isfinite(float(token))
    except ValueError:
        return False


def read_dota(folder: Folder, _: List[str], asked: Asked) -> Found:
    """DOTA text: eight corners, class, difficulty."""
    def objects(name: str, image: str) -> List[Shape]:
        rows = dota.read(folder.path(name))
        lines = _lines_with_objects(folder.path(name), 9)
        return [Shape(kind, (corners,), f'line {line}', int(difficult)) for kind, corners, difficult, line in
                zip(rows.names, rows.polygons, rows.difficult, lines)]

    return _by_image(folder, asked, objects)


def _lines_with_objects(path: str, least: int) -> List[int]:
    return [number for number, line in enumerate(text.read_lines(path), 1) if len(line.split()) >= least]


def reader_of_yolo(kind: str) -> Callable[[Folder, List[str], Asked], Found]:
    """The reader of YOLO's text: class number, then shares of width and height."""
    def read(folder: Folder, _: List[str], asked: Asked) -> Found:
        table = tables.find(folder)
        classes = asked.classes or table.classes
        if not classes:
            raise MTPError('{} has YOLO labels, which hold numbers of classes, and no table says what they are '
                           'called (data.yaml or classes.txt)'.format(folder.root), hint=(
                               'CLASSES=name,name,... behind the same command, the name of class 0 first'))

        def objects(name: str, image: str) -> List[Shape]:
            size = images.size(folder.path(image))
            return _of_file(folder.path(name), kind, size, classes, table.path)

        found = _by_image(folder, asked, objects)
        return found._replace(classes=tuple(classes), table='' if asked.classes else table.name,
                              used=found.used + ((table.name,) if table.name else ()))
    return read


def _of_file(path: str, kind: str, size: Tuple[int, int], classes: Sequence[str], table: str) -> List[Shape]:
    rows = []
    for line, words in enumerate(text.read_lines(path), 1):
        tokens = words.split()
        if not tokens:
            continue
        if kind == 'yolo-seg' and (len(tokens) < 7 or not len(tokens) % 2) or \
                kind != 'yolo-seg' and len(tokens) != {'yolo': 5, 'yolo-obb': 9}[kind]:
            raise MTPError(f'{path}: line {line}: {len(tokens)} fields, and the other files are {kind}',
                           hint='mend this line, or LENIENT=1 leaves the image out')
        number = text.count(tokens[0], path, line, 'class')
        if number >= len(classes):
            raise MTPError('{}: line {}: field class: {} is a class that {} does not know; it has 0 to {}'.format(
                path, line, number, table or 'CLASSES', len(classes) - 1),
                hint='add its name there, or mend this line')
        shares = np.array([_share(token, path, line, field) for field, token in enumerate(tokens[1:], 2)])
        rows.append(Shape(classes[number], (_ring(kind, shares, size),), f'line {line}'))
    return rows


def _share(token: str, path: str, line: int, field: int) -> float:
    value = text.number(token, path, line, f'number {field}')
    if not -_SLACK <= value <= 1 + _SLACK:
        raise MTPError('{}: line {}: number {} is {}; YOLO writes shares of the width and height, from 0 to 1'.format(
            path, line, field, token), hint='divide by the size of the image, or LENIENT=1 leaves the image out')
    return value


def _ring(kind: str, shares: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
    if kind == 'yolo':
        x, y, width, height = shares * np.tile(size, 2)
        return box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return ring(shares) * size


def _by_image(folder: Folder, asked: Asked, objects: Callable[[str, str], List[Shape]]) -> Found:
    """Records of every image, and what has no partner; ``objects(label, image)`` gives the shapes."""
    names = folder.images()
    labels, orphans = Matcher(names).partners(label_files(folder), 'labels')
    parts, lists = listed_parts(folder)
    records = []
    for image in names:
        label = labels.get(image, '')
        shapes = attempt(asked, objects, label, image) if label else ()
        if shapes is not None:
            part = parts.get(stem(image)) or part_of(image) or part_of(label)
            records.append(Record(image, part, label, tuple(shapes)))
    return Found(tuple(records), orphans=orphans, used=tuple(labels.values()) + tuple(lists))


def attempt(asked: Asked, function: Callable[..., Result], *arguments: Any) -> Optional[Result]:
    """``function(*arguments)``; with LENIENT=1 None where that raises, and the message is kept."""
    try:
        return function(*arguments)
    except MTPError as error:
        faults.stop_at_a_limit(error)
        if not asked.lenient:
            raise MTPError(error.args[0], hint=error.hint or LEAVE) from None
        asked.problems.append(f'left out: {error.args[0]}')
        return None


