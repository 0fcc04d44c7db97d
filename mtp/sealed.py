"""State files of ours, read as a stranger's: JSON records that carry a check sum of themselves.

A record is a dict; its ``seal`` is a CRC-32 of everything else in it. One from before that has none, and is taken as it
is. Standard library only, Python >= 3.6.
"""
import json
import sys
import zlib
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Union

from mtp import files

KEY, _MARK = 'seal', 'crc32:'


def check_sum(record: Mapping[str, Any]) -> str:
    """What seals ``record``, of everything else in it: keys sorted, so that the order of writing does not count."""
    rest = {key: value for key, value in record.items() if key != KEY}
    text = json.dumps(rest, sort_keys=True, separators=(',', ':'))
    return '{}{:08x}'.format(_MARK, zlib.crc32(text.encode('utf-8')))


def seal(record: Mapping[str, Any]) -> Dict[str, Any]:
    """``record`` with its check sum."""
    plain = json.loads(json.dumps(record))  # tuples become lists, numbers as keys text: what a reader will see
    return dict(record, **{KEY: check_sum(plain)})


def whole(record: object) -> bool:
    """Whether ``record`` is a dict that is as it was sealed."""
    if not isinstance(record, dict):
        return False
    # where the name of the seal itself is damaged, its value still says that there was one
    marked = KEY in record or any(isinstance(value, str) and value.startswith(_MARK) for value in record.values())
    return not marked or record.get(KEY) == check_sum(record)


def opened(record: Mapping[str, Any]) -> Dict[str, Any]:
    """``record`` without its seal."""
    return {key: value for key, value in record.items() if key != KEY}


def parse(text: Union[str, bytes]) -> Optional[Dict[str, Any]]:
    """The record in ``text`` without its seal, or None where it is not whole."""
    try:
        record = json.loads(text)
        return opened(record) if whole(record) else None
    except (ValueError, RecursionError, TypeError):
        return None


def line(record: Mapping[str, Any]) -> str:
    """One line of a file of records."""
    return json.dumps(seal(record)) + '\n'


def lines(path: files.PathLike, warn: Optional[Callable[[str], object]] = None) -> List[Dict[str, Any]]:
    """Records of a file with one a line. Those that are not whole are left out and said; a cut last one is not.

    Args:
        path: the file; none is no records.
        warn: function of a text; standard error when left out.
    """
    parts = (_bytes(path) or b'').split(b'\n')
    read = [(number, parse(part.decode('utf-8', 'replace'))) for number, part in enumerate(parts, 1) if part.strip()]
    bad = [number for number, record in read if record is None and number < len(parts)]
    if bad:
        (warn or _say)('warning: {}: {} damaged line{} left out, the first is line {}'.format(
            path, len(bad), 's are' if len(bad) > 1 else ' is', bad[0]))
    return [record for _, record in read if record is not None]


def write_list(path: files.PathLike, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records as one JSON list with a line for each, so that damage to one is not damage to all."""
    files.write_text(path, '[{}\n]\n'.format(','.join('\n' + line(record)[:-1] for record in records)))


def read_list(path: files.PathLike, warn: Optional[Callable[[str], object]] = None) -> List[Dict[str, Any]]:
    """Records of a list; those that are not whole are left out and said; none without a file."""
    text = (_bytes(path) or b'[]').decode('utf-8', 'replace')
    try:
        found = [opened(record) if whole(record) else None for record in json.loads(text)]
    except (ValueError, RecursionError, TypeError):
        found = [parse(part.rstrip().rstrip(',')) for part in text.split('\n') if part.strip() not in ('', '[', ']')]
    left = [record for record in found if record is not None]
    if len(left) < len(found) or not text.strip():
        (warn or _say)('warning: {}: {} damaged record{} left out'.format(
            path, len(found) - len(left), 's are' if len(found) - len(left) != 1 else ' is'))
    return left


def write(path: files.PathLike, record: Mapping[str, Any]) -> None:
    """Write one sealed record to a file of its own."""
    files.write_json(path, seal(record))


def read(path: files.PathLike, warn: Optional[Callable[[str], object]] = None) -> Optional[Dict[str, Any]]:
    """The record in a file; None without a file, and, with a warning, where it is not whole: it is to be made anew."""
    content = _bytes(path)
    record = parse(content.decode('utf-8', 'replace')) if content is not None else None
    if content is not None and record is None:
        (warn or _say)(f'warning: {path} is damaged and is made anew')
    return record


def _bytes(path: files.PathLike) -> Optional[bytes]:
    try:
        files.check_plain(path)
        with open(path, 'rb') as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _say(text: str) -> None:
    sys.stderr.write(text + '\n')
    sys.stderr.flush()
