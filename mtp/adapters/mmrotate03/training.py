"""Training with MMRotate 0.3.4, also where there is no GPU: the toolbox's own function asks for one."""
import os
import time
from functools import partial

import torch
from mmcv.parallel import MMDataParallel, MMDistributedDataParallel, collate
from mmcv.runner import (DistSamplerSeedHook, OptimizerHook, build_optimizer, build_runner, get_dist_info,
                         set_random_seed)
from mmdet.core import DistEvalHook, EvalHook
from mmdet.datasets.builder import worker_init_fn
from mmrotate.datasets import build_dataset
from mmrotate.models import build_detector
from mmrotate.utils import get_root_logger, setup_multi_processes
from torch.utils.data import DataLoader, DistributedSampler

from mtp.adapters.weights import load_into
from mtp.report import curves


class _CPUDistributed(MMDistributedDataParallel):
    """Unpacks the toolbox's data containers, which the base class leaves to the GPU copy."""

    def train_step(self, *inputs, **kwargs):
        inputs, kwargs = self.scatter(inputs, kwargs, [-1])
        return super().train_step(*inputs[0], **kwargs[0])


def train(cfg, seed=0, validate=True, device=None, distributed=False):
    """Train the model of ``cfg`` and leave checkpoints and logs in ``cfg.work_dir``.

    Args:
        cfg: the config; ``load_from`` and ``resume_from`` are honoured.
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
    logger = get_root_logger(log_file=os.path.join(cfg.work_dir, stamp + '.log'), log_level=cfg.log_level)
    cfg.dump(os.path.join(cfg.work_dir, os.path.basename(cfg.filename)))
    set_random_seed(seed)
    dataset = build_dataset(cfg.data.train)
    model = build_detector(cfg.model, train_cfg=cfg.get('train_cfg'), test_cfg=cfg.get('test_cfg'))
    model.init_weights()
    model.CLASSES = dataset.CLASSES
    if cfg.load_from and not cfg.resume_from:
        logger.info('%s: %s', cfg.load_from, load_into(model, cfg.load_from, must_fit=False))
    model = _parallel(model, device, distributed, cfg.get('find_unused_parameters', False))
    meta = dict(seed=seed, config=cfg.pretty_text, CLASSES=dataset.CLASSES)
    cfg.checkpoint_config.meta = dict(CLASSES=dataset.CLASSES)
    runner = build_runner(cfg.runner, default_args=dict(
        model=model, optimizer=build_optimizer(model, cfg.optimizer), work_dir=cfg.work_dir, logger=logger, meta=meta))
    runner.timestamp = stamp
    _hooks(runner, cfg, distributed)
    if validate and cfg.data.get('val') and not (distributed and device is None):  # it collects results through the GPU
        _validation(runner, cfg, distributed, seed)
    if cfg.resume_from:
        runner.resume(cfg.resume_from, map_location='cpu' if device is None else 'default')
    runner.run([_loader(dataset, cfg, distributed, seed, shuffle=True)], cfg.workflow)
    return model.module.state_dict()


def _parallel(model, device, distributed, find_unused_parameters):
    if not distributed:
        return MMDataParallel(model if device is None else model.cuda(device),
                              device_ids=[-1 if device is None else device])
    common = dict(broadcast_buffers=False, find_unused_parameters=find_unused_parameters)
    if device is None:
        return _CPUDistributed(model, **common)
    return MMDistributedDataParallel(model.cuda(device), device_ids=[torch.cuda.current_device()], **common)


def _hooks(runner, cfg, distributed):
    optimizer_config = OptimizerHook(**cfg.optimizer_config) if distributed else cfg.optimizer_config
    runner.register_training_hooks(cfg.lr_config, optimizer_config, cfg.checkpoint_config, cfg.log_config,
                                   custom_hooks_config=cfg.get('custom_hooks'))
    if distributed and cfg.runner.type == 'EpochBasedRunner':  # the other runner does it by itself
        runner.register_hook(DistSamplerSeedHook())


def _validation(runner, cfg, distributed, seed):
    dataset = build_dataset(cfg.data.val, dict(test_mode=True))
    hook = DistEvalHook if distributed else EvalHook
    settings = dict(cfg.get('evaluation', {}), by_epoch=cfg.runner.type != 'IterBasedRunner')
    runner.register_hook(hook(_loader(dataset, cfg, distributed, seed, shuffle=False), **settings), priority='LOW')


def _loader(dataset, cfg, distributed, seed, shuffle):
    # The toolbox's own function agrees on a seed through the GPU, and groups images by aspect ratio; tiles have one.
    size = cfg.data.samples_per_gpu if shuffle else 1
    sampler = DistributedSampler(dataset, shuffle=shuffle, seed=seed) if distributed else None
    workers = cfg.data.workers_per_gpu
    return DataLoader(
        dataset, batch_size=size, sampler=sampler, shuffle=shuffle and not distributed, num_workers=workers,
        collate_fn=partial(collate, samples_per_gpu=size),
        worker_init_fn=partial(worker_init_fn, num_workers=workers, rank=get_dist_info()[0], seed=seed))


def last_figures(folder):
    """What the last validation of the newest run in ``folder`` has found, or None."""
    logs = sorted(name for name in os.listdir(folder) if name.endswith('.log.json'))
    lines = curves.read_lines(os.path.join(folder, logs[-1])) if logs else []
    found = [line for line in lines if line.get('mode') == 'val']
    return found[-1] if found else None
