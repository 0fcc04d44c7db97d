"""The training loop: what a step does, when a checkpoint is written, and how a run stops in good order.

It is no loop of mmengine's Runner (0.8.4): that one draws from the process's global generators, and where it resumes, its
sampler begins anew. Here a step is a function of (seed, step, rank), so a run that is killed anywhere goes on at once and
ends with the same weights. The files are mmengine's all the same: its Runner loads and resumes from them.
"""
import math
import signal
import time

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from mtp.errors import CONTINUE, FAILED, OK, MTPError

from . import devices, journal, snapshots, watch
from . import feed as feeds
from .batch import prepare
from .model import total

GRADIENT_NORM = 5.0


def learning_rate(base, step, last):
    """Cosine without warm-up at 1-based ``step`` (spec 4)."""
    return base * 0.5 * (1 + math.cos(math.pi * (step - 1) / last))


class Stop:
    """Whether somebody asked us to stop: SIGTERM, SIGUSR1 or Ctrl-C. A second Ctrl-C stops at once."""

    def __init__(self):
        self.asked = ''
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number, _):
        self.asked = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class Trainer:
    """Everything of a run that changes while it trains.

    Args:
        model: PretrainModel on its device.
        groups: optimizer parameter groups, with ``lr`` of the first step.
        team: :class:`~mtp.pretrain.devices.Team`.
        options: parsed command line.
    """

    def __init__(self, model, groups, team, options):
        self.model, self.team, self.options = model, team, options
        self.optimizer = torch.optim.AdamW(groups, lr=options.lr, betas=(0.9, 0.999), eps=1e-8)
        self.base = [group['lr'] for group in self.optimizer.param_groups]
        self.scaler = torch.cuda.amp.GradScaler() if model.half == torch.float16 else None  # bfloat16 has float32's range
        # no search for unused parameters: those that no loss reaches are frozen (model._freeze_unused)
        self.module = DistributedDataParallel(model) if team.world > 1 else model

    def step(self, batches, number):
        """One optimizer step on raw ``batches``; ``number`` counts from 1. Returns (losses, gradient norm) as tensors."""
        feeds.seed_step(self.options.seed, number - 1, self.team.rank)
        ready = {name: prepare(batch.to(self.team.device)) for name, batch in batches.items()}
        for group, base in zip(self.optimizer.param_groups, self.base):
            group['lr'] = learning_rate(base, number, self.options.end_iter)
        losses = self.module(ready)
        loss = total(losses)
        self.optimizer.zero_grad(set_to_none=True)
        if self.scaler:
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer)
        else:
            loss.backward()
        norm = clip_grad_norm_([p for p in self.model.parameters() if p.grad is not None], GRADIENT_NORM)
        if self.scaler:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        losses['loss'] = loss
        return {name: value.detach() for name, value in losses.items()}, norm

    def check(self, numbers, batches, step):
        """Stop at a loss that is no number, before it spreads."""
        wrong = [name for name, value in numbers.items() if not math.isfinite(value)]
        if wrong:
            names = [truth.name for batch in batches.values() for truth in batch.truths]
            raise MTPError('step {}: not a finite number: {}; images: {}'.format(
                step, ', '.join(wrong), ', '.join(names)), code=FAILED,
                hint='look at these images and their annotations, or lower --lr')


def train(trainer, feed, settings, done=0, epoch=0, validator=None):
    """Run the steps ``done`` + 1 .. end_iter.

    Args:
        trainer: :class:`Trainer`.
        feed: :class:`~mtp.pretrain.feed.StepFeed`.
        settings: identity of the run, for its checkpoints.
        done: steps behind us.
        epoch: epoch number to start from, added to the one that the feed counts.
        validator: :class:`~mtp.pretrain.verdicts.Validator`, or None.

    Returns:
        (exit code, last losses): OK when the run is complete, CONTINUE when it was asked to stop and has saved.
    """
    options, team = trainer.options, trainer.team
    images = sum(feed.sizes.values()) * team.world
    log = journal.Journal(options.save_path, done, options.end_iter, options.log_interval, images) if team.leads else None
    pin = team.device.type == 'cuda'
    with feeds.running(feed, done, options.end_iter, options.workers, pin) as batches:
        code, numbers = Run(trainer, feed, settings, epoch, validator, log).steps(batches, done)
    if log:
        log.close('done' if code == OK else 'stopped; start the same command again to continue')
    return code, numbers


class Run:
    """The steps of one call of :func:`train`, whose arguments these are; ``log`` is None in all but the first process."""

    def __init__(self, trainer, feed, settings, epoch, validator, log):
        self.trainer, self.feed, self.settings, self.epoch = trainer, feed, settings, epoch
        self.validator, self.log = validator, log
        self.options, self.team, self.stop = trainer.options, trainer.team, Stop()
        self.known = set()  # damaged samples that were named before

    def steps(self, batches, done):
        """Steps ``done`` + 1 to the last. Returns (exit code, last losses)."""
        numbers = {}
        if self.validator and self.validator.missing(done) and not self._validate(done):
            return CONTINUE, numbers
        for step in range(done + 1, self.options.end_iter + 1):
            numbers = self._step(batches, step)
            stopping = self.team.any(bool(self.stop.asked))
            if not self._save(step, stopping) or stopping and step < self.options.end_iter:
                return CONTINUE, numbers
        return OK, numbers

    def _step(self, batches, step):
        began = time.monotonic()
        batch = next(batches)
        if self.team.any(isinstance(batch, MTPError)):
            raise batch if isinstance(batch, MTPError) else watch.Elsewhere()
        waited = time.monotonic() - began
        losses, norm = self.trainer.step(batch, step)
        skipped = [text for group in batch.values() for text in group.skipped]
        values = self.team.mean(torch.stack([value.float() for value in losses.values()] + [
            norm.float(), norm.new_tensor(float(len(skipped)))]))
        numbers = dict(zip(list(losses) + ['grad_norm', 'skipped'], values.tolist()))
        numbers['skipped'] = round(numbers['skipped'] * self.team.world)
        for text in set(skipped) - self.known:
            print('skipped: ' + text, flush=True)
        self.known.update(skipped)
        self.trainer.check({name: value for name, value in numbers.items() if 'loss' in name}, batch, step)
        if self.log:
            self.log.add(step, numbers, time.monotonic() - began, waited, memory=devices.memory(self.team.device),
                         lr=learning_rate(self.options.lr, step, self.options.end_iter), epoch=self._epoch(step))
        return numbers

    def _epoch(self, step):
        return self.epoch + feeds.epochs(self.feed, step - 1)

    def _save(self, step, stopping):
        """Checkpoint and validation, where they are due after ``step``; first the checkpoint, which nothing may lose (D17).

        Returns whether the run may go on: not when it was stopped while it validated.
        """
        validating = self.validator is not None and self.validator.due(step)
        name = self._name(step)
        if stopping or validating or step == self.options.end_iter or step % self.options.interval == 0:
            if self.team.leads:
                snapshots.save(self.options.save_path, name, self.trainer.model, self.trainer.optimizer, step,
                               self._epoch(step), self.settings, self.trainer.scaler)
        return not validating or not stopping and self._validate(step)

    def _name(self, step):
        return snapshots.stem(self.options, None if step == self.options.end_iter else step)

    def _validate(self, step):
        """Whether validation came to its end."""
        found = self.validator.run(self.trainer.model, step, self._name(step), self.stop)
        if found and self.log:
            self.log.add_scores(step, found)
        return found is not None
