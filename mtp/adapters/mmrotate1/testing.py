"""What the options of ``tools/test.py`` mean to each toolbox: pictures, dumped predictions, augmentation."""
import os

from mmengine import dist

from mtp import paths
from mtp.adapters import submission
from mtp.errors import MTPError


def tiles(cfg, args):
    """A test that ends in a submission: settle where it goes, and pass over tiles that an earlier try has done."""
    settings = cfg.test_evaluator
    plan = submission.plan(
        settings.dataset, cfg.work_dir, out=settings.get('out') or os.path.join(cfg.work_dir, 'submit'),
        images=settings.get('images'), pictures=args.show_dir, threshold=args.show_score_thr)
    mark = submission.fingerprint(
        {'model': cfg.model.to_dict(), 'pipeline': cfg.test_dataloader.dataset.pipeline}, cfg.load_from)
    if cfg.launcher != 'none' and not dist.is_distributed():
        dist.init_dist(cfg.launcher, **cfg.env_cfg.dist_cfg)
    # One rank looks, before any writes: all have to deal out the same tiles.
    done = [sorted(submission.done(plan, mark)) if dist.is_main_process() else None]
    dist.broadcast_object_list(done)
    cfg.test_dataloader.dataset.skip = done[0][1:]  # one is done again: the toolbox cannot test nothing
    cfg.test_evaluator = dict(type='TileSubmission', plan=tuple(plan), mark=mark)


def pictures(cfg, args):
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


def _picture_folder(cfg, hook, folder):
    if cfg.default_scope == 'mmpretrain':
        hook['out_dir'] = folder
    elif cfg.default_scope in ('mmseg', 'opencd'):
        cfg.visualizer['save_dir'] = folder
    else:
        # The hook hangs this below its time-stamped folder; an absolute path stays what it is.
        hook['test_out_dir'] = folder


def augmentation(cfg, wanted):
    """Put the config's test-time augmentation around model and pipeline."""
    if not wanted:
        return
    if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
        raise MTPError('--tta: the config describes no test-time augmentation (tta_model, tta_pipeline)',
                       hint='leave --tta away; no published run uses it')
    cfg.model = dict(cfg.tta_model, module=cfg.model)
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline


def outputs(cfg, out):
    """``--out`` of a segmentation test is a folder of predictions; of the others a pickle."""
    if not out:
        return
    if cfg.default_scope in ('mmseg', 'opencd'):
        cfg.test_evaluator['output_dir'] = paths.resolve(out)
        cfg.test_evaluator['keep_results'] = True
    elif not out.endswith(('.pkl', '.pickle')):
        raise MTPError('--out {}: the name of a .pkl file is expected'.format(out), hint='--out {}.pkl'.format(out))


def dump(runner, out):
    """Let the runner dump the predictions to ``out``."""
    if not out or runner.cfg.default_scope in ('mmseg', 'opencd'):
        return
    from mmengine.evaluator import DumpResults
    runner.test_evaluator.metrics.append(DumpResults(out_file_path=paths.resolve(out)))
