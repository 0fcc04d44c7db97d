"""What the options of ``tools/test.py`` mean to each toolbox: pictures, dumped predictions, augmentation."""
import argparse
import contextlib
import os
import pickle
from typing import Dict, Iterator, Optional

from mmengine.config import Config, ConfigDict

from mtp import files, locks, ownership, paths
from mtp.adapters import annotations, environment, inference, submission, tile_test
from mtp.adapters.mmrotate1.detector import Detector
from mtp.adapters.mmrotate1.runner import MTPRunner
from mtp.data import scene_table
from mtp.errors import MTPError
from mtp.tiles import shards


def on_tiles(cfg: Config, args: argparse.Namespace, rank: int, world: int, local: int) -> None:
    """A test whose truth lies with a server: tiles into shards, from there to a submission.

    The toolbox's own way rounds scores to two decimals, keeps everything in memory and finds out at the very end that
    the folder exists (published.md#merging). Here a killed test goes on where it stopped, and ranks meet at the end.

    Args:
        cfg: the config; its ``test_evaluator`` is ``dict(type='TileSubmission', dataset='dotav2')``, with ``out`` and
            ``images`` where the submission and the uncut images do not lie in their usual places.
        args: options of the command line.
        rank, world, local: which of how many processes this is, and which on this machine.
    """
    wanted, loader = cfg.test_evaluator, cfg.test_dataloader
    plan = submission.plan(
        wanted.dataset, cfg.work_dir, out=wanted.get('out') or os.path.join(cfg.work_dir, 'submit'),
        images=args.images or wanted.get('images'), pictures=args.show_dir, threshold=args.show_score_thr,
        option='--cfg-options test_evaluator.out=', rule=tile_test.merging(args, cfg))
    workers = loader.get('num_workers', 2) if args.workers is None else args.workers
    settings = inference.Settings(rank, world, args.batch_size or loader.get('batch_size', 1), workers)
    found = _source(cfg, args, plan.images, settings.readers)
    submission.check(plan, found)
    mark = tile_test.mark(args, {'model': cfg.model.to_dict(), 'pipeline': loader.dataset.pipeline}, cfg.get('tiling'),
                          cfg.load_from)
    device = tile_test.device(local, args.amp)
    environment.join(world)
    with submission.held(plan, rank == 0):
        tile_test.detect(Detector(cfg, cfg.load_from, device, args.amp), found, plan.shards, mark, settings)
        if rank == 0:
            dump_shards(args.out, plan.shards)
            for path in submission.finish(plan, found.tiles, found.whole):
                print(path, flush=True)


def _source(cfg: Config, args: argparse.Namespace, images: str, readers: int) -> tile_test.Source:
    """Tiles of a test, as :class:`mtp.adapters.tile_test.Source`."""
    dataset = cfg.test_dataloader.dataset
    root = dataset.get('data_root') or ''
    folder = os.path.join(root, dataset.data_prefix.img_path)
    suffix = '.' + dataset.get('img_suffix', 'png').lstrip('.')

    def listed() -> Dict[str, str]:
        names = annotations.files(folder, suffix)
        return {name[:-len(suffix)]: os.path.join(folder, name) for name in names}
    return tile_test.source(args.cut, folder, listed, images, cfg.get('tiling'), readers)


def dump_shards(out: Optional[str], folder: str) -> None:
    """``--out`` of a test on tiles: a pickled list of what was found in each, as the toolbox dumps it."""
    if out:
        found = [dict(img_id=tile, pred_instances=dict(bboxes=boxes, scores=scores, labels=labels))
                 for tile, boxes, scores, labels in shards.read_shards(folder)]
        with files.atomic_path(paths.resolve(out)) as temporary, open(temporary, 'wb') as stream:
            pickle.dump(found, stream)


def pictures(cfg: Config, args: argparse.Namespace) -> None:
    """Make the scope's visualisation hook draw for ``--show`` and ``--show-dir``."""
    if not (args.show or args.show_dir):
        return
    hook = cfg.default_hooks.get('visualization')
    if hook is None:
        raise MTPError('the config has no visualization hook, so --show and --show-dir can draw nothing',
                       hint="add default_hooks = dict(visualization=dict(type='...'))")
    hook['enable' if cfg.default_scope == 'mmpretrain' else 'draw'] = True
    hook.update(dict(show=True, wait_time=args.wait_time) if args.show else {})
    if args.show_dir:
        _picture_folder(cfg, hook, os.path.abspath(paths.resolve(args.show_dir)))


def _picture_folder(cfg: Config, hook: ConfigDict, folder: str) -> None:
    if cfg.default_scope == 'mmpretrain':
        hook.update(out_dir=folder, interval=1)
    elif cfg.default_scope in ('mmseg', 'opencd'):
        cfg.visualizer['save_dir'] = folder
    else:
        # The hook hangs this below its time-stamped folder; an absolute path stays what it is.
        hook['test_out_dir'] = folder


def augmentation(cfg: Config, wanted: bool) -> None:
    """Put the config's test-time augmentation around model and pipeline."""
    if not wanted:
        return
    if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
        raise MTPError('--tta: the config describes no test-time augmentation (tta_model, tta_pipeline)',
                       hint='leave --tta away; no published run uses it')
    cfg.model = dict(cfg.tta_model, module=cfg.model)
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline


def outputs(cfg: Config, out: Optional[str]) -> None:
    """``--out`` of a segmentation test is a folder of predictions; of the others a pickle."""
    if out and cfg.default_scope in ('mmseg', 'opencd'):
        cfg.test_evaluator['output_dir'] = paths.resolve(out)
        cfg.test_evaluator['keep_results'] = True
    if cfg.test_evaluator.get('type') == 'CocoMetric':  # what was found, for make browse; the toolbox adds .bbox.json
        cfg.test_evaluator['outfile_prefix'] = os.path.join(cfg.work_dir, 'detections')
    folder = cfg.test_evaluator.get('output_dir')
    if folder and os.environ['RANK'] == '0':  # the others may come when the first has begun to write
        ownership.check(folder, 'test', '--out')
    if not out or cfg.default_scope in ('mmseg', 'opencd'):
        return
    if not out.endswith(('.pkl', '.pickle')):
        raise MTPError(f'--out {out}: the name of a .pkl file is expected', hint=f'--out {out}.pkl')


@contextlib.contextmanager
def held(cfg: Config) -> Iterator[None]:
    """Hold what a test of whole images writes to; predictions that one before it has left are made anew."""
    leads, folder = os.environ['RANK'] == '0', cfg.test_evaluator.get('output_dir')
    with locks.hold(os.path.join(cfg.work_dir, '.test'), 'test', leads), contextlib.ExitStack() as stack:
        if folder and leads:
            stack.enter_context(locks.hold(folder, 'test'))
            ownership.claim(folder, 'test', ['*.png'])
            ownership.clear(folder)
        yield


def scenes(runner: MTPRunner) -> None:
    """Let a test of classification write what it says of each image, beside its passport."""
    if runner.cfg.default_scope == 'mmpretrain':
        from mtp.adapters.mmrotate1.scene_table import SceneTable
        runner.add_metric(SceneTable(os.path.join(runner.cfg.work_dir, scene_table.NAME)))


def dump(runner: MTPRunner, out: Optional[str]) -> None:
    """Let the runner dump the predictions to ``out``."""
    if not out or runner.cfg.default_scope in ('mmseg', 'opencd'):
        return
    from mmengine.evaluator import DumpResults
    runner.add_metric(DumpResults(paths.resolve(out)))
