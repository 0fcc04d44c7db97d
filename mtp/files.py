"""Writing files so that a reader never meets half of one. Standard library only, Python >= 3.6."""
import binascii
import contextlib
import errno
import hashlib
import json
import os
import re
import stat
from typing import Any, Dict, Iterator, Optional, Union

from mtp import processes
from mtp.errors import MTPError

#: ``.<name>.<place>.<process>.<random>.tmp``, and what earlier versions wrote: ``.<name>.<process>.tmp``.
TEMPORARY = re.compile(r'\.(?P<name>.+)\.(?P<place>[A-Za-z0-9_]*-[0-9a-f]{6})\.(?P<pid>\d+)\.[0-9a-f]{8}\.tmp$')
TEMPORARY_BEFORE = re.compile(r'\..+\.((pth|json|txt|zip|npy|pkl|png|jpg|geojson|safetensors)\.\d+|pth)\.tmp$')
PathLike = Union[str, 'os.PathLike[str]']
_LONGEST = 255  # bytes of a name, on every file system in use


def temporary_of(path: PathLike) -> str:
    """A hidden name beside ``path`` that nobody else takes: process ids repeat from container to container."""
    folder, name = os.path.split(os.fspath(path))
    end = f'.{processes.place()}.{os.getpid()}.{binascii.hexlify(os.urandom(4)).decode()}.tmp'
    start = name.encode('utf-8', 'surrogateescape')[:_LONGEST - 1 - len(end)].decode('utf-8', 'ignore')
    return os.path.join(folder, '.' + start + end)


@contextlib.contextmanager
def atomic_path(path: PathLike, durable: bool = True) -> Iterator[str]:
    """Give a temporary sibling of ``path`` to write to; flush it to the disk and rename it when the block succeeds.

    A block that raises leaves ``path`` as it was and removes the temporary file.

    Args:
        durable: wait until the disk has it; False for files by the thousand, which a list names when they are whole.

    Raises:
        MTPError: at ``path`` is a folder, a device or a pipe.
    """
    path = os.fspath(path)
    if not os.path.basename(path):
        raise MTPError(f'{path!r} is no name of a file to write', hint='give the name of a new file')
    _check_replaceable(path)
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    temporary = temporary_of(path)
    try:
        yield temporary
        if durable:
            _flush(temporary)
        os.replace(temporary, path)
    except OSError as error:
        # a write knows a number alone, and whoever tells the user needs a name, not that of a file which is gone again
        if error.filename in (None, temporary):
            error.filename = path
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _check_replaceable(path: str) -> None:
    """Nothing but a file may be replaced: a rename puts a plain file in the place of /dev/null, too."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # nothing there, or the write itself will say what is wrong
    if not stat.S_ISREG(mode):
        raise MTPError(f'{path} is {kind(mode)}, and a file was to be written there',
                       hint='give the name of a new file')


def is_there(path: PathLike) -> bool:
    """Whether something has this name.

    Raises:
        OSError: nobody knows, for a folder above it may not be entered, or its file server does not answer.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def kind(mode: int) -> str:
    """What a file of this ``st_mode`` is, in words."""
    kinds = ((stat.S_ISREG, 'a file'), (stat.S_ISDIR, 'a folder'), (stat.S_ISFIFO, 'a pipe'),
             (stat.S_ISSOCK, 'a socket'))
    return next((words for test, words in kinds if test(mode)), 'a device')


def check_plain(path: PathLike) -> None:
    """Raise OSError unless ``path`` is a file with an end: a pipe is waited for, a device never ends."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f'it is {kind(mode)}, and a file is expected', path)


def _flush(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: PathLike, text: str) -> None:
    """Write ``text`` (UTF-8, line ends as given) to ``path`` atomically.

    Names of files that were no text in the user's locale come out as the bytes they were.
    """
    write_bytes(path, text.encode('utf-8', 'surrogateescape'))


def write_bytes(path: PathLike, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        with open(temporary, 'wb') as stream:
            stream.write(data)


def write_json(path: PathLike, value: Any, indent: Optional[int] = 1) -> None:
    """Write ``value`` as JSON to ``path`` atomically; ``indent=None`` makes the compact form."""
    separators = (',', ':') if indent is None else None
    write_text(path, json.dumps(value, indent=indent, separators=separators, ensure_ascii=False) + '\n')


def read_text(path: PathLike, most: Optional[int] = 64 << 20) -> str:
    """The UTF-8 text of a file with an end, whoever named it: a pipe would be waited for, a device never ends.

    Args:
        most: bytes; None for a file that may have any size.

    Raises:
        OSError: it cannot be read, or is no plain file.
        ValueError: it is larger than ``most``, or no text.
    """
    check_plain(path)
    with open(path, 'rb') as stream:
        data = stream.read() if most is None else stream.read(min(os.fstat(stream.fileno()).st_size, most) + 1)
    if most is not None and len(data) > most:
        raise ValueError(f'it is larger than {most >> 20} MiB')
    return data.decode('utf-8')


def parse_json(text: str) -> Any:
    """The value in a JSON text.

    Raises:
        ValueError: it is none, or is nested so deep that Python gives up.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError('its values are nested too deep') from None


def check_depth(value: Any, deepest: int) -> None:
    """Raise ValueError where a value of JSON holds values in more than ``deepest`` levels: whoever walks through it
    calls itself once a level.
    """
    level = [value]
    for _ in range(deepest):
        level = [item for each in level if isinstance(each, (dict, list))
                 for item in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return
    raise ValueError('its values are nested too deep')


def read_json(path: PathLike, most: Optional[int] = 64 << 20) -> Any:
    """The value in a JSON file; arguments and errors as of :func:`read_text` and :func:`parse_json`."""
    return parse_json(read_text(path, most))


def read_note(path: PathLike) -> Dict[str, Any]:
    """The JSON object in a note of ours that may be made anew; empty where there is none, or it cannot be read."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sha256(path: PathLike) -> str:
    """Hex SHA-256 of the file at ``path``, read in blocks."""
    digest = hashlib.sha256()
    with open(path, 'rb') as stream:
        for block in iter(lambda: stream.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()
