"""A pool of processes that neither outlives the command nor answers its interrupts."""
import collections
import os
import signal
import sys
from concurrent import futures

from mtp import processes


class Pool(futures.ProcessPoolExecutor):
    """Worker processes that leave interrupts to the parent and end with it.

    OpenCV has no threads while there are workers: they would compete, and a fork of a process in which they have run
    waits for them for ever as soon as it touches their number.
    """

    def __init__(self, jobs):
        super().__init__(jobs, initializer=begin, initargs=(os.getpid(),))
        self._opencv = sys.modules.get('cv2')
        if self._opencv:
            self._threads = self._opencv.getNumThreads()
            self._opencv.setNumThreads(0)

    def shutdown(self, wait=True):
        """End the workers, after what they have begun."""
        super().shutdown(wait)
        if self._opencv:
            self._opencv.setNumThreads(self._threads)


def run(function, tasks, jobs):
    """Yield ``function(task)`` as they are finished; in this process where one is enough.

    An error, or the end of the caller's loop, stops what has not begun.
    """
    if jobs <= 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    with Pool(min(jobs, len(tasks))) as executor:
        waiting = [executor.submit(function, task) for task in tasks]
        try:
            for future in futures.as_completed(waiting):
                yield future.result()
        finally:
            for future in waiting:
                future.cancel()


def in_order(function, tasks, jobs):
    """Yield ``function(task)`` in the order of ``tasks``, which may be endless: few of them are under way at a time."""
    if jobs <= 1:
        yield from map(function, tasks)
        return
    with Pool(jobs) as executor:
        waiting = collections.deque()
        try:
            for task in tasks:
                waiting.append(executor.submit(function, task))
                if len(waiting) > 2 * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def begin(parent):
    """What a worker does first: leave interrupts to ``parent``, a process id, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    processes.end_with_parent()()  # without that it waits for work for ever
    if os.getppid() != parent:  # it was gone before we asked
        os._exit(1)
