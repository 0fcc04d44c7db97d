"""The table of backbones: shape, how pretraining treats each, and which published weights it starts from.

:mod:`mtp.nn` builds from it, timm, pretraining, training on own data and the launcher read it, and tests hold the
configs to it. A new size of a
known family is one entry here. Standard library only, Python >= 3.6.
"""
from typing import Any, Dict, NamedTuple, Optional, Tuple

from mtp.errors import MTPError

VIT, INTERN = 'vit', 'internimage'

#: Attributes:
#:     title: as people call it. block: name of its block of configs, and of those of the models on it.
#:     family: whose class and learning-rate rule it has.
#:     settings: what the constructor takes, as published.
#:     layers: number of layers by which learning rates decay; depths: of the levels of an InternImage, else None.
#:     lr, drop_path: of pretraining. decay: of a layer's learning rate there; None: what the recipe says.
#:     init: published weights to start from, ``--init_backbone`` -> file below weights/; the first is the paper's.
#:     encoder: the published file of it after MTP pretraining, below weights/; '' where there is none.
#:     reduced: small decoders go with it.
#:     checkpointing: argument of the constructor that computes activations again; always: whatever the user says.
Backbone = NamedTuple('Backbone', [
    ('title', str),
    ('block', str),
    ('family', str),
    ('settings', Dict[str, Any]),
    ('layers', int),
    ('depths', Optional[Tuple[int, ...]]),
    ('lr', float),
    ('drop_path', float),
    ('decay', Optional[float]),
    ('init', Dict[str, str]),
    ('encoder', str),
    ('reduced', bool),
    ('checkpointing', str),
    ('always', bool),
])


def _vit(dim: int, depth: int, heads: int, interval: int, outputs: Tuple[int, ...], **others: Any) -> Backbone:
    settings = dict(patch_size=16, mlp_ratio=4, qkv_bias=True, use_abs_pos_emb=True, embed_dim=dim, depth=depth,
                    num_heads=heads, interval=interval, out_indices=list(outputs))
    known = dict(family=VIT, settings=settings, layers=depth, depths=None, lr=6e-5, drop_path=0.1, decay=None,
                 encoder='', reduced=False, checkpointing='use_checkpoint', always=False)
    return Backbone(**dict(known, **others))


def _intern(channels: int, depths: Tuple[int, ...], **others: Any) -> Backbone:
    groups = [channels // 16 << level for level in range(len(depths))]
    settings = dict(channels=channels, depths=list(depths), groups=groups, mlp_ratio=4., drop_path_rate=0.2,
                    layer_scale=1e-5, offset_scale=2.0, post_norm=True)
    known = dict(family=INTERN, settings=settings, layers=sum(depths), depths=depths, lr=2e-5, drop_path=0.2,
                 decay=0.94, encoder='', reduced=False, checkpointing='with_cp', always=True)
    return Backbone(**dict(known, **others))


BACKBONES = {
    'vit_b_rvsa': _vit(768, 12, 12, 3, (3, 5, 7, 11), title='ViT-B + RVSA', block='rvsa_b',
                       init={'mae': 'vit-b-checkpoint-1599.pth'},
                       encoder='last_vit_b_rvsa_ss_is_rd_pretrn_model_encoder.pth'),
    'vit_l_rvsa': _vit(1024, 24, 16, 6, (7, 11, 15, 23), title='ViT-L + RVSA', block='rvsa_l',
                       init={'mae': 'vit-l-mae-checkpoint-1599.pth'},
                       encoder='last_vit_l_rvsa_ss_is_rd_pretrn_model_encoder.pth'),
    'internimage_xl': _intern(192, (5, 5, 24, 5), title='InternImage-XL', block='intern_xl',
                              init={'imp': 'internimage_xl_22kto1k_384.pth'},
                              encoder='last_internimage_xl_ss_is_rd_pretrn_model_encoder.pth'),
    # Ours, for demonstrations and tests: the same parts, a hundredth of the size; trained from nothing, so it learns
    # faster and without layer decay.
    'vit_t_rvsa': _vit(128, 6, 4, 3, (1, 2, 4, 5), title='a reduced ViT + RVSA', block='rvsa_t', init={}, lr=1e-3,
                       drop_path=0.0, decay=1.0, reduced=True),
}  # type: Dict[str, Backbone]


def get(name: str) -> Backbone:
    """The :class:`Backbone` called ``name``.

    Raises:
        MTPError: there is no such backbone.
    """
    if name not in BACKBONES:
        raise MTPError(f'no backbone is called {name!r}', hint='one of ' + ', '.join(BACKBONES))
    return BACKBONES[name]


def start_of(name: str) -> str:
    """``--init_backbone`` of the paper's pretraining: a key of ``init``, or ``none``."""
    return next(iter(get(name).init), 'none')
