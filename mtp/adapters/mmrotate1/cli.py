"""``tools/train.py`` and ``tools/test.py`` for the toolboxes of OpenMMLab 2."""
import argparse
import os
from typing import Any, ContextManager, Dict, List, Mapping, Optional, Sequence

import torch
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from mtp import numbers, paths
from mtp.adapters import command, environment, passports, sanity, tile_test, tracking
from mtp.adapters.mmrotate1 import judged, testing
from mtp.adapters.mmrotate1.runner import MTPRunner, Validating
from mtp.adapters.portable import Portable
from mtp.checkpoints import Checkpoint
from mtp.errors import MTPError
from mtp.report.passport import fingerprint


def train(argv: Optional[Sequence[str]] = None) -> None:
    """Fine-tune the model of a config."""
    parser = command.parser('Fine-tune the model of a config (OpenMMLab 2)', DictAction)
    parser.add_argument('--resume', nargs='?', const='newest', metavar='CHECKPOINT',
                        help='go on, from the newest checkpoint in the work folder or from the one named')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate with the batch')
    command.add_accumulate(parser)
    tracking.add_option(parser)
    args = parser.parse_args(argv)
    cfg = load(args, 'train')
    _join_on_cpu(cfg, args)
    _mixed_precision(cfg, args.amp)
    _scaled_rate(cfg, args)
    command.accumulate(cfg._cfg_dict, args.accumulate)
    for split in ('train_dataloader', 'val_dataloader'):
        _data_exists(cfg.get(split))
    _enough_to_normalise(cfg)
    tracking.prepare(args.track, cfg.work_dir)
    tracking.add_backends(cfg._cfg_dict, args.track)
    # A test set may lie elsewhere or be prepared later; training does not need it.
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    with command.held(cfg.work_dir, args.resume):
        _train(cfg, _begun(cfg, args.resume))


def _train(cfg: Config, begun: Optional[Checkpoint]) -> None:
    """Train from ``begun`` on; a run that is complete is left as it is."""
    if begun and _is_done(cfg.train_cfg, begun.meta) and passports.is_complete('finetune', cfg.work_dir):
        command.say(f'{begun.path}: all steps are done')
        return
    start = begun.path if begun else cfg.get('load_from') or cfg.model.backbone.get('pretrained')
    with _passport('finetune', cfg, start) as passport:
        runner, validating = MTPRunner.from_cfg(cfg), Validating()
        runner.begun = begun
        del begun  # the runner drops it too once it has taken what is in it
        runner.register_hook(validating)
        runner.train()
        passport.update(metrics=validating.last, weights=fingerprint(_inner(runner).state_dict()))


def test(argv: Optional[Sequence[str]] = None) -> None:
    """Test a checkpoint; write metrics, submission, pictures."""
    parser = command.parser('Test a checkpoint with a config (OpenMMLab 2)', DictAction)
    parser.add_argument('checkpoint', help='epoch_12.pth or the like')
    parser.add_argument('--out', help='file (.pkl) or, for segmentation, folder to write the predictions to')
    parser.add_argument('--show', action='store_true', help='show pictures in a window')
    parser.add_argument('--show-dir', help='folder to write pictures to')
    parser.add_argument('--wait-time', type=numbers.length, default=2, help='seconds a shown picture stays')
    parser.add_argument('--show-score-thr', type=numbers.share, default=0.3,
                        help='lowest score in whole pictures (0.3)')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation, when the config describes one')
    tile_test.add_options(parser)
    args = parser.parse_args(argv)
    cfg = load(args, 'test')
    cfg.load_from = command.require_file(args.checkpoint, 'checkpoint')
    cfg.resume = False
    if cfg.test_evaluator.get('type') == 'TileSubmission':
        testing.outputs(cfg, args.out)
        testing.augmentation(cfg, args.tta)
        with _passport('test', cfg, cfg.load_from):
            testing.on_tiles(cfg, args, *command.ranks(args))
        return
    _only_tiles(args, ('images', 'cut') if judged.fits(cfg) else ('images', 'cut', 'amp'))
    _data_exists(cfg.get('test_dataloader'))
    if judged.fits(cfg) and not args.show:
        testing.outputs(cfg, args.out)
        testing.augmentation(cfg, args.tta)
        with _passport('test', cfg, cfg.load_from) as passport:
            passport['metrics'] = _figures(judged.test(cfg, args, *command.ranks(args)))
        return
    _join_on_cpu(cfg, args)
    if args.batch_size:
        cfg.test_dataloader.batch_size = args.batch_size
    if args.workers is not None:
        cfg.test_dataloader.update(num_workers=args.workers, persistent_workers=args.workers > 0)
    cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    testing.pictures(cfg, args)
    testing.augmentation(cfg, args.tta)
    testing.outputs(cfg, args.out)
    with testing.held(cfg), _passport('test', cfg, cfg.load_from) as passport:
        runner = MTPRunner.from_cfg(cfg)
        testing.dump(runner, args.out)
        testing.scenes(runner)
        passport['metrics'] = _figures(runner.test())


def _figures(found: Mapping[str, Any]) -> Dict[str, Optional[float]]:
    """What goes into the passport of what an evaluator found; a figure that is no number is said."""
    figures = passports.figures(found)
    note = passports.without_number(figures)
    if note and os.environ['RANK'] == '0':
        print('note: ' + note, flush=True)
    return figures


class _Config(Portable, Config):
    """The toolbox's, written down with short paths."""


