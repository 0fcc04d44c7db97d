"""mmengine's Runner for pretraining: it holds model, optimizer, loop and hooks, and leaves the process as it is."""
import argparse
import logging
import os
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader

from mtp import antialias, paths
from mtp.checkpoints import Checkpoint
from mtp.errors import MTPError

from ..data.batch import DatasetBatch
from ..model.model import PretrainModel
from . import checkpoints, logger_hook, train_loop
from .communicator import Communicator

GRADIENT_NORM = 5.0
# mmengine's own: our loop, data loader, logger hook and checkpoints do their work, bit for bit the same after a stop
REPLACED = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


class PretrainRunner(Runner):
    """The Runner of one process.

    Args:
        model: PretrainModel on its device.
        groups: optimizer parameter groups with their ``lr_scale``.
        comm: :class:`~mtp.pretrain.engine.communicator.Communicator`.
        options: parsed command line.
        dataloader: :func:`~mtp.pretrain.data.loader.build_dataloader` of the steps that are left.
        settings: identity of the run, for its checkpoints.
        checkpoint: what to continue from, or None.
        log: called with what the user should know.
        **train_cfg: arguments of :class:`~mtp.pretrain.engine.train_loop.StepTrainLoop`.

    Attributes:
        bare: the model without the wrapper of distributed training.
    """

    def __init__(self, model: PretrainModel, groups: List[Dict[str, Any]], comm: Communicator,
                 options: argparse.Namespace, dataloader: DataLoader, settings: Dict[str, Any],
                 checkpoint: Optional[Checkpoint] = None, log: Callable[[str], None] = print, **train_cfg: Any) -> None:
        self.comm, self.options, self.bare, self.checkpoint, self.log = comm, options, model, checkpoint, log
        hooks = dict(dict.fromkeys(REPLACED), checkpoint=PretrainCheckpointHook(settings))
        if comm.is_main:
            images = sum(dataloader.dataset.sizes.values()) * comm.world
            hooks['logger'] = logger_hook.PretrainLoggerHook(options.save_path, train_cfg['done'], options.end_iter,
                                                             options.log_interval, images)
        antialias.give()  # for hooks that draw
        board = dict(type='TensorboardVisBackend', save_dir=os.path.join(options.save_path, 'tensorboard'))
        super().__init__(
            model, options.save_path, dataloader, train_cfg=train_cfg,
            optim_wrapper=optimizer(model, groups, options.lr), default_hooks=hooks, custom_hooks=options.custom_hooks,
            resume=checkpoint is not None, launcher='pytorch' if comm.world > 1 else 'none',
            visualizer=dict(type='Visualizer', vis_backends=[board]), randomness=dict(seed=options.seed),
            experiment_name=options.save_path)
        self.cfg = Config(vars(options))
        self._train_loop = train_loop.StepTrainLoop(self, dataloader, **train_cfg)
        if comm.is_main:
            self.logger.handlers[0].setLevel(logging.INFO)  # for hooks; what the Runner tells of itself was not shown

    def setup_env(self, env_cfg: Dict[str, Any]) -> None:
        """The processes have met and chosen their devices before (communicator.join). No folder of its own a start."""
        self._rank, self._world_size, self._timestamp = self.comm.rank, self.comm.world, ''

    def build_logger(self, log_level: Union[int, str] = 'INFO', log_file: Optional[str] = None, **_: Any) -> MMLogger:
        """On the console alone."""
        return MMLogger.get_instance(self.experiment_name, log_level='WARNING')

    def wrap_model(self, model_wrapper_cfg: Optional[Dict[str, Any]], model: nn.Module) -> nn.Module:
        """The model stays on its device, and its normalisation as it was built."""
        return Parallel(model) if self.comm.world > 1 else model

    def register_custom_hooks(self, hooks: List[Dict[str, Any]]) -> None:
        for hook in hooks:
            try:
                self.register_hook(dict(hook))
            except Exception as error:
                raise MTPError(f'--custom_hooks {hook}: {error}') from error

    def load_or_resume(self) -> None:
        """Continue from the checkpoint; hooks find in it what they put there."""
        if self.checkpoint:
            found, self.checkpoint = self.checkpoint, None
            content = dict(found.rest, state_dict=found.state_dict, meta=found.meta)
            self.call_hook('after_load_checkpoint', checkpoint=content)
            checkpoints.restore(found, self.bare, self.optim_wrapper.optimizer, scaler(self.optim_wrapper), self.log)

    def dump_config(self) -> None:
        """It stands in the passport."""

    def _log_env(self, env_cfg: Dict[str, Any]) -> None:
        """It stands in the passport."""


