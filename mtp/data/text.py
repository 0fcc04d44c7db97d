"""Reading label text: encodings, size limits, numbers, with errors that name file, line and field."""
import codecs
import math
import os
import shlex
from typing import List

from mtp.data import images
from mtp.errors import MTPError
from mtp.files import PathLike, check_plain

MAX_BYTES = 256 << 20  # a label file beyond this is no label file


def read_bytes(path: PathLike) -> bytes:
    """Content of ``path``; MTPError when it is missing or too large."""
    images.require_plain(path, 'file')
    try:
        check_plain(path)
        with open(path, 'rb') as stream:
            # no more than there is: Python sets aside as much as is asked for
            data = stream.read(min(os.fstat(stream.fileno()).st_size, MAX_BYTES) + 1)
    except OSError as error:
        raise MTPError(f'cannot read {path}: {error.strerror or error}') from None
    if len(data) > MAX_BYTES:
        raise MTPError(f'{path} is larger than {MAX_BYTES >> 20} MiB, which no label file is')
    return data


def read_lines(path: PathLike) -> List[str]:
    """Lines of a text file without their ends; UTF-8 or, with a byte order mark, UTF-16.

    Raises:
        MTPError: missing, too large, or not text; names the line.
    """
    data = read_bytes(path)
    encoding = 'utf-8-sig'
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = 'utf-16'
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise MTPError('{}: line {}: not UTF-8 text'.format(path, data.count(b'\n', 0, error.start) + 1),
                       hint='iconv -f CP949 -t UTF-8 {0} > utf8.txt && mv utf8.txt {0}, where CP949 (Korean) is the '
                            'encoding that it has'.format(shlex.quote(os.fspath(path)))) from None
    if '\0' in text:
        raise MTPError('{}: line {}: it holds a NUL character, so it is not text'.format(
            path, text.count('\n', 0, text.index('\0')) + 1))
    return text.replace('\r\n', '\n').replace('\r', '\n').split('\n')


def number(token: str, path: PathLike, line: int, field: str) -> float:
    """``token`` as a finite float of sane size; MTPError naming file, line and field otherwise."""
    try:
        value = float(token)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e9 or '_' in token or not token.isascii():
        raise MTPError(f'{path}: line {line}: field {field}: {token[:40]!r} is not a number')
    return value


def count(token: str, path: PathLike, line: int, field: str) -> int:
    """``token`` as an integer from 0 on; MTPError naming file, line and field otherwise."""
    value = number(token, path, line, field)
    if value < 0 or value != int(value):
        raise MTPError(f'{path}: line {line}: field {field}: {token!r} is not a whole number from 0 on')
    return int(value)
