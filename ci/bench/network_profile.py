"""Where the time of a network goes, and the floor below which no rewriting can bring it.

The matrix products of a network are part of its definition: whatever else is rearranged, they have to be computed. So
the time they take alone, at the network's own shapes, is a floor; published time / floor is the best ratio that anybody
can reach on that machine, and a target above it is out of reach.
"""
from collections import namedtuple

import torch

# ``count`` times ``batch`` products (rows, inner) x (inner, columns).
Product = namedtuple('Product', 'count batch rows inner columns')

_PRODUCTS = ('mm', 'addmm', 'bmm', 'baddbmm')
_MANY_ROWS = 1024  # more rows than this change nothing in the rate of a product


def products(name, model, size):
    """The matrix products of one forward pass at ``size`` pixels a side, one image; convolutions are products too."""
    return _of_vit(model, size) if name.startswith('vit') else _of_internimage(model, size)


def _of_vit(model, size):
    tokens = (size // model.patch_size) ** 2
    dim, depth = model.patch_embed.proj.out_channels, len(model.blocks)
    heads = model.blocks[0].attn.num_heads
    full = sum(hasattr(block.attn, 'has_position') for block in model.blocks)
    windows = (-(-size // model.patch_size // 7)) ** 2
    inner = model.patch_embed.proj.weight[0].numel()
    return [
        Product(1, 1, tokens, inner, dim),
        *(Product(depth, 1, tokens, *shape) for shape in ((dim, 3 * dim), (dim, dim), (dim, 4 * dim), (4 * dim, dim))),
        *(Product(full, heads, tokens, *shape) for shape in ((dim // heads, tokens), (tokens, dim // heads))),
        *(Product(depth - full, windows * heads, 49, *shape) for shape in ((dim // heads, 49), (49, dim // heads))),
        Product(2, 1, tokens, dim, 4 * dim), Product(1, 1, 4 * tokens, dim, 4 * dim)]  # fpn1 and fpn2, fpn1 again


def _of_internimage(model, size):
    found, side = [], size // 4
    half = model.patch_embed.conv1.out_channels
    found.append(Product(1, 1, (2 * side) ** 2, 9 * model.patch_embed.conv1.in_channels, half))
    found.append(Product(1, 1, side ** 2, 9 * half, 2 * half))
    for index, level in enumerate(model.levels):
        layer, depth, rows = level.blocks[0], len(level.blocks), (side >> index) ** 2
        for linear in (layer.dcn.offset, layer.dcn.mask, layer.dcn.input_proj, layer.dcn.output_proj, layer.mlp.fc1,
                       layer.mlp.fc2):
            found.append(Product(depth, 1, rows, linear.in_features, linear.out_features))
        if level.downsample is not None:
            conv = level.downsample.conv
            found.append(Product(1, 1, rows // 4, 9 * conv.in_channels, conv.out_channels))
    return found


def operations(found, learn):
    """Multiplications and additions of ``found``; with ``learn`` also back again, but not into the image."""
    each = [2 * p.count * p.batch * p.rows * p.inner * p.columns for p in found]
    return 3 * sum(each) - each[0] if learn else sum(each)


def seconds_alone(found, device, dtype, learn, timed):
    """Seconds that the products take with nothing around them.

    Args:
        found: of :func:`products`. timed: (function, device) -> seconds.
    """
    total = 0.
    for number, p in enumerate(found):
        rows = min(p.rows, _MANY_ROWS)
        a = torch.randn(p.batch, rows, p.inner, device=device, dtype=dtype)
        b = torch.randn(p.batch, p.columns, p.inner, device=device, dtype=dtype)
        out = torch.randn(p.batch, rows, p.columns, device=device, dtype=dtype)
        if p.batch == 1:
            a, b, out = a[0], b[0], out[0]
        passes = [lambda: a @ b.transpose(-2, -1)]
        if learn:
            passes.append(lambda: out.transpose(-2, -1) @ a)
            passes += [lambda: out @ b] if number else []  # the image wants no gradient
        for one in passes:
            one()
            total += min(timed(one, device) for _ in range(3)) * p.count * p.rows / rows
    return total


def is_product(name):
    """Whether an operation of the profiler is a matrix product or a convolution."""
    name = name.split('::')[-1]
    return name in _PRODUCTS or 'conv' in name or 'dot_product' in name


def seconds_by_operation(function, device, times=2):
    """Seconds of each operation's own work, name -> seconds: the least of several runs, against disturbances."""
    runs = [_profiled(function, device) for _ in range(times)]
    return {name: min(run.get(name, 0.) for run in runs) for name in runs[0]}


def _profiled(function, device):
    with torch.autograd.profiler.profile(use_cuda=device == 'cuda') as profile:
        function()
    fields = ('self_device_time_total', 'self_cuda_time_total') if device == 'cuda' else ('self_cpu_time_total',)
    seconds = {}
    for event in profile.key_averages():
        spent = next(getattr(event, field) for field in fields if hasattr(event, field))
        seconds[event.key] = seconds.get(event.key, 0.) + spent / 1e6
    return seconds


class Share:
    """How one way spends its time.

    Attributes:
        total, products: seconds. others: the costliest other operations as (name, seconds).
    """

    def __init__(self, seconds):
        self.total = sum(seconds.values())
        self.products = sum(spent for name, spent in seconds.items() if is_product(name))
        rest = [(name.split('::')[-1], spent) for name, spent in seconds.items() if not is_product(name)]
        self.others = sorted(rest, key=lambda pair: -pair[1])[:6]


def report(case, seconds, shares, count, alone, rate, target=None):
    """Lines that say how far from the floor each way is and what the best reachable ratio is.

    Args:
        seconds: way -> median seconds of a pass, without the profiler. shares: way -> :class:`Share`.
        count: operations. alone: of :func:`seconds_alone`. rate: operations a second of one big product.
    """
    lines = ['{}: {:.0f} Gop in matrix products; one big product runs at {:.0f} Gop/s, these alone at {:.0f}'.format(
        case, count / 1e9, rate / 1e9, count / alone / 1e9)]
    for way, share in shares.items():
        part = share.products / share.total
        lines.append('  {}: {:.3f} s, {:.0%} of it ({:.3f} s) in matrix products at {:.0f} Gop/s; then {}'.format(
            way, seconds[way], part, seconds[way] * part, count / (seconds[way] * part) / 1e9,
            ', '.join(f'{name} {spent / share.total:.1%}' for name, spent in share.others)))
    floor, whole = alone, seconds.get('published', seconds['ours'])
    best = whole / alone
    lines.append('  floor: the products alone take {:.3f} s ({:.3f} s at the rate of one big product), so no rewriting '
                 'is more than {:.2f} times as fast as the {} code here; ours reaches {:.2f}, with {:.3f} s above '
                 'the floor where that has {:.3f} s'.format(
                     floor, count / rate, best, 'published' if 'published' in seconds else 'present',
                     whole / seconds['ours'], seconds['ours'] - floor, whole - floor))
    if target is not None:
        lines.append('  target {:.1f}: {}'.format(
            target, 'out of reach of any rewriting' if best < target else 'within reach: the floor allows it'))
    return lines
