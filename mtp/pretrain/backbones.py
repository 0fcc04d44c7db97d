"""What pretraining knows of each encoder: how to build it, its learning rate, its starting weights (spec 1, 4)."""
import os
from collections import namedtuple

import mtp.nn
from mtp.checkpoints import load_backbone
from mtp.errors import MTPError
from mtp.nn.layer_decay import LayerDecay
from mtp.paths import resolve

from . import blueprints

# init: --init_backbone value -> file below weights/; decay: learning-rate decay of one layer (for ViT see recipe.py)
Entry = namedtuple('Entry', 'family lr layers depths decay init size drop_path checkpointing')
BACKBONES = {
    'vit_b_rvsa': Entry('vit', 6e-5, 12, None, None, {'mae': 'vit-b-checkpoint-1599.pth'}, blueprints.PUBLISHED, 0.1,
                        'use_checkpoint'),
    'vit_l_rvsa': Entry('vit', 6e-5, 24, None, None, {'mae': 'vit-l-mae-checkpoint-1599.pth'}, blueprints.PUBLISHED,
                        0.1, 'use_checkpoint'),
    'internimage_xl': Entry('internimage', 2e-5, 39, [5, 5, 24, 5], 0.94, {'imp': 'internimage_xl_22kto1k_384.pth'},
                            blueprints.PUBLISHED, 0.2, 'with_cp'),
    # ours, for demonstrations and tests: trained from nothing, so it learns faster and without layer decay
    'vit_t_rvsa': Entry('vit', 1e-3, 6, None, 1.0, {}, blueprints.REDUCED, 0.0, 'use_checkpoint'),
}


def initial_weights(backbone, init):
    """Path of the file behind ``--init_backbone``, or None for ``none``.

    Raises:
        MTPError: there are no such weights for this backbone, or the file is missing.
    """
    if init == 'none':
        return None
    known = BACKBONES[backbone].init
    if init not in known:
        raise MTPError('--init_backbone {}: there are no such weights for {}'.format(init, backbone),
                       hint='--init_backbone ' + ' or '.join(list(known) + ['none']))
    path = resolve('weights/' + known[init])
    if not os.path.isfile(path):
        raise MTPError('--init_backbone {} needs {}, which is missing'.format(init, path),
                       hint='put it there (weights/manifest.json says where it comes from), or --init_backbone none')
    return path


def build(backbone, image_size, recipe, use_ckpt=False, weights=None):
    """The encoder, filled from ``weights`` when a path is given. Returns (module, load report or None)."""
    entry = BACKBONES[backbone]
    options = {'drop_path_rate': entry.drop_path}
    if entry.family == 'vit':
        options.update(img_size=image_size, recipe=recipe.name)
    # the published InternImage always recomputes activations, whatever --use_ckpt says
    options[entry.checkpointing] = use_ckpt or entry.family == 'internimage'
    encoder = mtp.nn.build(backbone, **options)
    return encoder, load_backbone(encoder, weights) if weights else None


def parameter_groups(model, backbone, recipe, lr, weight_decay):
    """Optimizer groups of a :class:`~mtp.pretrain.model.PretrainModel` by the published rules (spec 4; D4)."""
    entry = BACKBONES[backbone]
    rate = recipe.vit_layer_decay if entry.decay is None else entry.decay
    rule = LayerDecay(entry.family, entry.layers, rate, entry.depths)
    return rule.groups(model.named_parameters(), lr, weight_decay)
