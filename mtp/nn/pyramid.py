"""From one-stride token maps to strides 4, 8, 16 and 32 (published.md#pyramid), with the published keys.

A transposed convolution with kernel 2 and stride 2 is a matrix product; its four outputs a pixel are laid side by side.
Of two in a row, with only per-pixel operations between, the first needs no laying out in between.
"""
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from mtp.nn.layers import GELU, LayerNorm


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of each pixel; holds the published key ``ln``."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.ln = LayerNorm(dim)


def _spread_last(x: torch.Tensor, conv: nn.ConvTranspose2d) -> torch.Tensor:
    """(..., C) -> (..., 2, 2, C'): the four pixels that ``conv`` makes of each input pixel, channels last."""
    weight = conv.weight.permute(2, 3, 1, 0)  # (2, 2, C', C)
    out = F.linear(x, weight.reshape(-1, conv.in_channels), conv.bias.repeat(4))
    return out.view(x.shape[:-1] + (2, 2, conv.out_channels))


def _spread(x: torch.Tensor, height: int, width: int, conv: nn.ConvTranspose2d) -> torch.Tensor:
    """(B, height * width, C) tokens -> (B, C', 2 height, 2 width).

    The product comes out channels first, so laying the four pixels side by side moves along rows, not across channels.
    """
    weight = conv.weight.flatten(1).t().expand(x.shape[0], -1, -1)  # as bmm; matmul would copy it for each sample
    out = torch.bmm(weight, x.transpose(1, 2))  # (B, C' * 4, height * width)
    out = F.pixel_shuffle(out.view(x.shape[0], -1, height, width), 2)
    return out.add_(conv.bias.to(out.dtype).view(-1, 1, 1))


class Up4(nn.Sequential):
    """(B, C, h, w) -> (B, C, 4h, 4w): transposed convolution, channel LayerNorm, GELU, transposed convolution."""

    def __init__(self, dim: int) -> None:
        super().__init__(OrderedDict([('0', nn.ConvTranspose2d(dim, dim, 2, 2)), ('1', ChannelNorm(dim)),
                                      ('2', GELU()),
                                      ('3', nn.ConvTranspose2d(dim, dim, 2, 2))]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, norm, activation, second = self
        batch, channels, height, width = x.shape
        x = activation(norm.ln(_spread_last(x.permute(0, 2, 3, 1), first)))  # (B, h, w, 2, 2, C)
        return _spread(x.transpose(2, 3).reshape(batch, -1, channels), 2 * height, 2 * width, second)


class Up2(nn.Sequential):
    """(B, C, h, w) -> (B, C, 2h, 2w) by one transposed convolution."""

    def __init__(self, dim: int) -> None:
        super().__init__(OrderedDict([('0', nn.ConvTranspose2d(dim, dim, 2, 2))]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        return _spread(x.flatten(2).transpose(1, 2), height, width, self[0])


class MaxPool(nn.Module):
    """(B, C, h, w) -> (B, C, h // 2, w // 2), at least one pixel a side."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(x, tuple(min(side, 2) for side in x.shape[-2:]))
