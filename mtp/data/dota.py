"""Reader and writer of DOTA label text, as published, as split into tiles, and as SAMRS writes it."""
from typing import Dict, Optional, Sequence

import numpy as np

from mtp import numbers
from mtp.data import catalogue, records, text
from mtp.errors import MTPError
from mtp.files import PathLike

FIELDS = ('x1', 'y1', 'x2', 'y2', 'x3', 'y3', 'x4', 'y4')


def read(path: PathLike, classes: Optional[Sequence[str]] = None) -> records.Polygons:
    """Objects in the label file ``path``.

    Lines are ``x1 y1 x2 y2 x3 y3 x4 y4 name [difficult]``; blank lines and headers (``imagesource:``, ``gsd:``) may
    come before them, line ends may be CRLF. The last column is the difficulty (0 where it is missing) in DOTA, and
    the class index in SAMRS (rbbtxts).

    Args:
        path: the label file.
        classes: admitted names; None admits all.

    Raises:
        MTPError: names file, line and field.
    """
    rows, meta = [], {}
    for number, line in enumerate(text.read_lines(path), 1):
        tokens = line.split()
        if len(tokens) < 9:
            _header(path, number, tokens, line, meta)
            continue
        if len(tokens) > 10:
            raise MTPError(f'{path}: line {number}: {len(tokens)} fields, and 9 or 10 are expected',
                           hint=_blank_in_name(tokens, classes))
        corners = [text.number(token, path, number, field) for token, field in zip(tokens, FIELDS)]
        if classes is not None and tokens[8] not in classes:
            message, hint = catalogue.strange_class(_whole_name(tokens), classes)
            raise MTPError(f'{path}: line {number}: field name: {message}', hint=hint)
        difficult = text.count(tokens[9], path, number, 'difficult') if len(tokens) == 10 else 0
        rows.append((tokens[8], corners, difficult))
    return records.polygons(rows, meta)


def _whole_name(tokens: Sequence[str]) -> str:
    """The name of a class that may have blanks: what stands between the corners and the difficulty."""
    last = len(tokens) - 1 if len(tokens) > 9 and numbers.digits(tokens[-1]) else len(tokens)
    return ' '.join(tokens[8:last])


def _blank_in_name(tokens: Sequence[str], classes: Optional[Sequence[str]]) -> str:
    name = _whole_name(tokens)
    called = catalogue.class_called(name, classes or ()) or '-'.join(name.split())
    return f'a name with blanks is several fields: write {called}'


def _header(path: PathLike, number: int, tokens: Sequence[str], line: str, meta: Dict[str, str]) -> None:
    if not tokens:
        return
    key, colon, value = line.strip().partition(':')
    if not colon:
        raise MTPError(f'{path}: line {number}: {len(tokens)} fields, and 9 or 10 are expected')
    meta[key.strip()] = value.strip()


def lines(labels: records.Polygons, decimals: Optional[int] = None) -> str:
    """DOTA text of ``labels`` without header: numbers with ``decimals`` places, or as short as they can be."""
    form = repr if decimals is None else ('{:.%df}' % decimals).format
    rows = zip(np.reshape(labels.polygons, (-1, 8)).tolist(), labels.names, labels.difficult.tolist())
    return ''.join('{} {} {}\n'.format(' '.join(map(form, corners)), name, last) for corners, name, last in rows)
