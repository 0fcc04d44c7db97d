"""InternImage as MTP uses it: four levels of post-norm DCNv3 layers, NHWC inside.

See arXiv 2211.05778, published.md#internimage.
"""
from typing import Mapping, Optional, Sequence, Tuple

import torch
from torch import nn

from mtp.errors import MTPError
from mtp.nn.dcnv3 import DCNv3
from mtp.nn.layers import GELU, DropPath, LayerNorm, Mlp, checkpointed, contiguous_gradient, freeze, init_linear

# Published arguments and the only values that MTP's configurations give them.
_FIXED = dict(core_op='DCNv3', drop_rate=0., drop_path_type='linear', act_layer='GELU', norm_layer='LN', post_norm=True,
              dw_kernel_size=None, level2_post_norm=False, level2_post_norm_block_ids=None, res_post_norm=False,
              center_feature_scale=False)


def _norm(dim: int, entry: int) -> nn.ModuleDict:
    """LayerNorm over the last dimension under the key ``<entry>`` that it had in a published Sequential."""
    return nn.ModuleDict({str(entry): LayerNorm(dim)})


class Stem(nn.Module):
    """(B, in_chans, H, W) -> (B, H / 4, W / 4, C)."""

    def __init__(self, in_chans: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, channels // 2, 3, 2, 1)
        self.norm1 = _norm(channels // 2, 1)
        self.act = GELU()
        self.conv2 = nn.Conv2d(channels // 2, channels, 3, 2, 1)
        self.norm2 = _norm(channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm1['1'](self.conv1(x).permute(0, 2, 3, 1)))
        return self.norm2['1'](self.conv2(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


class Downsample(nn.Module):
    """(B, H, W, C) -> (B, H / 2, W / 2, 2C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * channels, 3, 2, 1, bias=False)
        self.norm = _norm(2 * channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm['1'](self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


class Layer(nn.Module):
    """``x + DP(gamma1 * LN(DCNv3(x)))``, then ``x + DP(gamma2 * LN(mlp(x)))``."""

    def __init__(self, channels: int, groups: int, mlp_ratio: float, offset_scale: float, layer_scale: Optional[float],
                 drop_path: float) -> None:
        super().__init__()
        self.scaled = layer_scale is not None
        if layer_scale is not None:
            self.gamma1 = nn.Parameter(torch.full((channels,), float(layer_scale)))
            self.gamma2 = nn.Parameter(torch.full((channels,), float(layer_scale)))
        self.norm1 = _norm(channels, 0)
        self.dcn = DCNv3(channels, groups, offset_scale)
        self.drop_path = DropPath(drop_path)
        self.norm2 = _norm(channels, 0)
        self.mlp = Mlp(channels, int(channels * mlp_ratio))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.norm1['0'](self.dcn(x))
        x = x + self.drop_path(self.gamma1 * first if self.scaled else first)
        second = self.norm2['0'](self.mlp(x))
        return x + self.drop_path(self.gamma2 * second if self.scaled else second)


class Level(nn.Module):
    """Layers of one stride and the step down to the next."""

    def __init__(self, layers: Sequence[Layer], downsample: Optional[Downsample]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(layers)
        self.downsample = downsample


class InternImage(nn.Module):
    """InternImage backbone. Any input height and width.

    Args:
        channels: width of the first level; doubles with each level.
        depths, groups: layers, and groups of channels that move together, of each level.
        mlp_ratio, drop_path_rate: drop path grows linearly over all layers.
        layer_scale: initial value of the per-channel scales, None for no scales.
        offset_scale: see :func:`mtp.nn.dcnv3.dcnv3`.
        with_cp: recompute each layer's activations in the backward pass.
        out_indices: levels to return.
        pretrained: path of a checkpoint, kept for the adapters, which load it before training.
        frozen_stages: -1 trains everything; n >= 0 freezes the stem and the first n levels.
        variant, recipe, init_cfg: accepted because backbones are configured alike; nothing depends on them here.
        Other published arguments are accepted with the values MTP gives them and refused otherwise.

    Attributes:
        out_channels, strides: lists, one entry a returned map.
    """

    def __init__(self, channels: int = 64, depths: Sequence[int] = (3, 4, 18, 5),
                 groups: Sequence[int] = (3, 6, 12, 24), mlp_ratio: float = 4., drop_path_rate: float = 0.2,
                 layer_scale: Optional[float] = None, offset_scale: float = 1.0, with_cp: bool = False,
                 out_indices: Sequence[int] = (0, 1, 2, 3), init_cfg: object = None, pretrained: Optional[str] = None,
                 frozen_stages: int = -1, in_chans: int = 3, variant: str = 'pretrain', recipe: str = 'paper',
                 **published: object) -> None:
        super().__init__()
        _refuse_unpublished(published)
        if not len(depths) == len(groups) == 4:
            raise MTPError(f'InternImage: depths={depths} and groups={groups} must have four entries',
                           hint='InternImage-XL: depths=[5, 5, 24, 5], groups=[12, 24, 48, 96]')
        self.with_cp, self.out_indices, self.pretrained = with_cp, tuple(out_indices), pretrained
        self.frozen_stages = frozen_stages
        self.patch_embed = Stem(in_chans, channels)
        rates = iter(torch.linspace(0, drop_path_rate, sum(depths)).tolist())
        self.levels = nn.ModuleList()
        for level, (depth, group) in enumerate(zip(depths, groups)):
            width = channels << level
            layers = [Layer(width, group, mlp_ratio, offset_scale, layer_scale, next(rates)) for _ in range(depth)]
            self.levels.append(Level(layers, Downsample(width) if level < 3 else None))
        self.out_channels = [channels << level for level in self.out_indices]
        self.strides = [4 << level for level in self.out_indices]
        self._init_parameters()
        self._freeze()

    def _init_parameters(self) -> None:
        self.apply(init_linear)
        for module in self.modules():
            if isinstance(module, DCNv3):
                module.reset_parameters()

    def _freeze(self) -> None:
        if self.frozen_stages >= 0:
            freeze([self.patch_embed, *self.levels[:self.frozen_stages]])

    def train(self, mode: bool = True) -> 'InternImage':
        """As in ``nn.Module``; frozen levels stay in evaluation mode (no drop path)."""
        super().train(mode)
        self._freeze()
        return self

    def forward(self, image: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """(B, in_chans, H, W) -> tuple of maps (B, channels * 2^l, ceil(H / 2^(l+2)), ceil(W / 2^(l+2)))."""
        x = self.patch_embed(image)
        maps = []
        for index, level in enumerate(self.levels):
            for block in level.blocks:
                x = checkpointed(block, x) if self.with_cp else block(x)
            x = contiguous_gradient(x)  # else channel-first, and summed in another order without checkpointing
            if index in self.out_indices:
                maps.append(x.permute(0, 3, 1, 2).contiguous())
            if level.downsample is not None:
                x = level.downsample(x)
        return tuple(maps)


def _refuse_unpublished(arguments: Mapping[str, object]) -> None:
    for name, value in arguments.items():
        if name not in _FIXED:
            raise MTPError(f'InternImage: unknown argument {name}={value!r}',
                           hint='remove it from the backbone settings')
        if value != _FIXED[name]:
            raise MTPError('InternImage: {}={!r} is not supported, only {!r}, the published setting'.format(
                name, value, _FIXED[name]), hint='remove {} from the backbone settings'.format(name))
