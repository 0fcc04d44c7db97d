"""Softmax attention with a decomposed position term, without ever holding the whole logit matrix.

The two attention kinds of the RVSA ViT are one function here::

    logit(n, m) = q_n . k_m + rel_h[n, row(m)] + rel_w[n, column(m)] + bias[n, m]

``q`` comes scaled. Keys lie on a grid in row-major order, so ``row(m) = m // w`` and ``column(m) = m % w``.
"""
import functools
import inspect
from typing import Any, Callable, Iterator, Optional, Tuple, TypeVar, cast

import torch
import torch.nn.functional as F

# A block of logits of this many elements: small beside the weights, large beside the cost of starting an operation.
_CPU_BLOCK = 1 << 20
_GPU_BLOCK = 1 << 25

_Block = Tuple[slice, slice, slice]  # of samples, heads, queries
_Function = TypeVar('_Function', bound=Callable[..., Any])


def _fused_available() -> bool:
    """Whether torch has fused attention with a ``scale`` argument (2.1 and later)."""
    function = getattr(F, 'scaled_dot_product_attention', None)
    return function is not None and 'scale' in (inspect.getdoc(function) or '')


_FUSED = _fused_available()


def cached_table(function: _Function) -> _Function:
    """Cache a function of hashable arguments that builds a constant tensor.

    The tensor is built outside inference mode, else one made while testing could not be used in a later training step.
    """
    @functools.lru_cache(maxsize=128)
    @functools.wraps(function)
    def build(*args: Any) -> Any:
        with torch.inference_mode(False), torch.no_grad():
            return function(*args)
    return cast(_Function, build)


@cached_table
def relative_index(size: int, device: torch.device = torch.device('cpu')) -> torch.Tensor:
    """(size, size) int64: entry (i, k) is ``i - k + size - 1``, the row of a table of ``2 * size - 1`` rows."""
    position = torch.arange(size, device=device)
    return position[:, None] - position[None, :] + size - 1


@cached_table
def _key_positions(height: int, width: int, padding: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """(height * width, height + width + padding): row and column of each key as two one-hot parts, then zeros."""
    row = torch.arange(height).repeat_interleave(width)
    column = torch.arange(width).repeat(height)
    parts = [F.one_hot(row, height), F.one_hot(column, width), torch.zeros(height * width, padding, dtype=torch.long)]
    return torch.cat(parts, 1).to(device=device, dtype=dtype)


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rel_h: Optional[torch.Tensor] = None,
           rel_w: Optional[torch.Tensor] = None, bias: Optional[torch.Tensor] = None) -> torch.Tensor:
    """Attention with the decomposed position term above.

    Args:
        q: (B, heads, N, d) queries, already scaled.
        k: (B, heads, M, d) keys; v: (B, heads, M, d) values.
        rel_h: (B, heads, N, h) and rel_w: (B, heads, N, w) with ``h * w == M``, or both None.
        bias: (heads, N, M) or None.

    Returns:
        (B, heads, N, d).
    """
    # On a CPU the extra dimensions that carry a position term cost more than the kernel saves: with torch 2.13 and one
    # thread, forward and backward of 1600 tokens in 12 heads took 0.91 s fused and 0.56 s in blocks; without the term
    # 0.41 s fused and 0.49 s in blocks.
    if _FUSED and (q.is_cuda or rel_h is None and bias is None):
        return _attend_fused(q, k, v, rel_h, rel_w, bias)
    return _BlockedAttention.apply(q, k, v, rel_h, rel_w, bias)


def _attend_fused(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rel_h: Optional[torch.Tensor],
                  rel_w: Optional[torch.Tensor], bias: Optional[torch.Tensor]) -> torch.Tensor:
    """One kernel for everything.

    Windows have a bias, so the kernel reads a mask anyway: their position term is part of it. Full attention has no
    bias, and a mask would be the whole logit matrix: the term becomes extra dimensions of q against one-hot ones of k.
    """
    mask = None if bias is None else bias.to(q.dtype)[None]
    if rel_h is not None and bias is not None:
        mask = mask + (rel_h.unsqueeze(-1) + rel_w.unsqueeze(-2)).flatten(-2).to(q.dtype)
    elif rel_h is not None:
        height, width = rel_h.shape[-1], rel_w.shape[-1]
        padding = -(q.shape[-1] + height + width) % 8  # kernels want the head dimension in multiples of 8
        positions = _key_positions(height, width, padding, k.device, k.dtype)
        q = F.pad(torch.cat((q, rel_h.to(q.dtype), rel_w.to(q.dtype)), -1), (0, padding))
        k = torch.cat((k, positions.expand(k.shape[:2] + positions.shape)), -1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)


