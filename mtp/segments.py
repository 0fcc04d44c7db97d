"""Segments of shared memory get a free name, and one that cannot be made says why.

torch 1.10 calls its segments ``torch_PID_0``, ``torch_PID_1`` … and makes none whose name is taken. A segment that was
left behind (its process was killed, or it was larger than a file may be) so stops whichever process has that number
later, or at the same time in another container; and torch leaves out what the system said. Later ones draw a part of
the name, and say it.
"""
import contextlib
import functools
import os
import re
from typing import Any, Callable, Match

import torch

_FOLDER = '/dev/shm'
_FAILED = re.compile(r'unable to (open shared memory object|resize file) </(torch_\d+_\d+)>')
_MOST = 10000  # names that are tried; each one that is taken is a file


def install() -> None:
    """For whatever this process shares by a descriptor from now on; where torch draws its names, for nothing."""
    for storage in torch._storage_classes if hasattr(torch._C, 'FloatStorageBase') else ():
        if not hasattr(storage._share_fd_, '__wrapped__'):
            storage._share_fd_ = _with_free_name(storage._share_fd_)
            storage._new_using_fd = staticmethod(_with_free_name(storage._new_using_fd))


def _with_free_name(share: Callable[..., Any]) -> Callable[..., Any]:
    """``share``, once more under torch's next name for as long as the name is taken.

    Raises:
        RuntimeError: torch's, with the system's reason where torch did not say it.
    """
    @functools.wraps(share)
    def shared(*args: Any) -> Any:
        for left in reversed(range(_MOST)):
            try:
                return share(*args)
            except RuntimeError as error:
                failed = _FAILED.search(str(error))
                if not failed or not left or not _may_be_taken(failed, error):
                    raise
    return shared


def _may_be_taken(failed: Match[str], error: RuntimeError) -> bool:
    """Whether the next name may do: this one belongs to somebody, or can be made now."""
    what, name = failed.groups()
    path = os.path.join(_FOLDER, name)
    if what == 'resize file':  # made a moment ago by this very process, and left there
        with contextlib.suppress(OSError):
            os.unlink(path)
        return False
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(path)
    except FileExistsError:
        return True
    except OSError as why:
        # the words of later versions of torch
        raise RuntimeError(f'{error}: {why.strerror} ({why.errno})') from error
    return True
