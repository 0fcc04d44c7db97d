"""One process of a run fails or vanishes: all others stop within a minute and say which it was and why.

Collectives tell little: gloo says that a connection was closed, NCCL may wait for half an hour. So each process beats
in the store at which they met, watches the beat of its neighbour, and leaves its error there when it has one.
"""
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Tuple

from mtp.errors import FAILED, MTPError

if TYPE_CHECKING:  # the store is handed in; nothing here needs torch
    from torch.distributed import Store

BEAT = 2.0  # seconds between two looks
SILENCE = 45.0  # seconds without a beat after which a process counts as gone; a large file is parsed in less
LINGER = 10.0  # seconds that the first process keeps the store open for others to read its error
GONE = 'process {} has ended without a word: killed, out of memory, or its machine is gone'


class FailedElsewhere(MTPError):
    """This process stops because another one has an error."""

    def __init__(self) -> None:
        super().__init__('another process failed', code=FAILED)


class Heartbeat(threading.Thread):
    """Thread of one process.

    Args:
        store: a connection to the common store that nothing else uses.
        rank, world: this process among all.
        silence: seconds without a beat after which the neighbour counts as gone.
    """

    def __init__(self, store: 'Store', rank: int, world: int, silence: float = SILENCE) -> None:
        super().__init__(daemon=True, name='heartbeat')
        self.store, self.rank, self.world, self.silence = store, rank, world, silence
        self.lock, self.ended = threading.Lock(), threading.Event()

    def run(self) -> None:
        neighbour, beats, heard = (self.rank + 1) % self.world, -1, time.monotonic()
        while not self.ended.wait(BEAT):
            try:
                with self.lock:
                    self.store.add(f'beat/{self.rank}', 1)
                    now = self.store.add(f'beat/{neighbour}', 0)
                if now != beats:
                    beats, heard = now, time.monotonic()
                elif time.monotonic() - heard > self.silence:
                    self.report('process {} has given no sign of life for {:.0f} s: killed, out of memory, or its '
                                'machine is gone'.format(neighbour, self.silence), neighbour)
                failure = self.failure()
            except (RuntimeError, ValueError):  # the store has gone
                failure = (0, GONE.format(0))
            if failure and failure[0] != self.rank and not self.ended.wait(BEAT):  # its error comes first
                with self.lock:
                    self.store.add('seen', 1)
                sys.stderr.write(f'process {self.rank} stops: {failure[1]}\n')
                sys.stderr.flush()
                os._exit(FAILED)

    def report(self, text: str, culprit: Optional[int] = None) -> None:
        """Leave an error for the others; the first one counts."""
        culprit = self.rank if culprit is None else culprit
        with self.lock:
            if self.store.add('failures', 1) == 1:
                self.store.set('failure', f'{culprit} {text}')

    def failure(self) -> Optional[Tuple[int, str]]:
        """(process, text) of the first error that was left, or None."""
        with self.lock:
            if not self.store.add('failures', 0):
                return None
            culprit, text = self.store.get('failure').decode('utf-8', 'replace').split(' ', 1)
        return int(culprit), text if text.startswith('process') else f'process {culprit} failed: {text}'

    def explain(self, error: Exception) -> Exception:
        """What to raise for ``error`` of this process: another one's, when that is why a collective broke."""
        silent = []
        try:
            if isinstance(error, (RuntimeError, FailedElsewhere)):
                failure = self._wait(self.failure, BEAT)  # who failed has left its error before it ended
                silent = [] if failure else self._silent()
                if silent:
                    self.report(GONE.format(', '.join(map(str, silent))), silent[0])
                    failure = self.failure()
                if failure and failure[0] != self.rank:
                    with self.lock:
                        self.store.add('seen', 1)
                    error = MTPError(f'process {self.rank} stops: {failure[1]}', code=FAILED)
            self.report(f'{type(error).__name__}: {error}' if not isinstance(error, MTPError) else str(error))
            if self.rank == 0:  # the store ends with this process
                self._wait(lambda: self._count('seen') >= self.world - len(silent) - (not silent), LINGER)
        except (RuntimeError, ValueError):
            pass  # no store, no news: what this process knows is all there is
        return error

    def _silent(self) -> List[int]:
        """Processes that do not beat any more."""
        before = [self._count(f'beat/{rank}') for rank in range(self.world)]
        self.ended.wait(3 * BEAT)
        return [rank for rank in range(self.world) if self._count(f'beat/{rank}') == before[rank]]

    def _count(self, name: str) -> int:
        with self.lock:
            return self.store.add(name, 0)

    @staticmethod
    def _wait(question: Callable[[], Any], seconds: float) -> Any:
        """Ask until there is an answer, for ``seconds`` at most."""
        end = time.monotonic() + seconds
        answer = question()
        while not answer and time.monotonic() < end:
            time.sleep(0.1)
            answer = question()
        return answer

    def close(self) -> None:
        self.ended.set()
        self.join()
