"""From one-stride token maps to strides 4, 8, 16 and 32 (spec 1.1), with the published keys.

A transposed convolution with kernel 2 and stride 2 is a linear layer whose four outputs a pixel are laid side by side.
Two in a row, with only per-pixel operations between, need one rearrangement at the very end.
"""
from collections import OrderedDict

import torch.nn.functional as F
from torch import nn

from mtp.nn.layers import LayerNorm


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of each pixel; holds the published key ``ln``."""

    def __init__(self, dim):
        super().__init__()
        self.ln = LayerNorm(dim)


def _spread(x, conv):
    """(..., C) -> (..., 2, 2, C'): the four pixels that ``conv`` makes of each input pixel."""
    weight = conv.weight.permute(2, 3, 1, 0)  # (2, 2, C', C)
    out = F.linear(x, weight.reshape(-1, conv.in_channels), conv.bias.repeat(4))
    return out.view(x.shape[:-1] + (2, 2, conv.out_channels))


class Up4(nn.Sequential):
    """(B, C, h, w) -> (B, C, 4h, 4w): transposed convolution, channel LayerNorm, GELU, transposed convolution."""

    def __init__(self, dim):
        super().__init__(OrderedDict([('0', nn.ConvTranspose2d(dim, dim, 2, 2)), ('1', ChannelNorm(dim)),
                                      ('3', nn.ConvTranspose2d(dim, dim, 2, 2))]))

    def forward(self, x):
        first, norm, second = self
        batch, channels, height, width = x.shape
        x = _spread(x.permute(0, 2, 3, 1), first)
        x = _spread(F.gelu(norm.ln(x)), second)  # (B, h, w, 2, 2, 2, 2, C)
        return x.permute(0, 7, 1, 3, 5, 2, 4, 6).reshape(batch, channels, 4 * height, 4 * width)


class Up2(nn.Sequential):
    """(B, C, h, w) -> (B, C, 2h, 2w) by one transposed convolution."""

    def __init__(self, dim):
        super().__init__(OrderedDict([('0', nn.ConvTranspose2d(dim, dim, 2, 2))]))

    def forward(self, x):
        batch, channels, height, width = x.shape
        x = _spread(x.permute(0, 2, 3, 1), self[0])  # (B, h, w, 2, 2, C)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, 2 * height, 2 * width)


class MaxPool(nn.Module):
    """(B, C, h, w) -> (B, C, h // 2, w // 2), at least one pixel a side."""

    def forward(self, x):
        return F.max_pool2d(x, tuple(min(side, 2) for side in x.shape[-2:]))
