"""What a run tells: ``log.jsonl``, TensorBoard, the console, and the loss curves."""
import os
import time
from typing import Any, Dict, List, Optional

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.tensorboard import SummaryWriter

from mtp import sealed
from mtp.errors import OK
from mtp.files import write_text
from mtp.progress import Progress
from mtp.report import curves

from ..tasks import TASKS, TITLES
from . import devices


class PretrainLoggerHook(Hook):
    """In the place of mmengine's LoggerHook: log of the main process; the other processes have none.

    It writes after users' hooks: what one of them adds to ``outputs`` in ``after_train_iter`` stands in the line.

    Args:
        folder: where ``log.jsonl`` lies; lines are appended.
        first, last: steps done before, and of the whole run.
        interval: steps between two lines.
        images: images a step of all processes.
    """

    priority = 'BELOW_NORMAL'

    def __init__(self, folder: str, first: int, last: int, interval: int, images: int) -> None:
        self.path = os.path.join(folder, 'log.jsonl')
        self.first, self.last, self.interval, self.images = first, last, interval, images
        self.progress = Progress('pretraining', last, first)
        forget(self.path, first)
        self.stream = open(self.path, 'a', encoding='utf-8')
        self.board = SummaryWriter(os.path.join(folder, 'tensorboard'), purge_step=first + 1)
        self.start = time.monotonic()
        self._clear()

    def _clear(self) -> None:
        self.sums, self.count, self.seconds, self.waited = {}, 0, 0.0, 0.0

    def due(self, step: int) -> bool:
        """Whether ``step`` gets a line."""
        return step % self.interval == 0 or step == self.last

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: Optional[Dict[str, float]] = None) -> None:
        """Count one step. ``outputs``: name -> number, averaged over the steps of a line; ``skipped`` is summed."""
        outputs = outputs or {}
        train_loop, memory = runner.train_loop, devices.memory(runner.comm.device)
        seconds, waited = train_loop.seconds, train_loop.waited
        for name, value in outputs.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count, self.seconds, self.waited = self.count + 1, self.seconds + seconds, self.waited + waited
        if self.due(batch_idx + 1):
            self._write(batch_idx + 1, dict(memory=memory, lr=train_loop.rate(), epoch=train_loop.epoch))
        self.progress.update(note='loss {:.3f}, {:.2f} s a step, {:.0f} % of it waiting for data, {} MiB'.format(
            outputs['loss'], seconds, 100 * waited / max(seconds, 1e-9), memory))

    def after_val_epoch(self, runner: Runner, metrics: Optional[Dict[str, Optional[float]]] = None) -> None:
        """Count a validation. ``metrics``: name -> per cent or None."""
        for name, value in (metrics or {}).items():
            if value is not None:
                self.board.add_scalar('validation/' + name, value, runner.iter)
        self.board.flush()

    def _write(self, step: int, facts: Dict[str, Any]) -> None:
        line = dict(step=step, **facts)
        line.update((name, round(value / self.count, 6)) for name, value in self.sums.items() if name != 'skipped')
        line['skipped'] = self.sums['skipped']
        pace = (time.monotonic() - self.start) / max(step - self.first, 1)
        line.update(seconds=round(self.seconds / self.count, 4),
                    data_wait=round(self.waited / max(self.seconds, 1e-9), 4),
                    images_per_second=round(self.images * self.count / max(self.seconds, 1e-9), 2),
                    eta=round(pace * (self.last - step), 1))
        self.stream.write(sealed.line(line))
        self.stream.flush()
        for name, value in line.items():
            if name != 'step':
                self.board.add_scalar(name if '/' in name else 'run/' + name, value, step)
        self._clear()

    def after_train(self, runner: Runner) -> None:
        done = runner.train_loop.code == OK
        self.progress.close('done' if done else 'stopped; start the same command again to continue')
        self.stream.close()
        self.board.close()


def forget(path: str, done: int) -> None:
    """Drop the lines of steps beyond ``done`` from a log: a killed run wrote them, and this one computes them again."""
    if os.path.exists(path):
        write_text(path, ''.join(sealed.line(line) for line in read(path) if line['step'] <= done))


def read(path: str) -> List[Dict[str, Any]]:
    """The lines of a log, in order of their steps. Damaged ones are left out, and that is said."""
    lines = {line['step']: line for line in sealed.lines(path) if isinstance(line.get('step'), int)}
    return [lines[step] for step in sorted(lines)]


def by_task(losses: Dict[str, Any]) -> Dict[str, float]:
    """Sum of the loss components of each task: ``ss``, ``is``, ``rd``."""
    sums = {}
    for name, value in losses.items():
        task = name.split('/')[0]
        if task in TASKS and 'loss' in name:
            sums[task] = sums.get(task, 0.0) + value
    return sums


def draw_curves(folder: str) -> str:
    """Write ``loss_curves.png`` from ``log.jsonl``: one line a task, and the sum."""
    records = read(os.path.join(folder, 'log.jsonl'))
    for record in records:
        record.update(by_task(record))
    found = curves.series(records, ['loss'] + list(TASKS))
    lines = {TITLES.get(name, 'sum of all'): points for name, points in found.items()}
    return curves.plot(lines, os.path.join(folder, 'loss_curves.png'), 'Multi-task pretraining', log=True)
