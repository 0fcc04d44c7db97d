"""Which process this is, whether another still lives, and processes that end with the one that started them.

Standard library only, Python >= 3.6.
"""
import atexit
import contextlib
import ctypes
import functools
import gc
import hashlib
import io
import os
import re
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any, Callable, Dict, Iterable, Optional, Union

#: What :func:`signal.signal` takes and gives back.
Handler = Union[Callable[[int, Optional[FrameType]], Any], int, None]
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
#: What asks a program to end in good order: schedulers some time before they kill, and a terminal that is closed.
GENTLE = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def listen(numbers: Iterable[int], handler: Handler) -> Dict[int, Handler]:
    """Let ``handler`` have these signals; returns the handlers before, by number. What ``nohup`` ignores stays
    ignored.
    """
    heard = [number for number in numbers
             if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heard}


def end_with_parent(number: int = signal.SIGKILL) -> Callable[[], object]:
    """A function that a child calls: from then on the kernel sends it signal ``number`` as soon as its parent is gone.

    Also when the parent is killed, and has no time to say anything. The library is opened here, by whoever is going to
    fork: little may be done between fork and exec. Only Linux knows this; elsewhere the function does nothing.
    """
    if sys.platform != 'linux':
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def unwatch_children() -> None:
    """Hear no more of children that die: torch makes an error of each reader of data that does.

    A program that is done, or that tells what went wrong, ends those that still live; and one that was killed may be
    what it tells of, before the news of that death are there.
    """
    with contextlib.suppress(ValueError):  # not the main thread: there nothing is heard
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


_parted = threading.Event()


def parted() -> None:
    """Remember that this process has talked with others through a library with threads, and has left them in good
    order: see :func:`leave`.
    """
    _parted.set()


def leave(code: int) -> None:
    """End a process that has :func:`parted`, with exit code ``code``; any other goes on.

    Whatever Python does when it ends is done, but the destructors of compiled libraries: at theirs torch 1.10 now and
    then aborts a finished run, for threads of gloo outlive the objects that wait for them.
    """
    if not _parted.is_set():
        return
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()  # type: ignore[attr-defined]  # as the interpreter does: files of logs are closed there
    for kind in (io.TextIOWrapper, io.BufferedWriter):  # the first writes into the second
        for stream in [each for each in gc.get_objects() if type(each) is kind and not each.closed and each.writable()]:
            stream.flush()
    sys.stdout.flush()
    os._exit(code)


@functools.lru_cache(maxsize=None)
def place() -> str:
    """A short name of where process ids mean what they mean here: one start of one machine, one container.

    Two containers of one machine have each a process 1, and may have the machine's name.
    """
    boot, space = _text('/proc/sys/kernel/random/boot_id'), ''
    try:
        space = os.readlink('/proc/self/ns/pid')
    except OSError:
        pass  # not Linux
    mark = hashlib.sha256((boot + space).encode()).hexdigest()[:6]
    return '{}-{}'.format(re.sub('[^A-Za-z0-9]', '_', socket.gethostname())[:24], mark)


def birth(pid: int) -> str:
    """When process ``pid`` of this place began, as the kernel counts; '' when there is none. A later one differs."""
    words = _text(f'/proc/{pid}/stat').rpartition(')')[2].split()  # the name before may hold blanks
    if words:
        return '' if words[0] in 'ZX' else words[19]  # a zombie holds nothing any more
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ''
    except OSError:
        pass  # another user's
    return 'unknown' if sys.platform != 'linux' else ''


def _text(path: str) -> str:
    try:
        with open(path, encoding='utf-8', errors='replace') as stream:
            return stream.read()
    except OSError:
        return ''
