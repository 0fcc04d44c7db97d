"""Attention of every token with every other, with an optional decomposed relative position term.

See published.md#full-attention.
"""
from typing import Optional, Tuple

import torch
from torch import nn

from mtp.nn.attention import attend, relative_index
from mtp.nn.resize import ResizeCache, resize_relative


class FullAttention(nn.Module):
    """Multi-head self-attention over a token grid.

    Args:
        dim: channels C. num_heads: heads. qkv_bias: bias of the qkv layer. qk_scale: replaces ``head_dim ** -0.5``.
        grid: (rows, columns) the relative tables are made for, or None for no position term (the detection variants).
            Other grids are served by resizing the tables.
        proj_drop: dropout after the output layer.
    """

    def __init__(self, dim: int, num_heads: int, qkv_bias: bool = True, qk_scale: Optional[float] = None,
                 grid: Optional[Tuple[int, int]] = None, proj_drop: float = 0.) -> None:
        super().__init__()
        self.num_heads = num_heads
        head_dim = dim // num_heads
        self.scale = qk_scale or head_dim ** -0.5
        self.has_position = grid is not None
        if grid is not None:
            self.full_attn_rel_pos_h = nn.Parameter(torch.zeros(2 * grid[0] - 1, head_dim))
            self.full_attn_rel_pos_w = nn.Parameter(torch.zeros(2 * grid[1] - 1, head_dim))
            self._resized = ResizeCache()
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(proj_drop)

    def forward(self, x: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """(B, height * width, C) -> the same shape."""
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.num_heads, dim // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        q = q * self.scale
        rel_h, rel_w = self._relative(q, height, width) if self.has_position else (None, None)
        out = attend(q, k, v, rel_h, rel_w)
        return self.proj_drop(self.proj(out.transpose(1, 2).reshape(batch, tokens, dim)))

    def _relative(self, q: torch.Tensor, height: int, width: int) -> Tuple[torch.Tensor, torch.Tensor]:
        """(B, heads, N, height) and (B, heads, N, width). Published: with the SCALED q."""
        q = q.view(q.shape[:2] + (height, width, q.shape[3]))
        rel_h = torch.matmul(q, self._rows(self.full_attn_rel_pos_h, 'h', height).transpose(1, 2))
        rel_w = torch.matmul(q.transpose(2, 3), self._rows(self.full_attn_rel_pos_w, 'w', width).transpose(1, 2))
        return rel_h.flatten(2, 3), rel_w.transpose(2, 3).flatten(2, 3)

    def _rows(self, table: torch.Tensor, axis: str, size: int) -> torch.Tensor:
        """(size, size, d): the table's row for each pair of positions."""
        table = self._resized(table, (axis, size), lambda t: resize_relative(t, 2 * size - 1))
        return table[relative_index(size, table.device)]
