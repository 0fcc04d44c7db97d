"""Position embeddings and relative tables for sizes other than the one they were learned at.

See published.md#loading-a-backbone.
"""
from typing import Callable, Dict, Hashable, Sequence, Tuple

import torch
import torch.nn.functional as F


def resize_pos_embed(pos_embed: torch.Tensor, grid: Sequence[int], new_grid: Sequence[int]) -> torch.Tensor:
    """Bicubic resize (align_corners=False) of a position embedding without class token.

    Args:
        pos_embed: (1, grid[0] * grid[1], C).
        grid, new_grid: (rows, columns).

    Returns:
        (1, new_grid[0] * new_grid[1], C); the tensor itself when the grids are equal.
    """
    if tuple(grid) == tuple(new_grid):
        return pos_embed
    channels = pos_embed.shape[-1]
    image = pos_embed.float().reshape(1, grid[0], grid[1], channels).permute(0, 3, 1, 2)
    image = F.interpolate(image, size=tuple(new_grid), mode='bicubic', align_corners=False)
    return image.permute(0, 2, 3, 1).reshape(1, -1, channels).to(pos_embed.dtype)


def resize_relative(table: torch.Tensor, rows: int) -> torch.Tensor:
    """Bicubic resize (align_corners=False) of a relative table (2g - 1, d) along the distance axis to ``rows`` rows."""
    if table.shape[0] == rows:
        return table
    image = table.float()[None, None]
    return F.interpolate(image, size=(rows, table.shape[1]), mode='bicubic', align_corners=False)[0, 0].to(table.dtype)


class ResizeCache:
    """Keeps resized copies of one parameter while it does not change and no gradient is wanted through it.

    Lives beside the parameter, is not part of the state dict and starts empty in a copy or a pickle.
    """

    def __init__(self, limit: int = 8) -> None:
        self.limit = limit
        self.entries: Dict[Hashable, Tuple[Tuple[object, ...], torch.Tensor]] = {}

    def __call__(self, parameter: torch.Tensor, key: Hashable,
                 resize: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """``resize(parameter)``, from memory where it was computed before for ``key`` and the same values."""
        if parameter.requires_grad and torch.is_grad_enabled() or parameter.is_inference():
            return resize(parameter)
        stamp = (parameter.data_ptr(), parameter._version, parameter.device, parameter.dtype)
        found = self.entries.get(key)
        if found is None or found[0] != stamp:
            if len(self.entries) >= self.limit:
                self.entries.clear()
            with torch.inference_mode(False), torch.no_grad():
                found = self.entries[key] = (stamp, resize(parameter))
        return found[1]

    def __getstate__(self) -> Dict[str, object]:
        return {'limit': self.limit, 'entries': {}}
