"""Rotated varied-size window attention (RVSA), the pretraining formulation of MTP.

See arXiv 2208.03987, published.md#window-attention.
Each 7 x 7 window asks, for each head, where to look: an offset, a scale and an angle predicted from the window's mean.
Keys and values are sampled bilinearly at the 49 moved places, queries are not moved.
"""
from collections import OrderedDict
from typing import Any, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import nn

from mtp.nn.attention import attend, cached_table, relative_index
from mtp.nn.bilinear import corners, sum_rows
from mtp.nn.layers import full_precision


class Windows:
    """How a (height, width) map is cut into windows of ``size``: zero padding on both sides, more at the end."""

    def __init__(self, height: int, width: int, size: int) -> None:
        self.height, self.width, self.size = height, width, size
        self.top, self.left = -height % size // 2, -width % size // 2
        self.rows, self.columns = -(-height // size), -(-width // size)
        self.full_height, self.full_width = self.rows * size, self.columns * size
        self.padding = (self.left, self.full_width - width - self.left, self.top, self.full_height - height - self.top)
        self.padded = any(self.padding)

    def cut(self, x: torch.Tensor) -> torch.Tensor:
        """(B, height * width, C) tokens -> (B, rows, size, columns, size, C), zeros in the padding."""
        x = x.view(x.shape[0], self.height, self.width, x.shape[2])
        if self.padded:
            x = F.pad(x, (0, 0) + self.padding)
        return x.view(x.shape[0], self.rows, self.size, self.columns, self.size, x.shape[3])

    def join(self, x: torch.Tensor) -> torch.Tensor:
        """(B, rows, size, columns, size, C) -> (B, height * width, C), padding cropped."""
        x = x.reshape(x.shape[0], self.full_height, self.full_width, x.shape[-1])
        if self.padded:
            x = x[:, self.top:self.top + self.height, self.left:self.left + self.width]
        return x.reshape(x.shape[0], self.height * self.width, x.shape[-1])


@cached_table
def _window_places(rows: int, columns: int, size: int, device: torch.device) -> Tuple[torch.Tensor, ...]:
    """Centres (rows, columns) and in-window steps (size * size), as (x, y) float tensors in padded pixels."""
    half = (size - 1) / 2
    step = torch.arange(size, dtype=torch.float32) - half
    centre_x = torch.arange(columns, dtype=torch.float32) * size + half
    centre_y = torch.arange(rows, dtype=torch.float32) * size + half
    centres = (centre_x.repeat(rows), centre_y.repeat_interleave(columns))
    places = centres + (step.repeat(size), step.repeat_interleave(size))
    return tuple(place.to(device) for place in places)


@cached_table
def _window_relative_index(size: int, device: torch.device) -> Tuple[torch.Tensor, torch.Tensor]:
    """(size * size, size) row indices twice: of ``rel_pos_h`` and of ``rel_pos_w`` for each query of a window."""
    index = relative_index(size, device)
    return index.repeat_interleave(size, 0), index.repeat(size, 1)


def window_bias_index(size: int) -> torch.Tensor:
    """(size^2, size^2) int64, the published ``relative_position_index``: (i-k+size-1)(2 size-1) + (j-l+size-1)."""
    index = relative_index(size)
    rows = index.repeat_interleave(size, 0).repeat_interleave(size, 1)
    return rows * (2 * size - 1) + index.repeat(size, size)


def _rows(index: torch.Tensor, tokens: int, heads: int) -> torch.Tensor:
    """Rows of k and of v in the qkv layer's output read as (sample, token, q | k | v, head) rows: (2, ..., 4)."""
    sample = torch.arange(index.shape[0], device=index.device).view(-1, 1, 1, 1, 1) * tokens
    first = (index + sample) * (3 * heads) + torch.arange(heads, device=index.device).view(-1, 1, 1)
    return torch.stack((first + heads, first + 2 * heads))


class _WindowTokens(torch.autograd.Function):
    """Queries cut into windows, keys and values sampled at the places: each (B * windows, heads, size * size, d).

    Args:
        qkv: (B, N, 3C). weight, index: (B, windows, heads, size * size, 4) of :func:`mtp.nn.bilinear.corners`; tokens
            in the padding weigh nothing, as sampling a zero-padded map gives.

    One function for the three, because their gradients then meet in one tensor instead of in sums of zero-padded ones.
    """

    @staticmethod
    def forward(ctx: Any, qkv: torch.Tensor, weight: torch.Tensor, index: torch.Tensor, windows: Windows,
                heads: int) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        batch, tokens, channels = qkv.shape
        ctx.windows, ctx.heads = windows, heads
        ctx.save_for_backward(qkv, weight, index)
        shape = (batch * index.shape[1], heads, windows.size ** 2, channels // (3 * heads))
        q = windows.cut(qkv[..., :channels // 3]).unflatten(-1, (heads, -1))
        q = q.permute(0, 1, 3, 5, 2, 4, 6).reshape(shape)
        k, v = _WindowTokens._sample(qkv, weight, index, heads).view((2,) + shape).unbind(0)
        return q, k, v

    @staticmethod
    def _sample(qkv: torch.Tensor, weight: torch.Tensor, index: torch.Tensor, heads: int) -> torch.Tensor:
        table = qkv.view(-1, qkv.shape[2] // (3 * heads))
        rows = _rows(index, qkv.shape[1], heads)
        return sum_rows(table, rows.view(-1, 4), weight.expand(rows.shape).reshape(-1, 4))

    @staticmethod
    def backward(ctx: Any, grad_q: torch.Tensor, grad_k: torch.Tensor,
                 grad_v: torch.Tensor) -> Tuple[Optional[torch.Tensor], ...]:
        qkv, weight, index = ctx.saved_tensors
        qkv, weight = qkv.detach().requires_grad_(), weight.detach().requires_grad_()
        windows, heads = ctx.windows, ctx.heads
        with torch.enable_grad():
            sampled = _WindowTokens._sample(qkv, weight, index, heads)
        grad_kv = torch.stack((grad_k, grad_v)).view(sampled.shape)
        grad_qkv, grad_weight = torch.autograd.grad(sampled, (qkv, weight), grad_kv)
        grad_q = grad_q.view(qkv.shape[0], windows.rows, windows.columns, heads, windows.size, windows.size, -1)
        grad_q = windows.join(grad_q.permute(0, 1, 4, 2, 5, 3, 6).flatten(-2))
        grad_qkv[..., :grad_q.shape[-1]] = grad_q  # sampling touched the rows of k and v only
        return grad_qkv, grad_weight, None, None, None


class RVSAttention(nn.Module):
    """Window attention with learned offset, scale and angle for each window and head.

    Args:
        dim: channels C. num_heads: heads. qkv_bias: bias of the qkv layer. qk_scale: replaces ``head_dim ** -0.5``.
        window_size: side of a window in tokens. proj_drop: dropout after the output layer.
        recipe: 'released_code' divides the x offset by the number of window rows and y by that of columns as published
            (published.md#window-offsets); 'paper' divides each by its own. They differ for maps that are not square
            only.
    """

    def __init__(self, dim: int, num_heads: int, qkv_bias: bool = True, qk_scale: Optional[float] = None,
                 window_size: int = 7, proj_drop: float = 0., recipe: str = 'paper') -> None:
        super().__init__()
        self.num_heads, self.window_size, self.recipe = num_heads, window_size, recipe
        head_dim = dim // num_heads
        self.scale = qk_scale or head_dim ** -0.5
        table = 2 * window_size - 1
        self.rel_pos_h = nn.Parameter(torch.zeros(table, head_dim))
        self.rel_pos_w = nn.Parameter(torch.zeros(table, head_dim))
        self.relative_position_bias_table = nn.Parameter(torch.zeros(table * table, num_heads))
        self.register_buffer('relative_position_index', window_bias_index(window_size))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=.02)
        # '2' because pooling and activation were entries 0 and 1 of the published Sequential.
        self.sampling_offsets = nn.Sequential(OrderedDict([('2', nn.Conv2d(dim, 2 * num_heads, 1))]))
        self.sampling_scales = nn.Sequential(OrderedDict([('2', nn.Conv2d(dim, 2 * num_heads, 1))]))
        self.sampling_angles = nn.Sequential(OrderedDict([('2', nn.Conv2d(dim, num_heads, 1))]))
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(proj_drop)

    def forward(self, x: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """(B, height * width, C) -> the same shape."""
        batch, _, dim = x.shape
        heads, size = self.num_heads, self.window_size
        windows = Windows(height, width, size)
        place_x, place_y = self._places(x, windows)
        index, weight = corners(place_x - windows.left, place_y - windows.top, height, width)
        q, k, v = _WindowTokens.apply(self.qkv(x), weight, index, windows, heads)
        rel_h, rel_w = self._relative(q)
        out = attend(q * self.scale, k, v, rel_h, rel_w, self._bias())
        out = out.view(batch, windows.rows, windows.columns, heads, size, size, dim // heads)
        out = windows.join(out.permute(0, 1, 4, 2, 5, 3, 6).flatten(-2))
        return self.proj_drop(self.proj(out))

    def _transforms(self, x: torch.Tensor, windows: Windows) -> Tuple[torch.Tensor, ...]:
        """What each window and head asks for: (B, windows, heads) float32 offset x, y, scale x, y and angle.

        One pooled descriptor and one linear layer made of the three published 1 x 1 convolutions. Always in full
        precision: a position in half precision is off by hundredths of a pixel.
        """
        convs = [part[0] for part in (self.sampling_offsets, self.sampling_scales, self.sampling_angles)]
        with full_precision(x.device.type):
            mean = windows.cut(x).float().mean((2, 4)).flatten(1, 2)
            weight = torch.cat([conv.weight.flatten(1) for conv in convs])
            out = F.linear(F.leaky_relu(mean, 0.01), weight.float(), torch.cat([conv.bias for conv in convs]).float())
        offset, scale, angle = out.split([conv.out_channels for conv in convs], -1)
        offset, scale = offset.unflatten(-1, (-1, 2)), scale.unflatten(-1, (-1, 2))
        return offset[..., 0], offset[..., 1], scale[..., 0], scale[..., 1], angle

    def _places(self, x: torch.Tensor, windows: Windows) -> Tuple[torch.Tensor, torch.Tensor]:
        """Where to sample, as x and y in pixels of the padded map, each (B, windows, heads, size * size) float32.

        The published code works in coordinates from -1 to 1 on each axis; one unit is ``(W - 1) / 2`` pixels along x
        and ``(H - 1) / 2`` along y, which is why the rotation mixes them by their ratio.
        """
        unit_x, unit_y = (windows.full_width - 1) / 2, (windows.full_height - 1) / 2
        # Published: whole windows in the unpadded map. At least one, where the published code divided by zero.
        across, down = max(windows.width // windows.size, 1), max(windows.height // windows.size, 1)
        if self.recipe == 'released_code':
            across, down = down, across
        centre_x, centre_y, step_x, step_y = _window_places(windows.rows, windows.columns, windows.size, x.device)
        offset_x, offset_y, scale_x, scale_y, angle = (t[..., None] for t in self._transforms(x, windows))
        u, v = step_x * (1 + scale_x), step_y * (1 + scale_y)
        cos, sin = angle.cos(), angle.sin()
        place_x = u * cos - v * (sin * (unit_x / unit_y)) + (centre_x[:, None, None] + offset_x * (unit_x / across))
        place_y = v * cos + u * (sin * (unit_y / unit_x)) + (centre_y[:, None, None] + offset_y * (unit_y / down))
        return place_x, place_y

    def _relative(self, q: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Decomposed position term: (B * windows, heads, size * size, size) twice. Published: with the UNSCALED q."""
        rows, columns = _window_relative_index(self.window_size, q.device)
        table = torch.cat((self.rel_pos_h[rows], self.rel_pos_w[columns]), 1)  # (size^2, 2 size, d)
        flat = q.flatten(0, 1).transpose(0, 1)  # (size^2, B * windows * heads, d)
        term = torch.matmul(flat, table.transpose(1, 2)).transpose(0, 1).view(q.shape[:3] + (-1,))
        return term[..., :self.window_size], term[..., self.window_size:]

    def _bias(self) -> torch.Tensor:
        """(heads, size^2, size^2) from the relative position bias table."""
        side = self.window_size ** 2
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        return bias.view(side, side, -1).permute(2, 0, 1)
