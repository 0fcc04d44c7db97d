"""``python main_pretrain.py``: from the command line to a finished run."""
import os

import cv2
import torch

from mtp.errors import CONTINUE, FAILED, OK, MTPError, run_main
from mtp.paths import resolve
from mtp.report.passport import Passport, fingerprint, manifest

from . import annotations, backbones, devices, options, runner, shelf, snapshots, summary, verdicts
from . import feed as feeds
from . import recipe as recipes
from .model import PretrainModel
from .stop import STOP

HALF = {None: None, 'fp16': torch.float16, 'bf16': torch.bfloat16}


def main(words=None):
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
    team = devices.join(chosen)
    try:
        code = _run(chosen, team, weights)
    except Exception as error:
        told = team.fail(error)
        if told is error:
            raise
        raise told from error
    team.close()
    return code


def _run(chosen, team, weights):
    say = _say if team.leads else (lambda text: None)
    if team.any(bool(STOP.asked)):  # while all this was imported, or the processes met
        say('stopped before the first step; start the same command again to continue')
        return CONTINUE
    settings = options.identity(chosen, team.world, devices.half(chosen, team.device))
    checkpoint = _checkpoint(chosen, settings, say)
    if _complete(chosen, team, checkpoint):
        say('{}: all {} steps are done'.format(checkpoint.path, chosen.end_iter))
        if team.leads and not os.path.exists(os.path.join(chosen.save_path, summary.PAGE)):
            _report(chosen, say)  # killed between the last step and the page
        return OK
    recipe = recipes.get(chosen.recipe)
    cv2.setNumThreads(0)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    sources = {name: _read(name, chosen, recipe, team, say) for name in chosen.datasets}
    passport = _passport(chosen, team, recipe, sources, checkpoint) if team.leads else None
    model = _model(chosen, team, recipe, weights, checkpoint, say)
    sizes = feeds.batch_sizes(chosen.batch_size, {name: len(item) for name, item in sources.items()}, chosen.batch_mode)
    feed = feeds.StepFeed(sources, sizes, chosen.image_size, recipe, chosen.seed, team.rank, team.world,
                          chosen.on_bad_sample == 'skip', chosen.augment)
    done = int(checkpoint.meta.get('iteration', 0)) if checkpoint else chosen.start_iter
    say('{} on {}: steps {} to {}, {} process(es) x {} images of {} pixels'.format(
        chosen.backbone, team.device, done + 1, chosen.end_iter, team.world, sum(sizes.values()), chosen.image_size))
    validator = _validator(chosen, team, recipe, done, say)
    groups = backbones.parameter_groups(model, chosen.backbone, recipe, chosen.lr, chosen.weight_decay)
    loader = feeds.loader(feed, done, chosen.end_iter, chosen.workers, team.device.type == 'cuda')
    training = runner.PretrainRunner(model, groups, team, chosen, loader, settings, checkpoint, say, done=done,
                                     epoch=chosen.start_epoch, validator=validator)
    del checkpoint  # the Runner drops it too once it has taken what is in it
    code = _train(training, passport)
    if team.leads and code == OK:
        _report(chosen, say)
    return code


def _train(training, passport):
    """Make the steps; the passport says how it ended. Returns the exit code."""
    course = training.train_loop
    try:
        training.train()
    finally:
        if passport:
            failed = course.code == FAILED
            passport.complete({OK: 'complete', FAILED: 'failed'}.get(course.code, 'stopped'),
                              metrics={} if failed else course.outputs,
                              best_validation=verdicts.best(course.validator.records) if course.validator else None,
                              weights=None if failed else fingerprint(training.bare.state_dict()))
    return course.code


def _report(chosen, say):
    say('checkpoint {}'.format(os.path.join(chosen.save_path, snapshots.stem(chosen) + '.pth')))
    say('report {}'.format(summary.write(chosen.save_path)))
    skipped = summary.skipped(chosen.save_path)
    if skipped:
        say(skipped)


def _passport(chosen, team, recipe, sources, checkpoint):
    data = {name: dict(images=len(item), instances=len(item.boxes), rotated=len(item.rboxes), skipped=item.skipped,
                       **manifest(item.files)) for name, item in sources.items()}
    return Passport(os.path.join(chosen.save_path, 'passport.json'), kind='pretrain', config=vars(chosen), data=data,
                    seed=chosen.seed, processes=team.world, recipe=vars(recipe), device=str(team.device),
                    continued_from=checkpoint.path if checkpoint else None)


def _complete(chosen, team, checkpoint):
    """Whether nothing is left to do, not even the validation after the last step."""
    if checkpoint is None or checkpoint.meta.get('iteration', 0) < chosen.end_iter:
        return False
    return not chosen.val_interval or not verdicts.Validator({}, team, chosen, chosen.end_iter).missing(chosen.end_iter)


def _validator(chosen, team, recipe, done, say):
    if not chosen.val_interval:
        return None
    sources = {name: _read(name, chosen, recipe, team, say, 'valid') for name in chosen.datasets}
    return verdicts.Validator(sources, team, chosen, done)


def _checkpoint(chosen, settings, say):
    """The checkpoint to continue from, or None."""
    found = None
    if chosen.resume != 'none':
        found = snapshots.newest(chosen.save_path, say)
        if found is not None:
            snapshots.check_same_run(found, settings, chosen.save_path)
        elif chosen.resume != 'auto':
            found = snapshots.load(resolve(chosen.resume))
    if found is not None:
        say('continuing from {} at step {}'.format(found.path, found.meta.get('iteration', 0)))
    return found


def _model(chosen, team, recipe, weights, checkpoint, say):
    torch.manual_seed(chosen.seed)
    encoder, report = backbones.build(chosen.backbone, chosen.image_size, recipe, chosen.use_ckpt,
                                      None if checkpoint else weights)
    if report:
        say(str(report))
    norm = 'SyncBN' if team.device.type == 'cuda' and team.world > 1 else 'SingleValueBN'
    return PretrainModel(encoder, chosen.tasks, chosen.datasets, recipe, backbones.BACKBONES[chosen.backbone].size,
                         chosen.background, norm, HALF[devices.half(chosen, team.device)]).to(team.device).train()


def _read(name, chosen, recipe, team, say, split='train'):
    found = shelf.read(os.path.join(chosen.save_path, 'annotations'), name, split, recipe.drop_degenerate, team)
    left_out = ', '.join('{} {}'.format(count, reason) for reason, count in found.skipped.items() if count)
    say('{} {}: {} images, {} instances, {} rotated boxes{}'.format(
        name, split, len(found), len(found.boxes), len(found.rboxes), '; left out: ' + left_out if left_out else ''))
    return found


def _check_folder(folder):
    try:
        os.makedirs(folder, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError as error:
        raise MTPError('--save_path {}: {}'.format(folder, error.strerror)) from None
    if not writable:
        raise MTPError('--save_path {} cannot be written to'.format(folder))


def _say(text):
    print(text, flush=True)


if __name__ == '__main__':
    run_main(main)
