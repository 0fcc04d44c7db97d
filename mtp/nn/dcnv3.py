"""Deformable convolution v3.

See arXiv 2211.05778, published.md#dcnv3.

It is multi-scale deformable attention (arXiv 2010.04159) with one level, nine points, a head for each group and the
mask for weights. OpenMMLab carries that operator compiled for cards: where an adapter has given it
(:func:`give_operator`) it computes on a card, plain PyTorch everywhere else.
"""
from typing import Callable, List, Tuple

import torch
import torch.nn.functional as F
from torch import nn

from mtp.nn.attention import cached_table
from mtp.nn.layers import GELU, LayerNorm

_KERNEL = 3
_POINTS = _KERNEL * _KERNEL
Operator = Callable[..., torch.Tensor]  # see :func:`give_operator`
_given: List[Operator] = []


def give_operator(function: Operator) -> None:
    """Let DCNv3 compute on cards by ``function``, once for all; without one plain PyTorch serves them too.

    Args:
        function: ``function(value, shapes, starts, locations, weights, step)`` as mmcv's
            ``MultiScaleDeformableAttnFunction.apply`` takes them: value (B, H W, heads, d), shapes (1, 2) and starts
            (1,) int64, locations (B, H W, heads, 1, 9, 2) in units of the map, x first, weights (B, H W, heads, 1, 9),
            and how many samples one launch takes. Returns (B, H W, heads d).
    """
    _given[:] = [function]


@cached_table
def _pixels(height: int, width: int, device: torch.device) -> Tuple[torch.Tensor, torch.Tensor]:
    """Pixel centres (height * width, 1, 1, 2) and the size of a pixel (2,), x first, in units of ``grid_sample``."""
    size = torch.tensor([2 / width, 2 / height])
    y, x = torch.arange(height).repeat_interleave(width), torch.arange(width).repeat(height)
    centres = (torch.stack((x, y), -1) + 0.5) * size - 1
    return centres.view(-1, 1, 1, 2).to(device), size.to(device)


@cached_table
def _places(height: int, width: int, offset_scale: float, device: torch.device) -> torch.Tensor:
    """Where the nine taps of each pixel look without an offset: (height * width, 1, 9, 2). x is the slow one."""
    centres, size = _pixels(height, width, device)
    tap = torch.arange(_KERNEL, device=device) - _KERNEL // 2
    taps = torch.stack((tap.repeat_interleave(_KERNEL), tap.repeat(_KERNEL)), -1)
    return centres + taps * size * offset_scale


@cached_table
def _map(height: int, width: int, offset_scale: float,
         device: torch.device) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The map as the compiled operator is told of it, without a copy from the host in each step.

    Returns:
        shapes (1, 2) and starts (1,) int64; places as :func:`_places` and the length of an offset of 1 (2,), both in
        units of the map: 0 to 1 from edge to edge.
    """
    shapes, starts = torch.tensor([[height, width]]), torch.zeros(1, dtype=torch.long)
    places = (_places(height, width, offset_scale, device) + 1) / 2
    return shapes.to(device), starts.to(device), places, _pixels(height, width, device)[1] * (offset_scale / 2)


def dcnv3(value: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, groups: int,
          offset_scale: float) -> torch.Tensor:
    """Kernel 3 x 3, stride 1, padding 1, dilation 1.

    ``out_g(r, c) = sum_k mask_gk * value_g(r + s (p_y + dy_gk), c + s (p_x + dx_gk))``, bilinear, zero outside; the
    scale ``s`` multiplies the taps ``p`` as well as the offsets.

    Args:
        value: (B, H, W, C). offset: (B, H, W, groups * 9 * 2), last axis (dx, dy). mask: (B, H, W, groups * 9).

    Returns:
        (B, H, W, C).
    """
    if _given and value.is_cuda:
        return as_attention(_given[0], value, offset, mask, groups, offset_scale)
    height, width = value.shape[1:3]
    grid = _by_group(offset, groups).float().unflatten(-1, (_POINTS, 2)) * _pixels(height, width, value.device)[1]
    places = grid * offset_scale + _places(height, width, offset_scale, value.device).squeeze(1)
    maps = _by_group(value, groups).transpose(1, 2).unflatten(2, (height, width))
    sampled = F.grid_sample(maps.float(), places, mode='bilinear', padding_mode='zeros', align_corners=False)
    mixed = torch.einsum('gcnp,gnp->gnc', sampled, _by_group(mask, groups).to(sampled.dtype))
    return mixed.unflatten(0, (-1, groups)).transpose(1, 2).reshape(value.shape).to(value.dtype)


def _by_group(x: torch.Tensor, groups: int) -> torch.Tensor:
    """(B, H, W, groups * C) -> (B * groups, H * W, C): groups are runs of channels."""
    return x.flatten(1, 2).unflatten(-1, (groups, -1)).transpose(1, 2).flatten(0, 1)


def as_attention(operator: Operator, value: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, groups: int,
                 offset_scale: float) -> torch.Tensor:
    """:func:`dcnv3` by an ``operator`` as :func:`give_operator` takes it, in full precision.

    A position in half precision is off by hundredths of a pixel.
    """
    batch, height, width, channels = value.shape
    shapes, starts, places, step = _map(height, width, offset_scale, value.device)
    look = torch.addcmul(places, offset.float().view(batch, height * width, groups, _POINTS, 2), step)
    heads = value.float().reshape(batch, height * width, groups, channels // groups)
    weights = mask.float().reshape(batch, height * width, groups, 1, _POINTS)
    out = operator(heads, shapes, starts, look.unsqueeze(3), weights, batch)
    return out.view(batch, height, width, channels).to(value.dtype)


class DCNv3(nn.Module):
    """Deformable convolution with offsets and softmax masks predicted from a depthwise convolution of the input.

    Args:
        channels: C. groups: groups of ``C / groups`` channels that move together. offset_scale: see :func:`dcnv3`.
    """

    def __init__(self, channels: int, groups: int, offset_scale: float = 1.0) -> None:
        super().__init__()
        self.groups, self.offset_scale = groups, offset_scale
        depthwise = nn.Conv2d(channels, channels, _KERNEL, padding=_KERNEL // 2, groups=channels)
        # Entry 1 of the inner one because the published code turns the axes in entry 0.
        self.dw_conv = nn.Sequential(depthwise, nn.ModuleDict({'1': LayerNorm(channels)}), GELU())
        self.offset = nn.Linear(channels, groups * _POINTS * 2)
        self.mask = nn.Linear(channels, groups * _POINTS)
        self.input_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Published init: offsets and masks start at zero, the projections Xavier-uniform with zero bias."""
        for layer in (self.offset, self.mask):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for layer in (self.input_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, W, C) -> the same shape."""
        batch, height, width, _ = x.shape
        depthwise, norm, activation = self.dw_conv
        feature = activation(norm['1'](depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)))
        mask = self.mask(feature).view(batch, height, width, self.groups, _POINTS).softmax(-1).flatten(3)
        out = dcnv3(self.input_proj(x), self.offset(feature), mask, self.groups, self.offset_scale)
        return self.output_proj(out)
