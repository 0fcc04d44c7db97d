"""Validation inside a run: when it is due, what it found, and the best checkpoint, kept under its own name."""
import argparse
import os
import shutil
from typing import Any, Dict, List, Optional

from mtp import sealed
from mtp.files import atomic_path

from ..data.annotations import Annotations
from ..model.model import PretrainModel
from . import checkpoints, evaluator
from .communicator import Communicator
from .stop import Stop

#: ``task/dataset/figure`` and ``mean`` -> per cent, or None.
Scores = Dict[str, Optional[float]]


class Validator:
    """Validates every ``interval`` steps and after the last one.

    Args:
        sources: data set -> Annotations of its validation part.
        comm: :class:`~mtp.pretrain.engine.communicator.Communicator`.
        options: parsed command line.
        done: steps behind us; what the record holds beyond them was found by a run that was killed, and is found again.
    """

    def __init__(self, sources: Dict[str, Annotations], comm: Communicator, options: argparse.Namespace,
                 done: int = 0) -> None:
        self.sources, self.comm, self.options = sources, comm, options
        self.path = os.path.join(options.save_path, 'validation.json')
        self.records = [item for item in read(self.path) if item['step'] <= done]

    def due(self, step: int) -> bool:
        """Whether ``step`` is validated."""
        return step > 0 and (step % self.options.val_interval == 0 or step == self.options.end_iter)

    def missing(self, step: int) -> bool:
        """Whether ``step`` should have been validated and was not, as after a kill. All processes have to ask."""
        known = any(item['step'] == step for item in self.records)
        return self.comm.any(self.comm.is_main and self.due(step) and not known)

    def run(self, model: PretrainModel, step: int, checkpoint: str, stop: Optional[Stop] = None) -> Optional[Scores]:
        """Validate; keep ``checkpoint`` (a name without suffix) as the best one when it is.

        Returns:
            The scores (in the first process; {} in others), or None when it was stopped.
        """
        options = self.options
        found = evaluator.evaluate(model, self.sources, options.image_size, self.comm, options.batch_size_val,
                                   options.workers, stop)
        if not found:
            return found
        before = best(self.records)
        self.records.append(dict(step=step, scores=found))
        after = best(self.records)  # None where no set has an object to find
        kept = after is not None and after['step'] == step and (before is None or before['step'] != step)
        if kept:
            _keep(options, checkpoint)
        sealed.write_list(self.path, self.records)
        print(describe(step, found, ', the best so far' if kept else ''), flush=True)
        return found


def read(path: str) -> List[Dict[str, Any]]:
    """Records of a run, in order; none where there is no file. Damaged ones are left out, and that is said."""
    return [item for item in sealed.read_list(path) if isinstance(item.get('step'), int) and _scored(item)]


def _scored(item: Dict[str, Any]) -> bool:
    scores = item.get('scores')
    return isinstance(scores, dict) and isinstance(scores.get('mean'), (int, float, type(None))) and 'mean' in scores


def best(records: List[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """The record with the highest mean (the first of equals), or None."""
    scored = [item for item in records if item['scores']['mean'] is not None]
    return max(scored, key=lambda item: item['scores']['mean']) if scored else None


def describe(step: int, found: Scores, note: str = '') -> str:
    """Lines for the console: the mean, then one line a data set."""
    rows = {}
    for key, value in found.items():
        if key != 'mean':
            task, name, figure = key.split('/')
            shown = '-' if value is None else f'{value:.2f}'
            rows.setdefault(name, []).append(f'{task} {figure} {shown}')
    lines = ['  {}: {}'.format(name, ', '.join(parts)) for name, parts in rows.items()]
    mean = 'no object to find' if found['mean'] is None else 'mean {:.2f}'.format(found['mean'])
    return '\n'.join([f'validation after step {step} (per cent): {mean}{note}'] + lines)


def _keep(options: argparse.Namespace, checkpoint: str) -> None:
    """Give the files of ``checkpoint`` a second name that begins with ``best``; a link, which needs no room."""
    for suffix in ('_encoder.pth', '.pth'):
        target = os.path.join(options.save_path, checkpoints.stem(options, 'best') + suffix)
        with atomic_path(target) as temporary:
            _link(os.path.join(options.save_path, checkpoint + suffix), temporary)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
