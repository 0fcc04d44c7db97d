"""One way to open a checkpoint, whatever wrote it."""
import os
from collections import OrderedDict
from typing import Any, Collection, Container, Dict, Iterable

import torch

from mtp import faults
from mtp.checkpoints.unpickle import read
from mtp.checkpoints.writing import safetensors
from mtp.errors import MTPError
from mtp.files import PathLike
from mtp.paths import resolve, root
from mtp.terminal import shown


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

    def __init__(self, state_dict: Dict[str, torch.Tensor], meta: Dict[str, Any], layout: str, rest: Dict[str, Any],
                 path: str) -> None:
        self.state_dict, self.meta, self.layout, self.rest, self.path = state_dict, meta, layout, rest, path


def load(path: PathLike) -> Checkpoint:
    """Open a ``.pth`` or ``.safetensors`` file of any published layout; nothing in it is executed.

    Args:
        path: file; a leading ``weights/`` or ``work_dirs/`` is resolved.

    Returns:
        Checkpoint.

    Raises:
        MTPError: no such file, damaged, refused content, or no state dict in it.
    """
    path = resolve(os.fspath(path))
    value = content(path)
    if not isinstance(value, dict):
        raise MTPError(f'{path} holds a {type(value).__name__}, not a dictionary of tensors',
                       hint='a checkpoint is wanted, as torch.save writes a state dict; see mtp/weights/manifest.json')
    rest: Dict[str, Any] = OrderedDict(value)
    state = value
    for key in ('state_dict', 'model'):
        if isinstance(value.get(key), dict):
            state = rest.pop(key)
            break
    else:
        rest = OrderedDict((key, item) for key, item in value.items() if not isinstance(item, torch.Tensor))
    tensors: Dict[str, torch.Tensor] = OrderedDict(
        (key, item) for key, item in state.items() if isinstance(item, torch.Tensor))
    strange = [key for key in list(tensors) + list(rest) if not isinstance(key, str)]
    if strange:
        raise MTPError(f'{path} has an entry whose name is no text but {shown(strange[0])}',
                       hint='a checkpoint is wanted, as torch.save writes a state dict; see mtp/weights/manifest.json')
    if not tensors:
        raise MTPError(f'{path} has no tensors in its state dict; its keys are: {_some(value)}',
                       hint='is it another file of that training (an optimizer alone)? see mtp/weights/manifest.json')
    meta = rest.pop('meta', None)
    meta = dict(meta) if isinstance(meta, dict) else {}
    for key in [key for key, item in rest.items() if isinstance(item, (int, float, str))]:
        meta[key] = rest.pop(key)
    tensors = without_prefix(tensors, 'module.')
    return Checkpoint(tensors, meta, layout_of(tensors, meta), rest, path)


def content(path: str) -> Any:
    """The whole object in a ``.pth`` or ``.safetensors`` file, as it is; nothing in it is executed.

    Raises:
        MTPError: an address, no such file, damaged, or refused content.
    """
    if '://' in path:
        raise MTPError(f'{shown(path)} is an address: nothing is fetched while the program runs',
                       hint='put the file into {} (MTP_WEIGHTS_ROOT), compare its sha256 with the source, and '
                       'name it weights/{}; make weights fetches what is published'.format(
                           os.path.abspath(root('weights')), shown(path.rpartition('/')[2])))
    return _read_safetensors(path) if path.endswith('.safetensors') else read(path)


def _read_safetensors(path: str) -> Dict[str, Any]:
    if not os.path.isfile(path):
        raise MTPError(f'no checkpoint at {path}', hint='check the path, or see mtp/weights/manifest.json')
    package = safetensors()
    try:
        with package.safe_open(path, framework='pt') as archive:
            value = OrderedDict((key, archive.get_tensor(key)) for key in archive.keys())
            value.update(meta=archive.metadata() or {})
            return value
    except (package.SafetensorError, OSError, AttributeError, TypeError, ValueError, RuntimeError,
            MemoryError) as error:
        faults.not_of_the_file(error)
        # the package looks a dtype up that this torch may not have, and maps a file that may be none
        raise MTPError('{} is not a whole safetensors file that this torch can hold: {}'.format(
            path, shown(str(error))), hint='compare its sha256 and size with the source and fetch it again') from error


def _some(mapping: Iterable[object], limit: int = 8) -> str:
    keys = [shown(key) for key in mapping]
    return ', '.join(keys[:limit]) + (' ...' if len(keys) > limit else '') or '(none)'


def without_prefix(state_dict: Dict[str, torch.Tensor], prefix: str) -> Dict[str, torch.Tensor]:
    """The entries with ``prefix`` taken off those that have it, when the first one has it."""
    if not next(iter(state_dict), '').startswith(prefix):
        return state_dict
    return OrderedDict((key[len(prefix):] if key.startswith(prefix) else key, value)
                       for key, value in state_dict.items())


def layout_of(state_dict: Collection[str], meta: Container[str] = ()) -> str:
    """Name of the layout of ``state_dict``; see :class:`Checkpoint`."""
    if any(key.startswith('encoder.') for key in state_dict):
        return 'mtp_model'
    if any(key.startswith('backbone.') for key in state_dict):
        return 'openmmlab1' if 'mmcv_version' in meta and 'mmengine_version' not in meta else 'openmmlab2'
    if any(key.startswith(('blocks.', 'levels.')) for key in state_dict):
        return 'mae' if 'cls_token' in state_dict else 'encoder'
    return 'unknown'
