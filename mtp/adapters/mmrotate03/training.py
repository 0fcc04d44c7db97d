"""Training with MMRotate 0.3.4, also where there is no GPU: the toolbox's own function asks for one."""
import os
import time
from functools import partial
from typing import Any, Dict, List, Optional, Tuple, Union

import torch
from mmcv import Config, FileClient
from mmcv.fileio.file_client import HardDiskBackend
from mmcv.parallel import MMDataParallel, MMDistributedDataParallel, collate
from mmcv.runner import (HOOKS, RUNNERS, BaseRunner, DistSamplerSeedHook, EpochBasedRunner, Hook, IterBasedRunner,
                         TextLoggerHook, build_optimizer, build_runner, get_dist_info, set_random_seed)
from mmdet.core import DistEvalHook, EvalHook
from mmdet.datasets.builder import worker_init_fn
from mmrotate.datasets import build_dataset
from mmrotate.models import build_detector
from mmrotate.utils import get_root_logger, setup_multi_processes
from torch import nn
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from mtp import files, paths
from mtp.adapters import draws, guard, portable, sanity, validations
from mtp.adapters.mmrotate03 import trackers  # noqa: F401 -- registers what log_config may name
from mtp.adapters.weights import load_into
from mtp.checkpoints import Checkpoint, saved


class WholeFiles(HardDiskBackend):
    """What mmcv writes to the local disk, checkpoints among it, gets its name when it is complete."""

    def put(self, obj: bytes, filepath: files.PathLike) -> None:
        files.write_bytes(filepath, obj)


FileClient.register_backend('disk', WholeFiles, force=True)


class _Pointing:
    """``last_checkpoint`` names the newest one, as in the other environment: ``latest.pth`` is gone for a moment."""

    template: str
    meta: Optional[Dict[str, Any]]  # these are mmcv's
    epoch: int
    iter: int

    def save_checkpoint(self, out_dir: str, filename_tmpl: Optional[str] = None, **kwargs: Any) -> None:
        name, whole = filename_tmpl or self.template, self.meta
        self.meta = paths.short_tree(whole)  # it names checkpoints
        super().save_checkpoint(out_dir, name, **kwargs)  # type: ignore[misc]  # mmcv's runner stands behind this class
        self.meta = whole
        if '{' in name:  # the best one has a name of its own
            count = self.iter if isinstance(self, IterBasedRunner) else self.epoch
            saved.point_to(os.path.join(out_dir, name.format(count + 1)))


@RUNNERS.register_module('EpochBasedRunner', force=True)
class Epochs(_Pointing, EpochBasedRunner):
    """mmcv's."""

    template = 'epoch_{}.pth'


@RUNNERS.register_module('IterBasedRunner', force=True)
class Steps(_Pointing, IterBasedRunner):
    """mmcv's."""

    template = 'iter_{}.pth'


@HOOKS.register_module('TextLoggerHook', force=True)
class Log(TextLoggerHook):
    """mmcv's; ``.log.json`` holds short paths."""

    def _dump_log(self, log_dict: Dict[str, Any], runner: BaseRunner) -> None:
        super()._dump_log(paths.short_tree(log_dict), runner)


class Seeding(Hook):
    """Seeds the generators before each step, so that drop path and the sampling of boxes are functions of it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_train_iter(self, runner: BaseRunner) -> None:
        draws.seed('step', self.seed, runner.rank, runner.iter)


class _CPUDistributed(MMDistributedDataParallel):
    """Unpacks the toolbox's data containers, which the base class leaves to the GPU copy."""

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        words, named = self.scatter(inputs, kwargs, [-1])
        return super().forward(*words[0], **named[0])

    def train_step(self, *inputs: Any, **kwargs: Any) -> Dict[str, Any]:
        words, named = self.scatter(inputs, kwargs, [-1])
        return super().train_step(*words[0], **named[0])


