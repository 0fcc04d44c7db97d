"""What goes wrong in a worker of a DataLoader is said by the process that waits for it, in one sentence.

A worker hands its batch over through a thread of multiprocessing, and the tensors through shared memory. Where that
thread fails (a limit on the size of files, which counts for shared memory too; no descriptor left), it prints a
traceback and goes on, and whoever waits for the batch waits for ever: here the error takes the batch's place. And an
error of the worker comes out as what it was, told where its frames are; torch makes a new one of it, whose text is a
traceback. And another thread gives the descriptor of a tensor to whoever asks for it: without a descriptor of its own
it would print one traceback after the other, and the process that waits would be told of memory, or of nothing.
"""
import contextlib
import errno
import os
import signal
import sys
import tempfile
import time
from multiprocessing import queues, resource_sharer, util
from typing import Any, List

from torch import _utils

from mtp import faults, segments
from mtp.errors import MTPError

_stock_not_sent = queues.Queue._on_queue_feeder_error  # type: ignore[attr-defined]
_LONGEST_WAIT = 10.0  # seconds for a descriptor, before the process that asks is told that there is none
_stock_init, _stock_reraise = _utils.ExceptionWrapper.__init__, _utils.ExceptionWrapper.reraise


def install() -> None:
    """For all loaders that begin in this process from now on; workers are forked and have it, too."""
    queues.Queue._on_queue_feeder_error = _not_sent  # type: ignore[attr-defined]
    _utils.ExceptionWrapper.__init__ = _keep
    _utils.ExceptionWrapper.reraise = _raise
    resource_sharer._ResourceSharer._serve = _give  # type: ignore[attr-defined]
    segments.install()
    with contextlib.suppress(OSError):
        tempfile.gettempdir()  # kept for the way of tensors: without a descriptor it says that there is no such folder


def _give(self: Any) -> None:
    """In place of multiprocessing's loop, and of its tracebacks: who asks and gets nothing says so itself."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    reserve, goes_on = _Reserve(), True
    while goes_on and self._listener is not None and reserve.is_enough:
        with contextlib.suppress(Exception):  # who asked is gone, or sees the end of the connection
            with reserve.accept(self._listener) as connection:
                asked = connection.recv()
                goes_on = asked is not None
                if goes_on:
                    send, close = self._cache.pop(asked[0])
                    try:
                        send(connection, asked[1])
                    finally:
                        close()


class _Reserve:
    """Two descriptors that are kept for giving others away: one for the connection, one to send through it."""

    def __init__(self) -> None:
        self.is_enough = True
        self._kept: List[int] = []
        util.Finalize(None, self._free, exitpriority=0)  # whatever ends with the process needs them

    def accept(self, listener: Any) -> Any:
        """The next connection of ``listener``, and one descriptor is free to send something through it.

        Raises:
            OSError: there has been none for long; the listener is closed, so that nobody asks for ever.
        """
        with contextlib.suppress(OSError):
            while len(self._kept) < 2:
                self._kept.append(os.open(os.devnull, os.O_RDONLY))
        until = 0.0
        while True:
            try:
                connection = listener.accept()
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                until = until or time.monotonic() + _LONGEST_WAIT
                if time.monotonic() > until:
                    self.is_enough = False
                    listener.close()
                    raise
                self._free(1)
                time.sleep(0.01)
            else:
                self._free()
                return connection

    def _free(self, most: int = 2) -> None:
        for _ in range(min(most, len(self._kept))):
            os.close(self._kept.pop())


def _not_sent(self: Any, error: BaseException, item: Any) -> None:
    """In place of printing ``error``: a loader's item is its number and what was asked for."""
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], int):
        if isinstance(item[1], _utils.ExceptionWrapper):  # an error that does not pickle
            error = RuntimeError(item[1].exc_msg)
        self.put((item[0], _utils.ExceptionWrapper((type(error), error, error.__traceback__), 'while it was sent')))
    else:
        _stock_not_sent(error, item)


def _keep(self: Any, exc_info: Any = None, where: str = 'in background') -> None:
    error: Any = (exc_info or sys.exc_info())[1]  # made where one is handled: never None
    _stock_init(self, exc_info, where)
    self.told = error if isinstance(error, MTPError) else None
    if faults.wanted():
        self.told = faults.told(error) or self.told
    if self.told is not None:
        self.told.__cause__ = self.told.__context__ = self.told.__traceback__ = None  # frames do not travel


def _raise(self: Any) -> None:
    if self.told is not None:
        raise self.told
    _stock_reraise(self)
