"""``tools/train.py`` and ``tools/test.py`` for MMRotate 0.3.4."""
import argparse
import pickle
from types import ModuleType
from typing import Any, ContextManager, Dict, Mapping, Optional, Sequence

import torch
from mmcv import Config, DictAction

from mtp import files, numbers, paths
from mtp.adapters import (command, environment, inference, passports, sanity, submission, tile_test, tracking,
                          validations, words)
from mtp.adapters.portable import Portable
from mtp.checkpoints import Checkpoint
from mtp.errors import MTPError
from mtp.report.passport import fingerprint


def train(argv: Optional[Sequence[str]] = None) -> None:
    """Train the model of a config."""
    parser = command.parser('Train the model of a config (MMRotate 0.3.4)', DictAction)
    parser.add_argument('--resume', '--auto-resume', action='store_true', help='go on from the newest whole checkpoint')
    parser.add_argument('--resume-from', help='checkpoint to go on from')
    parser.add_argument('--no-validate', action='store_true', help='leave out the validation during training')
    parser.add_argument('--seed', type=numbers.seed, default=0, help='of the random numbers')
    command.add_accumulate(parser)
    tracking.add_option(parser)
    args = parser.parse_args(argv)
    rank, world, local = command.ranks(args)
    cfg = load(args, 'train')
    command.accumulate(cfg._cfg_dict, args.accumulate)
    for split in ('train',) if args.no_validate else ('train', 'val'):
        _data_exists(cfg.data.get(split) or {})
    tracking.prepare(args.track, cfg.work_dir)
    tracking.add_hooks(cfg._cfg_dict, args.track, cfg.work_dir)
    wanted = args.resume_from or args.resume
    with command.held(cfg.work_dir, wanted):
        begun = command.continued(cfg.work_dir, args.resume_from) if wanted else None
        if not begun and cfg.load_from:
            cfg.load_from = command.require_file(cfg.load_from, 'checkpoint')
        elif not begun:
            command.pretrained_exists(cfg.model)
        _train(cfg, args, begun, rank, world, local)


def _train(cfg: Config, args: argparse.Namespace, begun: Optional[Checkpoint], rank: int, world: int,
           local: int) -> None:
    """Train from ``begun`` on; a run that is complete is left as it is."""
    from mtp.adapters.mmrotate03 import training
    done = training.steps(cfg.runner.type, begun.meta) if begun else (0, 0)
    last = cfg.runner.get('max_epochs'), cfg.runner.get('max_iters')
    if begun and any(count and made >= count for made, count in zip(done, last)) and passports.is_complete(
            'finetune', cfg.work_dir):
        command.say(f'{begun.path}: all steps are done')
        return
    device = _device(local)
    environment.join(world, 'gloo' if device is None else 'nccl', environment.IN_STEP)
    start = begun.path if begun else cfg.load_from or cfg.model.backbone.get('pretrained')
    with _passport('finetune', cfg, dict(train=cfg.data.train), rank, world, start, seed=args.seed) as passport:
        weights = training.train(cfg, begun, seed=args.seed, validate=not args.no_validate, device=device,
                                 distributed=world > 1)
        figures = validations.until(cfg.work_dir, float('inf'))
        passport.update(metrics=figures[-1] if figures else None, weights=fingerprint(weights))


def test(argv: Optional[Sequence[str]] = None) -> None:
    """Test a checkpoint on tiles: shards, then metric, submission and pictures of whole images."""
    parser = command.parser('Test a checkpoint with a config (MMRotate 0.3.4)', DictAction)
    parser.add_argument('checkpoint', help='epoch_12.pth or the like, of either generation')
    parser.add_argument('--format-only', action='store_true', help='write a submission; see --eval-options')
    parser.add_argument('--eval', nargs='+', metavar='METRIC', help='mAP: judge the tiles by their label files')
    parser.add_argument('--eval-options', nargs='+', action=words.action(DictAction), default={}, metavar='KEY=VALUE',
                        help='submission_dir=DIR: where the submission goes; images=DIR: the uncut test images')
    parser.add_argument('--out', help='.pkl file for the results of all tiles')
    parser.add_argument('--show-dir', help='folder for pictures of whole images with what was found in them')
    parser.add_argument('--show-score-thr', type=numbers.share, default=0.3, help='lowest score in the pictures (0.3)')
    tile_test.add_options(parser)
    args = parser.parse_args(argv)
    _some_purpose(args)
    rank, world, local = command.ranks(args)
    cfg = load(args, 'test')
    checkpoint = command.require_file(args.checkpoint, 'checkpoint')
    plan = _plan(args, cfg)
    from mtp.adapters.mmrotate03 import testing
    from mtp.adapters.mmrotate03.detector import Detector
    settings = _settings(args, cfg, rank, world)
    source = testing.source(cfg, args, plan.images, settings.readers)
    submission.check(plan, source)
    device = tile_test.device(local, args.amp)
    mark = tile_test.mark(args, {'model': cfg.model.to_dict(), 'pipeline': cfg.data.test.pipeline},
                          cfg.get('tiling'), checkpoint)
    environment.join(world)
    with submission.held(plan, rank == 0), _passport(
            'test', cfg, dict(test=cfg.data.test), rank, world, checkpoint) as passport:
        detector = Detector(cfg, checkpoint, device, args.amp)
        tile_test.detect(detector, source, plan.shards, mark, settings)
        if rank == 0:
            passport.update(_finish(args, plan, cfg, source, testing))


