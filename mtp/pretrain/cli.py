"""``python main_pretrain.py``: from the command line to a finished run."""
import argparse
import os
from typing import Any, Callable, Dict, Optional, Sequence

import cv2
import torch
from torch import nn

from mtp import locks, terminal
from mtp.checkpoints import Checkpoint
from mtp.errors import CONTINUE, FAILED, OK, MTPError, run_main
from mtp.paths import resolve
from mtp.report import identity
from mtp.report.passport import Passport, fingerprint, manifest

from . import recipe as recipes
from .data import annotation_cache, annotations, loader
from .engine import checkpoints, communicator, devices, options, runner, summary, validator
from .engine.stop import STOP
from .model import backbones
from .model.model import PretrainModel

#: Says a line to the user, or keeps it.
Log = Callable[[str], None]

HALF = {None: None, 'fp16': torch.float16, 'bf16': torch.bfloat16}


def main(words: Optional[Sequence[str]] = None) -> int:
    """Run or continue pretraining. Returns the exit code: 0 complete, 75 start the same command again."""
    chosen = options.parse(words)
    runner.find_hooks(chosen)
    for name in chosen.datasets:  # everything that can be missing is looked for before anything is built
        annotations.check_folders(name)
        if chosen.val_interval:
            annotations.check_folders(name, 'valid', '--val_interval 0 trains without validation')
    weights = backbones.initial_weights(chosen.backbone, chosen.init_backbone)
    _check_folder(chosen.save_path)
    STOP.listen()
    comm = communicator.join(chosen)
    try:
        with locks.hold(chosen.save_path, 'pretrain', comm.is_main):
            code = _run(chosen, comm, weights)
    except Exception as error:
        told = comm.fail(error)
        if told is error:
            raise
        raise told from error
    comm.close()
    return code


def _run(chosen: argparse.Namespace, comm: communicator.Communicator, weights: Optional[str]) -> int:
    log = terminal.say if comm.is_main else (lambda text: None)
    if comm.any(bool(STOP.asked)):  # while all this was imported, or the processes met
        log('stopped before the first step; start the same command again to continue')
        return CONTINUE
    settings = options.identity(chosen, comm.world, devices.half(chosen, comm.device))
    checkpoint = _checkpoint(chosen, settings, log)
    if checkpoint is not None and _complete(chosen, comm, checkpoint):
        log(f'{checkpoint.path}: all {chosen.end_iter} steps are done')
        if comm.is_main and not os.path.exists(os.path.join(chosen.save_path, summary.PAGE)):
            _report(chosen, log)  # killed between the last step and the page
        return OK
    recipe = recipes.get(chosen.recipe)
    cv2.setNumThreads(0)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    sources = {name: _read(name, chosen, recipe, comm, log) for name in chosen.datasets}
    passport = _passport(chosen, comm, recipe, sources, checkpoint) if comm.is_main else None
    model = _model(chosen, comm, recipe, weights, checkpoint, log)
    counts = {name: len(item) for name, item in sources.items()}
    sizes = loader.batch_sizes(chosen.batch_size, counts, chosen.batch_mode)
    dataset = loader.StepDataset(sources, sizes, chosen.image_size, recipe, chosen.seed, comm.rank, comm.world,
                                 chosen.on_bad_sample == 'skip', chosen.augment)
    done = int(checkpoint.meta.get('iteration', 0)) if checkpoint else chosen.start_iter
    log('{} on {}: steps {} to {}, {} process(es) x {} images of {} pixels'.format(
        chosen.backbone, comm.device, done + 1, chosen.end_iter, comm.world, sum(sizes.values()), chosen.image_size))
    validator = _validator(chosen, comm, recipe, done, log)
    groups = backbones.parameter_groups(model, chosen.backbone, recipe, chosen.lr, chosen.weight_decay)
    dataloader = loader.build_dataloader(dataset, done, chosen.end_iter, chosen.workers, comm.device.type == 'cuda')
    training = runner.PretrainRunner(model, groups, comm, chosen, dataloader, settings, checkpoint, log, done=done,
                                     epoch=chosen.start_epoch, validator=validator)
    del checkpoint  # the Runner drops it too once it has taken what is in it
    code = _train(training, passport)
    if comm.is_main and code == OK:
        _report(chosen, log)
    return code


