"""The one kind of error a user is meant to read, and the exit codes of every command.

Standard library only, Python >= 3.6: the launcher on a login node uses it too.
"""
import codecs
import contextlib
import faulthandler
import io
import os
import shlex
import sys
from typing import Callable, NoReturn, Optional, TextIO

from mtp.terminal import harmless_lines

OK = 0
FAILED = 1  # the work was done and found problems, or could not be finished
USAGE = 2  # what was asked for cannot be done as asked
NOT_YET = 3  # a verb whose room is not built
_LONGEST = 2000  # characters of a line for people
CONTINUE = 75  # EX_TEMPFAIL: stopped in good order, start the same command again to continue


class MTPError(Exception):
    """What happened, the value seen, and the next thing to type.

    Args:
        message: one or two sentences: what, where, the value seen.
        hint: the next command to type, or what to change. Printed on a line of its own.
        code: exit code of the command that ends with this error.
    """

    def __init__(self, message: str, hint: str = '', code: int = USAGE) -> None:
        super(MTPError, self).__init__(message)
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        message = super(MTPError, self).__str__()
        return message + ('\n  next: ' + self.hint if self.hint else '')


def _speaking(stream: TextIO) -> TextIO:
    """``stream``, or one in its place that takes every character: the locale C of a login node knows ASCII alone.

    Python 3.7 and later write UTF-8 there; 3.6 would end with an error, and any version does where a locale (EUC-KR)
    lacks a character. Bytes of a file's name that were no text come out as they were.
    """
    try:
        encoding = codecs.lookup(stream.encoding).name
        stream.flush()
        raw = stream.buffer
    except (AttributeError, LookupError, TypeError, ValueError):  # no stream of the system, or none at all
        return stream
    if encoding == 'utf-8':
        return stream
    chosen = ('utf-8', 'surrogateescape') if encoding == 'ascii' else (encoding, 'backslashreplace')
    return io.TextIOWrapper(raw, *chosen, line_buffering=True)


def _all_open() -> None:
    """Give every closed one of the three standard streams to /dev/null.

    The next file that is opened would take its number, and what others print would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            os.set_inheritable(number, True)
    for number, name in enumerate(('stdin', 'stdout', 'stderr')):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w' if number else 'r', encoding='utf-8'))


def _in_full(error: MTPError) -> str:
    from mtp import faults
    said = str(error.args[0])
    closed = faults.closed_folder(said)
    if closed:
        return str(MTPError(f'{said} (you may not enter {closed})', hint=f'ls -ld {shlex.quote(closed)}'))
    return str(MTPError(said, hint=error.hint or faults.where_to_look(said)))


def run_main(main: Callable[[], Optional[int]]) -> NoReturn:
    """Call ``main()`` and exit: its return value, or the code of an :class:`MTPError` with its text on stderr.

    A fault from outside is told in the same way (:mod:`mtp.faults` has the rule). Any other exception keeps its
    traceback: it is a defect of ours.
    """
    from mtp import faults, paths, processes
    _all_open()
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # there may be no stderr
        faulthandler.enable(sys.__stderr__ or sys.stderr)  # when compiled code dies, say where it was called
    sys.stdout, sys.stderr = (paths.host_names(_speaking(stream)) for stream in (sys.stdout, sys.stderr))
    try:
        with faults.explained():
            try:
                code = main() or OK
            finally:
                processes.unwatch_children()
            sys.stdout.flush()  # a full disk is told here, not while Python ends
            processes.leave(code)
        sys.exit(code)
    except MTPError as error:
        sys.stderr.write(f'error: {harmless_lines(_in_full(error), _LONGEST)}\n')  # it may quote a stranger's file
        sys.exit(error.code)
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        sys.stderr.close()
        sys.exit(141)
    except KeyboardInterrupt:
        sys.stderr.write('\ninterrupted; start the same command again to continue\n')
        sys.exit(130)