def _passport(kind: str, cfg: Config, datasets: Dict[str, Dict[str, Any]], rank: int, world: int,
              weights: Optional[str], **facts: Any) -> ContextManager[Dict[str, Any]]:
    return passports.issued(kind, cfg.work_dir, cfg._cfg_dict.to_dict(), datasets, rank=rank, processes=world,
                            started_from=passports.checkpoint(weights), **facts)


def _settings(args: argparse.Namespace, cfg: Config, rank: int, world: int) -> inference.Settings:
    batch = args.batch_size or cfg.data.get('test_dataloader', {}).get('samples_per_gpu', 1)
    workers = cfg.data.get('workers_per_gpu', 2) if args.workers is None else args.workers
    return inference.Settings(rank, world, batch, workers)


class _Config(Portable, Config):
    """The toolbox's, written down with short paths."""


def load(args: argparse.Namespace, purpose: str) -> Config:
    """The config that the command line names, with its options merged in and every short path resolved."""
    path = command.locate(args.config, environment.name(), purpose)
    cfg = Config.fromfile(path)
    command.settle(cfg, args, path)
    folder = command.work_dir(args, cfg, path)
    cfg = _Config(paths.resolve_tree(cfg._cfg_dict.to_dict()), filename=path)
    cfg.work_dir = folder
    return cfg


def _some_purpose(args: argparse.Namespace) -> None:
    if not (args.format_only or args.eval or args.out or args.show_dir):
        raise MTPError('nothing is asked for: give --format-only, --eval, --out or --show-dir',
                       hint='--format-only --eval-options submission_dir=DIR')
    if args.eval and args.format_only:
        raise MTPError('--eval and --format-only exclude each other: a test set is judged by its server')
    if args.eval and args.eval != ['mAP']:
        raise MTPError('--eval {}: these data sets know mAP only'.format(' '.join(args.eval)), hint='--eval mAP')
    if args.eval and args.cut:
        raise MTPError('--eval needs tiles with labels, which --cut does not make', hint='leave --cut away')
    if args.format_only and not args.eval_options.get('submission_dir'):
        raise MTPError('--format-only needs a folder to write to', hint='--eval-options submission_dir=DIR')
    unknown = set(args.eval_options) - {'submission_dir', 'images'}
    if unknown:
        raise MTPError('--eval-options has no {}'.format(', '.join(sorted(unknown))), hint='submission_dir, images')


def _plan(args: argparse.Namespace, cfg: Config) -> submission.Plan:
    return submission.plan(
        cfg.get('submission'), cfg.work_dir, out=args.eval_options.get('submission_dir'),
        images=args.images or args.eval_options.get('images') or cfg.get('submission_images'), pictures=args.show_dir,
        threshold=args.show_score_thr, option='--eval-options submission_dir=', rule=tile_test.merging(args, cfg))


def _finish(args: argparse.Namespace, plan: submission.Plan, cfg: Config, source: tile_test.Source,
            testing: ModuleType) -> Dict[str, Any]:
    results = testing.results_of(cfg, source.tiles, plan.shards) if args.out or args.eval else None
    if args.out:
        with files.atomic_path(paths.resolve(args.out)) as temporary, open(temporary, 'wb') as stream:
            pickle.dump(results, stream)
    figure = testing.mean_average_precision(cfg, source.tiles, results) if args.eval else None
    metrics = None if figure is None else {'mAP': float(figure)}
    if metrics:
        print('mAP {mAP:.4f}'.format(**metrics), flush=True)
    written = submission.finish(plan, source.tiles, source.whole)
    for path in written:
        print(path, flush=True)
    return dict(metrics=metrics, submission=[str(path) for path in written])


def _device(local: int) -> Optional[int]:
    """Number of this process's GPU, or None where there is none."""
    if not torch.cuda.is_available():
        return None
    device = local % torch.cuda.device_count()
    torch.cuda.set_device(device)
    return device


def _data_exists(dataset: Mapping[str, Any]) -> None:
    sanity.classes([dataset])
    for key, what in (('ann_file', 'folder of labels'), ('img_prefix', 'folder of tiles')):
        if dataset.get(key):
            command.require_folder(dataset[key], what)