def load(args: argparse.Namespace, purpose: str) -> Config:
    """The config that the command line names, with its options merged in and every short path resolved."""
    _, world, _ = command.ranks(args)
    path = command.locate(args.config, environment.name(), purpose)
    cfg = Config.fromfile(path)
    command.settle(cfg, args, path)
    folder = command.work_dir(args, cfg, path)
    cfg = _Config(paths.resolve_tree(cfg._cfg_dict.to_dict()), filename=path)
    cfg.work_dir = folder
    cfg.launcher = 'pytorch' if world > 1 else 'none'  # the ranks are in the environment by now, whoever made them
    return cfg


def _only_tiles(args: argparse.Namespace, names: Sequence[str]) -> None:
    """Refuse options that only a test on tiles has."""
    given = [name for name in names if getattr(args, name)]
    if given:
        raise MTPError('--{} is for data sets whose images are cut into tiles; this config tests whole images'.format(
            given[0]), hint='leave --{} away'.format(given[0]))


def _join_on_cpu(cfg: Config, args: argparse.Namespace) -> None:
    """Set up what the toolbox sets up for GPUs only: the processes' group, and a wrapper that names no device."""
    _, world, _ = command.ranks(args)
    if world == 1 or torch.cuda.is_available():
        return
    environment.join(world, timeout=environment.IN_STEP)
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False))


def _passport(kind: str, cfg: Config, weights: Optional[str]) -> ContextManager[Dict[str, Any]]:
    loaders = {'train': 'train_dataloader', 'val': 'val_dataloader', 'test': 'test_dataloader'}
    datasets = {role: _datasets(cfg[name].dataset) for role, name in loaders.items() if cfg.get(name)}
    named = {'{}{}'.format(role, index or ''): item for role, items in datasets.items()
             for index, item in enumerate(items)}
    return passports.issued(
        kind, cfg.work_dir, cfg._cfg_dict.to_dict(), named,
        rank=int(os.environ['RANK']), processes=int(os.environ['WORLD_SIZE']),
        seed=cfg.get('randomness', {}).get('seed'), started_from=passports.checkpoint(weights))


def _inner(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def _begun(cfg: Config, wanted: Optional[str]) -> Optional[Checkpoint]:
    """The checkpoint that a run goes on from; None where it begins: it was killed before its first one, or is new."""
    begun = command.continued(cfg.work_dir, None if wanted == 'newest' else wanted) if wanted else None
    cfg.resume = False  # the toolbox would look for a checkpoint by itself
    randomness = dict(cfg.get('randomness') or {})
    randomness.setdefault('seed', 0)  # as in the other environment; the same command ends the same
    if begun:
        randomness['seed'] = begun.meta.get('seed', randomness['seed'])
    elif cfg.get('load_from'):
        command.require_file(cfg.load_from, 'checkpoint')
    else:
        command.pretrained_exists(cfg.model)
    cfg.randomness = randomness
    return begun


def _is_done(loop: ConfigDict, meta: Dict[str, Any]) -> bool:
    """Whether a checkpoint is of the last epoch or step of ``train_cfg``."""
    return meta['epoch'] >= loop.max_epochs if 'max_epochs' in loop else meta['iter'] >= loop.get('max_iters', 1 << 62)


def _mixed_precision(cfg: Config, wanted: bool) -> None:
    if wanted:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def _enough_to_normalise(cfg: Config) -> None:
    """The published segmentation runs have one image a GPU: what is pooled to one pixel is normalised over all GPUs."""
    together = int(os.environ['WORLD_SIZE']) if torch.cuda.is_available() else 1
    if cfg.default_scope == 'mmseg' and cfg.train_dataloader.batch_size * together < 2:
        raise MTPError('a batch of one image in one process cannot be normalised; the published runs had 8 GPUs',
                       hint='GPUS=2 or more (torchrun, srun), or --cfg-options train_dataloader.batch_size=2')


def _scaled_rate(cfg: Config, args: argparse.Namespace) -> None:
    wanted = args.auto_scale_lr
    if wanted and args.accumulate != '1':
        raise MTPError('--auto-scale-lr and --accumulate exclude each other: one fits the rate to the batch, the other '
                       'the batch to the rate', hint='leave --auto-scale-lr away')
    if wanted and 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
        raise MTPError('--auto-scale-lr needs to know for which batch the rate is meant',
                       hint='--cfg-options auto_scale_lr.base_batch_size=64')
    if wanted:
        cfg.auto_scale_lr.enable = True


def _data_exists(loader: Optional[Mapping[str, Any]]) -> None:
    datasets = _datasets((loader or {}).get('dataset'))
    sanity.classes(datasets)
    for dataset in datasets:
        root = dataset.get('data_root') or ''
        command.require_folder(root or '.', 'data folder')
        labels = dataset.get('ann_file')
        if labels and not os.path.exists(os.path.join(root, labels)):
            raise MTPError(f'the labels {os.path.join(root, labels)} do not exist',
                           hint='prepare the data set: make data-<dataset>')
        prefixes = dataset.get('data_prefix') or {}
        for prefix in [prefixes] if isinstance(prefixes, str) else prefixes.values():
            command.require_folder(os.path.join(root, prefix or ''), 'data folder')


def _datasets(dataset: Optional[Mapping[str, Any]]) -> List[Mapping[str, Any]]:
    """The data sets inside wrappers such as ConcatDataset."""
    if not dataset:
        return []
    inner = dataset.get('datasets') or ([dataset['dataset']] if 'dataset' in dataset else None)
    return [dataset] if inner is None else [leaf for item in inner for leaf in _datasets(item)]
