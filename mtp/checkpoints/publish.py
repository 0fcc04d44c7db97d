"""``python -m mtp.checkpoints publish FILE``: what people do before they give weights away.

No optimizer, no state of random numbers; the averaged weights where the training kept such; the hash in the name; a
``.safetensors`` beside the ``.pth``; and what tells where they come from: config, metric, passport.
"""
import json
import os
from collections import OrderedDict
from typing import Any, Dict, Optional, Tuple

from torch import Tensor

from mtp import sealed
from mtp.checkpoints import files
from mtp.checkpoints.writing import save
from mtp.errors import MTPError
from mtp.files import read_text, sha256, temporary_of
from mtp.terminal import shown

#: What of a passport goes with the weights: how they were made, nothing of the machine they were made on.
TOLD = ('kind', 'recipe', 'metrics', 'code', 'environment', 'seed')
AVERAGED = 'ema_state_dict'


def weights_of(checkpoint: files.Checkpoint, averaged: bool = True) -> Tuple[Dict[str, Tensor], str]:
    """The tensors to publish and a word for which they are.

    mmengine's EMAHook exchanges both sets when it saves: ``state_dict`` holds the averages, ``ema_state_dict`` what was
    trained (under ``module.``), beside the number of updates.

    Args:
        averaged: take the averages where there are any.

    Raises:
        MTPError: trained weights are asked for beside averages, and they are not there.
    """
    other = checkpoint.rest.get(AVERAGED)
    if not isinstance(other, dict):
        return checkpoint.state_dict, 'trained'
    if averaged:
        return checkpoint.state_dict, 'averaged'
    plain = OrderedDict((key[len('module.'):], value) for key, value in other.items()
                        if key.startswith('module.') and isinstance(value, Tensor))
    if set(plain) != set(checkpoint.state_dict):
        raise MTPError(f'{checkpoint.path}: the weights beside the averages are not those of the same network',
                       hint='leave --no-ema away')
    return plain, 'trained'


def facts(checkpoint: files.Checkpoint, which: str, passport: Optional[str] = None) -> Dict[str, Any]:
    """What goes with the weights: plain values only.

    Args:
        which: 'averaged' or 'trained'.
        passport: path of the run's passport, or None.

    Raises:
        MTPError: the passport cannot be read.
    """
    meta = checkpoint.meta
    found = OrderedDict((key, value) for key, value in meta.items() if isinstance(value, (int, float, str)))
    for key in ('dataset_meta', 'CLASSES', 'PALETTE'):
        if key in meta:
            found[key] = meta[key]
    found['weights'] = which
    if passport:
        known = _passport(passport)
        config = known.get('config') if isinstance(known.get('config'), dict) else {}
        told = {key: known[key] for key in TOLD if key in known}
        told['config'] = config
        found['passport'] = json.dumps(told, sort_keys=True, default=str)
    return found


def _passport(path: str) -> Dict[str, Any]:
    try:
        known = sealed.parse(read_text(path))
    except (OSError, ValueError) as error:
        raise MTPError(f'the passport {path} cannot be read: {error}',
                       hint='--passport FILE, or --no-passport')
    if known is None:
        raise MTPError(f'the passport {path} is damaged', hint='--passport FILE, or --no-passport')
    return known


def publish(path: str, folder: str = '', averaged: bool = True, passport: Optional[str] = '') -> Tuple[str, str, str]:
    """Write ``<stem>-<first 8 of the sha256>.pth`` and ``.safetensors``.

    Args:
        path: checkpoint of any layout.
        folder: where they go; beside ``path`` when empty.
        averaged: see :func:`weights_of`.
        passport: of the run; '' for ``passport.json`` beside ``path``, where it lies there; None for none.

    Returns:
        tuple: both paths and a word for which weights they hold.

    Raises:
        MTPError: unreadable, or files of these names lie there.
    """
    checkpoint = files.load(path)
    state, which = weights_of(checkpoint, averaged)
    beside = os.path.join(os.path.dirname(checkpoint.path), 'passport.json')
    if passport == '':
        passport = beside if os.path.lexists(beside) else None
    meta = facts(checkpoint, which, passport)
    state = OrderedDict((key, value.detach().cpu().contiguous()) for key, value in state.items())
    folder = folder or os.path.dirname(checkpoint.path) or '.'
    stem = os.path.splitext(os.path.basename(checkpoint.path))[0]
    temporary = temporary_of(os.path.join(folder, stem + '.pth'))
    os.makedirs(folder, exist_ok=True)
    try:
        save(temporary, state, meta)
        name = os.path.join(folder, f'{stem}-{sha256(temporary)[:8]}')
        for there in (name + '.pth', name + '.safetensors'):
            if os.path.exists(there):
                raise MTPError(f'{shown(there)} exists', hint='it holds the same weights already; or --out '
                                                                      'FOLDER')
        save(name + '.safetensors', state, {key: value for key, value in meta.items()
                                            if isinstance(value, (int, float, str))})
        os.replace(temporary, name + '.pth')
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return name + '.pth', name + '.safetensors', which
