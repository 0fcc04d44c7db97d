"""A pool of processes that neither outlives the command nor answers its interrupts."""
import os
import signal
import sys
import threading
import time
from concurrent import futures


def pool(jobs):
    """A ``ProcessPoolExecutor`` whose workers leave interrupts to the parent and end with it."""
    return futures.ProcessPoolExecutor(jobs, initializer=_begin, initargs=(os.getpid(),))


def run(function, tasks, jobs):
    """Yield ``function(task)`` as they are finished; in this process where one is enough.

    An error, or the end of the caller's loop, stops what has not begun.
    """
    if jobs <= 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    with pool(min(jobs, len(tasks))) as executor:
        waiting = [executor.submit(function, task) for task in tasks]
        try:
            for future in futures.as_completed(waiting):
                yield future.result()
        finally:
            for future in waiting:
                future.cancel()


def _begin(parent):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    if 'cv2' in sys.modules:  # its own threads would compete with the other processes
        sys.modules['cv2'].setNumThreads(1)


def _follow(parent):
    """End this worker when its parent was killed: it would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
