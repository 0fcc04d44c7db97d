"""The command line of pretraining: every published flag (published.md#command-line), and ours beside."""
import argparse
import json
import os
from typing import Any, Dict, Optional, Sequence

from mtp import files, numbers
from mtp.errors import MTPError
from mtp.paths import resolve

from .. import tasks
from ..model.backbones import BACKBONES
from ..recipe import RECIPES

# What decides the numbers of a run. A checkpoint continues only a run that agrees in all of these.
IDENTITY = ('backbone', 'tasks', 'datasets', 'batch_size', 'batch_mode', 'image_size', 'end_iter', 'lr', 'weight_decay',
            'recipe', 'seed', 'background', 'init_backbone', 'mixed_precision', 'on_bad_sample', 'augment')


def truth(text: str) -> bool:
    """``True`` and ``False`` as the published command lines write them."""
    if text.lower() in ('true', '1', 'yes'):
        return True
    if text.lower() in ('false', '0', 'no'):
        return False
    raise argparse.ArgumentTypeError(f'True or False is expected, not {text!r}')


def as_json(text: str) -> Any:
    """What a flag says whose value is JSON."""
    try:
        return files.parse_json(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'JSON is expected, not {text!r}: {error}')


def parser() -> argparse.ArgumentParser:
    """The argument parser; ``--help`` is the reference of the flags."""
    made = argparse.ArgumentParser(prog='main_pretrain.py',
                                   description='Multi-task pretraining (MTP, arXiv 2403.13430).')
    add = made.add_argument
    published = made.add_argument_group('published flags')
    flag = published.add_argument
    flag('--backbone', choices=sorted(BACKBONES), help='encoder; vit_t_rvsa is a reduced one for demonstrations')
    flag('--datasets', nargs='+', choices=tasks.DATASETS, default=list(tasks.DATASETS), help='train on these only')
    flag('--tasks', nargs='+', choices=tasks.TASKS, default=list(tasks.TASKS), help='train these only')
    flag('--start_epoch', type=numbers.not_negative, default=0,
         help='first epoch number in the log, for a run without a checkpoint')
    flag('--start_iter', type=numbers.not_negative, default=0,
         help='steps counted as done, for a run without a checkpoint')
    flag('--end_iter', type=numbers.count, default=5, help='number of steps of the whole run')
    flag('--batch_size', type=numbers.count, default=8, help='images a step of one process, all data sets together')
    flag('--batch_size_val', type=numbers.count, default=8, help='images at a time of one process while it validates')
    flag('--workers', type=numbers.not_negative, default=0,
         help='loader processes of one process; results do not depend on it')
    flag('--batch_mode', choices=('ratio', 'avg'), default='avg', help='share the batch equally or by data set size')
    flag('--lr', type=numbers.rate, help='learning rate (default: 6e-5 for ViT, 2e-5 for InternImage, as published)')
    flag('--weight_decay', type=numbers.share, default=0.05)
    flag('--distributed', type=truth, default=True, help='False: one process, whatever the environment says')
    flag('--world_size', type=numbers.count, default=1, help='accepted; the launcher says how many processes there are')
    flag('--local_rank', '--local-rank', type=numbers.not_negative, default=0, help='accepted; the environment says it')
    flag('--ft', type=truth, default=False, help='True: continue from the file of --resume')
    flag('--resume', default='auto', help='file to continue from; auto: the newest in --save_path; none: start anew')
    flag('--save_path', help='folder for checkpoints, log and passport')
    flag('--ignore_label', type=numbers.not_negative, default=255, help='must be 255, the value in the label files')
    flag('--interval', type=numbers.count, default=2000, help='steps between two checkpoints, and two validations')
    flag('--init_backbone', choices=('imp', 'rsp', 'none', 'mae', 'beit'), help='starting weights of the encoder')
    flag('--port', help='port for the processes to meet, where the launcher does not set one')
    flag('--image_size', type=numbers.count, help='side of the training images in pixels, a multiple of 32')
    flag('--background', type=truth, default=True, help='False: unlabelled pixels are ignored instead of a class')
    flag('--use_ckpt', type=truth, default=False, help='recompute activations of the encoder to save memory')
    flag('--mixed_precision', type=truth, default=False, help='half precision in the encoder')
    add('--config', help='JSON file with values for these flags; the command line wins')
    add('--recipe', choices=sorted(RECIPES), default='paper',
        help='what the paper describes, or what the released code computes in a step (its order of data is not '
             'repeated)')
    add('--seed', type=numbers.seed, default=2023)
    add('--partial', type=truth, default=False, help='True: take starting weights of which little fits the encoder')
    add('--device', choices=('auto', 'cpu', 'cuda'), default='auto')
    add('--log_interval', type=numbers.count,
        help='steps between two lines of log.jsonl (default: 500 lines a run, at most 50 steps)')
    add('--augment', type=truth, default=True,
        help='False: whole images, undistorted (to see whether a set-up can learn)')
    add('--amp_dtype', choices=('auto', 'fp16', 'bf16'), default='auto',
        help='number format of --mixed_precision; auto: fp16 with loss scaling on CUDA, bf16 on the CPU')
    add('--val_interval', type=numbers.not_negative,
        help='steps between two validations (default: --interval); 0: never validate')
    add('--on_bad_sample', '--on-bad-sample', choices=('error', 'skip'), default='error',
        help='a damaged file stops the run, or is replaced by another and counted')
    add('--custom_hooks', type=as_json, default=[], metavar='JSON',
        help='list of hooks for mmengine\'s Runner, as [{"type": "EMAHook"}]')
    add('--custom_imports', type=as_json, default={}, metavar='JSON',
        help='modules that register hooks, as {"imports": ["my_hooks"]}: beside the file of --config, or on PYTHONPATH')
    return made


