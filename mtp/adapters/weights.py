"""Whole-model weights into a detector, segmentor or classifier, with a plain account of what fitted."""
import contextlib
from typing import Iterator, Sequence

from torch import nn
from torch.nn import init

from mtp import checkpoints
from mtp.checkpoints import share
from mtp.errors import MTPError

PARTIAL = '--cfg-options load_partial=True'
_DRAWING = ('uniform_', 'normal_', 'trunc_normal_', 'xavier_uniform_', 'xavier_normal_', 'kaiming_uniform_',
            'kaiming_normal_', 'orthogonal_')


@contextlib.contextmanager
def not_drawn() -> Iterator[None]:
    """Modules made meanwhile are not filled with random numbers, which takes seconds for a large network.

    For models of which every tensor comes from a checkpoint: :func:`load_into` with ``must_fit``.
    """
    before = {name: getattr(init, name) for name in _DRAWING}
    for name in before:
        setattr(init, name, lambda tensor, *_, **__: tensor)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(init, name, function)


def load_into(model: nn.Module, path: str, must_fit: bool, partial: bool = False) -> str:
    """Copy the tensors of the checkpoint ``path`` that fit into ``model``.

    Args:
        model: the module; names in the file are those of its state dict.
        path: checkpoint of either generation of the toolbox, or one that ``scripts/change_ckpt.py`` has made.
        must_fit: every tensor of the model has to come from the file (testing). Otherwise whatever fits is taken
            (fine-tuning from the weights of another task).
        partial: take a file of which little fits, too.

    Returns:
        str: one line for the log.

    Raises:
        MTPError: nothing or too little fits (:mod:`mtp.checkpoints.share`), or ``must_fit`` and something is missing or
        of another shape.
    """
    state = checkpoints.load(path).state_dict
    own = model.state_dict()
    fitting = {name: value for name, value in state.items() if name in own and value.shape == own[name].shape}
    strange = [name for name in state if name in own and name not in fitting]
    missing = [name for name in own if name not in state]
    if not fitting or must_fit and (strange or missing):
        raise MTPError('{} does not fit the model of the config: {} of {} tensors fit; {}'.format(
            path, len(fitting), len(own), _some('of another shape', strange) or _some('missing', missing)),
            hint='test a checkpoint with the config it was trained with')
    if not (must_fit or partial):
        fit = len(fitting) + sum(name.startswith('backbone.') for name in strange)  # those are resized, or refused
        share.enough(path, fit, list(state), list(own), type(model).__name__, PARTIAL)
    model.load_state_dict(fitting, strict=False)
    resized = []
    if any(name.startswith('backbone.') for name in strange):
        # Another image size: position embedding and tables are resized, as for a backbone alone.
        resized = ['backbone.' + name for name in checkpoints.load_backbone(model.backbone, path, partial).resized]
    notes = [_some('resized', resized), _some('of another shape', [name for name in strange if name not in resized]),
             _some('not in the file', missing), _some('not in the model', [name for name in state if name not in own])]
    loaded = f'{len(fitting) + len(resized)} of {len(own)} tensors loaded'
    return '; '.join([loaded] + [note for note in notes if note])


def _some(what: str, names: Sequence[str]) -> str:
    """'3 missing (a, b, …)', or '' when there are none."""
    if not names:
        return ''
    return '{} {} ({}{})'.format(len(names), what, ', '.join(names[:3]), ', …' if len(names) > 3 else '')
