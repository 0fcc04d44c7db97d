"""What went wrong outside of this program, as one sentence and what to type.

The rule: whatever the system says (an ``OSError``), and whatever a decoder says of bytes, is a fault of the world
outside and becomes an :class:`MTPError`; so do memory and processes that are gone. Anything else is a defect of ours
and keeps its traceback. ``MTP_TRACEBACK=1`` shows the traceback of those, too.

Standard library only, Python >= 3.6.
"""
import binascii
import contextlib
import errno
import json
import os
import pickle
import re
import shlex
import struct
import tarfile
import zipfile
import zlib
from concurrent.futures.process import BrokenProcessPool
from types import FrameType
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple, Union

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without it
    from zlib import error as LZMAError  # type: ignore[assignment]  # stands in the list once more

from mtp.errors import FAILED, MTPError
from mtp.terminal import shown

VARIABLE = 'MTP_TRACEBACK'
_HERE = os.path.dirname(os.path.abspath(__file__))
_AGAIN = 'then start the same command again'

#: errno -> what to type, where the system names a file.
_OF_FILES = {
    errno.ENOENT: 'ls -ld {folder}',
    errno.EACCES: 'ls -ld {folder} {name}; a folder of your own: MTP_WORK_ROOT=folder, or the option that names it',
    errno.EPERM: 'ls -ld {folder} {name}; a folder of your own: MTP_WORK_ROOT=folder, or the option that names it',
    errno.EISDIR: 'ls -ld {name}: it is a folder, and a file is expected',
    errno.ENOTDIR: 'ls -ld {folder}: it is a file, and a folder is expected',
    errno.ELOOP: 'ls -ld {name}: links that lead to each other; remove one of them',
    errno.ENAMETOOLONG: 'take a shorter name: most file systems end at 255 bytes',
    errno.ENOTEMPTY: 'ls -la {name}',
    errno.EEXIST: 'ls -ld {name}',
}
_CLOSED = 'ls -ld {name}: you may not read it; where it is yours: chmod u+r {name}'
#: errno -> what to do, whether or not a file is named.
_OF_THE_MACHINE = {
    errno.ENOSPC: 'make room or choose another folder, ' + _AGAIN,
    errno.EDQUOT: 'make room or choose another folder, ' + _AGAIN,
    errno.EROFS: 'choose a folder that can be written to, ' + _AGAIN,
    errno.EFBIG: 'ulimit -f unlimited, ' + _AGAIN,
    errno.EMFILE: 'ulimit -n 4096, ' + _AGAIN,
    errno.ENFILE: 'close other programs, ' + _AGAIN,
    errno.ENOMEM: 'close other programs, or take fewer processes: --jobs 1',
    errno.EAGAIN: 'ulimit -u says how many processes are allowed; take fewer: --jobs 1',
    errno.EIO: 'dmesg | tail: the disk may be failing; copy the file elsewhere, ' + _AGAIN,
    errno.ESTALE: _AGAIN[len('then '):] + ': the file server has forgotten the file',
}
#: Of these a reader may have said that a file is damaged or missing.
_LIMITS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE)
#: Locals that name the file at work, and those that name one that is written.
_NAMES = ('path', 'file', 'filename', 'fname', 'name', 'source', 'image', 'label', 'archive', 'fp', 'stream')
_WRITTEN = ('temporary', 'out', 'fp', 'stream')
_MOST_WORDS = 9  # of a path
_UNLIMITED = -1  # of the module resource, which not every system has
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
#: What decoders raise about bytes.
_OF_BYTES = (zlib.error, LZMAError, zipfile.BadZipFile, tarfile.TarError, EOFError, UnicodeError,
             json.JSONDecodeError, pickle.UnpicklingError, struct.error, binascii.Error)
_READERS = ('for pretraining WORKERS={0}, for tests and predictions --workers {0}, for fine-tuning --cfg-options '
            'train_dataloader.num_workers={0} (in mmrotate03 data.workers_per_gpu={0})').format
