"""Reading result texts (``Task1_<class>.txt``), from a folder or a zip, line by line with every fault named."""
import os
import zipfile
from array import array
from typing import List, NamedTuple, Tuple

import numpy as np

from mtp.errors import MTPError

_PREFIX, _SUFFIX = 'Task1_', '.txt'
_FIELDS = ('score', 'x1', 'y1', 'x2', 'y2', 'x3', 'y3', 'x4', 'y4')


class Problem(NamedTuple):
    """A fault: where, and what. ``line`` 0 means the file as a whole."""
    file: str
    line: int
    message: str

    def __str__(self):
        return '{}{}: {}'.format(self.file, ':{}'.format(self.line) if self.line else '', self.message)


class Report(NamedTuple):
    """Outcome of a validation.

    Attributes:
        problems: what a server would reject.
        warnings: what it would take, but is likely a mistake.
        images, detections: how many there are.
    """
    problems: List[Problem]
    warnings: List[str]
    images: int
    detections: int


class Results(NamedTuple):
    """Detections as a result text states them.

    Attributes:
        classes: names, from the names of the files.
        images: image ids, in order of appearance.
        image, label: (n,) int64 indices into ``images`` and ``classes``.
        score: (n,) float64.
        polygon: (n, 8) float64.
        line: (n,) int64 line number in the file of the class, from 1.
        score_text: (n,) the scores as they stand in the file.
    """
    classes: Tuple[str, ...]
    images: Tuple[str, ...]
    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    polygon: np.ndarray
    line: np.ndarray
    score_text: List[str]


def text_files(source):
    """Result texts of a folder or zip: list of (file name, bytes), and :class:`Problem` of what is no such text.

    Raises:
        MTPError: ``source`` does not exist, or is no whole zip.
    """
    if os.path.isdir(source):
        names = sorted(name for name in os.listdir(source) if name.startswith(_PREFIX) and name.endswith(_SUFFIX))
        return [(name, _read(os.path.join(source, name))) for name in names], []
    files, problems = [], []
    with open_zip(source) as archive:
        for member in archive.infolist():
            if '/' in member.filename or '\\' in member.filename:
                problems.append(Problem(member.filename, 0, 'lies in a folder; the zip must be flat'))
            elif not (member.filename.startswith(_PREFIX) and member.filename.endswith(_SUFFIX)):
                problems.append(Problem(member.filename, 0, 'is not called Task1_<class>.txt'))
            else:
                files.append((member.filename, archive.read(member)))
    names = [name for name, _ in files]
    problems += [Problem(name, 0, 'is in the zip more than once') for name in sorted(set(names))
                 if names.count(name) > 1]
    return files, problems


def open_zip(path):
    """A zip whose every member is whole.

    Raises:
        MTPError: no such file, not a zip, cut short or damaged.
    """
    if not os.path.isfile(path):
        raise MTPError('there is no file {}'.format(path))
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise MTPError('{} is not a whole zip file: {}'.format(path, error), hint='write it again') from error
    try:
        broken = archive.testzip()
    except Exception as error:  # zlib.error, EOFError, BadZipFile, RuntimeError (encrypted) ...
        archive.close()
        raise MTPError('{} is damaged: {}'.format(path, error), hint='write it again') from error
    if broken:
        archive.close()
        raise MTPError('{}: {} is damaged'.format(path, broken), hint='write it again')
    return archive


def read_results(source):
    """Detections in a folder or zip, and the list of :class:`Problem` of what cannot be read.

    Lines with a problem are left out of the detections.
    """
    files, problems = text_files(source)
    images, scores, parts = {}, [], []
    for name, data in files:
        part = _parse(name, _decode(name, data, problems), images, scores, problems)
        parts.append(part)
    image, numbers, line = (np.concatenate(column) for column in zip(*parts)) if parts else (
        np.zeros(0, np.int64), np.zeros((0, 9)), np.zeros(0, np.int64))
    label = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    good = np.isfinite(numbers).all(axis=1)
    for row in np.flatnonzero(~good):
        problems.append(Problem(files[label[row]][0], int(line[row]), 'a number is not finite'))
    classes = tuple(name[len(_PREFIX):-len(_SUFFIX)] for name, _ in files)
    texts = scores if good.all() else [text for text, keep in zip(scores, good) if keep]
    return Results(classes, tuple(images), image[good], label[good], numbers[good, 0], numbers[good, 1:], line[good],
                   texts), problems


def of_images(found, ids):
    """The detections of :class:`Results` that lie in the images ``ids``."""
    wanted = set(ids)
    rows = np.flatnonzero([found.images[number] in wanted for number in found.image.tolist()])
    return found._replace(image=found.image[rows], label=found.label[rows], score=found.score[rows],
                          polygon=found.polygon[rows], line=found.line[rows],
                          score_text=[found.score_text[row] for row in rows])


def require(source, classes=None):
    """:func:`read_results`, but the first problem is an error.

    Args:
        source: folder or zip.
        classes: admitted class names; None admits all.

    Raises:
        MTPError: names file and line.
    """
    results, problems = read_results(source)
    unknown = [name for name in results.classes if classes is not None and name not in classes]
    problems += [Problem(_PREFIX + name + _SUFFIX, 0, '{!r} is not a class of this data set'.format(name))
                 for name in unknown]
    if problems:
        raise MTPError('{}: {}{}'.format(source, problems[0], ' (and {} more)'.format(len(problems) - 1)
                                         if len(problems) > 1 else ''),
                       hint='python -m mtp.submit validate {} says all of them'.format(source))
    if not results.classes:
        raise MTPError('no Task1_<class>.txt in {}'.format(source), hint='give the folder or zip of a submission')
    return results


def _read(path):
    with open(path, 'rb') as stream:
        return stream.read()


def _decode(name, data, problems):
    """Text of a file; faults go to ``problems``."""
    try:
        text = data.decode('utf-8')
    except UnicodeDecodeError as error:
        line = data[:error.start].count(b'\n') + 1
        problems.append(Problem(name, line, 'is not UTF-8 text (byte 0x{:02x})'.format(data[error.start])))
        return ''
    if text.startswith('\ufeff'):
        problems.append(Problem(name, 1, 'starts with a byte order mark, which becomes part of the image id'))
        text = text[1:]
    if not text.strip():
        problems.append(Problem(name, 0, 'is empty; the official evaluation crashes on it, leave the file out'))
    return text


def _parse(name, text, images, scores, problems):
    """Image index (n,), numbers (n, 9), line number (n,) of a file.

    ``images`` (id -> index) and ``scores`` (texts) grow; faults go to ``problems``.
    """
    image, numbers, at = array('q'), array('d'), array('q')
    lines = text.split('\n')
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        row = line.split()
        if len(row) != 10:
            fault = 'has {} fields, not 10 (image score x1 y1 ... x4 y4)'.format(len(row)) if row else 'is blank'
            problems.append(Problem(name, number, fault))
            continue
        try:
            numbers.extend([float(token) for token in row[1:]])
        except ValueError:
            problems.append(Problem(name, number, _not_a_number(row)))
            continue
        image.append(images.setdefault(row[0], len(images)))
        scores.append(row[1])
        at.append(number)
    return np.array(image, dtype=np.int64), np.array(numbers).reshape(-1, 9), np.array(at, dtype=np.int64)


def _not_a_number(row):
    for field, token in zip(_FIELDS, row[1:]):
        try:
            float(token)
        except ValueError:
            return 'field {}: {!r} is not a number'.format(field, token[:40])
