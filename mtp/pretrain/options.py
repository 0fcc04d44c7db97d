"""The command line of pretraining: every published flag (spec 5), and ours beside."""
import argparse
import json
import os

from mtp.errors import MTPError
from mtp.paths import resolve

from . import tasks
from .backbones import BACKBONES
from .recipe import RECIPES

# What decides the numbers of a run. A checkpoint continues only a run that agrees in all of these.
IDENTITY = ('backbone', 'tasks', 'datasets', 'batch_size', 'batch_mode', 'image_size', 'end_iter', 'lr', 'weight_decay',
            'recipe', 'seed', 'background', 'init_backbone', 'mixed_precision', 'on_bad_sample', 'augment')


def truth(text):
    """``True`` and ``False`` as the published command lines write them."""
    if text.lower() in ('true', '1', 'yes'):
        return True
    if text.lower() in ('false', '0', 'no'):
        return False
    raise argparse.ArgumentTypeError('True or False is expected, not {!r}'.format(text))


def as_json(text):
    """What a flag says whose value is JSON."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError('JSON is expected, not {!r}: {}'.format(text, error))


def parser():
    """The argument parser; ``--help`` is the reference of the flags."""
    made = argparse.ArgumentParser(prog='main_pretrain.py',
                                   description='Multi-task pretraining (MTP, arXiv 2403.13430).')
    add = made.add_argument
    published = made.add_argument_group('published flags')
    flag = published.add_argument
    flag('--backbone', choices=sorted(BACKBONES), help='encoder; vit_t_rvsa is a reduced one for demonstrations')
    flag('--datasets', nargs='+', choices=tasks.DATASETS, default=list(tasks.DATASETS), help='train on these only')
    flag('--tasks', nargs='+', choices=tasks.TASKS, default=list(tasks.TASKS), help='train these only')
    flag('--start_epoch', type=int, default=0, help='first epoch number in the log, for a run without a checkpoint')
    flag('--start_iter', type=int, default=0, help='steps counted as done, for a run without a checkpoint')
    flag('--end_iter', type=int, default=5, help='number of steps of the whole run')
    flag('--batch_size', type=int, default=8, help='images a step of one process, all data sets together')
    flag('--batch_size_val', type=int, default=8, help='images at a time of one process while it validates')
    flag('--workers', type=int, default=0, help='loader processes of one process; results do not depend on it')
    flag('--batch_mode', choices=('ratio', 'avg'), default='avg', help='share the batch equally or by data set size')
    flag('--lr', type=float, help='learning rate (default: 6e-5 for ViT, 2e-5 for InternImage, as published)')
    flag('--weight_decay', type=float, default=0.05)
    flag('--distributed', type=truth, default=True, help='False: one process, whatever the environment says')
    flag('--world_size', type=int, default=1, help='accepted; the launcher says how many processes there are')
    flag('--local_rank', '--local-rank', type=int, default=0, help='accepted; the environment says it')
    flag('--ft', type=truth, default=False, help='True: continue from the file of --resume')
    flag('--resume', default='auto', help='file to continue from; auto: the newest in --save_path; none: start anew')
    flag('--save_path', help='folder for checkpoints, log and passport')
    flag('--ignore_label', type=int, default=255, help='must be 255, the value in the label files')
    flag('--interval', type=int, default=2000, help='steps between two checkpoints, and two validations')
    flag('--init_backbone', choices=('imp', 'rsp', 'none', 'mae', 'beit'), help='starting weights of the encoder')
    flag('--port', help='port for the processes to meet, where the launcher does not set one')
    flag('--image_size', type=int, help='side of the training images in pixels, a multiple of 32')
    flag('--background', type=truth, default=True, help='False: unlabelled pixels are ignored instead of a class')
    flag('--use_ckpt', type=truth, default=False, help='recompute activations of the encoder to save memory')
    flag('--mixed_precision', type=truth, default=False, help='half precision in the encoder')
    add('--config', help='JSON file with values for these flags; the command line wins')
    add('--recipe', choices=sorted(RECIPES), default='paper', help='what the paper describes, or the released code')
    add('--seed', type=int, default=2023)
    add('--device', choices=('auto', 'cpu', 'cuda'), default='auto')
    add('--log_interval', type=int,
        help='steps between two lines of log.jsonl (default: 500 lines a run, at most 50 steps)')
    add('--augment', type=truth, default=True,
        help='False: whole images, undistorted (to see whether a set-up can learn)')
    add('--amp_dtype', choices=('auto', 'fp16', 'bf16'), default='auto',
        help='number format of --mixed_precision; auto: fp16 with loss scaling on CUDA, bf16 on the CPU')
    add('--val_interval', type=int, help='steps between two validations (default: --interval); 0: never validate')
    add('--on_bad_sample', '--on-bad-sample', choices=('error', 'skip'), default='error',
        help='a damaged file stops the run, or is replaced by another and counted')
    add('--custom_hooks', type=as_json, default=[], metavar='JSON',
        help='list of hooks for mmengine\'s Runner, as [{"type": "EMAHook"}]')
    add('--custom_imports', type=as_json, default={}, metavar='JSON',
        help='modules that register hooks, as {"imports": ["my_hooks"]}: beside the file of --config, or on PYTHONPATH')
    return made


def parse(words=None):
    """Checked options of the command line ``words``.

    Raises:
        MTPError: a value that cannot work. argparse itself exits on an unknown flag or choice.
    """
    made = parser()
    config = made.parse_known_args(words)[0].config
    if config:
        made.set_defaults(**_read_config(config, made))
    options = made.parse_args(words)
    _check(options)
    options.tasks = list(tasks.in_order(options.tasks, tasks.TASKS))
    options.datasets = list(tasks.in_order(options.datasets, tasks.DATASETS))
    options.save_path = resolve(options.save_path)
    options.lr = BACKBONES[options.backbone].lr if options.lr is None else options.lr
    options.val_interval = options.interval if options.val_interval is None else options.val_interval
    if options.log_interval is None:
        options.log_interval = min(max(options.end_iter // 500, 1), 50)
    return options


def _read_config(path, made):
    try:
        with open(path, encoding='utf-8') as stream:
            values = json.load(stream)
    except (OSError, ValueError) as error:
        raise MTPError('cannot read the configuration {}: {}'.format(path, error)) from None
    known = {action.dest: action for action in made._actions}
    if not isinstance(values, dict):
        raise MTPError('{}: an object of flag: value is expected'.format(path))
    for name, value in values.items():
        if name not in known or name in ('config', 'help'):
            raise MTPError('{}: {!r} is no flag of pretraining'.format(path, name),
                           hint='python main_pretrain.py --help')
        choices = known[name].choices
        if choices and any(item not in choices for item in (value if isinstance(value, list) else [value])):
            raise MTPError('{}: {}: {!r} is none of {}'.format(path, name, value, ', '.join(map(str, choices))))
    return values


def _check(options):
    for name in ('backbone', 'save_path', 'image_size', 'init_backbone'):
        if getattr(options, name) is None:
            raise MTPError('--{} is missing'.format(name), hint='python main_pretrain.py --help')
    if options.image_size < 64 or options.image_size % 32:
        raise MTPError('--image_size {} is not a multiple of 32 from 64 on'.format(options.image_size),
                       hint='--image_size {}'.format(max(round(options.image_size / 32), 2) * 32))
    for name in ('end_iter', 'batch_size', 'batch_size_val', 'interval'):
        if getattr(options, name) < 1:
            raise MTPError('--{} is {}; at least 1 is needed'.format(name, getattr(options, name)))
    for name in ('workers', 'seed', 'start_iter', 'start_epoch'):
        if getattr(options, name) < 0:
            raise MTPError('--{} is {}; it cannot be negative'.format(name, getattr(options, name)))
    if options.val_interval is not None and options.val_interval < 0:
        raise MTPError('--val_interval is {}; it cannot be negative'.format(options.val_interval),
                       hint='--val_interval 0')
    if options.batch_size < len(set(options.datasets)):
        raise MTPError('--batch_size {} is smaller than the number of data sets ({}: {})'.format(
            options.batch_size, len(set(options.datasets)), ' '.join(options.datasets)),
            hint='--batch_size {}'.format(len(set(options.datasets))))
    if options.ignore_label != 255:
        raise MTPError('--ignore_label {}: the label files use 255'.format(options.ignore_label),
                       hint='--ignore_label 255')
    if options.lr is not None and not 0 < options.lr < 1:
        raise MTPError('--lr {} is not between 0 and 1'.format(options.lr))
    hooks = options.custom_hooks
    if not isinstance(hooks, list) or not all(isinstance(hook, dict) for hook in hooks) or not all(
            isinstance(hook.get('type'), str) for hook in hooks):
        raise MTPError('--custom_hooks {!r} is no list of objects with a type'.format(hooks),
                       hint='--custom_hooks \'[{"type": "EMAHook"}]\'')
    if not isinstance(options.custom_imports, dict):
        raise MTPError('--custom_imports {!r} is no object'.format(options.custom_imports),
                       hint='--custom_imports \'{"imports": ["my_hooks"]}\'')
    if options.ft and (options.resume in ('auto', 'none', '') or not os.path.isfile(resolve(options.resume))):
        raise MTPError('--ft True continues from the file of --resume, and {!r} is no file'.format(options.resume),
                       hint='--resume FILE, or leave --ft out: the newest checkpoint in --save_path is found by itself')


def identity(options, world, half=None):
    """Settings that decide the numbers of a run, as its checkpoints hold them. ``half``: name of the number format."""
    return dict({name: getattr(options, name) for name in IDENTITY}, processes=world, mixed_precision=half or False,
                custom_hooks=options.custom_hooks or None)
