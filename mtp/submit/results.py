"""Reading result texts (``Task1_<class>.txt``), from a folder or a zip, line by line with every fault named."""
import collections
import os
import shlex
import sys
from array import array
from typing import IO, Callable, Collection, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from mtp.data import catalogue, images
from mtp.errors import MTPError

from .problems import MOST_OF_FILE, Problem, Problems
from .zips import PACKED, open_zip

_PREFIX, _SUFFIX = 'Task1_', '.txt'
_FIELDS = ('score', 'x1', 'y1', 'x2', 'y2', 'x3', 'y3', 'x4', 'y4')
_LONGEST_LINE = 4096  # bytes
_MOST_TEXT = 1 << 30  # bytes of the results of one class: ten million detections


class Results(NamedTuple):
    """Detections as a result text states them.

    Attributes:
        classes: names, from the names of the files.
        images: image ids, in order of appearance, in :func:`mtp.data.images.one_form`.
        image, label: (n,) int64 indices into ``images`` and ``classes``.
        score: (n,) float64.
        polygon: (n, 8) float64.
        line: (n,) int64 line number in the file of the class, from 1.
        score_text: (n,) the scores as they stand in the file.
        empty: classes whose file holds nothing, as MMRotate writes it where nothing was found.
    """
    classes: Tuple[str, ...]
    images: Tuple[str, ...]
    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    polygon: np.ndarray
    line: np.ndarray
    score_text: List[str]
    empty: Tuple[str, ...] = ()


def is_result_text(name: str) -> bool:
    """Whether a file is called ``Task1_<class>.txt``."""
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def text_files(source: str, problems: Problems) -> Iterator[Tuple[str, Callable[[], IO[bytes]]]]:
    """Yield (file name, function without arguments to an open stream) of the result texts of a folder or zip.

    ``problems`` gets a :class:`Problem` for what is no such text.

    Raises:
        MTPError: ``source`` does not exist, or is no whole zip.
    """
    if os.path.isdir(source):
        for name in sorted(filter(is_result_text, os.listdir(source))):
            path = os.path.join(source, name)
            images.require_plain(path, 'file')
            yield name, lambda: open(path, 'rb')
        return
    with open_zip(source) as archive:
        seen = collections.Counter()
        for member in archive.infolist():
            name = member.filename
            seen[name] += 1
            if '/' in name or '\\' in name:
                problems.append(Problem(name, 0, 'lies in a folder; the zip must be flat'))
            elif not is_result_text(name):
                problems.append(Problem(name, 0, 'is not called Task1_<class>.txt'))
            elif member.compress_type not in PACKED:
                problems.append(Problem(name, 0, 'is packed in a way that servers do not read'))
            else:
                yield name, lambda: archive.open(member)
        problems += [Problem(name, 0, 'is in the zip more than once') for name, count in sorted(seen.items())
                     if count > 1 and is_result_text(name)]


def read_results(source: str) -> Tuple[Results, Problems]:
    """Detections in a folder or zip, and :class:`Problems` of what cannot be read.

    Lines with a problem are left out of the detections.
    """
    problems, ids, scores, names, parts, empty = Problems(), {}, [], [], [], []
    for name, opener in text_files(source, problems):
        names.append(name)
        parts.append(_parse(source, name, opener, ids, scores, problems))
        empty += [] if parts[-1] else [name[len(_PREFIX):-len(_SUFFIX)]]
    columns = [part or _NOTHING for part in parts]
    image, numbers, line = (np.concatenate(column) for column in zip(*(columns or [_NOTHING])))
    label = np.repeat(np.arange(len(columns)), [len(column[0]) for column in columns])
    good = np.isfinite(numbers).all(axis=1)
    problems += [Problem(names[label[row]], int(line[row]), 'a number is not finite') for row in np.flatnonzero(~good)]
    classes = tuple(name[len(_PREFIX):-len(_SUFFIX)] for name in names)
    texts = scores if good.all() else [text for text, keep in zip(scores, good) if keep]
    return Results(classes, tuple(ids), image[good], label[good], numbers[good, 0], numbers[good, 1:], line[good],
                   texts, tuple(empty)), problems


_NOTHING = (np.zeros(0, np.int64), np.zeros((0, 9)), np.zeros(0, np.int64))


def of_images(found: Results, wanted: Collection[str]) -> Results:
    """The detections of :class:`Results` that lie in the images ``wanted``."""
    wanted = set(map(images.one_form, wanted))
    rows = np.flatnonzero([found.images[number] in wanted for number in found.image.tolist()])
    return found._replace(image=found.image[rows], label=found.label[rows], score=found.score[rows],
                          polygon=found.polygon[rows], line=found.line[rows],
                          score_text=[found.score_text[row] for row in rows])


