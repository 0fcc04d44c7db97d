"""From the key names of one layout to those of another (published.md#layouts, #decoder-reuse).

Layouts: ``mtp`` (a whole pretraining model), ``encoder`` (its encoder alone, bare names), and the detectors, segmentors
and classifiers of ``mmpretrain``, ``mmdet``, ``mmseg``, ``opencd``, ``mmrotate1`` and ``mmrotate03``.

Everything is decided by prefixes in the tables below. Between the two mmrotate generations the names are the same; so
are the box coders (le90, edge swap, centre deltas along the proposal's axes), so a detector keeps its detections.
"""
from collections import OrderedDict
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from torch import Tensor

from mtp.checkpoints.files import Checkpoint
from mtp.errors import MTPError

TOOLBOXES = ('mmpretrain', 'mmdet', 'mmseg', 'opencd', 'mmrotate1', 'mmrotate03')
LAYOUTS = ('mtp', 'encoder') + TOOLBOXES

# The three decoders of pretraining: prefix in the whole model -> prefix in a toolbox model.
DECODERS = {
    'semseg': {'semsegdecoder.decode_head.': 'decode_head.'},
    'insseg': {'inssegdecoder.': ''},
    'rotdet': {'rotdetdecoder.': ''},
}
# Last layers, one set a pretraining dataset; {} is the dataset's number.
HEADS = {
    'semseg': {'semseghead_{}.1.': 'decode_head.conv_seg.'},
    'insseg': {'inssegroiboxhead_fc_cls{}.': 'roi_head.bbox_head.fc_cls.',
               'inssegroiboxhead_fc_reg{}.': 'roi_head.bbox_head.fc_reg.',
               'inssegroimaskhead_conv{}.': 'roi_head.mask_head.conv_logits.'},
    'rotdet': {'rotdetroiboxhead_fc_cls{}.': 'roi_head.bbox_head.fc_cls.',
               'rotdetroiboxhead_fc_reg{}.': 'roi_head.bbox_head.fc_reg.'},
}
SUBSETS = {'sota': 1, 'sior': 2, 'fast': 3}
DEFAULT_TASK = {'mmseg': 'semseg', 'mmdet': 'insseg', 'mmrotate1': 'rotdet', 'mmrotate03': 'rotdet'}
# A one-class layer that pretraining carries along and never trains.
_DEAD = 'semsegdecoder.decode_head.conv_seg.'
# Toolboxes whose models have the same heads, so that more than the backbone passes between them.
_SAME_HEADS = ({'mmrotate1', 'mmrotate03'},)
_NOT_WEIGHTS = ('data_preprocessor.',)


class Converted(NamedTuple):
    """Tensors under their new names, in order, and the old names that have no place there."""
    state_dict: Dict[str, Tensor]
    dropped: List[str]


def detect(checkpoint: Checkpoint) -> str:
    """Layout of a loaded checkpoint as one of ``LAYOUTS``; a toolbox is told from the heads and the meta entry."""
    if checkpoint.layout == 'mtp_model':
        return 'mtp'
    if checkpoint.layout in ('encoder', 'mae'):
        return 'encoder'
    if checkpoint.layout == 'openmmlab1':
        return 'mmrotate03'
    keys = checkpoint.state_dict
    if any(key.startswith('roi_head.') for key in keys):
        regression = keys.get('rpn_head.rpn_reg.weight')
        return 'mmrotate1' if regression is not None and regression.shape[0] % 18 == 0 else 'mmdet'
    if any(key.startswith('decode_head.blocks.') for key in keys):
        return 'opencd'
    if any(key.startswith('decode_head.') for key in keys):
        return 'mmseg'
    if any(key.startswith('head.') for key in keys):
        return 'mmpretrain'
    if any(key.startswith('bbox_head.') for key in keys):
        return 'mmdet'
    raise MTPError(f'{checkpoint.path}: cannot tell the layout from its keys',
                   hint='name it with --from, one of ' + ', '.join(LAYOUTS))


def new_names(keys: Iterable[str], source: str, target: str, task: Optional[str] = None,
              head: Optional[str] = None) -> Dict[str, Optional[str]]:
    """What each key is called in the other layout.

    Args:
        keys: iterable of names in layout ``source``.
        source, target: of ``LAYOUTS``.
        task: decoder to carry over from or to a pretraining model: 'backbone' (none), 'semseg', 'insseg' or 'rotdet';
            default: the one of the toolbox.
        head: 'sota', 'sior' or 'fast' to carry over the last layers of that pretraining dataset too.

    Returns:
        OrderedDict, name -> new name, or None for what the target has no place for.
    """
    keys = list(keys)
    _check(source, target, task, head)
    _check_bare(keys, source)
    toolbox = target if source == 'mtp' else source
    task = task or DEFAULT_TASK.get(toolbox, 'backbone')
    names: Dict[str, Optional[str]] = OrderedDict()
    for key in keys:
        names[key] = _new_name(key, source, target, task, head)
    seen: Dict[str, str] = {}
    for key, new in names.items():
        if new is not None and seen.setdefault(new, key) != key:
            raise MTPError(f'both {seen[new]} and {key} would become {new}',
                           hint='leave out --head, or convert the backbone alone: --task backbone')
    return names


def _check(source: str, target: str, task: Optional[str], head: Optional[str]) -> None:
    for layout in (source, target):
        if layout not in LAYOUTS:
            raise MTPError(f'no layout is called {layout!r}', hint='one of ' + ', '.join(LAYOUTS))
    if task not in (None, 'backbone') and task not in DECODERS:
        raise MTPError(f'no task is called {task!r}', hint='one of backbone, ' + ', '.join(DECODERS))
    if head is not None and head not in SUBSETS:
        raise MTPError(f'no pretraining dataset is called {head!r}', hint='one of ' + ', '.join(SUBSETS))
    if head is not None and (source != 'mtp' or target not in DEFAULT_TASK):
        raise MTPError('last layers can be carried from a whole pretraining model to {} only, not from {} to {}'.format(
            ', '.join(DEFAULT_TASK), source, target), hint='leave out --head')


