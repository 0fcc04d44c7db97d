"""The RVSA Vision Transformer of MTP: one class for pretraining and every fine-tuning task.

See published.md#rvsa-vit, #wirings.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import torch
import torch.nn.functional as F
from torch import nn

from mtp.errors import MTPError
from mtp.nn.full_attention import FullAttention
from mtp.nn.layers import DropPath, LayerNorm, Mlp, checkpointed, contiguous_gradient, freeze, init_linear
from mtp.nn.pyramid import MaxPool, Up2, Up4
from mtp.nn.resize import ResizeCache, resize_pos_embed
from mtp.nn.window_attention import RVSAttention


class Wiring(NamedTuple):
    """What a task makes of the blocks.

    Attributes:
        norm: the module ``norm`` is 'absent', there but 'unused' (kept for its keys), or 'applied' to the last block's
            output.
        position: full attention has its relative position term.
        pyramid: 'branches' makes strides 4 to 32 from the four chosen blocks, 'last' all four from the last block,
            'unused' returns the chosen blocks at the patch stride and keeps the pyramid's weights for their keys.
    """
    norm: str
    position: bool
    pyramid: str


VARIANTS = {
    'pretrain': Wiring('unused', True, 'branches'),
    'cls': Wiring('unused', True, 'unused'),
    'seg': Wiring('absent', True, 'branches'),
    'cd': Wiring('unused', True, 'unused'),
    'det': Wiring('applied', False, 'last'),
    'det_branches': Wiring('absent', False, 'branches'),
}
RECIPES = ('paper', 'released_code')


def _pair(value: Union[int, Sequence[int]]) -> Tuple[int, int]:
    height, width = (value, value) if isinstance(value, int) else value
    return height, width


class PatchEmbed(nn.Module):
    """(B, in_chans, H, W) -> (B, rows * columns, dim) by a convolution with stride = patch size."""

    def __init__(self, patch_size: int, in_chans: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, patch_size, patch_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Contiguous: sums keep the layout of their first part, so every block would inherit the convolution's.
        return self.proj(x).flatten(2).transpose(1, 2).contiguous()


class Block(nn.Module):
    """Pre-norm transformer block: ``x + DP(attn(LN(x)))``, then ``x + DP(mlp(LN(x)))``."""

    def __init__(self, dim: int, attention: nn.Module, mlp_ratio: float, drop: float, drop_path: float) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = attention
        self.drop_path = DropPath(drop_path)
        self.norm2 = LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), drop)

    def forward(self, x: torch.Tensor, height: int, width: int) -> torch.Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x), height, width))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class RVSA(nn.Module):
    """ViT whose blocks attend in rotated varied-size windows, every ``interval``-th block in full.

    Any input height and width: the image is padded at the bottom and right to whole patches and the maps are cropped to
    ``ceil(size / stride)``; position embedding and relative tables are resized to the grid at hand.

    Args:
        img_size: side (or height, width) in pixels that position embedding and tables are made for.
        patch_size, in_chans, embed_dim, depth, num_heads, mlp_ratio, qkv_bias, qk_scale, drop_rate, drop_path_rate:
            as in any ViT; drop path grows linearly from 0 to ``drop_path_rate`` over the depth.
        use_checkpoint: recompute each block's activations in the backward pass.
        use_abs_pos_emb: learned position embedding.
        out_indices: 0-based blocks whose outputs become the maps.
        interval: block ``i`` has full attention when ``(i + 1) % interval == 0``.
        pretrained: path of a checkpoint, kept for the adapters, which load it before training.
        frozen_stages: -1 trains everything; n >= 0 freezes patch and position embedding and the first n blocks.
        variant: wiring of the task, a key of ``VARIANTS``.
        recipe: 'paper' or 'released_code'; see :class:`~mtp.nn.window_attention.RVSAttention`.
        attn_drop_rate, hybrid_backbone, norm_layer, init_values: only their published values 0 and None.
        num_classes, use_rel_pos_bias, use_shared_rel_pos_bias, restart_regression: published arguments that never did
            anything; accepted and ignored.

    Attributes:
        out_channels, strides: lists, one entry a returned map.
    """

    def __init__(self, img_size: Union[int, Sequence[int]] = 224, patch_size: int = 16, in_chans: int = 3,
                 num_classes: int = 80, embed_dim: int = 768, depth: int = 12, num_heads: int = 12,
                 mlp_ratio: float = 4., qkv_bias: bool = False, qk_scale: Optional[float] = None, drop_rate: float = 0.,
                 attn_drop_rate: float = 0., drop_path_rate: float = 0., hybrid_backbone: object = None,
                 norm_layer: object = None, init_values: Optional[float] = None, use_checkpoint: bool = False,
                 use_abs_pos_emb: bool = False, use_rel_pos_bias: bool = False, use_shared_rel_pos_bias: bool = False,
                 out_indices: Sequence[int] = (11,), interval: int = 3, pretrained: Optional[str] = None,
                 restart_regression: bool = True, frozen_stages: int = -1, variant: str = 'pretrain',
                 recipe: str = 'paper') -> None:
        super().__init__()
        _refuse(attn_drop_rate=attn_drop_rate, hybrid_backbone=hybrid_backbone, norm_layer=norm_layer,
                init_values=init_values)
        _check(variant, recipe, embed_dim, num_heads, depth, out_indices, frozen_stages)
        self.wiring = VARIANTS[variant]
        self.patch_size, self.use_checkpoint, self.frozen_stages = patch_size, use_checkpoint, frozen_stages
        self.out_indices, self.pretrained = list(out_indices), pretrained
        height, width = _pair(img_size)
        self.grid = -(-height // patch_size), -(-width // patch_size)

        self.pos_embed = None
        if use_abs_pos_emb:
            self.pos_embed = nn.Parameter(torch.zeros(1, self.grid[0] * self.grid[1], embed_dim))
            nn.init.trunc_normal_(self.pos_embed, std=.02)
            self._resized = ResizeCache()
        self.patch_embed = PatchEmbed(patch_size, in_chans, embed_dim)
        self.pos_drop = nn.Dropout(drop_rate)
        common: Dict[str, Any] = dict(qkv_bias=qkv_bias, qk_scale=qk_scale, proj_drop=drop_rate)
        rates = torch.linspace(0, drop_path_rate, depth).tolist()
        self.blocks = nn.ModuleList()
        for index in range(depth):
            if (index + 1) % interval == 0:
                grid = self.grid if self.wiring.position else None
                attention = FullAttention(embed_dim, num_heads, grid=grid, **common)
            else:
                attention = RVSAttention(embed_dim, num_heads, recipe=recipe, **common)
            self.blocks.append(Block(embed_dim, attention, mlp_ratio, drop_rate, rates[index]))
        if self.wiring.norm != 'absent':
            self.norm = LayerNorm(embed_dim)
        self.fpn1, self.fpn2, self.fpn3, self.fpn4 = Up4(embed_dim), Up2(embed_dim), nn.Identity(), MaxPool()

        if self.wiring.pyramid == 'unused':
            self.strides = [patch_size] * len(self.out_indices)
        else:
            maps = 4 if self.wiring.pyramid == 'last' else len(self.out_indices)
            self.strides = [patch_size // 4, patch_size // 2, patch_size, patch_size * 2][:maps]
        self.out_channels = [embed_dim] * len(self.strides)
        self._init_parameters()
        self._freeze()

    def _init_parameters(self) -> None:
        """Published init; the output layers of block l (1-based) are divided by sqrt(2 l)."""
        self.apply(init_linear)
        for number, block in enumerate(self.blocks, 1):
            with torch.no_grad():
                block.attn.proj.weight.div_((2 * number) ** 0.5)
                block.mlp.fc2.weight.div_((2 * number) ** 0.5)

    def _freeze(self) -> None:
        if self.frozen_stages >= 0:
            embedding = [] if self.pos_embed is None else [self.pos_embed]
            freeze([self.patch_embed, *embedding, *self.blocks[:self.frozen_stages]])

    def train(self, mode: bool = True) -> 'RVSA':
        """As in ``nn.Module``; frozen blocks stay in evaluation mode (no drop path, no dropout)."""
        super().train(mode)
        self._freeze()
        return self

    def forward(self, image: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """(B, in_chans, H, W) -> tuple of maps (B, embed_dim, ceil(H / stride), ceil(W / stride)).

        The coarsest map of a pyramid has ``floor(rows / 2)`` rows, as max pooling gives.
        """
        height, width = image.shape[-2:]
        padding = (0, -width % self.patch_size, 0, -height % self.patch_size)
        if any(padding):
            image = F.pad(image, padding)
        rows, columns = image.shape[-2] // self.patch_size, image.shape[-1] // self.patch_size
        x = self.patch_embed(image)
        if self.pos_embed is not None:
            x = x + self._position(rows, columns)
        x = self.pos_drop(x)

        chosen = []
        for index, block in enumerate(self.blocks):
            x = checkpointed(block, x, rows, columns) if self.use_checkpoint else block(x, rows, columns)
            if index in self.out_indices:
                chosen.append(contiguous_gradient(x))  # as in InternImage: equal sums with and without checkpointing
        maps = self._maps(chosen, x, rows, columns)
        if any(padding):
            maps = [m[..., :max(-(-height // s), 1), :max(-(-width // s), 1)] for m, s in zip(maps, self.strides)]
        return tuple(m.contiguous() for m in maps)  # operators downstream read the memory as NCHW

    def _position(self, rows: int, columns: int) -> torch.Tensor:
        if (rows, columns) == self.grid:
            return self.pos_embed
        return self._resized(self.pos_embed, (rows, columns), lambda p: resize_pos_embed(p, self.grid, (rows, columns)))

    def _maps(self, chosen: List[torch.Tensor], last: torch.Tensor, rows: int, columns: int) -> List[torch.Tensor]:
        """Token sequences (B, rows * columns, C) -> list of NCHW maps according to the wiring."""
        if self.wiring.norm == 'applied':
            last = self.norm(last)
        if self.wiring.pyramid == 'last':
            chosen = [last] * 4
        chosen = [x.view(x.shape[0], rows, columns, x.shape[2]).permute(0, 3, 1, 2) for x in chosen]
        if self.wiring.pyramid == 'unused':
            return chosen
        return [operation(x) for operation, x in zip((self.fpn1, self.fpn2, self.fpn3, self.fpn4), chosen)]


def _refuse(**arguments: object) -> None:
    for name, value in arguments.items():
        if value:
            raise MTPError(f'RVSA: {name}={value!r} is not supported; no published configuration sets it',
                           hint=f'remove {name} from the backbone settings')


def _check(variant: str, recipe: str, embed_dim: int, num_heads: int, depth: int, out_indices: Sequence[int],
           frozen_stages: int) -> None:
    """Refuse settings that would fail later with a message that names no setting."""
    if variant not in VARIANTS:
        raise MTPError(f'RVSA: variant={variant!r} is unknown', hint='one of ' + ', '.join(VARIANTS))
    if recipe not in RECIPES:
        raise MTPError(f'RVSA: recipe={recipe!r} is unknown', hint='one of ' + ', '.join(RECIPES))
    if embed_dim % num_heads:
        raise MTPError(f'RVSA: embed_dim={embed_dim} is not a multiple of num_heads={num_heads}',
                       hint='num_heads=12 with embed_dim=768, or 16 with 1024')
    if any(not 0 <= index < depth for index in out_indices):
        raise MTPError(f'RVSA: out_indices={list(out_indices)} but the blocks are 0 to {depth - 1}',
                       hint='out_indices counts from 0; published: [3, 5, 7, 11] of 12 or [7, 11, 15, 23] of 24 blocks')
    if frozen_stages > depth:
        raise MTPError(f'RVSA: frozen_stages={frozen_stages} but there are {depth} blocks',
                       hint=f'frozen_stages={depth} freezes all of them, -1 none')
