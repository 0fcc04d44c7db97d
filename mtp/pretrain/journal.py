"""What a run tells: ``log.jsonl``, the console, and the loss curves."""
import json
import os
import time

from mtp.progress import Progress
from mtp.report import curves

from .tasks import TASKS

TITLES = {'ss': 'semantic segmentation', 'is': 'instance segmentation', 'rd': 'rotated detection'}


class Journal:
    """Log of the main process; the other processes have none.

    Args:
        folder: where ``log.jsonl`` lies; lines are appended.
        first, last: steps done before, and of the whole run.
        interval: steps between two lines.
        images: images a step of all processes.
    """

    def __init__(self, folder, first, last, interval, images):
        self.path = os.path.join(folder, 'log.jsonl')
        self.first, self.last, self.interval, self.images = first, last, interval, images
        self.progress = Progress('pretraining', last, first)
        self.stream = open(self.path, 'a', encoding='utf-8')
        self.start = time.monotonic()
        self._clear()

    def _clear(self):
        self.sums, self.count, self.seconds, self.waited = {}, 0, 0.0, 0.0

    def due(self, step):
        """Whether ``step`` gets a line."""
        return step % self.interval == 0 or step == self.last

    def add(self, step, values, seconds, waited, **facts):
        """Count one step.

        Args:
            step: 1-based.
            values: name -> number, averaged over the steps of a line.
            seconds: duration of the step; ``waited`` of it for data.
            facts: written as they are (lr, epoch).
        """
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count, self.seconds, self.waited = self.count + 1, self.seconds + seconds, self.waited + waited
        if self.due(step):
            self._write(step, facts)
        self.progress.update(note='loss {:.3f}, {:.2f} s a step'.format(values['loss'], seconds))

    def _write(self, step, facts):
        line = dict(step=step, **facts)
        line.update((name, round(value / self.count, 6)) for name, value in self.sums.items())
        pace = (time.monotonic() - self.start) / max(step - self.first, 1)
        line.update(seconds=round(self.seconds / self.count, 4), data_wait=round(self.waited / max(self.seconds, 1e-9), 4),
                    images_per_second=round(self.images * self.count / max(self.seconds, 1e-9), 2),
                    eta=round(pace * (self.last - step), 1))
        self.stream.write(json.dumps(line) + '\n')
        self.stream.flush()
        self._clear()

    def close(self, note=''):
        self.progress.close(note)
        self.stream.close()


def by_task(losses):
    """Sum of the loss components of each task: ``ss``, ``is``, ``rd``."""
    sums = {}
    for name, value in losses.items():
        task = name.split('/')[0]
        if task in TASKS and 'loss' in name:
            sums[task] = sums.get(task, 0.0) + value
    return sums


def draw_curves(folder):
    """Write ``loss_curves.png`` from ``log.jsonl``: one line a task, and the sum."""
    records = curves.read_lines(os.path.join(folder, 'log.jsonl'))
    for record in records:
        record.update(by_task(record))
    found = curves.series(records, ['loss'] + list(TASKS))
    lines = {TITLES.get(name, 'sum of all'): points for name, points in found.items()}
    return curves.plot(lines, os.path.join(folder, 'loss_curves.png'), 'Multi-task pretraining', log=True)
