"""Reading GeoJSON feature by feature: the xView labels are one line of several hundred megabytes."""
import json
import re
from typing import Any, Dict, Iterator, NoReturn, TextIO, Tuple

from mtp.data import images
from mtp.errors import MTPError
from mtp.files import PathLike

CHUNK = 1 << 20
MAX_VALUE = 64 << 20  # characters of one feature; beyond that the file is something else
_BLANKS = re.compile('[ \t\r\n]*')


def _refuse(token: str) -> NoReturn:
    raise ValueError(f'{token} is not a number')


class _Reader:
    """A window of text moving through the file, and the JSON value at its beginning."""

    def __init__(self, path: PathLike, stream: TextIO) -> None:
        self.path, self.stream = path, stream
        self.text, self.at, self.line, self.ended = '', 0, 1, False
        self.decoder = json.JSONDecoder(parse_constant=_refuse)

    def fail(self, what: object) -> NoReturn:
        line = self.line + self.text.count('\n', 0, self.at)
        raise MTPError(f'{self.path}: line {line}: {what}')

    def more(self) -> bool:
        """Read another chunk behind the window; False at the end of the file."""
        try:
            chunk = self.stream.read(max(CHUNK, len(self.text) - self.at))
        except UnicodeDecodeError:
            self.fail('not UTF-8 text')
        self.line += self.text.count('\n', 0, self.at)
        self.text, self.at = self.text[self.at:] + chunk, 0
        self.ended = not chunk
        if len(self.text) > MAX_VALUE + 2 * CHUNK and chunk:
            self.fail(f'a value longer than {MAX_VALUE} characters')
        return bool(chunk)

    def peek(self) -> str:
        """The next character that is no blank; '' at the end."""
        while True:
            self.at = _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]  # nothing is a match, too
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ''

    def take(self, wanted: str) -> str:
        """Step over one of the characters ``wanted``."""
        found = self.peek()
        if not found or found not in wanted:
            self.fail('{!r} where one of {!r} is expected'.format(found or 'the end', wanted))
        self.at += 1
        return found

    def value(self) -> Any:
        """The JSON value that begins here."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
                # a number at the very end of the window may go on behind it
                if end < len(self.text) or self.ended or not self.more():
                    self.at = end if end <= len(self.text) else len(self.text)
                    return value
            except RecursionError:
                self.fail('values nested too deep')
            except json.JSONDecodeError as error:
                if self.ended or not self.more():
                    self.fail(f'not JSON: {error.msg}')
            except ValueError as error:
                self.fail(error)


def features(path: PathLike) -> Iterator[Tuple[int, Dict[str, Any], Dict[str, Any]]]:
    """Features of a FeatureCollection, one after the other.

    Args:
        path: a GeoJSON file; UTF-8. An empty file has no features (SpaceNet has such files).

    Yields:
        Number from 0, the feature (a dict with a dict ``properties``), and a dict of the other members of the
        collection seen so far (``crs`` among them, which writers put first).

    Raises:
        MTPError: names the file and the line.
    """
    images.require_plain(path, 'file')
    try:
        stream = open(path, encoding='utf-8-sig')
    except OSError as error:
        raise MTPError(f'cannot read {path}: {error.strerror}') from None
    with stream:
        reader = _Reader(path, stream)
        if reader.peek() == '':
            return
        reader.take('{')
        top, found = {}, False
        while reader.peek() != '}':
            key = reader.value()
            if not isinstance(key, str):
                reader.fail('a member without a name')
            reader.take(':')
            if key == 'features':
                found = True
                yield from _each(reader, top)
            else:
                top[key] = reader.value()
            if reader.peek() == '}':
                break
            reader.take(',')
        if top.get('type', 'FeatureCollection') != 'FeatureCollection' or not found:
            reader.fail('not a FeatureCollection with features')


def _each(reader: _Reader, top: Dict[str, Any]) -> Iterator[Tuple[int, Dict[str, Any], Dict[str, Any]]]:
    reader.take('[')
    number = 0
    while reader.peek() != ']':
        feature = reader.value()
        if not isinstance(feature, dict) or not isinstance(feature.get('properties') or {}, dict):
            reader.fail(f'feature {number} is not an object with properties')
        yield number, dict(feature, properties=feature.get('properties') or {}), top
        number += 1
        if reader.take(',]') == ']':
            return
    reader.take(']')
