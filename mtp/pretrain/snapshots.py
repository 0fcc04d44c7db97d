"""Checkpoints of a pretraining run, under the published names (spec 4), and how to go on from them."""
import os
import re
from collections import OrderedDict

import mmengine
import torch

from mtp.checkpoints import load
from mtp.errors import MTPError
from mtp.files import atomic_path, write_text

FORMAT = 1
_MODEL = re.compile(r'(?:Iter_(\d+)|last)_.+_pretrn_model\.pth$')


def stem(options, iteration=None):
    """``Iter_<n>_<backbone>_<tasks>_pretrn_model``; ``last_...`` without an iteration, ``best_...`` for ``'best'``."""
    first = 'last' if iteration is None else iteration if iteration == 'best' else 'Iter_{}'.format(iteration)
    return '_'.join([first, options.backbone] + list(options.tasks) + ['pretrn_model'])


def name(options, step):
    """Name without suffix of the checkpoint after ``step``."""
    return stem(options, None if step == options.end_iter else step)


def save(folder, name, model, optimizer, iteration, epoch, settings, scaler=None, amend=None):
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
    _write(os.path.join(folder, name + '_encoder.pth'),
           dict(counters, state_dict=encoder, meta=dict(meta, what='mtp_encoder')))
    path = os.path.join(folder, name + '.pth')
    _write(path, content)
    write_text(os.path.join(folder, 'last_checkpoint'), os.path.abspath(path))
    return path


def _write(path, payload):
    try:
        with atomic_path(path) as temporary:
            torch.save(payload, temporary)
    except (OSError, RuntimeError) as error:
        raise MTPError('cannot write the checkpoint {}: {}'.format(path, error), code=1,
                       hint='make room, then start the same command again: it goes on from the last whole checkpoint')


def newest(folder, warn=print):
    """The newest whole checkpoint in ``folder``, or None. A damaged one is warned about and the one before is taken."""
    if not os.path.isdir(folder):
        return None
    matches = [match for match in map(_MODEL.match, os.listdir(folder)) if match]
    matches.sort(key=lambda match: float(match.group(1) or 'inf'))
    for match in reversed(matches):
        path = os.path.join(folder, match.group(0))
        try:
            found = load(path)
            if found.meta.get('what') == 'mtp_pretraining' and found.rest.get('optimizer'):
                return found
            warn('{} is no checkpoint of this program; it is left alone'.format(path))
        except MTPError as error:
            warn('skipped a damaged checkpoint: {}'.format(error))
    return None


def check_same_run(found, settings, folder):
    """Refuse to mix two runs in one folder.

    Raises:
        MTPError: names each setting that differs.
    """
    saved = found.meta.get('settings', {})
    differing = ['{} {!r} there, {!r} now'.format(name, saved.get(name), settings.get(name))
                 for name in dict(saved, **settings) if saved.get(name) != settings.get(name)]
    if differing:
        raise MTPError('{} holds a run with other settings: {}'.format(folder, '; '.join(differing)),
                       hint='another --save_path, or --resume none to start anew there')


def restore(found, model, optimizer, scaler=None, warn=print):
    """Put a checkpoint into model and optimizer.

    A published file has another optimizer layout: its weights are taken, its optimizer is not, and that is said.

    Raises:
        MTPError: a tensor is missing or has another shape.
    """
    own, taken = model.state_dict(), found.state_dict
    wrong = [key for key, value in own.items() if key not in taken or taken[key].shape != value.shape]
    if wrong:
        raise MTPError('{} does not fit this model: {} of {} tensors are missing or have another shape, the first is '
                       '{}'.format(found.path, len(wrong), len(own), wrong[0]),
                       hint='python -m mtp.checkpoints inspect ' + found.path)
    model.load_state_dict({key: taken[key] for key in own})
    if found.meta.get('what') == 'mtp_pretraining':
        optimizer.load_state_dict(found.rest['optimizer'])
        if scaler is not None and found.rest.get('scaler'):
            scaler.load_state_dict(found.rest['scaler'])
    else:
        warn('{}: weights and step are taken, its optimizer state has another layout and is not'.format(found.path))