#: What torch says in words: pattern, what it means, what to do.
_WORDS = (
    # before those of shared memory: torch says of a segment that it could not be opened, and behind that why
    (r'received 0 items of ancdata|Too many open files',
     'Too many open files: this process may have no more than {files} of them at once', 'ulimit -n 4096, ' + _AGAIN),
    (r'unable to (resize|allocate).*(File too large|to the right size$)', 'shared memory counts as a file, and this '
     'shell allows none as large as a batch ({limit})', 'ulimit -f unlimited, ' + _AGAIN),
    (r'DataLoader worker .*Bus error|unable to (open|write to|resize|allocate) shared memory|shm_open|'
     r'torch_shm_manager',
     'there is too little shared memory ({room})',
     'docker: SHM_SIZE=8g with the same command; elsewhere fewer processes that read: ' + _READERS(0)),
    (r'DataLoader worker .*(killed by signal|exited unexpectedly)', 'a process that reads images was killed, perhaps '
                                                                    'for '
     'want of memory', 'take fewer processes that read: ' + _READERS(1)),
    (r'CUDA out of memory|CUDA error: out of memory', "the card's memory is too small",
     'a smaller batch, or more cards'),
    (r'PytorchStreamWriter|unexpected pos \d+ vs|file in archive|basic_filebuf|iostream error',
     'a file could not be written', 'df -h . ; ulimit -f : make room or choose another folder, ' + _AGAIN))


class MachineError(MTPError):
    """A limit of the machine or of its file server: no file is to blame, and the next one would fare no better."""


def told(error: BaseException) -> Optional[MTPError]:
    """The :class:`MTPError` that says ``error``; None when it is a defect of ours, and for what is one already."""
    if isinstance(error, MTPError):
        return _of_a_limit(error)
    if isinstance(error, BrokenPipeError):
        return None
    if isinstance(error, (OSError, EOFError)) and _from_a_worker(error) and not _no_descriptor(error):
        return MTPError(f'a process that reads images is gone, perhaps for want of memory: {_said(error)}',
                        hint='take fewer processes that read: ' + _READERS(1), code=FAILED)
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, BrokenProcessPool):
        return MTPError('a worker process died, perhaps for want of memory', hint='take fewer processes: --jobs 1',
                        code=FAILED)
    if isinstance(error, MemoryError):
        return MTPError(f'there is not enough memory{_about(error)}', code=FAILED,
                        hint='close other programs, or take fewer processes: --jobs 1')
    if isinstance(error, _OF_BYTES):
        return MTPError('{} is damaged, or is no file of its kind: {}'.format(
            _file_of(error) or 'a file' + _where(error), _said(error)), hint=_replace(_file_of(error)), code=FAILED)
    return _in_words(error)


def wanted() -> bool:
    """Whether faults are told in a sentence; whoever sets MTP_TRACEBACK wants to see where they are."""
    return not os.environ.get(VARIABLE)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn every fault from outside that leaves the block into its :class:`MTPError`."""
    try:
        yield
    except Exception as error:
        fault = told(error) if wanted() else None
        if fault is None:
            raise
        raise fault from error


class Explained:
    """A function for a worker process: a fault from outside comes back as an MTPError, which names the file.

    The frames that know the file stay behind in the worker, and so do kinds of errors that cannot be sent.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        with explained():
            return self.function(*arguments, **more)


def where_to_look(text: str) -> str:
    """What to type after an error that names a file and says no more: it shows what is wrong there. '' without one."""
    found = re.match(r'(?P<path>.+?): line (?P<line>[1-9][0-9]*)\b', text, re.DOTALL)
    if found and _is_file(found.group('path')):
        return 'sed -n {}l {} shows the line; mend it, {}'.format(found.group('line'), _quoted(found.group('path')),
                                                                 _AGAIN)
    named = list(_names_in(text))
    above = [os.path.dirname(name) for name in named]
    return next((f'ls -ld {_quoted(name)}' for name in named + above if _is_there(name)), '')