class Parallel(DistributedDataParallel):
    """Without search for unused parameters: those that no loss reaches are frozen (model._freeze_unused)."""

    train_step = PretrainModel.train_step


class PretrainCheckpointHook(Hook):
    """In the place of mmengine's CheckpointHook: writes the checkpoints, after all other hooks of a step.

    Before a validation, too: nothing may lose them. See published.md#last-checkpoint. What a hook puts into the content
    in ``before_save_checkpoint`` it finds again in ``after_load_checkpoint``.

    Args:
        settings: identity of the run.
    """

    priority = 'VERY_LOW'

    def __init__(self, settings: Dict[str, Any]) -> None:
        self.settings = settings

    def after_train_iter(self, runner: PretrainRunner, batch_idx: int,
                         data_batch: Optional[Dict[str, DatasetBatch]] = None,
                         outputs: Optional[Dict[str, float]] = None) -> None:
        loop, options, step = runner.train_loop, runner.options, batch_idx + 1
        due = loop.stopping or step == loop.max_iters or step % options.interval == 0
        if runner.comm.is_main and (due or loop.validator and loop.validator.due(step)):
            checkpoints.save(options.save_path, checkpoints.name(options, step), runner.bare,
                           runner.optim_wrapper.optimizer, step, runner.epoch, self.settings,
                           scaler(runner.optim_wrapper),
                           lambda content: runner.call_hook('before_save_checkpoint', checkpoint=content))


class _Clipped:
    """Clips over the parameters in the model's order, not the groups': the last bits of the norm depend on it.

    Attributes:
        parameters: set by :func:`optimizer`.
        norm: of the last step's gradients, before; a tensor, so that nobody waits for it.
    """

    parameters: Sequence[nn.Parameter] = ()
    norm: Optional[torch.Tensor] = None
    clip_grad_kwargs: Dict[str, Any]  # of mmengine's wrapper

    def _clip_grad(self) -> None:
        self.norm = clip_grad_norm_([p for p in self.parameters if p.grad is not None], **self.clip_grad_kwargs)


class PlainOptim(_Clipped, OptimWrapper):
    """For float32, and for bfloat16, which has float32's range."""


class ScaledOptim(_Clipped, AmpOptimWrapper):
    """For float16: with loss scaling. The model itself says what is computed in it."""


def optimizer(model: PretrainModel, groups: List[Dict[str, Any]], rate: float) -> OptimWrapper:
    """The optimizer wrapper of ``model``."""
    kind = ScaledOptim if model.half == torch.float16 else PlainOptim
    made = kind(optimizer=torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.999), eps=1e-8),
                clip_grad=dict(max_norm=GRADIENT_NORM))
    made.parameters = list(model.parameters())
    return made


def scaler(wrapper: OptimWrapper) -> Any:
    """The loss scaler of an optimizer wrapper, or None."""
    return getattr(wrapper, 'loss_scaler', None)


def find_hooks(options: argparse.Namespace) -> None:
    """Import what ``--custom_imports`` names, and look for the types of ``--custom_hooks``.

    Raises:
        MTPError: a module cannot be imported, or no module has registered a type.
    """
    if options.custom_imports:
        paths.add_hooks()
        if options.config:
            sys.path.append(os.path.dirname(os.path.abspath(options.config)))
        try:
            import_modules_from_strings(**options.custom_imports)
        except (ImportError, TypeError) as error:
            raise MTPError(f'--custom_imports {options.custom_imports}: {error.__context__ or error}',
                           hint='put the module beside the file of --config, or its folder into PYTHONPATH') from error
    for hook in options.custom_hooks:
        if HOOKS.get(hook['type']) is None:
            raise MTPError('--custom_hooks: {!r} is not in the hook registry of mmengine'.format(hook['type']),
                           hint='register it with @HOOKS.register_module() and name its module in custom_imports')