def _blocks(batch: int, heads: int, queries: int, keys: int, is_cuda: bool) -> Iterator[_Block]:
    """Slices (batch, heads, queries) whose logits fit the budget, whole heads and whole samples where possible."""
    budget = _GPU_BLOCK if is_cuda else _CPU_BLOCK
    rows = min(queries, max(1, budget // keys))
    per_head = min(heads, max(1, budget // (rows * keys)))
    per_batch = min(batch, max(1, budget // (per_head * rows * keys))) if per_head == heads else 1
    for b in range(0, batch, per_batch):
        for h in range(0, heads, per_head):
            for n in range(0, queries, rows):
                yield slice(b, b + per_batch), slice(h, h + per_head), slice(n, n + rows)


def _probabilities(q: torch.Tensor, k: torch.Tensor, rel_h: Optional[torch.Tensor], rel_w: Optional[torch.Tensor],
                   bias: Optional[torch.Tensor], block: _Block) -> torch.Tensor:
    """Softmax of one block of logits."""
    b, h, n = block
    logits = torch.matmul(q[b, h, n], k[b, h].transpose(-2, -1))
    if rel_h is not None:
        grid = logits.view(logits.shape[:3] + (rel_h.shape[-1], rel_w.shape[-1]))
        grid += rel_h[b, h, n].unsqueeze(-1)
        grid += rel_w[b, h, n].unsqueeze(-2)
    if bias is not None:
        logits += bias[h, n]
    return torch.softmax(logits, -1, dtype=torch.promote_types(logits.dtype, torch.float32))


class _BlockedAttention(torch.autograd.Function):
    """Attention block by block; the backward pass computes each block's probabilities again instead of keeping them."""

    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rel_h: Optional[torch.Tensor],
                rel_w: Optional[torch.Tensor], bias: Optional[torch.Tensor]) -> torch.Tensor:
        out = torch.empty(q.shape[:3] + v.shape[3:], dtype=v.dtype, device=v.device)
        for block in _blocks(*q.shape[:3], k.shape[2], q.is_cuda):
            b, h, n = block
            out[b, h, n] = torch.matmul(_probabilities(q, k, rel_h, rel_w, bias, block).to(v.dtype), v[b, h])
        ctx.save_for_backward(q, k, v, rel_h, rel_w, bias, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Tuple[Optional[torch.Tensor], ...]:
        q, k, v, rel_h, rel_w, bias, out = ctx.saved_tensors
        mean = (grad * out).sum(-1, keepdim=True)  # of each row's gradient, weighted by its probabilities
        grads = [None if t is None else torch.zeros_like(t, memory_format=torch.contiguous_format)
                 for t in (q, k, v, rel_h, rel_w, bias)]
        grad_q, grad_k, grad_v, grad_rel_h, grad_rel_w, grad_bias = grads
        for block in _blocks(*q.shape[:3], k.shape[2], q.is_cuda):
            b, h, n = block
            p = _probabilities(q, k, rel_h, rel_w, bias, block)
            low = p.to(v.dtype)
            grad_v[b, h] += torch.matmul(low.transpose(-2, -1), grad[b, h, n])
            d = torch.matmul(grad[b, h, n], v[b, h].transpose(-2, -1)).to(p.dtype)
            d = d.sub_(mean[b, h, n]).mul_(p).to(q.dtype)
            grad_q[b, h, n] = torch.matmul(d, k[b, h])
            grad_k[b, h] += torch.matmul(d.transpose(-2, -1), q[b, h, n])
            if rel_h is not None:
                grid = d.view(d.shape[:3] + (rel_h.shape[-1], rel_w.shape[-1]))
                grad_rel_h[b, h, n] = grid.sum(-1)
                grad_rel_w[b, h, n] = grid.sum(-2)
            if bias is not None:
                grad_bias[h, n] += d.sum(0)
        return tuple(grads)
