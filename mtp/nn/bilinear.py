"""Bilinear sampling as a weighted sum of table rows.

``grid_sample`` wants channel-first maps, one a group, and gives channel-first results: everything is rearranged twice.
An embedding bag takes the rows as a linear layer left them, writes the results in any order asked for, and sums over
several sampling points at once.
"""
from typing import Tuple

import torch
import torch.nn.functional as F

from mtp.nn.layers import TORCH


def corners(x: torch.Tensor, y: torch.Tensor, height: int, width: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """The four pixels around each place of a (height, width) map.

    Args:
        x, y: places in pixels, same shape (...).

    Returns:
        index: (..., 4) int64 into the flattened map; weight: (..., 4), 0 for pixels outside the map.
    """
    x, y = x.clamp(-2, width + 1), y.clamp(-2, height + 1)  # beyond this nothing is hit
    floor_x, floor_y = x.detach().floor(), y.detach().floor()
    part_x, part_y = x - floor_x, y - floor_y
    xs, ys = torch.stack((floor_x, floor_x + 1), -1), torch.stack((floor_y, floor_y + 1), -1)
    weight_x = torch.stack((1 - part_x, part_x), -1) * ((xs >= 0) & (xs < width))
    weight_y = torch.stack((1 - part_y, part_y), -1) * ((ys >= 0) & (ys < height))
    xs = xs.long().clamp(0, width - 1)
    ys = ys.long().clamp(0, height - 1) * width
    index = (ys[..., :, None] + xs[..., None, :]).flatten(-2)
    weight = (weight_y[..., :, None] * weight_x[..., None, :]).flatten(-2)
    return index, weight


def sum_rows(table: torch.Tensor, rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """``out[i] = sum_j weights[i, j] * table[rows[i, j]]``.

    Args:
        table: (R, d). rows: (n, m) int64. weights: (n, m).

    Returns:
        (n, d) in the table's precision.
    """
    dtype = table.dtype
    if dtype not in (torch.float32, torch.float64) and not (table.is_cuda and TORCH >= (2, 0)):
        table = table.float()  # no embedding bag in this precision
    return F.embedding_bag(rows, table, mode='sum', per_sample_weights=weights.to(table.dtype)).to(dtype)
