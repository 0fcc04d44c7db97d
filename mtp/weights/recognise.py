"""Which published file is this? Told by its hash, else by the names and shapes of its tensors, whatever it is
called.
"""
import os
import re
import shlex
from typing import Any, Dict, List, Tuple

from mtp.checkpoints import Checkpoint, load
from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.files import sha256
from mtp.launch import configs
from mtp.terminal import shown
from mtp.weights import manifest
from mtp.weights.manifest import Entry

# A tensor of the backbone (bare name) and its rows: which network it is.
NETWORKS = {
    'rvsa-b': {'patch_embed.proj.weight': 768, 'blocks.11.mlp.fc2.weight': 768},
    'rvsa-l': {'patch_embed.proj.weight': 1024, 'blocks.23.mlp.fc2.weight': 1024},
    'intern-xl': {'levels.0.blocks.0.gamma1': 192, 'levels.3.blocks.4.gamma1': 1536},
}
# A tensor of the head and its rows, from the number of classes: which task and data set. By type of the data set's
# task.
HEADS = {
    'classification': lambda classes: {'head.fc.weight': classes},
    'horizontal detection': lambda classes: {'roi_head.bbox_head.fc_cls.weight': classes + 1,
                                             'rpn_head.rpn_reg.weight': 12},
    'rotated detection': lambda classes: {'roi_head.bbox_head.fc_cls.weight': classes + 1,
                                          'rpn_head.rpn_reg.weight': 18},
    'segmentation': lambda classes: {'decode_head.conv_seg.weight': classes, 'decode_head.bottleneck.conv.weight': 512},
    'change detection': lambda classes: {'decode_head.conv_seg.weight': classes,
                                         'decode_head.blocks.0.conv1.0.weight': 512},
}
SINGLE_STAGE = {'xview': lambda classes: {'bbox_head.retina_cls.weight': 9 * classes}}
PREFIXES = {'mtp_model': 'encoder.', 'openmmlab2': 'backbone.', 'openmmlab1': 'backbone.'}
# What a data set is called in a checkpoint's own description, or in the name of a folder.
WORDS = {'cdd': ('svcd', 'cdd'), 'diorr': ('diorr', 'dior-r'), 'spacenetv1': ('spacenet',),
         'resisc45': ('resisc', 'nwpu')}


def probes(entry: Entry) -> Dict[str, int]:
    """Names of tensors in the file and how many rows each has there."""
    prefix = PREFIXES.get(entry.layout, '')
    found = {prefix + name: rows for name, rows in NETWORKS[entry.backbone].items()}
    if entry.config:
        dataset = catalogue.get(configs.dataset_and_stem(entry.config)[0])
        found.update(SINGLE_STAGE.get(dataset.name, HEADS[entry.task])(len(dataset.classes)))
    return found


def candidates(checkpoint: Checkpoint) -> List[Entry]:
    """The published files that ``checkpoint`` may be, by layout and tensors."""
    state = checkpoint.state_dict
    return [entry for entry in manifest.entries().values() if entry.layout == checkpoint.layout and all(
        name in state and state[name].dim() and state[name].shape[0] == rows for name, rows in probes(entry).items())]


def recognise(path: str, told: str = '') -> Tuple[Entry, str, str]:
    """The published file that lies at ``path``.

    Args:
        told: name of an entry or a config that the user says it belongs to.

    Returns:
        tuple: the entry, the SHA-256, and what told it: 'hash', 'content', 'description' (of the training), 'name' or
        'user'.

    Raises:
        MTPError: it is none, it may be several, or not the one that the user says.
    """
    digest = sha256(path)
    for entry in manifest.entries().values():
        if entry.sha256 == digest:
            return entry, digest, 'hash'
    checkpoint = load(path)
    fitting = candidates(checkpoint)
    if not fitting:
        raise MTPError('{} is none of the published files: layout {}, {}'.format(
            path, checkpoint.layout, _described(checkpoint)), hint='python -m mtp.checkpoints inspect ' + path)
    fitting = [entry for entry in fitting if not entry.sha256] or fitting  # a known hash is not this one's
    if told:
        return _told(path, told, fitting), digest, 'user'
    entry, how = _choose(path, checkpoint, fitting)
    if entry.sha256 and entry.sha256 != digest:
        raise MTPError('{} has the tensors of {}, but its sha256 is {}, published is {}'.format(
            path, entry.name, digest, entry.sha256), hint='fetch it again: make weights GET=' + entry.name)
    return entry, digest, how


def _described(checkpoint: Checkpoint) -> str:
    """Its first tensors, as far as they tell what it is."""
    state = checkpoint.state_dict
    telling = [name for name in state if re.search(r'patch_embed|cls|head', name)][:3] or list(state)[:3]
    return 'with ' + ', '.join(f'{shown(name)} {tuple(state[name].shape)}' for name in telling)


def _told(path: str, told: str, fitting: List[Entry]) -> Entry:
    stem = configs.dataset_and_stem(told)[1]
    for entry in fitting:
        if stem in (entry.name, entry.name[:-len('.pth')]):
            return entry
    raise MTPError(f'{path} is not {told}: its tensors are those of {_names(fitting)}',
                   hint=f'make weights IMPORT={shlex.quote(path)}')


def _choose(path: str, checkpoint: Checkpoint, fitting: List[Entry]) -> Tuple[Entry, str]:
    if len(fitting) == 1:
        return fitting[0], 'content'
    texts = (('description', ' '.join(_texts(checkpoint.meta))), ('name', os.path.abspath(path)))
    for how, text in texts:
        named = [entry for entry in fitting if _names_dataset(text.lower(), entry)]
        if len(named) == 1:
            return named[0], how
    raise MTPError('{} may be {}: they have the same tensors, and neither its description nor its name tells'.format(
        path, _names(fitting)), hint='make weights IMPORT={} CONFIG={}'.format(
            shlex.quote(path), fitting[0].config or fitting[0].name))


def _names_dataset(text: str, entry: Entry) -> bool:
    if not entry.config:
        return entry.name[:-len('.pth')].lower() in text
    dataset = configs.dataset_and_stem(entry.config)[0]
    return any(word in text for word in WORDS.get(dataset, (dataset,)))


def _texts(value: Any, depth: int = 3) -> List[str]:
    """Texts in a checkpoint's description: its config, the classes, the name of the experiment."""
    if isinstance(value, str):
        return [value[:100000]]
    if depth and isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item, depth - 1)]
    return []


def _names(found: List[Entry]) -> str:
    return ' or '.join(entry.name for entry in found)
