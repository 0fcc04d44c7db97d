"""An environment of the demo that is made beside the stages which do not need it. Standard library, Python >= 3.6."""
import os
import signal
import subprocess
import sys
from typing import Callable, Sequence

from mtp.errors import FAILED, MTPError
from mtp.launch import execute, ledger

COMMAND = (sys.executable, '-m', 'mtp.launch.setup')
_PAUSE = 0.5  # seconds between two looks


class Making(object):
    """``make setup ENV=env`` in the background, yielding to what the demo runs in front of it.

    To be started from the main thread: the process ends with the thread that has started it.

    Args:
        env: name of the environment.
        log: file that takes what is said.
        command: words of the program that makes it.
    """

    def __init__(self, env: str, log: str, command: Sequence[str] = COMMAND) -> None:
        self.env, self.log = env, log
        os.makedirs(os.path.dirname(log), exist_ok=True)
        end_with_us = execute.tied(signal.SIGTERM)

        def behind() -> None:
            end_with_us()
            os.nice(10)

        with open(log, 'wb') as stream:
            self.child = subprocess.Popen(list(command), cwd=ledger.ROOT, env=dict(os.environ, ENV=env), stdout=stream,
                                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, preexec_fn=behind)

    def wait(self, show: Callable[[str], None]) -> None:
        """Return when it is made; ``show`` gets its newest line every now and then.

        Raises:
            MTPError: it could not be made; the end of its log is told.
        """
        while True:
            try:
                code = self.child.wait(_PAUSE)
                break
            except subprocess.TimeoutExpired:
                show(last_lines(self.log, 1))
        if code:
            raise MTPError('the environment {} could not be made; the end of {}:\n{}'.format(
                self.env, self.log, last_lines(self.log, 20)), code=FAILED,
                hint='make setup ENV={}, then make demo again'.format(self.env))


def last_lines(path: str, count: int) -> str:
    """The last lines of a log that are not blank; what was written over in place counts as lines, too."""
    with open(path, 'rb') as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - 4000))
        lines = stream.read().decode('utf-8', 'replace').replace('\r', '\n').split('\n')
    return '\n'.join([line for line in lines if line.strip()][-count:])
