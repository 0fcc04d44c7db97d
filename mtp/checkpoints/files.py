"""One way to open a checkpoint, whatever wrote it."""
import os
from collections import OrderedDict

import torch

from mtp.checkpoints.unpickle import read
from mtp.checkpoints.writing import safetensors
from mtp.errors import MTPError
from mtp.paths import resolve


class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        state_dict: OrderedDict of tensors, without ``module.``.
        meta: dict; the file's ``meta`` and its plain numbers and texts (epoch, iteration).
        layout: 'mtp_model' (``encoder.*`` with decoders), 'mae' (a class token), 'openmmlab2' or 'openmmlab1'
            (``backbone.*``), 'encoder' (a bare backbone) or 'unknown'.
        rest: dict; everything else at the top of the file (optimizer, scheduler, loss history).
        path: where it was read.
    """

    def __init__(self, state_dict, meta, layout, rest, path):
        self.state_dict, self.meta, self.layout, self.rest, self.path = state_dict, meta, layout, rest, path


def load(path):
    """Open a ``.pth`` or ``.safetensors`` file of any published layout; nothing in it is executed.

    Args:
        path: file; a leading ``weights/`` or ``work_dirs/`` is resolved.

    Returns:
        Checkpoint.

    Raises:
        MTPError: no such file, damaged, refused content, or no state dict in it.
    """
    path = resolve(os.fspath(path))
    value = _read_safetensors(path) if path.endswith('.safetensors') else read(path)
    if not isinstance(value, dict):
        raise MTPError('{} holds a {}, not a dictionary of tensors'.format(path, type(value).__name__),
                       hint='a checkpoint is wanted, as torch.save writes a state dict; see weights/manifest.json')
    rest = OrderedDict(value)
    state = value
    for key in ('state_dict', 'model'):
        if isinstance(value.get(key), dict):
            state = rest.pop(key)
            break
    else:
        rest = OrderedDict((key, item) for key, item in value.items() if not isinstance(item, torch.Tensor))
    tensors = OrderedDict((key, item) for key, item in state.items() if isinstance(item, torch.Tensor))
    if not tensors:
        raise MTPError('{} has no tensors in its state dict; its keys are: {}'.format(path, _some(value)),
                       hint='is it another file of that training (an optimizer alone)? see weights/manifest.json')
    meta = rest.pop('meta', None)
    meta = dict(meta) if isinstance(meta, dict) else {}
    for key in [key for key, item in rest.items() if isinstance(item, (int, float, str))]:
        meta[key] = rest.pop(key)
    tensors = without_prefix(tensors, 'module.')
    return Checkpoint(tensors, meta, layout_of(tensors, meta), rest, path)


def _read_safetensors(path):
    if not os.path.isfile(path):
        raise MTPError('no checkpoint at {}'.format(path), hint='check the path, or see weights/manifest.json')
    package = safetensors()
    try:
        with package.safe_open(path, framework='pt') as archive:
            value = OrderedDict((key, archive.get_tensor(key)) for key in archive.keys())
            value.update(meta=archive.metadata() or {})
            return value
    except package.SafetensorError as error:
        raise MTPError('{} is not a whole safetensors file: {}'.format(path, error),
                       hint='fetch it again') from error


def _some(mapping, limit=8):
    keys = [str(key) for key in mapping]
    return ', '.join(keys[:limit]) + (' ...' if len(keys) > limit else '') or '(none)'


def without_prefix(state_dict, prefix):
    """The entries with ``prefix`` taken off those that have it, when the first one has it."""
    if not next(iter(state_dict), '').startswith(prefix):
        return state_dict
    return OrderedDict((key[len(prefix):] if key.startswith(prefix) else key, value)
                       for key, value in state_dict.items())


def layout_of(state_dict, meta=()):
    """Name of the layout of ``state_dict``; see :class:`Checkpoint`."""
    if any(key.startswith('encoder.') for key in state_dict):
        return 'mtp_model'
    if any(key.startswith('backbone.') for key in state_dict):
        return 'openmmlab1' if 'mmcv_version' in meta and 'mmengine_version' not in meta else 'openmmlab2'
    if any(key.startswith(('blocks.', 'levels.')) for key in state_dict):
        return 'mae' if 'cls_token' in state_dict else 'encoder'
    return 'unknown'
