"""Processes that end with the one that started them. Standard library only, Python >= 3.6."""
import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_parent(number=signal.SIGKILL):
    """A function that a child calls: from then on the kernel sends it signal ``number`` as soon as its parent is gone.

    Also when the parent is killed, and has no time to say anything. The library is opened here, by whoever is going to
    fork: little may be done between fork and exec. Only Linux knows this; elsewhere the function does nothing.
    """
    if sys.platform != 'linux':
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