def parse(words: Optional[Sequence[str]] = None) -> argparse.Namespace:
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


def _read_config(path: str, made: argparse.ArgumentParser) -> Dict[str, Any]:
    try:
        values = files.read_json(path)
    except (OSError, ValueError) as error:
        raise MTPError(f'cannot read the configuration {path}: {error}') from None
    known = {action.dest: action for action in made._actions}
    if not isinstance(values, dict):
        raise MTPError(f'{path}: an object of flag: value is expected')
    for name, value in values.items():
        if name not in known or name in ('config', 'help'):
            raise MTPError(f'{path}: {name!r} is no flag of pretraining',
                           hint='python main_pretrain.py --help')
    try:
        return {name: _of_file(known[name], value) for name, value in values.items()}
    except argparse.ArgumentTypeError as error:
        raise MTPError(f'{path}: {error}', hint='mend that line, and start the same command again') from None


def _of_file(flag: argparse.Action, value: Any) -> Any:
    """What ``flag`` makes of a value in a configuration file, as if it had been typed; null leaves the default."""
    if value is None:
        return flag.default
    several = flag.nargs == '+'
    if several != isinstance(value, list) and flag.type is not as_json:
        raise argparse.ArgumentTypeError('{}: {} is expected, not {!r}'.format(
            flag.dest, 'a list' if several else 'one value', value))
    found = [_typed(flag, item) for item in (value if several else [value])]
    return found if several else found[0]


def _typed(flag: argparse.Action, value: Any) -> Any:
    text = value if isinstance(value, str) and flag.type is not as_json else json.dumps(value)
    if flag.type is None and not isinstance(value, str):
        raise argparse.ArgumentTypeError(f'{flag.dest}: a text is expected, not {value!r}')
    if flag.choices and value not in flag.choices:
        raise argparse.ArgumentTypeError('{}: {!r} is none of {}'.format(
            flag.dest, value, ', '.join(map(str, flag.choices))))
    try:
        return flag.type(text) if callable(flag.type) else text
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f'{flag.dest}: {error}') from None


def _check(options: argparse.Namespace) -> None:
    for name in ('backbone', 'save_path', 'image_size', 'init_backbone'):
        if getattr(options, name) is None:
            raise MTPError(f'--{name} is missing', hint='python main_pretrain.py --help')
    if options.image_size < 64 or options.image_size % 32:
        raise MTPError(f'--image_size {options.image_size} is not a multiple of 32 from 64 on',
                       hint=f'--image_size {max(round(options.image_size / 32), 2) * 32}')
    if options.batch_size < len(set(options.datasets)):
        raise MTPError('--batch_size {} is smaller than the number of data sets ({}: {})'.format(
            options.batch_size, len(set(options.datasets)), ' '.join(options.datasets)),
            hint=f'--batch_size {len(set(options.datasets))}')
    if options.ignore_label != 255:
        raise MTPError(f'--ignore_label {options.ignore_label}: the label files use 255',
                       hint='--ignore_label 255')
    hooks = options.custom_hooks
    if not isinstance(hooks, list) or not all(isinstance(hook, dict) for hook in hooks) or not all(
            isinstance(hook.get('type'), str) for hook in hooks):
        raise MTPError(f'--custom_hooks {hooks!r} is no list of objects with a type',
                       hint='--custom_hooks \'[{"type": "EMAHook"}]\'')
    if not isinstance(options.custom_imports, dict):
        raise MTPError(f'--custom_imports {options.custom_imports!r} is no object',
                       hint='--custom_imports \'{"imports": ["my_hooks"]}\'')
    if options.ft and (options.resume in ('auto', 'none', '') or not os.path.isfile(resolve(options.resume))):
        raise MTPError(f'--ft True continues from the file of --resume, and {options.resume!r} is no file',
                       hint='--resume FILE, or leave --ft out: the newest checkpoint in --save_path is found by itself')


def identity(options: argparse.Namespace, world: int, half: Optional[str] = None) -> Dict[str, Any]:
    """Settings that decide the numbers of a run, as its checkpoints hold them. ``half``: name of the number format."""
    return dict({name: getattr(options, name) for name in IDENTITY}, processes=world, mixed_precision=half or False,
                custom_hooks=options.custom_hooks or None)