def closed_folder(text: str) -> str:
    """The folder above a path in ``text`` that may not be entered; '' where each may.

    What lies in it seems to be missing to whoever asks whether it is there.
    """
    for name in _names_in(text):
        try:
            os.lstat(name)
        except PermissionError:
            folder = os.path.dirname(os.path.abspath(name))
            while not os.path.lexists(folder):
                folder = os.path.dirname(folder)
            return folder
        except (OSError, ValueError):
            pass
    return ''


def _names_in(text: str) -> Iterator[str]:
    """What may be a path in ``text``, which may hold blanks: from each word with a slash on, the longest first."""
    words = list(re.finditer(r'\S+', text))
    for number, first in enumerate(words):
        if os.sep in first.group():
            for last in reversed(words[number:number + _MOST_WORDS]):
                yield text[first.start():last.end()].rstrip(':;,)')


def _is_there(name: str) -> bool:
    try:
        return os.path.lexists(name)
    except ValueError:  # a NUL in it
        return False


def not_of_the_file(error: BaseException) -> None:
    """Raise the :class:`MTPError` of a fault that is the machine's, for readers that call a file damaged otherwise.

    A worker that dies is told by a signal handler, as a RuntimeError of whatever runs just then.
    """
    outside = error if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE else None
    fault = _of_the_system(outside) if outside else _in_words(error)
    if fault is not None:
        raise fault from error


def stop_at_a_limit(error: BaseException) -> None:
    """Raise the :class:`MachineError` that ``error`` is in truth, for whoever passes over what cannot be read."""
    fault = error if isinstance(error, MachineError) else told(error)
    if isinstance(fault, MachineError):
        raise fault from (None if fault is error else error)


def may_not_be_read(path: str) -> bool:
    """Whether a file is there and this user may not read it."""
    return os.path.isfile(path) and not os.access(path, os.R_OK)


def _of_a_limit(error: MTPError) -> Optional[MachineError]:
    """What ``error``, one of ours that names a file, says in truth where it was made of a limit of the machine."""
    for said in behind(error) if not isinstance(error, MachineError) else ():
        if said.errno in _LIMITS:
            return MachineError(str(error.args[0]), hint=_OF_THE_MACHINE[said.errno], code=FAILED)
    return None


def behind(error: BaseException) -> Iterator[OSError]:
    """What the system has said before it became ``error``, the last first."""
    before = error.__cause__ or error.__context__
    while before is not None:
        if isinstance(before, OSError):
            yield before
        before = before.__cause__ or before.__context__


def _of_the_system(error: OSError) -> MTPError:
    number, name = error.errno or 0, error.filename
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    does = 'cannot write' if number in _FULL else 'cannot use'
    subject = f'{does} {shown(name)}' if isinstance(name, str) else _refused(error, does)
    if number == errno.ENOENT and not isinstance(name, str) and not _has_place():
        return MTPError(f'the current folder is there no more: {_said(error)}', code=FAILED,
                        hint='cd to a folder that is there, ' + _AGAIN)
    room = _shared_room()
    if number == errno.ENOSPC and not isinstance(name, str) and room is not None and room < 1 << 20:
        return MTPError('there is no shared memory left: /dev/shm is full', code=FAILED,
                        hint='df -h /dev/shm; docker: SHM_SIZE=8g with the same command')
    hint = _OF_THE_MACHINE.get(number)
    if hint is None and isinstance(name, str):
        places = dict(name=_quoted(name), folder=_quoted(os.path.dirname(os.path.abspath(name))))
        hint = _CLOSED if may_not_be_read(name) else _OF_FILES.get(number, 'ls -ld {name}')
        if not os.path.lexists(name):  # it was to be made, and the folder does not let it
            hint = hint.replace('{folder} {name}', '{folder}')
        hint = hint.format(**places)
    made = MachineError if number in _OF_THE_MACHINE and number != errno.EIO else MTPError
    return made(f'{subject}: {_said(error)}', code=FAILED, hint=hint or _replace(_file_of(error)))


def _has_place() -> bool:
    try:
        return bool(os.getcwd())
    except OSError:
        return False


