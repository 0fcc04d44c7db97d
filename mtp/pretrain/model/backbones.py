"""What pretraining knows of each encoder: how to build it, its learning rate, its starting weights.

See published.md#networks.
"""
import os
from typing import Any, Dict, List, Optional, Tuple

from torch import nn

import mtp.nn
from mtp import backbones
from mtp.checkpoints import LoadReport, load_backbone
from mtp.errors import MTPError
from mtp.files import sha256
from mtp.nn.layer_decay import LayerDecay
from mtp.paths import resolve
from mtp.weights import manifest

from ..recipe import Recipe
from . import decoder_configs

#: The table; here it is the names that matter.
BACKBONES = backbones.BACKBONES


def size(backbone: str) -> decoder_configs.Size:
    """Widths and proposal counts of the decoders that go with ``backbone``: :class:`decoder_configs.Size`."""
    return decoder_configs.REDUCED if backbones.get(backbone).reduced else decoder_configs.PUBLISHED


def initial_weights(backbone: str, init: str) -> Optional[str]:
    """Path of the file behind ``--init_backbone``, or None for ``none``.

    Raises:
        MTPError: there are no such weights for this backbone, the file is missing, or not the one that is known.
    """
    if init == 'none':
        return None
    known = backbones.get(backbone).init
    if init not in known:
        raise MTPError(f'--init_backbone {init}: there are no such weights for {backbone}',
                       hint='--init_backbone ' + ' or '.join(list(known) + ['none']))
    path = resolve('weights/' + known[init])
    if not os.path.isfile(path):
        raise MTPError(f'--init_backbone {init} needs {path}, which is missing',
                       hint=f'make weights GET={known[init]} fetches it or says how to get it; or --init_backbone none')
    if os.environ.get('RANK', '0') == '0':
        manifest.hold(path, sha256(path))
    return path


def build(backbone: str, image_size: int, recipe: Recipe, use_ckpt: bool = False, weights: Optional[str] = None,
          partial: bool = False) -> Tuple[nn.Module, Optional[LoadReport]]:
    """The encoder, filled from ``weights`` when a path is given. Returns (module, load report or None).

    With ``partial`` a file of which little fits is taken, too.
    """
    entry = backbones.get(backbone)
    options: Dict[str, Any] = {'drop_path_rate': entry.drop_path}
    if entry.family == backbones.VIT:
        options.update(img_size=image_size, recipe=recipe.name)
    # the published InternImage always recomputes activations, whatever --use_ckpt says
    options[entry.checkpointing] = use_ckpt or entry.always
    encoder = mtp.nn.build(backbone, **options)
    return encoder, load_backbone(encoder, weights, partial, '--partial True') if weights else None


def parameter_groups(model: nn.Module, backbone: str, recipe: Recipe, lr: float,
                     weight_decay: float) -> List[Dict[str, Any]]:
    """Optimizer groups of a :class:`~mtp.pretrain.model.model.PretrainModel` by the published rules.

    See published.md#optimizer.
    """
    entry = backbones.get(backbone)
    rate = recipe.vit_layer_decay if entry.decay is None else entry.decay
    rule = LayerDecay(entry.family, entry.layers, rate, entry.depths)
    return rule.groups(model.named_parameters(), lr, weight_decay)
