"""Taking members out of a zip or tar of strangers: announced and written bytes are compared, nothing climbs, nothing
links.

Standard library only, Python >= 3.6: data come to login nodes.
"""
import contextlib
import fnmatch
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from typing import IO, Any, Callable, Iterable, Iterator, NamedTuple, Optional, Tuple, cast

from mtp.errors import FAILED, MTPError
from mtp.files import atomic_path
from mtp.progress import Progress
from mtp.terminal import shown

MOST_MEMBERS = 5000000
LARGEST = 1 << 36  # bytes of one member
RATIO = 400  # bytes unpacked per byte packed, beyond an allowance: images are packed already, texts at 20
ALLOWANCE = 1 << 30
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError,
           RuntimeError, IndexError, KeyError, UnicodeError)


class Rule(NamedTuple('Rule', [('take', Tuple[str, ...]), ('into', str), ('keep', int)])):
    """What is taken out of an archive.

    Attributes:
        take: patterns for the name of a member, its folders left out; upper and lower case are one.
        into: folder.
        keep: how many of the member's last folders are kept below ``into``.
    """

    def target(self, path: str) -> Optional[str]:
        """Where the member ``path`` goes, relative; None when the rule is not for it."""
        parts = [part for part in path.replace('\\', '/').split('/') if part not in ('', '.')]
        if not parts or parts[-1].startswith('._') or '__MACOSX' in parts:
            return None
        if not any(fnmatch.fnmatch(parts[-1].lower(), pattern.lower()) for pattern in self.take):
            return None
        return os.path.join(self.into, *parts[len(parts) - 1 - min(self.keep, len(parts) - 1):])


class _Member(NamedTuple('_Member', [('path', str), ('size', int), ('plain', bool), ('opened', Callable[[], Any]),
                                     ('crc', Optional[int])])):
    """One entry of an archive; a tar knows no check sum of it."""


def unpack(path: str, rules: Iterable[Rule], root: str) -> int:
    """Take out of the archive at ``path`` what the rules name; a file that is there with the right size stays.

    Args:
        path: zip, or tar in any packing of the standard library.
        rules: the first that fits a member decides.
        root: what ``into`` is relative to.

    Returns:
        int: files that are there now because of this archive.

    Raises:
        MTPError: no archive, a damaged one, one that climbs out of its folder or unpacks to more than it can hold.
    """
    rules, count, written, taken = tuple(rules), 0, 0, {}
    packed = os.path.getsize(path)
    progress = Progress(f'unpack {os.path.basename(path)}: files')
    try:
        with _members(path) as members:
            for number, member in enumerate(members):
                if number > MOST_MEMBERS:
                    raise _bomb(path, f'more than {MOST_MEMBERS} members')
                target = _place(path, member, rules)
                if target is None:
                    continue
                written += member.size
                if member.size > LARGEST or written > packed * RATIO + ALLOWANCE:
                    raise _bomb(path, f'{written} bytes so far out of {packed}')
                _only_one(path, member, taken.setdefault(target, member), target)
                _write(path, member, os.path.join(root, target))
                count += 1
                progress.update()
    except DAMAGED as error:
        raise MTPError(f'{path} is damaged or no zip or tar: {shown(str(error) or type(error).__name__)}',
                       hint='compare its size with the publisher\'s and fetch it again', code=FAILED) from error
    progress.close()
    if not count:
        raise MTPError('{} holds nothing that is wanted: {}'.format(path, ' '.join(
            pattern for rule in rules for pattern in rule.take)), hint='is it another archive of the data set?',
            code=FAILED)
    return count


def _bomb(path: str, seen: str) -> MTPError:
    return MTPError(f'{path} unpacks to more than such an archive holds: {seen}',
                    hint='fetch it again from its publisher', code=FAILED)


def _place(path: str, member: _Member, rules: Tuple[Rule, ...]) -> Optional[str]:
    """Where a member goes; refuses those that no honest archive has."""
    parts = member.path.replace('\\', '/').split('/')
    if '..' in parts or member.path.startswith(('/', '\\')) or '\0' in member.path or (parts[0][1:2] == ':'):
        raise MTPError('{} has the member {}, which leads out of its folder: nothing of it is taken'.format(
            path, shown(member.path)), hint='fetch it again from its publisher', code=FAILED)
    target = next((found for found in (rule.target(member.path) for rule in rules) if found), None)
    return target if member.plain else None


def _only_one(path: str, member: _Member, first: _Member, target: str) -> None:
    """Refuse a second member for the same file, unless it is the same again: one of the two would be lost."""
    if (member.size, member.crc) != (first.size, first.crc):
        raise MTPError('{} has two members for {}, which differ: {} of {} bytes and {} of {}'.format(
            path, shown(target), shown(first.path), first.size, shown(member.path), member.size),
            hint='fetch it again from its publisher, or unpack it by hand and keep one of them', code=FAILED)


def _write(path: str, member: _Member, target: str) -> None:
    if os.path.isfile(target) and os.path.getsize(target) == member.size:
        return
    with atomic_path(target, durable=False) as temporary, member.opened() as source, open(temporary, 'wb') as stream:
        # it always says how much it wants to read
        shutil.copyfileobj(cast(IO[bytes], _Bounded(source, member.size)), stream, 1 << 20)
        if stream.tell() != member.size:
            raise ValueError(f'{member.path} announces {member.size} bytes and has {stream.tell()}')


class _Bounded:
    """A stream that must not give more than was announced."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self.stream, self.left = stream, size

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes."""
        data = self.stream.read(min(count, self.left + 1))
        if len(data) > self.left:
            raise ValueError('a member has more bytes than it announces')
        self.left -= len(data)
        return data


@contextlib.contextmanager
def _members(path: str) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield (_of_zip(archive, info) for info in archive.infolist())
    else:
        with tarfile.open(path, mode='r|*') as archive:
            yield (_of_tar(archive, info) for info in archive)


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    link = (info.external_attr >> 28) == 0o12
    return _Member(info.filename, info.file_size, not (info.filename.endswith('/') or link), lambda: archive.open(info),
                   info.CRC)


def _of_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name, info.size, info.isreg(), lambda: archive.extractfile(info), None)
