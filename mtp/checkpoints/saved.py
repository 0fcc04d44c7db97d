"""Checkpoints that a run saves and goes on from: one writer and one chooser for every verb and both environments.

The check sum of a checkpoint is inside it: ``torch.save`` writes a zip archive, which has one of each member, and
:func:`mtp.checkpoints.load` compares them all. So a file that is cut short or has a flipped bit is noticed here.
"""
import os
import re
import shlex
from typing import Any, Callable, Iterable, List, Mapping, Match, Optional, Sequence

from torch import Tensor, nn

from mtp import faults
from mtp.checkpoints.files import Checkpoint, load
from mtp.checkpoints.writing import dump
from mtp.errors import FAILED, MTPError
from mtp.files import PathLike, atomic_path, write_text

NEWEST = 'last_checkpoint'  # mmengine's name of the file that holds the name of the newest one
_EPOCH_OR_STEP = re.compile(r'(epoch|iter)_(\d+)\.pth$')


def write(path: PathLike, content: Any) -> None:
    """Write ``content`` as ``torch.save`` does, whole or not at all.

    Raises:
        MTPError: the disk refuses; what was there before stays as it was.
    """
    try:
        with atomic_path(path) as temporary:
            dump(content, temporary)
    except (OSError, RuntimeError) as error:
        raise MTPError('cannot write the checkpoint {}: {}'.format(path, getattr(error, 'strerror', None) or error),
                       code=FAILED, hint='make room, then start the same command again: it goes on from the last whole '
                                         'checkpoint') from error


def point_to(path: str) -> None:
    """Let ``last_checkpoint`` beside ``path`` name it. Without a folder: the run may be moved, or go on in an image."""
    write_text(os.path.join(os.path.dirname(path), NEWEST), os.path.basename(path))


def of_run(folder: str) -> List[str]:
    """Paths of the ``epoch_N.pth`` and ``iter_N.pth`` of a fine-tuning, newest first; none where there is no folder."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [match for match in map(_EPOCH_OR_STEP.match, names) if match]
    kind = _kind(folder, found)
    found.sort(key=lambda match: (match.group(1) == kind, int(match.group(2))), reverse=True)
    return [os.path.join(folder, match.group(0)) for match in found]


def _kind(folder: str, found: Sequence[Match[str]]) -> str:
    """``epoch`` or ``iter``: what the run in ``folder`` counts, where there are files of both."""
    kinds = sorted({match.group(1) for match in found})
    if len(kinds) < 2:
        return kinds[0] if kinds else ''
    try:
        with open(os.path.join(folder, NEWEST), encoding='utf-8', errors='replace') as stream:
            newest = _EPOCH_OR_STEP.search(stream.read(4096).strip())
    except OSError:
        newest = None
    return newest.group(1) if newest else kinds[0]


def choose(paths: Iterable[str], fits: Callable[[Checkpoint], str],
           warn: Callable[[str], object] = print) -> Optional[Checkpoint]:
    """The first of ``paths`` that is whole and ``fits``, as :class:`mtp.checkpoints.Checkpoint`; None without one.

    Args:
        paths: newest first.
        fits: function of a Checkpoint to what is wrong with it; '' when it can be gone on from.
        warn: called with a line for each that is passed over.

    Raises:
        MTPError: one may not be read, or the machine does not let it.
    """
    for path in paths:
        try:
            checkpoint = load(path)
        except MTPError as error:
            faults.stop_at_a_limit(error)  # else a training would begin anew in the place of what is there
            if any(isinstance(said, PermissionError) for said in faults.behind(error)):
                raise
            warn(f'skipped a damaged checkpoint: {error}')
            continue
        wrong = fits(checkpoint)
        if not wrong:
            return checkpoint
        warn(f'skipped the checkpoint {path}: {wrong}')
    return None


def lacks(checkpoint: Checkpoint) -> str:
    """What a toolbox's checkpoint lacks to be gone on from; '' when it has all."""
    counts = [checkpoint.meta.get(name) for name in ('epoch', 'iter')]
    if not isinstance(checkpoint.rest.get('optimizer'), dict):
        return 'it has no state of an optimizer'
    return '' if all(isinstance(count, int) and count >= 0
                     for count in counts) else 'it does not say of which step it is'


def continued(folder: str, named: Optional[PathLike] = None,
              warn: Callable[[str], object] = print) -> Optional[Checkpoint]:
    """The checkpoint that a fine-tuning in ``folder`` goes on from: the one ``named``, else the newest whole one.

    Returns:
        Checkpoint, or None where the folder holds none that is whole.

    Raises:
        MTPError: the one that is named is missing, damaged, or holds weights alone.
    """
    if named is None:
        return choose(of_run(folder), lacks, warn)
    checkpoint = load(named)
    if lacks(checkpoint):
        raise MTPError(f'{checkpoint.path}: {lacks(checkpoint)}, so no training can go on from it',
                       hint='to begin with its weights: --cfg-options load_from=' + str(named))
    return checkpoint


def fill(model: nn.Module, state: Mapping[str, Tensor], path: str) -> None:
    """Put the tensors ``state`` of the checkpoint ``path`` into ``model``: all of its tensors, in their shapes.

    Raises:
        MTPError: a tensor is missing or has another shape.
    """
    own = model.state_dict()
    wrong = [key for key, value in own.items() if key not in state or state[key].shape != value.shape]
    if wrong:
        raise MTPError('{} does not fit this model: {} of {} tensors are missing or have another shape, the first is '
                       '{}'.format(path, len(wrong), len(own), wrong[0]),
                       hint='python -m mtp.checkpoints inspect {}'.format(shlex.quote(path)))
    model.load_state_dict({key: state[key] for key in own})
