"""DCNv3 and rotated window attention from their formulas alone, slowly: docs/published.md says them in words.

Each point is read by tents over the whole map, each window and head is a loop of its own; nothing here is of mtp.nn.
"""
import math

import torch


def read(image, x, y):
    """Bilinear values of ``image`` (C, H, W) at pixels ``x``, ``y`` (n,), zero outside: (C, n)."""
    height, width = image.shape[1:]
    across = (1 - (x[:, None] - torch.arange(width)).abs()).clamp(min=0)
    down = (1 - (y[:, None] - torch.arange(height)).abs()).clamp(min=0)
    return torch.einsum('chw,nh,nw->cn', image, down, across)


def dcnv3(value, offset, mask, groups, scale):
    """The sum over nine points, x the slower index, of weight times value; shapes as :func:`mtp.nn.dcnv3.dcnv3`."""
    batch, height, width, channels = value.shape
    offset, mask = offset.view(batch, height, width, groups, 9, 2), mask.view(batch, height, width, groups, 9)
    row, column = (t.flatten() for t in torch.meshgrid(torch.arange(height), torch.arange(width)))
    samples = []
    for image, moves, weights in zip(value, offset, mask):
        parts = []
        for group in range(groups):
            own = image[..., group * channels // groups:(group + 1) * channels // groups].permute(2, 0, 1)
            total = 0
            for point in range(9):
                dx, dy = moves[:, :, group, point].reshape(-1, 2).unbind(1)
                x = column + scale * (point // 3 - 1 + dx)
                y = row + scale * (point % 3 - 1 + dy)
                total = total + weights[:, :, group, point].flatten() * read(own, x, y)
            parts.append(total)
        samples.append(torch.cat(parts).view(channels, height, width).permute(1, 2, 0))
    return torch.stack(samples)


def _asked(layer, mean, head, count):
    """What a 1 x 1 convolution says of a window's mean (C,) for one head: ``count`` numbers."""
    conv = layer[0]
    rows = slice(head * count, (head + 1) * count)
    return conv.weight[rows].flatten(1) @ mean + conv.bias[rows]


def _points(attention, tokens, head, top, left, padded, cells):
    """x and y in pixels of the padded map of the 49 points that a window and head look at."""
    height, width = padded
    mean = torch.nn.functional.leaky_relu(tokens.mean((1, 2)), 0.01)
    (move_x, move_y), (scale_x, scale_y) = (
        _asked(layer, mean, head, 2) for layer in (attention.sampling_offsets, attention.sampling_scales))
    angle, = _asked(attention.sampling_angles, mean, head, 1)
    rows, columns = cells
    if attention.recipe == 'released_code':
        rows, columns = columns, rows
    b, a = (t.flatten() - 3. for t in torch.meshgrid(torch.arange(7), torch.arange(7)))
    u, v = 2 * a / (width - 1) * (1 + scale_x), 2 * b / (height - 1) * (1 + scale_y)  # the map spans -1 to 1
    x = u * angle.cos() - v * angle.sin() + move_x / columns
    y = v * angle.cos() + u * angle.sin() + move_y / rows
    return left + 3 + x * (width - 1) / 2, top + 3 + y * (height - 1) / 2


def _mix(attention, q, k, v, head):
    """Attention of 49 queries (d, 49) to 49 sampled keys and values (d, 49): (d, 49)."""
    table = attention.relative_position_bias_table[:, head].view(13, 13)
    i, j = torch.arange(7).repeat_interleave(7), torch.arange(7).repeat(7)
    near_i, near_j = i[:, None] - i + 6, j[:, None] - j + 6
    position = attention.rel_pos_h[near_i] + attention.rel_pos_w[near_j]
    logits = q.t() @ k / math.sqrt(len(q)) + torch.einsum('dq,qkd->qk', q, position) + table[near_i, near_j]
    return v @ logits.softmax(1).t()


def window_attention(attention, x, height, width):
    """(B, N, C) -> (B, N, C)."""
    batch, _, dim = x.shape
    heads, down, right = attention.num_heads, -height % 7, -width % 7
    before = (right // 2, right - right // 2, down // 2, down - down // 2)

    def padded(tokens):
        return torch.nn.functional.pad(tokens.transpose(1, 2).reshape(batch, -1, height, width), before)

    tokens, qkv = padded(x), padded(attention.qkv(x))
    sides, cells = tokens.shape[2:], (max(height // 7, 1), max(width // 7, 1))
    out = torch.zeros_like(tokens)
    for image in range(batch):
        q, k, v = qkv[image].view(3, heads, dim // heads, *sides)
        for top in range(0, sides[0], 7):
            for left in range(0, sides[1], 7):
                rows, columns = slice(top, top + 7), slice(left, left + 7)
                for head in range(heads):
                    at = _points(attention, tokens[image, :, rows, columns], head, top, left, sides, cells)
                    mixed = _mix(attention, q[head, :, rows, columns].flatten(1), read(k[head], *at),
                                 read(v[head], *at), head)
                    first = head * dim // heads
                    out[image, first:first + dim // heads, rows, columns] = mixed.view(-1, 7, 7)
    out = out[:, :, down // 2:down // 2 + height, right // 2:right // 2 + width]
    return attention.proj(out.flatten(2).transpose(1, 2))
