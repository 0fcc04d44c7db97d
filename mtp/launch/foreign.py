"""A passport is a stranger's file: which settings of it a replay takes over. Standard library only, Python >= 3.6.

A recorded command line is taken when each word is on a list: a config of this checkout, flags by their whole name,
plain numbers and words, settings of a config below known names, and files below the three roots. What could name other
code or reach another place (another config, ``custom_imports``, types, addresses, absolute paths) is refused by name.
"""
import re
from typing import Any, Dict, Mapping, Sequence, Union

from mtp.errors import MTPError
from mtp.launch import passports
from mtp.terminal import shown

# Flag -> how many words follow: 0, 1, '?' (none or one), '+' (one or more), 'options' (key=value words).
_Follow = Dict[str, Union[int, str]]
_TOOLS: _Follow = {'--work-dir': 1, '--cfg-options': 'options', '--rehearse': 0, '--launcher': 1, '--local_rank': 1,
                   '--local-rank': 1, '--amp': 0}
FLAGS: Dict[str, _Follow] = {
    'finetune': dict(_TOOLS, **{'--resume': '?', '--auto-resume': 0, '--resume-from': 1, '--no-validate': 0,
                                '--seed': 1, '--auto-scale-lr': 0}),
    'test': dict(_TOOLS, **{'--out': 1, '--show-dir': 1, '--show-score-thr': 1, '--wait-time': 1, '--tta': 0,
                            '--format-only': 0, '--eval': '+', '--eval-options': 'options', '--images': 1, '--cut': '?',
                            '--batch-size': 1, '--workers': 1, '--iou-thr': 1, '--rule': 1}),
    'pretrain': dict({'--tasks': '+', '--datasets': '+'}, **dict.fromkeys((
        '--backbone --start_epoch --start_iter --end_iter --batch_size --batch_size_val --workers --batch_mode --lr '
        '--weight_decay --distributed --world_size --local_rank --local-rank --ft --resume --save_path --ignore_label '
        '--interval --init_backbone --port --image_size --background --use_ckpt --mixed_precision --recipe --seed '
        '--partial --device --log_interval --augment --amp_dtype --val_interval --on_bad_sample '
        '--on-bad-sample').split(), 1)),
}
POSITIONAL = {'finetune': 1, 'test': 2, 'pretrain': 0}
# First names of settings that say how long, how fast, on what and from which weights; no code is chosen by them.
KEYS = ('auto_scale_lr', 'checkpoint_config', 'data', 'data_preprocessor', 'data_root', 'default_hooks', 'env_cfg',
        'evaluation', 'find_unused_parameters', 'gpu_ids', 'load_from', 'log_config', 'log_level', 'log_processor',
        'lr_config', 'model', 'optim_wrapper', 'optimizer', 'optimizer_config', 'param_scheduler', 'randomness',
        'recipe', 'load_partial', 'resume', 'runner', 'seed', 'test_cfg', 'test_dataloader', 'test_evaluator', 'tiling',
        'train_cfg',
        'train_dataloader', 'val_cfg', 'val_dataloader', 'val_evaluator', 'work_dir', 'workflow', 'submission_dir',
        'images', 'nproc', 'iou_thr', 'score_thr', 'nms_pre', 'merge')
# Parts of a name that choose code, weights by another way, or where files are read from.
_REFUSED_PARTS = ('type', 'imports', 'custom_imports', 'custom_hooks', 'init_cfg', 'backend_args', 'file_client_args',
                  'vis_backends', 'visualizer', 'constructor', 'pipeline', 'transforms', 'collate_fn', '_scope_',
                  '_delete_', 'dist_cfg', 'init_method')
_KEY = re.compile(r'[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*')
_VALUE = re.compile(r'''[A-Za-z0-9_.,+\-=/ ()\[\]'"]*''')
_CONFIG = re.compile(r'(configs/)?([A-Za-z0-9_][A-Za-z0-9_.+-]*/)*[A-Za-z0-9_][A-Za-z0-9_.+-]*')
_ROOTS = ('data/', 'weights/', 'work_dirs/')


