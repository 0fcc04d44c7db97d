"""One lock for every folder that a run or another verb writes to: two at once would ruin what is in it.

    with locks.hold(folder, 'finetune', leads=rank == 0):
        ...

The lock is a record lock (``lockf``) on ``FOLDER/.mtp-lock``: those work between containers of one machine and, on a
shared file system, between machines, and the kernel drops one when its process ends, however it ends. The file says
who holds it. Where a file system knows no locks the file alone is the lock; then one of a process that is gone is told
by place, process id and time of birth.

Standard library only, Python >= 3.6.
"""
import contextlib
import datetime
import errno
import fcntl
import json
import os
import re
import shlex
import shutil
import sys
import threading
from typing import Any, Dict, Iterator, Optional, Union

from mtp import files, processes, terminal
from mtp.errors import MTPError

NAME = '.mtp-lock'
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)
_TAKEN = (errno.EACCES, errno.EAGAIN)
_SETTLED = 60.0  # seconds: what another place wrote so long before the lock was taken is of a run that is gone

_held: Dict[str, '_Lock'] = {}  # path of a lock's file -> that of this process
_guard = threading.Lock()


@contextlib.contextmanager
def hold(folder: files.PathLike, what: str, leads: bool = True, depth: int = 3) -> Iterator[None]:
    """Hold the lock of ``folder`` during the block; remove what killed writers left in it.

    A process that holds it already may do so again. Closing any descriptor of the lock's file would drop the lock:
    nobody but this module opens it.

    Args:
        folder: made when it is missing, and removed again when the block leaves it empty.
        what: the verb, for those who have to wait: ``'finetune'``.
        depth: of folders that are searched for leftovers: ``out/train/A`` has 3.
        leads: False in the other processes of one run: they belong to the one that holds the lock, and take none.

    Raises:
        MTPError: somebody else holds it: says who; or the folder cannot be written to.
    """
    if not leads:
        yield
        return
    with _kept(folder, what, depth, NAME, folder):
        yield


@contextlib.contextmanager
def _kept(folder: files.PathLike, what: str, depth: Union[int, str], name: str,
          shown: files.PathLike) -> Iterator[None]:
    # depth: of the search for leftovers; or the name of the one file whose leftovers are meant
    lock = _enter(os.fspath(folder), what, depth, name, shown)
    try:
        yield
    finally:
        _leave(lock)


@contextlib.contextmanager
def hold_file(path: files.PathLike, what: str) -> Iterator[None]:
    """The same for one file in a folder that may hold others: two who write different files there are no hindrance."""
    folder, name = os.path.split(os.path.abspath(os.fspath(path)))
    with _kept(folder, what, name, f'.{name[:200]}{NAME}', path):
        yield


def sweep(folder: files.PathLike) -> None:
    """Remove from ``folder`` what writers of this place that are gone have left; for a folder whose lock is not
    taken.
    """
    for entry in list(os.scandir(folder)) if os.path.isdir(folder) else ():
        named = files.TEMPORARY.match(entry.name)
        if named and named.group('place') == processes.place() and not processes.birth(int(named.group('pid'))):
            _remove(entry)


def holder(folder: files.PathLike) -> Dict[str, Any]:
    """What the lock's file says of who holds ``folder``: a dict, empty where nobody does or nothing can be read."""
    if os.path.join(os.path.realpath(os.fspath(folder)), NAME) in _held:
        return _told(what='this process', pid=os.getpid())
    return _read(os.path.join(os.fspath(folder), NAME))


def _enter(folder: str, what: str, depth: Union[int, str], name: str, shown: files.PathLike) -> '_Lock':
    with _guard:
        key = os.path.join(os.path.realpath(folder), name)
        lock = _held.get(key)
        if lock is None or lock.pid != os.getpid():  # a fork knows the lock, and does not have it
            _held[key] = lock = _Lock(shown, key, what)
            try:
                lock.take(depth)
            except BaseException:
                del _held[key]
                raise
        lock.times += 1
    return lock


def _leave(lock: '_Lock') -> None:
    with _guard:
        if lock.pid != os.getpid():
            return
        lock.times -= 1
        if not lock.times:
            del _held[lock.key]
            lock.release()


