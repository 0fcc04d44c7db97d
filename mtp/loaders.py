"""What goes wrong in a worker of a DataLoader is said by the process that waits for it, in one sentence.

A worker hands its batch over through a thread of multiprocessing, and the tensors through shared memory. Where that
thread fails (a limit on the size of files, which counts for shared memory too; no descriptor left), it prints a
traceback and goes on, and whoever waits for the batch waits for ever: here the error takes the batch's place. And an
error of the worker comes out as what it was, told where its frames are; torch makes a new one of it, whose text is a
traceback.
"""
import atexit
import signal
import sys
from multiprocessing import queues
from typing import Any

from torch import _utils

from mtp import faults
from mtp.errors import MTPError

_stock_not_sent = queues.Queue._on_queue_feeder_error  # type: ignore[attr-defined]
_stock_init, _stock_reraise = _utils.ExceptionWrapper.__init__, _utils.ExceptionWrapper.reraise


def install() -> None:
    """For all loaders that begin in this process from now on; workers are forked and have it, too."""
    queues.Queue._on_queue_feeder_error = _not_sent  # type: ignore[attr-defined]
    _utils.ExceptionWrapper.__init__ = _keep
    _utils.ExceptionWrapper.reraise = _raise
    atexit.register(_no_longer_watched)  # before multiprocessing's own, which was registered when it was imported


def _no_longer_watched() -> None:
    """Workers that still live are ended with this process, and torch's handler calls one that was ended a fault."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


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
    self.told = error if isinstance(error, MTPError) else faults.told(error) if faults.wanted() else None
    if self.told is not None:
        self.told.__cause__ = self.told.__context__ = self.told.__traceback__ = None  # frames do not travel


def _raise(self: Any) -> None:
    if self.told is not None:
        raise self.told
    _stock_reraise(self)
