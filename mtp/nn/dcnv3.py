"""Deformable convolution v3 (spec 1.2; arXiv 2211.05778) in plain PyTorch, or by its compiled extension on a GPU."""
import importlib

import torch
import torch.nn.functional as F
from torch import nn

from mtp.nn.attention import cached_table
from mtp.nn.layers import GELU, LayerNorm

_KERNEL = 3
_POINTS = _KERNEL * _KERNEL


def _extension():
    """The compiled ``DCNv3`` module, or None where it is not installed."""
    try:
        return importlib.import_module('DCNv3')
    except ImportError:
        return None


_COMPILED = _extension()


@cached_table
def _pixels(height, width, device):
    """Pixel centres (height * width, 1, 1, 2) and the size of a pixel (2,), x first, in units of ``grid_sample``."""
    size = torch.tensor([2 / width, 2 / height])
    y, x = torch.arange(height).repeat_interleave(width), torch.arange(width).repeat(height)
    centres = (torch.stack((x, y), -1) + 0.5) * size - 1
    return centres.view(-1, 1, 1, 2).to(device), size.to(device)


@cached_table
def _places(height, width, offset_scale, device):
    """Where the nine taps of each pixel look without an offset: (height * width, 1, 9, 2). x is the slow one."""
    centres, size = _pixels(height, width, device)
    tap = torch.arange(_KERNEL, device=device) - _KERNEL // 2
    taps = torch.stack((tap.repeat_interleave(_KERNEL), tap.repeat(_KERNEL)), -1)
    return centres + taps * size * offset_scale


def dcnv3(value, offset, mask, groups, offset_scale):
    """Kernel 3 x 3, stride 1, padding 1, dilation 1.

    ``out_g(r, c) = sum_k mask_gk * value_g(r + s (p_y + dy_gk), c + s (p_x + dx_gk))``, bilinear, zero outside; the
    scale ``s`` multiplies the taps ``p`` as well as the offsets.

    Args:
        value: (B, H, W, C). offset: (B, H, W, groups * 9 * 2), last axis (dx, dy). mask: (B, H, W, groups * 9).

    Returns:
        (B, H, W, C).
    """
    if _COMPILED is not None and value.is_cuda:
        return _CompiledDCNv3.apply(value, offset, mask, groups, offset_scale)
    batch, height, width, channels = value.shape
    grid = offset.float().view(batch, height * width, groups, _POINTS, 2) * _pixels(height, width, value.device)[1]
    grid = (grid * offset_scale + _places(height, width, offset_scale, value.device)).transpose(1, 2).flatten(0, 1)
    value = value.view(batch, height * width, groups, -1).permute(0, 2, 3, 1).reshape(batch * groups, -1, height, width)
    sampled = F.grid_sample(value.float(), grid, mode='bilinear', padding_mode='zeros', align_corners=False)
    mask = mask.view(batch, height * width, groups, _POINTS).transpose(1, 2).reshape(batch * groups, 1, -1, _POINTS)
    out = (sampled * mask).sum(-1).view(batch, channels, height * width)  # groups are runs of channels
    return out.transpose(1, 2).reshape(batch, height, width, channels).to(value.dtype)


class _CompiledDCNv3(torch.autograd.Function):
    """The published CUDA/HIP operator, in full precision."""

    @staticmethod
    def _settings(channels, groups, offset_scale):
        return (_KERNEL, _KERNEL, 1, 1, 1, 1, 1, 1, groups, channels // groups, offset_scale)

    @staticmethod
    def forward(ctx, value, offset, mask, groups, offset_scale):
        ctx.settings, ctx.dtypes = (groups, offset_scale), (value.dtype, offset.dtype, mask.dtype)
        tensors = [tensor.float().contiguous() for tensor in (value, offset, mask)]
        ctx.save_for_backward(*tensors)
        settings = _CompiledDCNv3._settings(value.shape[-1], groups, offset_scale)
        return _COMPILED.dcnv3_forward(*tensors, *settings, value.shape[0]).to(value.dtype)

    @staticmethod
    def backward(ctx, grad):
        tensors = ctx.saved_tensors
        settings = _CompiledDCNv3._settings(tensors[0].shape[-1], *ctx.settings)
        grads = _COMPILED.dcnv3_backward(*tensors, *settings, grad.float().contiguous(), tensors[0].shape[0])
        return tuple(g.to(dtype) for g, dtype in zip(grads, ctx.dtypes)) + (None, None)


class DCNv3(nn.Module):
    """Deformable convolution with offsets and softmax masks predicted from a depthwise convolution of the input.

    Args:
        channels: C. groups: groups of ``C / groups`` channels that move together. offset_scale: see :func:`dcnv3`.
    """

    def __init__(self, channels, groups, offset_scale=1.0):
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

    def reset_parameters(self):
        """Published init: offsets and masks start at zero, the projections Xavier-uniform with zero bias."""
        for layer in (self.offset, self.mask):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for layer in (self.input_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        """(B, H, W, C) -> the same shape."""
        batch, height, width, _ = x.shape
        depthwise, norm, activation = self.dw_conv
        feature = activation(norm['1'](depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)))
        mask = self.mask(feature).view(batch, height, width, self.groups, _POINTS).softmax(-1).flatten(3)
        out = dcnv3(self.input_proj(x), self.offset(feature), mask, self.groups, self.offset_scale)
        return self.output_proj(out)
