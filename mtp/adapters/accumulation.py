"""The published batch on fewer processes: gradients of several steps are summed before the optimizer steps.

A published rate belongs to the images of all processes together. Everything that a schedule counts in iterations is
stretched by the number of steps, so that the optimizer makes as many updates, at the same rates, as in the published
run.
"""
from typing import Any, Dict, List, NamedTuple, Optional

from mtp import numbers
from mtp.errors import MTPError


class Batch(NamedTuple):
    """What one update of the weights sees.

    Attributes:
        wanted: images of the published run, all processes together; None where nobody knows.
        processes, images: of this run, and of each of its steps in one process.
        steps: steps whose gradients are summed.
    """
    wanted: Optional[int]
    processes: int
    images: int
    steps: int

    @property
    def found(self) -> int:
        """Images per update in this run."""
        return self.processes * self.images * self.steps

    def __str__(self) -> str:
        same = 'as published' if self.found == self.wanted else 'published: {}'.format(self.wanted or 'unknown')
        return '{} images per update ({} processes x {} images x {} steps), {}'.format(
            self.found, self.processes, self.images, self.steps, same)


def plan(wanted: Optional[int], processes: int, images: int, asked: str) -> Batch:
    """How many steps to sum.

    Args:
        wanted: images per update in the published run; None where nobody knows.
        processes, images: of this run, and of each of its steps in one process.
        asked: 'auto', or the number of steps.

    Raises:
        MTPError: no whole number of steps gives the published batch, or ``asked`` is neither.
    """
    together = processes * images
    if asked != 'auto':
        if not numbers.digits(asked) or int(asked) < 1:
            raise MTPError(f'--accumulate is {asked!r}; it can be auto or a whole number of steps',
                           hint='--accumulate auto')
        return Batch(wanted, processes, images, int(asked))
    if wanted is None:
        raise MTPError('the config does not say how many images the published run saw per update',
                       hint='--cfg-options auto_scale_lr.base_batch_size=8, or --accumulate with a number')
    if wanted % together:
        raise MTPError('the published run saw {} images per update; {} processes with {} images each make {}, which '
                       'does '
                       'not divide it'.format(wanted, processes, images, together), hint=(
                           'GPUS={} or a divisor of it; --accumulate 1 (ACCUMULATE=1) trains with another batch than '
                           'published'.format(max(1, wanted // images))))
    return Batch(wanted, processes, images, wanted // together)


def apply(cfg: Dict[str, Any], processes: int, asked: str) -> Batch:
    """Make the resolved config ``cfg`` sum its gradients, in place.

    Args:
        cfg: of either generation, as a dict.
        processes: of this run.
        asked: see :func:`plan`.
    """
    old = 'data' in cfg
    images = cfg['data']['samples_per_gpu'] if old else cfg['train_dataloader']['batch_size']
    batch = plan((cfg.get('auto_scale_lr') or {}).get('base_batch_size'), processes, images, asked)
    if batch.steps > 1:
        (_stretch_old if old else _stretch)(cfg, batch.steps)
    return batch


def _stretch(cfg: Dict[str, Any], steps: int) -> None:
    """mmengine: its optimizer wrapper sums; schedules that count iterations get longer."""
    cfg['optim_wrapper']['accumulative_counts'] = steps
    schedules: List[Dict[str, Any]] = cfg['param_scheduler']
    for schedule in schedules:
        if not schedule.get('by_epoch', True):
            _multiply(schedule, steps, 'begin', 'end', 'T_max', 'milestones', 'step_size', 'total_iters')
    if cfg['train_cfg'].get('type') == 'IterBasedTrainLoop' or cfg['train_cfg'].get('by_epoch') is False:
        _multiply(cfg['train_cfg'], steps, 'max_iters', 'val_interval')
        checkpoint = cfg['default_hooks']['checkpoint']
        if checkpoint.get('by_epoch') is False:
            _multiply(checkpoint, steps, 'interval')


def _stretch_old(cfg: Dict[str, Any], steps: int) -> None:
    """mmcv 1.x: a hook of its own sums; only the warm-up counts iterations."""
    cfg['optimizer_config'] = dict(cfg['optimizer_config'], type='GradientCumulativeOptimizerHook',
                                   cumulative_iters=steps)
    _multiply(cfg['lr_config'], steps, 'warmup_iters')


def _multiply(settings: Dict[str, Any], steps: int, *names: str) -> None:
    for name in names:
        value = settings.get(name)
        if isinstance(value, list):
            settings[name] = [each * steps for each in value]
        elif value is not None:
            settings[name] = value * steps
