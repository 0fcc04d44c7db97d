"""A pool of processes that neither outlives the command nor answers its interrupts."""
import collections
import contextlib
import os
import signal
import sys
import threading
from concurrent import futures
from multiprocessing import connection
from typing import Any, Callable, Deque, Iterable, Iterator, Optional, Sequence, TypeVar

from mtp import faults, processes

Task = TypeVar('Task')
Result = TypeVar('Result')


WATCH_SECONDS = 5.0  # between two looks whether a worker is dead


class Pool(futures.ProcessPoolExecutor):
    """Worker processes that leave interrupts to the parent and end with it.

    OpenCV has no threads while there are workers: they would compete, and a fork of a process in which they have run
    waits for them for ever as soon as it touches their number.
    """

    def __init__(self, jobs: int) -> None:
        super().__init__(jobs, initializer=begin, initargs=(os.getpid(),))
        self._over = threading.Event()
        self._watcher: Optional[threading.Thread] = None
        self._opencv = sys.modules.get('cv2')
        if self._opencv:
            self._threads = self._opencv.getNumThreads()
            self._opencv.setNumThreads(0)

    def submit(self, fn: Callable[..., Result], *args: Any, **kwargs: Any) -> 'futures.Future[Result]':
        """As of any executor; a fault from outside comes back as an MTPError (:mod:`mtp.faults`)."""
        try:
            future = super().submit(faults.Explained(fn), *args, **kwargs)
        except OSError:  # no more descriptors or processes: those that were started would be waited for, for ever
            self._kill()
            raise
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()
        return future

    def _kill(self) -> None:
        for process in list((self._processes or {}).values()):
            process.kill()

    def _watch(self) -> None:
        """Break the pool whose worker was killed while it wrote a result: the rest of that is waited for, for ever.

        The pool itself notices a dead worker at once, but for one case: it is in the middle of reading. Then the pipe
        has to come to its end, which it does when nobody has it open for writing.
        """
        before = False
        while not self._over.wait(WATCH_SECONDS):
            ends = [process.sentinel for process in list((self._processes or {}).values())]
            dead = bool(ends) and bool(connection.wait(ends, 0))
            if dead and before:
                self._kill()
                self._result_queue._writer.close()  # type: ignore[attr-defined]
                return
            before = dead

    def shutdown(self, wait: bool = True) -> None:
        """End the workers, after what they have begun."""
        with contextlib.suppress(Exception):  # a pool that is broken takes no task
            if self._watcher is not None:
                # Python 3.8 may wait for ever for a pool whose last tasks were all cancelled: its thread
                # forgets them and is not woken again. It has forgotten them when a task behind them is done.
                super().submit(os.getpid).result()
        super().shutdown(wait)
        self._over.set()
        if self._watcher is not None:
            self._watcher.join()  # whoever forks next finds no thread that is just going
        if self._opencv:
            self._opencv.setNumThreads(self._threads)


def run(function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
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


def in_order(function: Callable[[Task], Result], tasks: Iterable[Task], jobs: int) -> Iterator[Result]:
    """Yield ``function(task)`` in the order of ``tasks``, which may be endless: few of them are under way at a time."""
    if jobs <= 1:
        yield from map(function, tasks)
        return
    with Pool(jobs) as executor:
        waiting: Deque['futures.Future[Result]'] = collections.deque()
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


def begin(parent: int) -> None:
    """What a worker does first: leave interrupts to ``parent``, a process id, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    processes.end_with_parent()()  # without that it waits for work for ever
    if os.getppid() != parent:  # it was gone before we asked
        os._exit(1)