def check(kind: str, words: Sequence[str], new: str, approved: str = '') -> None:
    """Refuse the command line of a stranger's passport when a word of it is not on the lists.

    Args:
        kind: 'pretrain', 'finetune' or 'test'.
        words: after the script, with short paths (see :func:`mtp.launch.replay.script_words`).
        new: where the results go; the user's own choice, so it may be anywhere.
        approved: a config that the user has named: it may lie anywhere too.

    Raises:
        MTPError: the word, and why.
    """
    flags, position, places = FLAGS[kind], 0, 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith('-'):
            places += 1
            if places > POSITIONAL[kind]:
                raise refused(word, 'it belongs to no flag')
            if places == 1:
                _config(word, approved)
            else:
                _value(word, word, new)
            continue
        flag, equals, value = word.partition('=')
        if flag not in flags:
            raise refused(flag, 'no flag that a replay takes over')
        given = [value] if equals else _following(words, position, flags[flag])
        position += 0 if equals else len(given)
        for item in given:
            if flags[flag] == 'options':
                _option(item, new)
            else:
                _value(f'{flag} {item}', item, new)


def refused(what: str, why: str) -> MTPError:
    """The :class:`MTPError` that names a setting and why it is not taken."""
    return MTPError('the passport asks for {}: {}. A passport can come from anybody, so a replay runs what is on a '
                    'list only'.format(shown(what), why),
                    hint='read its "command"; when you trust it, type that command yourself')


def _following(words: Sequence[str], position: int, count: Union[int, str]) -> Sequence[str]:
    """The words after a flag that belong to it."""
    rest = words[position:]
    stop = next((number for number, word in enumerate(rest) if word.startswith('--')), len(rest))
    if isinstance(count, int):
        return rest[:count]
    return rest[:min(stop, 1)] if count == '?' else rest[:stop]


def _config(word: str, approved: str) -> None:
    if approved and word == approved:
        return
    if not _CONFIG.fullmatch(word) or '..' in word.split('/') or '/' in word and not word.startswith('configs/'):
        raise refused(word, 'a config is Python and runs, and this one is none of configs/')


def _option(word: str, new: str) -> None:
    key, equals, value = word.partition('=')
    if not equals or not _KEY.fullmatch(key):
        raise refused(word, 'no setting of the form key=value')
    parts = key.split('.')
    if parts[0] not in KEYS:
        raise refused(key, 'no setting that a replay takes over')
    wrong = [part for part in parts if part in _REFUSED_PARTS]
    if wrong:
        raise refused(key, f'{wrong[0]!r} chooses code or another source')
    _value(word, value, new)


def _value(whole: str, value: str, new: str) -> None:
    """A plain literal; every path in it lies below the roots."""
    if value == new or value.startswith(new + '/') and '..' not in value.split('/'):
        return
    if '://' in value or value.startswith('file:'):
        raise refused(whole, 'it is an address')
    if not _VALUE.fullmatch(value):
        raise refused(whole, 'it is no plain number, word or list of them')
    for item in re.split(r'''[,()\[\]'" =]+''', value):
        if '..' in item.split('/'):
            raise refused(whole, 'its path leads out of the roots')
        if '/' in item and not item.startswith(_ROOTS):
            raise refused(whole, 'its path lies outside of data, weights and work_dirs')


def facts(content: Mapping[str, Any], path: str) -> None:
    """Refuse a passport whose parts, as far as a replay reads them, are of another kind.

    Raises:
        MTPError: names the part.
    """
    def has(value: object, kind: type) -> bool:
        return isinstance(value, kind) and not (kind is int and isinstance(value, bool))

    content = dict(dict.fromkeys(passports.KEYS), **content)
    environment, hardware, roots = content['environment'], content['hardware'], content['roots']
    wanted = [
        ('kind', has(content['kind'], str)), ('status', has(content['status'], str)),
        ('command', has(content['command'], list) and all(has(word, str) for word in content['command'])),
        ('folder', has(content['folder'], str) and content['folder'] != ''),
        ('processes', has(content['processes'], int) and 0 < content['processes'] <= 65536),
        ('roots', has(roots, dict) and all(has(item, str) for item in roots.values())
         and all(kind in roots for kind in ('data', 'weights', 'work_dirs', 'code'))),
        ('hardware', has(hardware, dict) and (hardware.get('threads') is None or has(hardware['threads'], int))),
        ('environment', has(environment, dict) and (environment.get('name') is None or has(environment['name'], str))
         and 'ledger' in environment and has(environment.get('versions'), dict)
         and has(environment.get('image'), dict) and {'runtime', 'name', 'digest'} <= set(environment['image'])),
        ('code', has(content['code'], dict) and has(content['code'].get('sha256', ''), str)),
        ('data', has(content['data'], dict)), ('metrics', content['metrics'] is None or has(content['metrics'], dict)),
    ]
    wrong = [name for name, good in wanted if not good]
    if wrong:
        raise MTPError('{} is no passport of a run: its {} is of another kind'.format(path, ', '.join(wrong)),
                       hint=passports.where())