def _in_words(error: BaseException) -> Optional[MTPError]:
    """What torch and mmcv say as a RuntimeError about the machine."""
    if not isinstance(error, RuntimeError):
        return None
    text = str(error)
    for pattern, says, hint in _WORDS:
        if re.search(pattern, text):
            room = _shared_room()
            says = says.format(room='/dev/shm' if room is None else f'{room >> 20} MB free in /dev/shm',
                               limit=_limit(), files=_descriptors())
            return MachineError(f'{says}: {shown(text.splitlines()[0])}', hint=hint, code=FAILED)
    return None


def _said(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return shown(text or type(error).__name__)


def _replace(path: str) -> str:
    if path:
        return f'replace this file with a whole copy: ls -l {_quoted(path)}'
    return f'{VARIABLE}=1 with the same command shows where'


def _refused(error: OSError, does: str) -> str:
    # of a full disk no file is to blame that is only read
    path = _file_of(error, _WRITTEN if error.errno in _FULL else _NAMES)
    return f'{does} {shown(path)}' if path else f'the system refuses{_where(error)}'


def _about(error: BaseException) -> str:
    """The file that was at work, or the line of ours, in words."""
    path = _file_of(error)
    return f' {shown(path)}' if path else _where(error)


def _where(error: BaseException) -> str:
    """`` (at mtp/x.py:12)``: the innermost line of ours; '' where there is none."""
    lines = [(frame.f_code.co_filename, number) for frame, number in _frames(error)]
    ours = [f'{os.path.relpath(name, os.path.dirname(_HERE))}:{number}' for name, number in lines
            if os.path.abspath(name).startswith(_HERE + os.sep) and name != __file__]
    return f' (at {ours[-1]})' if ours else ''


def _file_of(error: BaseException, names: Sequence[str] = _NAMES) -> str:
    """The file that the innermost frames worked on: a local of theirs that names one which is there, or ''."""
    for frame, _ in reversed(_frames(error)):
        for key in names:
            value = frame.f_locals.get(key)
            if not isinstance(value, (str, os.PathLike)):  # an open file or archive
                value = getattr(value, 'filename', None) or getattr(value, 'name', None)
            if isinstance(value, (str, os.PathLike)) and _is_file(value):
                return os.fspath(value)
    return ''


def _is_file(value: Union[str, 'os.PathLike[str]']) -> bool:
    try:
        return os.path.isfile(value) and not os.fspath(value).endswith('.py')
    except (OSError, ValueError, TypeError):
        return False


def _frames(error: BaseException) -> List[Tuple[FrameType, int]]:
    found, trace = [], error.__traceback__
    while trace is not None:
        found.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return found


def _from_a_worker(error: BaseException) -> bool:
    """Whether a tensor that a worker has announced could not be had from it: there is nobody who answers."""
    return any(os.path.basename(frame.f_code.co_filename) == 'resource_sharer.py' for frame, _ in _frames(error))


def _no_descriptor(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def _shared_room() -> Optional[int]:
    """Bytes that are free in /dev/shm; None where there is no such folder."""
    try:
        state = os.statvfs('/dev/shm')
    except (OSError, AttributeError):
        return None
    return state.f_bavail * state.f_frsize


def _limit() -> str:
    """How large a file may be, in words."""
    most = _of_process('RLIMIT_FSIZE')
    return 'ulimit -f' if most is None else 'ulimit -f: {}'.format(
        'unlimited' if most == _UNLIMITED else f'{most >> 10} KiB')


def _descriptors() -> str:
    """How many files this process may have open, in words."""
    most = _of_process('RLIMIT_NOFILE')
    return 'ulimit -n says' if most is None or most == _UNLIMITED else str(most)


def _of_process(name: str) -> Optional[int]:
    """The limit ``name`` of the module resource; None where the system has none of that name."""
    try:
        import resource
        return resource.getrlimit(getattr(resource, name))[0]
    except (ImportError, AttributeError, OSError):
        return None


def _quoted(path: str) -> str:
    return shown(shlex.quote(path), 1000)