def train(cfg: Config, begun: Optional[Checkpoint] = None, seed: int = 0, validate: bool = True,
          device: Optional[int] = None, distributed: bool = False) -> Dict[str, torch.Tensor]:
    """Train the model of ``cfg`` and leave checkpoints and logs in ``cfg.work_dir``.

    Args:
        cfg: the config; ``load_from`` is honoured where there is nothing to go on from.
        begun: :class:`mtp.checkpoints.Checkpoint` to go on from, or None.
        seed: of all random numbers.
        validate: judge on ``data.val`` as ``evaluation`` says, where the config has it.
        device: number of the GPU; None for the CPU.
        distributed: ``torch.distributed`` is set up.

    Returns:
        The weights at the end.
    """
    setup_multi_processes(cfg)
    os.makedirs(cfg.work_dir, exist_ok=True)
    stamp = time.strftime('%Y%m%d_%H%M%S')
    log = os.path.join(cfg.work_dir, stamp + '.log')
    logger = portable.log_files(get_root_logger(log_file=log, log_level=cfg.log_level))
    cfg.dump(os.path.join(cfg.work_dir, os.path.basename(cfg.filename)))
    set_random_seed(seed)
    dataset = build_dataset(cfg.data.train)
    _check(dataset, cfg)
    model = build_detector(cfg.model, train_cfg=cfg.get('train_cfg'), test_cfg=cfg.get('test_cfg'))
    model.init_weights()
    model.CLASSES = dataset.CLASSES
    if cfg.load_from and not begun:
        logger.info('%s: %s', cfg.load_from, load_into(model, cfg.load_from, False, bool(cfg.get('load_partial'))))
    model = _parallel(model, device, distributed, cfg.get('find_unused_parameters', False))
    meta = dict(seed=seed, config=cfg.pretty_text, CLASSES=dataset.CLASSES)
    cfg.checkpoint_config.meta = dict(CLASSES=dataset.CLASSES)
    runner = build_runner(cfg.runner, default_args=dict(
        model=model, optimizer=build_optimizer(model, cfg.optimizer), work_dir=cfg.work_dir, logger=logger, meta=meta))
    runner.timestamp = stamp
    _hooks(runner, cfg, seed)
    if begun:
        go_on(runner, begun)
    if validate and cfg.data.get('val'):
        _validation(runner, cfg, distributed, seed)
    loader = draws.purely(_loader(dataset, cfg, seed, shuffle=True), (seed, get_dist_info()[0]), runner.iter,
                          by_epoch=not isinstance(runner, IterBasedRunner))
    runner.run([loader], cfg.workflow)
    return model.module.state_dict()


def _check(dataset: Dataset, cfg: Config) -> None:
    """What can be known to go wrong in the first step, or to be learned in vain."""
    sanity.network(cfg.model, dataset.CLASSES)
    if hasattr(dataset, 'data_infos'):
        sanity.images(len(dataset), lambda position: os.path.join(
            dataset.img_prefix or '', dataset.data_infos[position]['filename']), cfg.data.train.get('ann_file'))


def steps(kind: str, meta: Dict[str, Any]) -> Tuple[int, int]:
    """(epochs, steps) that a checkpoint with ``meta`` has behind it; an iteration's own is written down by the last."""
    return meta['epoch'], meta['iter'] + (kind == 'IterBasedRunner')


def go_on(runner: BaseRunner, found: Checkpoint) -> None:
    """Put the checkpoint ``found`` into ``runner``: weights, optimizer, counters.

    As mmcv's ``resume``, which runs the config in the file as a program and makes the last iteration a second time.

    Raises:
        MTPError: it is of another network.
    """
    saved.fill(runner.model.module, found.state_dict, found.path)
    runner.optimizer.load_state_dict(found.rest['optimizer'])
    kind = 'IterBasedRunner' if isinstance(runner, IterBasedRunner) else 'EpochBasedRunner'
    runner._epoch, runner._iter = steps(kind, found.meta)
    runner._inner_iter = runner._iter
    told = found.meta.get('hook_msgs')
    runner.meta['hook_msgs'] = dict(told) if isinstance(told, dict) else {}
    guard.own_paths(runner.meta['hook_msgs'], os.path.dirname(os.path.abspath(found.path)))
    runner.logger.info('going on from %s', found.path)


