"""The training loop for mmengine's Runner: what a step does, when it is validated, and how a run stops in good order.

mmengine's own loops (0.8.4) draw from the process's global generators, and where they resume, their sampler begins
anew. Here a step is a function of (seed, step, rank): its batch is, and torch's generators are seeded from these before
it. So a run that is killed anywhere goes on at once and ends with the same weights, whatever hooks draw in between.
"""
import math
import signal
import time
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional, Union

import torch
from mmengine.runner import BaseLoop
from torch.utils.data import DataLoader

from mtp.errors import CONTINUE, FAILED, OK, MTPError

from ..data import loader
from ..data.batch import DatasetBatch
from . import checkpoints, heartbeat
from .stop import STOP
from .validator import Validator

if TYPE_CHECKING:  # it imports this module
    from .runner import PretrainRunner


#: The batch of each step: data set -> its part, or what is wrong with it.
Batches = Iterator[Union[Dict[str, DatasetBatch], MTPError]]


def learning_rate(base: float, step: int, last: int) -> float:
    """Cosine without warm-up at 1-based ``step`` (published.md#optimizer)."""
    return base * 0.5 * (1 + math.cos(math.pi * (step - 1) / last))


class StepTrainLoop(BaseLoop):
    """The steps that are left of a run, with the validations between them.

    Args:
        runner: :class:`~mtp.pretrain.engine.runner.PretrainRunner`.
        dataloader: :func:`~mtp.pretrain.data.loader.build_dataloader` of the steps that are left.
        done: steps behind us.
        epoch: epoch number to start from, added to the one that the data set counts.
        validator: :class:`~mtp.pretrain.engine.validator.Validator`, or None.

    Attributes:
        iter, max_iters, max_epochs, stop_training: as in mmengine's loops. A hook that sets ``stop_training`` stops the
            run after the next step as a signal does.
        stopping: whether the step just made is the last one of this process, because somebody asked for it.
        seconds, waited: duration of the last step, and of it for data.
        code: exit code: OK when the run is complete, CONTINUE when it was asked to stop and has saved.
        outputs: what the last step gave, name -> number, averaged over the processes.
    """

    def __init__(self, runner: 'PretrainRunner', dataloader: DataLoader, done: int = 0, epoch: int = 0,
                 validator: Optional[Validator] = None) -> None:
        super().__init__(runner, dataloader)
        self.options, self.comm, self.first_epoch, self.validator = runner.options, runner.comm, epoch, validator
        self.iter, self.max_iters, self.max_epochs = done, self.options.end_iter, 1
        self.stop_training = self.stopping = False
        self.seconds = self.waited = 0.0
        self.code, self.outputs = FAILED, {}
        self.known = set()  # damaged samples that were named before

    @property
    def epoch(self) -> int:
        """Of the step that begins after ``iter`` steps."""
        return self.first_epoch + loader.epochs(self.dataloader.dataset, self.iter)

    def run(self) -> torch.nn.Module:
        """Go on to the last step, or until somebody asks for a stop. Returns the model."""
        STOP.listen((signal.SIGINT,))
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        with loader.running(self.dataloader) as batches:
            self.code = self._steps(batches)
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _steps(self, batches: Batches) -> int:
        """Returns the exit code."""
        if self.comm.any(bool(STOP.asked)):  # while data and model were made ready
            return CONTINUE
        if self.validator and self.validator.missing(self.iter) and not self._validate():
            return CONTINUE
        while self.iter < self.max_iters:
            self._step(batches)
            validating = self.validator is not None and self.validator.due(self.iter)
            if validating and (self.stopping or not self._validate()) or self.stopping and self.iter < self.max_iters:
                return CONTINUE
        return OK

    def _step(self, batches: Batches) -> None:
        began = time.monotonic()
        batch = self._next(batches)
        self.waited = time.monotonic() - began
        self.runner.call_hook('before_train_iter', batch_idx=self.iter, data_batch=batch)
        for group in self.runner.optim_wrapper.param_groups:
            group['lr'] = self.rate(group.get('lr_scale', 1.0))
        loader.seed_step(self.options.seed, self.iter, self.comm.rank)
        losses = self.runner.model.train_step(batch, self.runner.optim_wrapper)
        losses['grad_norm'] = self.runner.optim_wrapper.norm
        self.outputs = self._shared(losses, [text for group in batch.values() for text in group.skipped])
        self._check(batch)
        self.seconds = time.monotonic() - began
        self.stopping = self.comm.any(bool(STOP.asked) or self.stop_training)
        self.runner.call_hook('after_train_iter', batch_idx=self.iter, data_batch=batch, outputs=self.outputs)
        self.iter += 1

    def rate(self, scale: float = 1.0) -> float:
        """Learning rate of the step at hand for parameters of this ``lr_scale``."""
        return learning_rate(self.options.lr * scale, self.iter + 1, self.max_iters)

    def _next(self, batches: Batches) -> Dict[str, DatasetBatch]:
        batch = next(batches)
        failed = self.comm.any(isinstance(batch, MTPError))  # all have to ask
        if isinstance(batch, MTPError):
            raise batch
        if failed:
            raise heartbeat.FailedElsewhere()
        return batch

    def _shared(self, losses: Dict[str, torch.Tensor], skipped: List[str]) -> Dict[str, float]:
        """name -> mean over the processes; ``skipped`` is their sum."""
        values = self.comm.mean(torch.stack([value.float() for value in losses.values()] + [
            losses['loss'].new_tensor(float(len(skipped)))]))
        outputs = dict(zip(list(losses) + ['skipped'], values.tolist()))
        outputs['skipped'] = round(outputs['skipped'] * self.comm.world)
        for text in set(skipped) - self.known:
            print('skipped: ' + text, flush=True)
        self.known.update(skipped)
        return outputs

    def _check(self, batch: Dict[str, DatasetBatch]) -> None:
        """Stop at a loss that is no number, before it spreads."""
        wrong = [name for name, value in self.outputs.items() if 'loss' in name and not math.isfinite(value)]
        if wrong:
            names = [truth.name for group in batch.values() for truth in group.truths]
            raise MTPError('step {}: not a finite number: {}; images: {}'.format(
                self.iter + 1, ', '.join(wrong), ', '.join(names)), code=FAILED,
                hint='look at these images and their annotations, or lower --lr')

    def _validate(self) -> bool:
        """Whether validation came to its end."""
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        found = self.validator and self.validator.run(
            self.runner.bare, self.iter, checkpoints.name(self.options, self.iter), STOP)
        self.runner.call_hook('after_val_epoch', metrics=found or {})
        self.runner.call_hook('after_val')
        return found is not None