def require(source: str, dataset: str, folder: str = '', any_class: bool = False) -> Results:
    """:func:`read_results`, but the first problem is an error. Empty files are classes of which nothing was found.

    Args:
        source: folder or zip.
        dataset: whose classes are admitted; other spellings of them are taken for them, and that is said.
        folder: of the images, for the command that lists all problems.
        any_class: take class names as they are.

    Raises:
        MTPError: names file and line.
    """
    found, problems = read_results(source)
    if not any_class:
        found, notes = with_known_classes(found, catalogue.get(dataset).classes, problems)
        for note in notes:
            sys.stderr.write(f'note: {note}\n')
    if problems:
        more = len(problems) + problems.unlisted - 1
        words = ['python', '-m', 'mtp.submit', 'validate', source, '--dataset', dataset]
        words += ['--images', folder] if folder else []
        raise MTPError('{}: {}{}'.format(source, problems[0], f' (and {more} more)' if more else ''),
                       hint=' '.join(map(shlex.quote, words)))
    if not found.classes:
        raise MTPError(f'no Task1_<class>.txt in {source}', hint='give the folder or zip of a submission')
    return found


def with_known_classes(found: Results, classes: Sequence[str], problems: Problems) -> Tuple[Results, List[str]]:
    """The results under the names that a data set has for its classes, and what to say about other spellings.

    Files of no class, and a second file of a class, go to ``problems``.
    """
    called, notes = [], []
    for name in found.classes:
        known = catalogue.class_called(name, classes)
        if known is None:
            problems.append(Problem(_PREFIX + name + _SUFFIX, 0, f'{name!r} is not a class of this data set'))
        elif known in called:
            problems.append(Problem(_PREFIX + name + _SUFFIX, 0, f'is a second file of the class {known}'))
        elif known != name:
            notes.append(f'{_PREFIX}{name}{_SUFFIX} is taken for the class {known}')
        called.append(known or name)
    return found._replace(classes=tuple(called)), notes


def _parse(source: str, name: str, opener: Callable[[], IO[bytes]], ids: Dict[str, int], scores: List[str],
           problems: Problems) -> Optional[Tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Image index (n,), numbers (n, 9), line number (n,) of a file; None where it is empty.

    ``ids`` (image id -> index) and ``scores`` (texts) grow; faults go to ``problems``.
    """
    image, numbers, at, blank = array('q'), array('d'), array('q'), []
    anything = False
    for number, line in _lines(source, name, opener, problems):
        row = (line or '').split()
        anything = anything or line is None or bool(row)
        if not row:
            blank += [number] if line is not None and len(blank) <= MOST_OF_FILE else []
            continue
        if len(row) != 10:
            problems.append(Problem(name, number, _other_fields(row)))
            continue
        try:
            numbers.extend([float(token) for token in row[1:]])
        except ValueError:
            problems.append(Problem(name, number, _not_a_number(row) or ''))
            continue
        image.append(ids.setdefault(images.one_form(row[0]), len(ids)))
        scores.append(row[1])
        at.append(number)
    if not anything:
        return None
    problems += [Problem(name, number, 'is blank') for number in blank]
    return np.array(image, dtype=np.int64), np.array(numbers).reshape(-1, 9), np.array(at, dtype=np.int64)


def _lines(source: str, name: str, opener: Callable[[], IO[bytes]],
           problems: Problems) -> Iterator[Tuple[int, Optional[str]]]:
    """Yield number and text of each line; reading ends with the first that is no text, for which None comes."""
    total, number = 0, 0
    try:
        with opener() as stream:
            for data in iter(lambda: stream.readline(_LONGEST_LINE + 1), b''):
                number, total = number + 1, total + len(data)
                fault, line = _text(data, total, number, name, problems)
                if fault:
                    problems.append(Problem(name, number, fault))
                    yield number, None
                    return
                yield number, line
    except Exception as error:  # zlib.error, EOFError, BadZipFile, RuntimeError (encrypted), OSError ...
        raise MTPError(f'{name} of the zip or folder {source} is damaged: {error}',
                       hint='write it again') from None


def _text(data: bytes, total: int, number: int, name: str, problems: Problems) -> Tuple[str, str]:
    """What keeps from reading on, or '', and the text of a line."""
    if len(data) > _LONGEST_LINE or total > _MOST_TEXT:
        return 'is longer than any line of results' if total <= _MOST_TEXT else 'lies behind the first GiB', ''
    try:
        line = data.decode('utf-8')
    except UnicodeDecodeError as error:
        return f'is not UTF-8 text (byte 0x{data[error.start]:02x})', ''
    if number == 1 and line.startswith('\ufeff'):
        problems.append(Problem(name, 1, 'starts with a byte order mark, which becomes part of the image id'))
        line = line[1:]
    return '', line


def _other_fields(row: Sequence[str]) -> str:
    words = f'has {len(row)} fields, not 10 (image score x1 y1 ... x4 y4)'
    if len(row) > 10 and _not_a_number(row[-10:]) is None:
        words += '; is {!r} an image whose name has blanks?'.format(' '.join(row[:-9])[:60])
    return words


def _not_a_number(row: Sequence[str]) -> Optional[str]:
    for field, token in zip(_FIELDS, row[1:]):
        try:
            float(token)
        except ValueError:
            return f'field {field}: {token[:40]!r} is not a number'
    return None
