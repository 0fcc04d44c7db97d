"""Checkpoints of a pretraining run, under the published names, and how to go on from them.

See published.md#checkpoint-files.
"""
import argparse
import os
import re
from collections import OrderedDict
from typing import Any, Callable, Dict, Optional, Union

import mmengine
import torch
from torch import nn

from mtp.checkpoints import Checkpoint, load, saved  # noqa: F401 -- load: cli and validate open any checkpoint through here
from mtp.errors import MTPError

from .. import recipe as recipes
from ..model import backbones
from ..model.model import PretrainModel

FORMAT = 1
_MODEL = re.compile(r'(?:Iter_(\d+)|last)_.+_pretrn_model\.pth$')


def stem(options: argparse.Namespace, iteration: Union[None, int, str] = None) -> str:
    """``Iter_<n>_<backbone>_<tasks>_pretrn_model``; ``last_...`` without an iteration, ``best_...`` for ``'best'``."""
    first = 'last' if iteration is None else iteration if iteration == 'best' else f'Iter_{iteration}'
    return '_'.join([first, options.backbone] + list(options.tasks) + ['pretrn_model'])


def name(options: argparse.Namespace, step: int) -> str:
    """Name without suffix of the checkpoint after ``step``."""
    return stem(options, None if step == options.end_iter else step)


def save(folder: str, name: str, model: nn.Module, optimizer: torch.optim.Optimizer, iteration: int, epoch: int,
         settings: Dict[str, Any], scaler: Any = None, amend: Optional[Callable[[Dict[str, Any]], None]] = None) -> str:
    """Write ``<name>.pth`` (everything to go on with) and ``<name>_encoder.pth`` (the encoder, without optimizer).

    ``amend``, where there is one, is called with the content of the first before anything is written.

    The random state needs no room: every draw of step n comes from a generator keyed by (seed, n, rank), and all three
    are in ``meta``. The model file is written last: when it is there, both are whole.

    Raises:
        MTPError: the disk refuses; what was there before stays as it was.
    """
    state = OrderedDict((key, value.detach().cpu()) for key, value in model.state_dict().items())
    meta = dict(format=FORMAT, what='mtp_pretraining', settings=settings)
    # what mmengine's own readers look for, so that its Runner and tools take these files too
    meta.update(epoch=epoch, iter=iteration, mmengine_version=mmengine.__version__, experiment_name=name)
    hub = dict(log_scalars=OrderedDict(), runtime_info=OrderedDict(iter=iteration, epoch=epoch),
               resumed_keys=OrderedDict())
    counters = dict(epoch=epoch, iteration=iteration, meta=meta, message_hub=hub)
    content = dict(counters, state_dict=state, optimizer=optimizer.state_dict(), scheduler={'last_step': iteration},
                   scaler=scaler.state_dict() if scaler else None)
    if amend:
        amend(content)
    encoder = OrderedDict((key[len('encoder.'):], value) for key, value in state.items() if key.startswith('encoder.'))
    saved.write(os.path.join(folder, name + '_encoder.pth'),
                dict(counters, state_dict=encoder, meta=dict(meta, what='mtp_encoder')))
    path = os.path.join(folder, name + '.pth')
    saved.write(path, content)
    saved.point_to(path)
    return path


def newest(folder: str, warn: Callable[[str], None] = print) -> Optional[Checkpoint]:
    """The newest whole checkpoint in ``folder``, or None. A damaged one is warned about and the one before is taken."""
    if not os.path.isdir(folder):
        return None
    matches = [match for match in map(_MODEL.match, os.listdir(folder)) if match]
    matches.sort(key=lambda match: float(match.group(1) or 'inf'), reverse=True)
    return saved.choose([os.path.join(folder, match.group(0)) for match in matches], _lacks, warn)


def _lacks(found: Checkpoint) -> str:
    """What a checkpoint lacks to be gone on from; '' when it has all."""
    whole = (found.meta.get('what') == 'mtp_pretraining' and isinstance(found.rest.get('optimizer'), dict)
             and isinstance(found.meta.get('settings'), dict) and isinstance(found.meta.get('iteration'), int))
    return '' if whole else 'it is not of this program'


def check_same_run(found: Checkpoint, settings: Dict[str, Any], folder: str) -> None:
    """Refuse to mix two runs in one folder.

    Raises:
        MTPError: names each setting that differs.
    """
    saved = found.meta.get('settings', {})
    differing = [f'{name} {saved.get(name)!r} there, {settings.get(name)!r} now'
                 for name in dict(saved, **settings) if saved.get(name) != settings.get(name)]
    if differing:
        raise MTPError('{} holds a run with other settings: {}'.format(folder, '; '.join(differing)),
                       hint='another --save_path, or --resume none to start anew there')


def restore(found: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer, scaler: Any = None,
            warn: Callable[[str], None] = print) -> None:
    """Put a checkpoint into model and optimizer.

    A published file has another optimizer layout: its weights are taken, its optimizer is not, and that is said.

    Raises:
        MTPError: a tensor is missing or has another shape.
    """
    saved.fill(model, found.state_dict, found.path)
    if found.meta.get('what') == 'mtp_pretraining':
        optimizer.load_state_dict(found.rest['optimizer'])
        if scaler is not None and found.rest.get('scaler'):
            scaler.load_state_dict(found.rest['scaler'])
    else:
        warn(f'{found.path}: weights and step are taken, its optimizer state has another layout and is not')


def restored_model(found: Checkpoint) -> PretrainModel:
    """The model of a checkpoint, ready to predict, on the CPU."""
    settings = found.meta['settings']
    recipe = recipes.get(settings['recipe'])
    encoder, _ = backbones.build(settings['backbone'], settings['image_size'], recipe)
    model = PretrainModel(encoder, settings['tasks'], settings['datasets'], recipe,
                          backbones.size(settings['backbone']), settings['background'])
    model.load_state_dict(found.state_dict)
    return model.eval()
