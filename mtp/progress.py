"""Progress of long work: a live line on a terminal, a plain line now and then elsewhere.

Standard library only, Python >= 3.6, because the launcher shows progress where nothing is installed yet.
"""
import sys
import time
from typing import Any, Iterable, Iterator, Optional, Sized, TextIO, TypeVar

Item = TypeVar('Item')


def clock(seconds: float) -> str:
    """``seconds`` as ``m:ss`` or ``h:mm:ss``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f'{hours}:{minute:02d}:{second:02d}' if hours else f'{minute}:{second:02d}'


class Progress(object):
    """Counts finished units and says so on ``stream``.

    Args:
        label: what is being done, shown first.
        total: how many units there are, or None when that is not known.
        done: units finished by an earlier run that this one continues.
        stream: where to write, standard error by default.
        interval: seconds between two lines where ``stream`` is not a terminal.
    """

    def __init__(self, label: str, total: Optional[int] = None, done: int = 0, stream: Optional[TextIO] = None,
                 interval: float = 10.0) -> None:
        self.label, self.total, self.done = label, total, done
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.interval = 0.2 if self.live else interval
        self._first = done
        self._start = self._shown = time.monotonic()

    def update(self, count: int = 1, note: str = '') -> None:
        """Count ``count`` more units; ``note`` is shown behind the figures."""
        self.done += count
        now = time.monotonic()
        if now - self._shown >= self.interval:
            self._shown = now
            self._write(self._line(now, note))

    def close(self, note: str = '') -> None:
        """Say the final count; call once, at the end."""
        self._write(self._line(time.monotonic(), note), last=True)

    def _line(self, now: float, note: str) -> str:
        elapsed = now - self._start
        fresh = self.done - self._first
        parts = ['{}: {}'.format(self.label, self.done if self.total is None
                                 else f'{self.done}/{self.total}')]
        parts.append('elapsed ' + clock(elapsed))
        if self.total and fresh and self.done < self.total:
            parts.append('left about ' + clock(elapsed / fresh * (self.total - self.done)))
        return ', '.join(parts + ([note] if note else []))

    def _write(self, line: str, last: bool = False) -> None:
        if self.live:
            self.stream.write('\r\x1b[K' + line + ('\n' if last else ''))
        else:
            self.stream.write(line + '\n')
        self.stream.flush()


def track(items: Iterable[Item], label: str, total: Optional[int] = None, **options: Any) -> Iterator[Item]:
    """Yield ``items`` and show how far it is; see :class:`Progress`."""
    progress = Progress(label, len(items) if total is None and isinstance(items, Sized) else total, **options)
    for item in items:
        yield item
        progress.update()
    progress.close()
