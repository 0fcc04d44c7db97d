"""Filling a backbone from a checkpoint of any published layout (published.md#loading-a-backbone)."""
import math
from collections import OrderedDict
from typing import Dict, List, Mapping, Optional, Tuple

from torch import Tensor, nn

from mtp.checkpoints.files import layout_of, load
from mtp.checkpoints.share import enough, families
from mtp.errors import MTPError
from mtp.files import PathLike
from mtp.nn.resize import resize_pos_embed, resize_relative
from mtp.terminal import shown


Shape = Tuple[int, ...]
_MAE_DECODER = ('decoder_', 'mask_token')


class LoadReport:
    """What became of each tensor.

    Attributes:
        loaded: keys of the module that were filled. resized: of these, the ones that changed size, key -> (from, to).
        missing: keys of the module the file has nothing for. left_over: keys of the file the module has no use for.
    """

    def __init__(self, path: str, loaded: List[str], resized: Dict[str, Tuple[Shape, Shape]], missing: List[str],
                 left_over: List[str]) -> None:
        self.path, self.loaded, self.resized = path, loaded, resized
        self.missing, self.left_over = missing, left_over

    def __str__(self) -> str:
        lines = ['{}: {} tensors loaded, {} resized, {} missing, {} left over'.format(
            self.path, len(self.loaded), len(self.resized), len(self.missing), len(self.left_over))]
        lines += ['  resized {}: {} -> {}'.format(key, *sizes) for key, sizes in sorted(self.resized.items())]
        for title, keys in (('missing (keep their initial values)', self.missing), ('left over', self.left_over)):
            lines += [f'  {title}: {families(keys)}'] if keys else []
        return '\n'.join(lines)


def encoder_of(state_dict: Mapping[str, Tensor]) -> Tuple[Dict[str, Tensor], List[str]]:
    """The backbone's tensors under bare names, and the keys that belong to something else."""
    for prefix in ('encoder.', 'backbone.'):
        if any(key.startswith(prefix) for key in state_dict):
            own = OrderedDict((key[len(prefix):], v) for key, v in state_dict.items() if key.startswith(prefix))
            return own, [key for key in state_dict if not key.startswith(prefix)]
    own = OrderedDict((key, value) for key, value in state_dict.items() if not key.startswith(_MAE_DECODER))
    return own, [key for key in state_dict if key not in own]


def load_backbone(module: nn.Module, path: PathLike, partial: bool = False,
                  how: str = '--cfg-options model.backbone.partial=True') -> LoadReport:
    """Load the backbone in the file at ``path`` into ``module`` (an RVSA or InternImage).

    A whole model is accepted, only its ``encoder.*`` or ``backbone.*`` is used. A class token's position is dropped,
    position embedding and full-attention tables are resized to the module's grid; no other shape may differ.

    Args:
        module: the backbone.
        path: the checkpoint.
        partial: take a file of which little fits, too.
        how: what a user types for that, named by the error.

    Returns:
        LoadReport; print it.

    Raises:
        MTPError: unreadable file, a shape that does not fit, no tensor for this module in the file, or so few that it
            is of another network (:mod:`mtp.checkpoints.share`).
    """
    checkpoint = load(path)
    source, left_over = encoder_of(checkpoint.state_dict)
    target = module.state_dict()
    fitted, resized = OrderedDict(), OrderedDict()
    for key, value in source.items():
        if key not in target:
            left_over.append(key)
            continue
        shape = tuple(target[key].shape)
        new = _fit(key, value, shape, module, 'cls_token' in source)
        if new is None or tuple(new.shape) != shape:
            raise MTPError('{}: {} has shape {}, but the model wants {}'.format(
                checkpoint.path, shown(key), tuple(value.shape), shape),
                hint='is it a checkpoint of this backbone? python -m mtp.checkpoints inspect ' + checkpoint.path)
        if new.shape != value.shape:
            resized[key] = (tuple(value.shape), shape)
        fitted[key] = new
    learned = {name for name, _ in module.named_parameters()}
    if not learned.intersection(fitted):
        raise MTPError('{} (layout: {}) has nothing for this backbone; its keys are: {}'.format(
            checkpoint.path, layout_of(checkpoint.state_dict), families(checkpoint.state_dict)),
            hint='python -m mtp.checkpoints inspect ' + checkpoint.path)
    if not partial:
        enough(checkpoint.path, len(fitted), list(source), list(target), type(module).__name__, how)
    module.load_state_dict(fitted, strict=False)
    missing = [key for key in target if key not in fitted]
    return LoadReport(checkpoint.path, list(fitted), resized, missing, left_over)


def _fit(key: str, value: Tensor, shape: Shape, module: nn.Module, class_token: bool) -> Optional[Tensor]:
    """``value`` in the module's size where the published loaders resize; None when that is impossible."""
    if key == 'pos_embed' and value.dim() == 3 and value.shape[2] == shape[2]:
        value = value[:, 1:] if class_token else value
        if value.shape[1] == shape[1]:
            return value
        side = math.isqrt(value.shape[1])
        return resize_pos_embed(value, (side, side), module.grid) if side * side == value.shape[1] else None
    if 'full_attn_rel_pos' in key and value.dim() == 2 and value.shape[1] == shape[1]:
        return resize_relative(value, shape[0])
    return value
