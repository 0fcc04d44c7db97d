"""The training loop: what a step does, when a checkpoint is written, and how a run stops in good order."""
import math
import signal
import time

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from mtp.errors import CONTINUE, FAILED, OK, MTPError

from . import feed as feeds
from . import journal, snapshots
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
        self.scaler = torch.cuda.amp.GradScaler() if options.mixed_precision else None
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


def train(trainer, feed, settings, done=0, epoch=0):
    """Run the steps ``done`` + 1 .. end_iter.

    Args:
        trainer: :class:`Trainer`.
        feed: :class:`~mtp.pretrain.feed.StepFeed`.
        settings: identity of the run, for its checkpoints.
        done: steps behind us.
        epoch: epoch number to start from, added to the one that the feed counts.

    Returns:
        (exit code, last losses): OK when the run is complete, CONTINUE when it was asked to stop and has saved.
    """
    options, team = trainer.options, trainer.team
    images = sum(feed.sizes.values()) * team.world
    log = journal.Journal(options.save_path, done, options.end_iter, options.log_interval, images) if team.leads else None
    pin = team.device.type == 'cuda'
    with feeds.running(feed, done, options.end_iter, options.workers, pin) as batches:
        code, numbers = _steps(trainer, feed, batches, range(done + 1, options.end_iter + 1), settings, epoch, log)
    if log:
        log.close('done' if code == OK else 'stopped; start the same command again to continue')
    return code, numbers


def _steps(trainer, feed, batches, steps, settings, epoch, log):
    options, team, stop, numbers = trainer.options, trainer.team, Stop(), {}
    began = time.monotonic()
    for step in steps:
        batch = next(batches)
        if team.any(isinstance(batch, MTPError)):
            raise batch if isinstance(batch, MTPError) else MTPError('another process met a damaged sample', code=FAILED)
        waited = time.monotonic() - began
        losses, norm = trainer.step(batch, step)
        values = team.mean(torch.stack([value.float() for value in losses.values()] + [norm.float()]))
        numbers = dict(zip(list(losses) + ['grad_norm'], values.tolist()))
        trainer.check({name: value for name, value in numbers.items() if 'loss' in name}, batch, step)
        now, where = time.monotonic(), epoch + feeds.epochs(feed, step - 1)
        if log:
            log.add(step, numbers, now - began, waited, lr=learning_rate(options.lr, step, options.end_iter), epoch=where)
        began = now
        stopping = team.any(bool(stop.asked))
        if step == options.end_iter:
            _save(trainer, snapshots.stem(options), step, where, settings)
        elif stopping or step % options.interval == 0:
            _save(trainer, snapshots.stem(options, step), step, where, settings)
            if stopping:
                return CONTINUE, numbers
    return OK, numbers


def _save(trainer, name, step, epoch, settings):
    if trainer.team.leads:
        snapshots.save(trainer.options.save_path, name, trainer.model, trainer.optimizer, step, epoch, settings,
                       trainer.scaler)