def _parallel(model: nn.Module, device: Optional[int], distributed: bool,
              find_unused_parameters: bool) -> Union[MMDataParallel, MMDistributedDataParallel]:
    if not distributed:
        return MMDataParallel(model if device is None else model.cuda(device),
                              device_ids=[-1 if device is None else device])
    common = dict(broadcast_buffers=False, find_unused_parameters=find_unused_parameters)
    if device is None:
        return _CPUDistributed(model, **common)
    return MMDistributedDataParallel(model.cuda(device), device_ids=[torch.cuda.current_device()], **common)


def _hooks(runner: BaseRunner, cfg: Config, seed: int) -> None:
    runner.register_hook(Seeding(seed), priority='HIGHEST')
    # A dict, not a hook: where gradients are summed over steps it names another one.
    optimizer_config = dict(cfg.optimizer_config)
    runner.register_training_hooks(cfg.lr_config, optimizer_config, cfg.checkpoint_config, cfg.log_config,
                                   custom_hooks_config=cfg.get('custom_hooks'))
    if cfg.runner.type == 'EpochBasedRunner':  # the other runner does it by itself
        runner.register_hook(DistSamplerSeedHook())


class _Recorded:
    """An evaluation hook that keeps what it has found in ``validation.json``."""

    def evaluate(self, runner: BaseRunner, results: List[Any]) -> Any:
        before = dict(runner.log_buffer.output)
        score = super().evaluate(runner, results)  # type: ignore[misc]  # mmdet's hook stands behind this class
        found = {name: value for name, value in runner.log_buffer.output.items()
                 if name not in before and name != 'eval_iter_num'}
        iteration = isinstance(runner, IterBasedRunner)
        validations.add(runner.work_dir, validations.record(
            runner.epoch + (not iteration), runner.iter + iteration, found))
        return score


class Evaluation(_Recorded, EvalHook):
    """mmdet's, in one process."""


class DistEvaluation(_Recorded, DistEvalHook):
    """mmdet's, in several."""


def _validation(runner: BaseRunner, cfg: Config, distributed: bool, seed: int) -> None:
    dataset = build_dataset(cfg.data.val, dict(test_mode=True))
    kind = DistEvaluation if distributed else Evaluation
    by_epoch = cfg.runner.type != 'IterBasedRunner'
    hook = kind(_loader(dataset, cfg, seed, shuffle=False), **dict(cfg.get('evaluation', {}), by_epoch=by_epoch))
    if runner.iter:
        _make_up(runner, hook, by_epoch)
    runner.register_hook(hook, priority='LOW')


def _make_up(runner: BaseRunner, hook: EvalHook, by_epoch: bool) -> None:
    """Make the validation that was due after the step from which the run goes on, when it was killed before that."""
    done = runner.epoch, runner.iter
    runner._epoch, runner._iter = (done[0] - 1, done[1]) if by_epoch else (done[0], done[1] - 1)
    known = [entry['step'] for entry in validations.until(runner.work_dir, done[1])]
    if hook._should_evaluate(runner) and done[1] not in known:
        hook.before_run(runner)
        hook._do_evaluate(runner)
        runner.log_buffer.clear()
        runner.log_buffer.clear_output()
    runner._epoch, runner._iter = done


def _loader(dataset: Dataset, cfg: Config, seed: int, shuffle: bool) -> DataLoader:
    # The toolbox's own function agrees on a seed through the GPU, and groups images by aspect ratio; tiles have one.
    size = cfg.data.samples_per_gpu if shuffle else 1
    rank, world = get_dist_info()
    sampler = DistributedSampler(dataset, world, rank, shuffle=shuffle, seed=seed) if shuffle or world > 1 else None
    workers = cfg.data.workers_per_gpu
    return DataLoader(
        dataset, batch_size=size, sampler=sampler, num_workers=workers,
        collate_fn=partial(collate, samples_per_gpu=size),
        worker_init_fn=partial(worker_init_fn, num_workers=workers, rank=rank, seed=seed))