def _check_bare(keys: Iterable[str], source: str) -> None:
    """An encoder's names are taken as they are, so those of a whole model would go through unchanged."""
    whole = next((key for key in keys if key.startswith(('encoder.', 'backbone.'))), None)
    if source == 'encoder' and whole is not None:
        raise MTPError(f'a whole model where a bare encoder is wanted: it has the key {whole}',
                       hint='leave out --from, or name the layout of the whole model')


def _new_name(key: str, source: str, target: str, task: str, head: Optional[str]) -> Optional[str]:
    if key.startswith(_NOT_WEIGHTS):
        return None
    own = {'mtp': 'encoder.', 'encoder': ''}.get(source, 'backbone.')
    if key.startswith(own):
        return _backbone_name(key[len(own):], target)
    if source == target or {source, target} in _SAME_HEADS:
        return key
    if source == 'mtp' and target in TOOLBOXES:
        return _decoder_name(key, task, head)
    if target == 'mtp':
        return _pretraining_name(key, task)
    return None


def _backbone_name(name: str, target: str) -> Optional[str]:
    """Fine-tuning variants lack the final norm and, for detection, the full-attention tables (published.md#wirings)."""
    detection = target in ('mmdet', 'mmrotate1', 'mmrotate03')
    if detection and '.full_attn_rel_pos_' in name or (detection or target == 'mmseg') and name.startswith('norm.'):
        return None
    return {'mtp': 'encoder.', 'encoder': ''}.get(target, 'backbone.') + name


def _decoder_name(key: str, task: str, head: Optional[str]) -> Optional[str]:
    if task == 'backbone' or key.startswith(_DEAD):
        return None
    tables = [DECODERS[task]]
    if head is not None:
        tables.append({old.format(SUBSETS[head]): new for old, new in HEADS[task].items()})
    for table in tables:
        for old, new in table.items():
            if key.startswith(old):
                return new + key[len(old):]
    return None


def _pretraining_name(key: str, task: str) -> Optional[str]:
    """A toolbox decoder under its pretraining name; its last layers belong to other classes and are left out."""
    if task == 'backbone' or key.startswith(tuple(HEADS[task].values())):
        return None
    (old, new), = DECODERS[task].items()
    return old + key[len(new):] if key.startswith(new) else None


def single_stage(state_dict: Mapping[str, Tensor]) -> Tuple[Dict[str, Tensor], List[str]]:
    """A single-stage detector's box head as the proposal network of a two-stage one, as the guide's detectors load it.

    Returns:
        tuple: the OrderedDict with ``rpn_head.*`` for ``bbox_head.*`` wherever a model has the one and not the other,
        and a sentence for each such model.
    """
    state: Dict[str, Tensor] = OrderedDict(state_dict)
    sentences = []
    for prefix in ('', 'inssegdecoder.', 'rotdetdecoder.'):
        old, new = prefix + 'bbox_head.', prefix + 'rpn_head.'
        if any(key.startswith(old) for key in state) and not any(key.startswith(new) for key in state):
            count = sum(key.startswith(old) for key in state)
            state = OrderedDict((new + key[len(old):] if key.startswith(old) else key, value)
                                for key, value in state.items())
            sentences.append(f'{count} tensors of a single-stage detector ({old}*) are taken as a proposal network '
                             f'({new}*)')
    return state, sentences


def convert(state_dict: Mapping[str, Tensor], source: str, target: str, task: Optional[str] = None,
            head: Optional[str] = None) -> Converted:
    """Rename the tensors of ``state_dict``; see :func:`new_names` for the arguments.

    Returns:
        Converted(state_dict, dropped): the OrderedDict in the new layout, and the old names it has no place for.

    Raises:
        MTPError: unknown layout, a collision of names, or nothing left.
    """
    if source == 'mtp' or target == 'mtp':
        state_dict = single_stage(state_dict)[0]
    names = new_names(state_dict, source, target, task, head)
    renamed = OrderedDict((new, state_dict[key]) for key, new in names.items() if new is not None)
    if not any(key.startswith('backbone.') for key in renamed) and target in TOOLBOXES:
        raise MTPError('the checkpoint has no backbone in layout {}; its keys begin with: {}'.format(
            source, ', '.join(sorted({key.split('.')[0] for key in state_dict}))), hint='name its layout with --from')
    if not renamed:
        raise MTPError(f'nothing of the checkpoint has a place in layout {target}',
                       hint='name its own layout with --from, one of ' + ', '.join(LAYOUTS))
    return Converted(renamed, [key for key, new in names.items() if new is None])


def convert_meta(meta: Mapping[str, Any], target: str) -> Dict[str, Any]:
    """Meta entry for the other generation: where it looks for the class names. Plain values only."""
    dataset = meta.get('dataset_meta')
    dataset = dataset if isinstance(dataset, dict) else {}
    classes = dataset.get('classes', dataset.get('CLASSES', meta.get('CLASSES')))
    palette = dataset.get('palette', dataset.get('PALETTE', meta.get('PALETTE')))
    new: Dict[str, Any] = {key: value for key, value in meta.items() if isinstance(value, (int, float, str))}
    if classes is not None:
        if target == 'mmrotate03':
            new.update(CLASSES=tuple(classes), PALETTE=palette)
        else:
            new['dataset_meta'] = dict(classes=tuple(classes), palette=palette)
    return new
