"""Backbones by name, with the published settings."""
from mtp.errors import MTPError
from mtp.nn.internimage import InternImage
from mtp.nn.rvsa import RVSA

_VIT = dict(patch_size=16, mlp_ratio=4, qkv_bias=True, use_abs_pos_emb=True)
BACKBONES = {
    'vit_b_rvsa': (RVSA, dict(_VIT, embed_dim=768, depth=12, num_heads=12, interval=3, out_indices=[3, 5, 7, 11])),
    'vit_l_rvsa': (RVSA, dict(_VIT, embed_dim=1024, depth=24, num_heads=16, interval=6, out_indices=[7, 11, 15, 23])),
    'internimage_xl': (InternImage, dict(channels=192, depths=[5, 5, 24, 5], groups=[12, 24, 48, 96], mlp_ratio=4.,
                                         drop_path_rate=0.2, layer_scale=1e-5, offset_scale=2.0, post_norm=True)),
    # Ours, for demonstrations and tests: the same parts, a hundredth of the size.
    'vit_t_rvsa': (RVSA, dict(_VIT, embed_dim=128, depth=6, num_heads=4, interval=3, out_indices=[1, 2, 4, 5])),
}


def build(name, **overrides):
    """The backbone ``name`` (a key of ``BACKBONES``) with constructor arguments replaced by ``overrides``."""
    if name not in BACKBONES:
        raise MTPError('no backbone is called {!r}'.format(name), hint='one of ' + ', '.join(BACKBONES))
    kind, settings = BACKBONES[name]
    return kind(**dict(settings, **overrides))