def _train(training: runner.PretrainRunner, passport: Optional[Passport]) -> int:
    """Make the steps; the passport says how it ended. Returns the exit code."""
    train_loop = training.train_loop
    try:
        training.train()
    finally:
        if passport:
            failed = train_loop.code == FAILED
            validated = train_loop.validator.records if train_loop.validator else []
            passport.complete({OK: 'complete', FAILED: 'failed'}.get(train_loop.code, 'stopped'),
                              metrics={} if failed else train_loop.outputs, best_validation=validator.best(validated),
                              weights=None if failed else fingerprint(training.bare.state_dict()))
    return train_loop.code


def _report(chosen: argparse.Namespace, log: Log) -> None:
    log('checkpoint {}'.format(os.path.join(chosen.save_path, checkpoints.stem(chosen) + '.pth')))
    log(f'report {summary.write(chosen.save_path, vars(chosen))}')
    for said in filter(None, [summary.skipped(chosen.save_path), identity.standing()]):
        log(said)


def _passport(chosen: argparse.Namespace, comm: communicator.Communicator, recipe: recipes.Recipe,
              sources: Dict[str, annotations.Annotations], checkpoint: Optional[Checkpoint]) -> Passport:
    data = {name: dict(images=len(item), instances=len(item.boxes), rotated=len(item.rboxes), skipped=item.skipped,
                       **manifest(item.files)) for name, item in sources.items()}
    return Passport(os.path.join(chosen.save_path, 'passport.json'), kind='pretrain', config=vars(chosen), data=data,
                    seed=chosen.seed, processes=comm.world, recipe=vars(recipe), device=str(comm.device),
                    continued_from=checkpoint.path if checkpoint else None)


def _complete(chosen: argparse.Namespace, comm: communicator.Communicator, checkpoint: Optional[Checkpoint]) -> bool:
    """Whether nothing is left to do, not even the validation after the last step."""
    if checkpoint is None or checkpoint.meta.get('iteration', 0) < chosen.end_iter:
        return False
    if not chosen.val_interval:
        return True
    return not validator.Validator({}, comm, chosen, chosen.end_iter).missing(chosen.end_iter)


def _validator(chosen: argparse.Namespace, comm: communicator.Communicator, recipe: recipes.Recipe, done: int,
               log: Log) -> Optional[validator.Validator]:
    if not chosen.val_interval:
        return None
    sources = {name: _read(name, chosen, recipe, comm, log, 'valid') for name in chosen.datasets}
    return validator.Validator(sources, comm, chosen, done)


def _checkpoint(chosen: argparse.Namespace, settings: Dict[str, Any], log: Log) -> Optional[Checkpoint]:
    """The checkpoint to continue from, or None."""
    found = None
    if chosen.resume != 'none':
        found = checkpoints.newest(chosen.save_path, log)
        if found is not None:
            checkpoints.check_same_run(found, settings, chosen.save_path)
        elif chosen.resume != 'auto':
            found = checkpoints.load(resolve(chosen.resume))
    if found is not None:
        log('continuing from {} at step {}'.format(found.path, found.meta.get('iteration', 0)))
    return found


def _model(chosen: argparse.Namespace, comm: communicator.Communicator, recipe: recipes.Recipe, weights: Optional[str],
           checkpoint: Optional[Checkpoint], log: Log) -> nn.Module:
    torch.manual_seed(chosen.seed)
    encoder, report = backbones.build(chosen.backbone, chosen.image_size, recipe, chosen.use_ckpt,
                                      None if checkpoint else weights, chosen.partial)
    if report:
        log(str(report))
    norm = 'SyncBN' if comm.device.type == 'cuda' and comm.world > 1 else 'SingleValueBN'
    return PretrainModel(encoder, chosen.tasks, chosen.datasets, recipe, backbones.size(chosen.backbone),
                         chosen.background, norm, HALF[devices.half(chosen, comm.device)]).to(comm.device).train()


def _read(name: str, chosen: argparse.Namespace, recipe: recipes.Recipe, comm: communicator.Communicator, log: Log,
          split: str = 'train') -> annotations.Annotations:
    cache = os.path.join(chosen.save_path, 'annotations')
    found = annotation_cache.read(cache, name, split, recipe.drop_degenerate, comm)
    left_out = ', '.join(f'{count} {reason}' for reason, count in found.skipped.items() if count)
    log('{} {}: {} images, {} instances, {} rotated boxes{}'.format(
        name, split, len(found), len(found.boxes), len(found.rboxes), '; left out: ' + left_out if left_out else ''))
    return found


def _check_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError as error:
        raise MTPError(f'--save_path {folder}: {error.strerror}') from None
    if not writable:
        raise MTPError(f'--save_path {folder} cannot be written to')


if __name__ == '__main__':
    run_main(main)