class _Lock:
    """The lock of one folder in the process ``pid``."""

    def __init__(self, folder: files.PathLike, key: str, what: str) -> None:
        self.folder, self.what, self.pid, self.times = folder, what, os.getpid(), 0
        self.key = self.path = key
        self.place = os.path.dirname(key)
        self.made = False
        self.descriptor: Optional[int] = None

    def take(self, depth: Union[int, str]) -> None:
        try:
            self.made = not os.path.isdir(self.place)
            os.makedirs(self.place, exist_ok=True)
            while not self._try():  # somebody removed the file between our opening and our locking it
                pass
        except OSError as error:
            raise MTPError(f'cannot write to {self.folder}: {error.strerror}',
                           hint='take another folder, or make this one writable') from error
        try:
            taken = os.stat(self.path).st_mtime
            _sweep(self.place, taken, depth) if isinstance(depth, int) else _sweep_beside(self.place, taken, depth)
        except OSError:
            pass  # a leftover takes room, and hurts nobody

    def _try(self) -> bool:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _TAKEN:
                raise self._busy(_read(self.path)) from None
            if error.errno not in _NO_LOCKS:
                raise
            return self._try_without()
        if not _same(descriptor, self.path):
            os.close(descriptor)
            return False
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_told(self.what)).encode(), 0)
            os.fsync(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        self.descriptor = descriptor
        return True

    def _try_without(self) -> bool:
        """The same where a file system has no locks: who puts the file there has it."""
        who = _read(self.path)
        if who and not _gone(who):
            raise self._busy(who)
        temporary, aside = files.temporary_of(self.path), files.temporary_of(self.path)
        with open(temporary, 'w', encoding='utf-8') as stream:
            json.dump(_told(self.what), stream)
        try:
            os.rename(self.path, aside)  # of two that find it, one does this
            who = _read(aside)
            os.link(aside if who and not _gone(who) else temporary, self.path)
        except (FileNotFoundError, FileExistsError):
            return False
        finally:
            for name in (temporary, aside):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)
        if who and not _gone(who):  # somebody was quicker, and has it back
            raise self._busy(who)
        return True

    def release(self) -> None:
        """Remove the file while it is still ours, then let go."""
        with contextlib.suppress(OSError):
            if self.descriptor is None or _same(self.descriptor, self.path):
                os.unlink(self.path)
        if self.descriptor is not None:
            os.close(self.descriptor)
        if self.made:
            with contextlib.suppress(OSError):
                os.rmdir(self.place)  # as it was, when nothing was written

    def _busy(self, who: Dict[str, Any]) -> MTPError:
        return MTPError(f'{self.folder} is in use: {in_words(who)}', hint=_advice(who))


def _same(descriptor: int, path: str) -> bool:
    """Whether the open file is still the one at ``path``."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _told(what: str, pid: Optional[int] = None) -> Dict[str, Any]:
    """What the lock's file says."""
    pid = pid or os.getpid()
    return dict(what=what, host=os.uname().nodename, place=processes.place(), pid=pid, birth=processes.birth(pid),
                job=os.environ.get('SLURM_JOB_ID', ''), image=os.environ.get('MTP_IMAGE', ''),
                since=datetime.datetime.now().astimezone().isoformat(timespec='seconds'),
                command=' '.join(map(shlex.quote, sys.argv)))


def _read(path: str) -> Dict[str, Any]:
    try:
        with open(path, encoding='utf-8', errors='replace') as stream:
            found = json.loads(stream.read(65536))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _gone(who: Dict[str, Any]) -> bool:
    """Whether the process that wrote this is certainly no more."""
    mine, theirs = processes.place(), str(who.get('place'))
    if mine == theirs and isinstance(who.get('pid'), int):
        return processes.birth(who['pid']) != who.get('birth')
    return False


def in_words(who: Dict[str, Any]) -> str:
    """Who holds a lock, for people."""
    if not who:
        return 'somebody who has not said who'
    plain = {key: terminal.shown(str(value), 300) for key, value in who.items()}  # the file may be anybody's
    where = [plain[key] if key == 'image' else 'job ' + plain[key] for key in ('job', 'image') if plain.get(key)]
    return '{what} since {since}, process {pid} on {host}{where}: {command}'.format(
        where=' ({})'.format(', '.join(where)) if where else '',
        **{key: plain.get(key, '?') for key in ('what', 'since', 'pid', 'host', 'command')})


def _advice(who: Dict[str, Any]) -> str:
    """What to type: wait, or end the other one."""
    if re.match(r'\d+$', str(who.get('job', ''))):
        return 'wait until it has ended, or stop it: scancel {}'.format(who['job'])
    if who.get('place') == processes.place() and isinstance(who.get('pid'), int):
        return 'wait until it has ended, or stop it: kill {}'.format(who['pid'])
    return 'wait until it has ended, or write to another folder'


def _sweep(folder: str, taken: float, depth: int) -> None:
    """Remove temporary files and folders of writers that are gone, but not where another lock is held."""
    for entry in list(os.scandir(folder)):
        if files.TEMPORARY.match(entry.name) or files.TEMPORARY_BEFORE.match(entry.name):
            if _left(entry, taken):
                _remove(entry)
        elif depth > 1 and entry.is_dir(follow_symlinks=False) and not os.path.exists(os.path.join(entry.path, NAME)):
            _sweep(entry.path, taken, depth - 1)


def _sweep_beside(folder: str, taken: float, name: str) -> None:
    """The same for one file or folder ``name``: what is written beside it is not of the lock's holder."""
    for entry in list(os.scandir(folder)):
        named = files.TEMPORARY.match(entry.name)
        if named and named.group('name') == name and _left(entry, taken):
            _remove(entry)


def _left(entry: 'os.DirEntry[str]', taken: float) -> bool:
    """Whether whoever wrote this temporary file is gone: the folder's lock is ours, so no other run writes in it.

    Processes of our own run may, from other places, too: what they write is younger than the lock, nearly.
    """
    named = files.TEMPORARY.match(entry.name)
    if named and named.group('place') == processes.place():
        return not processes.birth(int(named.group('pid')))
    return entry.stat(follow_symlinks=False).st_mtime < taken - _SETTLED


def _remove(entry: 'os.DirEntry[str]') -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(entry.path)
