"""Small parts shared by the two backbones."""
import inspect
from typing import Any, Callable, Iterable, Union

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

TORCH = tuple(int(part) for part in torch.__version__.split('.')[:2])
_REENTRANT_CHOICE = 'use_reentrant' in inspect.signature(checkpoint).parameters


class DropPath(nn.Module):
    """Stochastic depth: drop the residual branch of a whole sample with probability ``rate`` (arXiv 1603.09382)."""

    def __init__(self, rate: float = 0.) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.dim() - 1)).bernoulli_(keep)
        return x * (mask / keep)

    def extra_repr(self) -> str:
        return f'rate={self.rate:.3f}'


class LayerNorm(nn.LayerNorm):
    """LayerNorm, eps 1e-6, that computes in its weights' precision, as CUDA autocast does and CPU autocast may not."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.to(self.weight.dtype))


class _ContiguousGradient(torch.autograd.Function):
    """Identity whose gradient is contiguous."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad.contiguous()


def contiguous_gradient(x: torch.Tensor) -> torch.Tensor:
    """``x``, whose gradient arrives contiguous, whatever the operation behind it makes of it."""
    return _ContiguousGradient.apply(x)


class GELU(nn.GELU):
    """Exact GELU, also on a CPU with torch 1.10, whose backward pass goes wrong for a gradient laid out otherwise."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x.contiguous())
        return out if TORCH >= (1, 12) or x.is_cuda else contiguous_gradient(out)


class Mlp(nn.Module):
    """Linear, GELU (exact), Linear on the last dimension."""

    def __init__(self, dim: int, hidden: int, drop: float = 0.) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = GELU()
        self.fc2 = nn.Linear(hidden, dim)
        self.drop = nn.Dropout(drop)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


def init_linear(module: nn.Module) -> None:
    """Published init: Linear truncated normal 0.02 with zero bias, LayerNorm 1 and 0; anything else is left alone."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)


def checkpointed(block: Callable[..., torch.Tensor], x: torch.Tensor, *args: object) -> torch.Tensor:
    """``block(x, *args)`` with its activations computed again in the backward pass.

    Where torch has non-reentrant checkpointing it is used: it needs no gradient on ``x`` and lives with DDP's search
    for unused parameters. The reentrant kind loses the block's own gradients when ``x`` needs none: not used then.
    """
    if not torch.is_grad_enabled():
        return block(x, *args)
    if _REENTRANT_CHOICE:
        return checkpoint(block, x, *args, use_reentrant=False)
    return checkpoint(block, x, *args) if x.requires_grad else block(x, *args)


def full_precision(device_type: str) -> torch.autocast:
    """Context in which autocast is off for ``device_type``."""
    # torch 1.10 warns about the default dtype of CPU autocast even when it is asked to be off.
    return torch.autocast(device_type, enabled=False, dtype=torch.bfloat16 if device_type == 'cpu' else torch.float16)


def freeze(modules: Iterable[Union[nn.Module, nn.Parameter]]) -> None:
    """Stop ``modules`` (and parameters among them) from learning: no gradients, evaluation mode."""
    for module in modules:
        if isinstance(module, nn.Parameter):
            module.requires_grad_(False)
            continue
        module.eval()
        for parameter in module.parameters():
            parameter.requires_grad_(False)
