"""The networks computed the plain way that the published code takes, with the weights of ours, to measure against.

Written from the formulas of the RVSA, DCNv3 and MTP papers: coordinate grids built anew on the CPU in each block, three
poolings of the same map, keys and values sampled apart, position terms added into a materialised logit tensor,
transposed convolutions with rearrangements around them, index tables built on the CPU at each call.
"""
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint


def _decomposed_bias(logits, q, size, table_h, table_w):
    """Add the decomposed relative position term to ``logits`` (B, heads, N, N) in place, N = size[0] * size[1]."""
    height, width = size
    rows = torch.arange(height)[:, None] - torch.arange(height)[None, :] + height - 1
    columns = torch.arange(width)[:, None] - torch.arange(width)[None, :] + width - 1
    near_h, near_w = table_h[rows.long()], table_w[columns.long()]
    batch, heads, _, dim = q.shape
    grid = q.reshape(batch, heads, height, width, dim)
    term_h = torch.einsum('byhwc,hkc->byhwk', grid, near_h)
    term_w = torch.einsum('byhwc,wkc->byhwk', grid, near_w)
    logits[:, :] = (logits.view(batch, -1, height, width, height, width)
                    + term_h[:, :, :, :, :, None] + term_w[:, :, :, :, None, :]).view(logits.shape)
    return logits


def full_attention(attention, x, height, width):
    """(B, N, C) -> (B, N, C) with the whole logit matrix in memory."""
    batch, tokens, _ = x.shape
    qkv = attention.qkv(x).reshape(batch, tokens, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    q, k, v = qkv[0] * attention.scale, qkv[1], qkv[2]
    logits = q @ k.transpose(-2, -1)
    if attention.has_position:
        logits = _decomposed_bias(logits, q, (height, width), attention.full_attn_rel_pos_h,
                                  attention.full_attn_rel_pos_w)
    out = (logits.softmax(-1) @ v).transpose(1, 2).reshape(batch, tokens, -1)
    return attention.proj(out)


def _window_coordinates(height, width, size, device):
    """Normalised centres and in-window steps, (2, rows, size, columns, size) each."""
    columns = torch.linspace(-1, 1, width).to(device)
    rows = torch.linspace(-1, 1, height).to(device)
    reference = torch.stack(torch.meshgrid(columns, rows, indexing='ij'), 0)  # x first
    reference = reference.permute(0, 2, 1)[None]  # (1, 2, H, W)
    centre = F.avg_pool2d(reference, size)
    down, across = centre.shape[-2:]
    step_x = torch.arange(size).to(device) * 2 * size / size / (width - 1)
    step_y = torch.arange(size).to(device) * 2 * size / size / (height - 1)
    step_x, step_y = step_x - step_x.mean(), step_y - step_y.mean()
    steps = torch.stack(torch.meshgrid(step_x, step_y, indexing='ij'), 0).permute(0, 2, 1)  # (2, size, size)
    centre = centre.reshape(2, down, 1, across, 1).expand(2, down, size, across, size)
    steps = steps.reshape(2, 1, size, 1, size).expand(2, down, size, across, size)
    return centre, steps, down, across


def window_attention(attention, x, height, width):
    """(B, N, C) -> (B, N, C), each step in its published order."""
    batch, _, dim = x.shape
    heads, size = attention.num_heads, attention.window_size
    left, top = -width % size // 2, -height % size // 2
    pad = (left, -width % size - left, top, -height % size - top)
    image = x.reshape(batch, height, width, dim).permute(0, 3, 1, 2)
    padded = F.pad(image, pad)
    full_h, full_w = padded.shape[-2:]
    centre, steps, down, across = _window_coordinates(full_h, full_w, size, x.device)
    base = (centre + steps).unsqueeze(0).repeat(batch * heads, 1, 1, 1, 1, 1)

    def predict(conv):
        return conv[0](F.leaky_relu(F.avg_pool2d(padded, size, size), 0.01))

    offsets = predict(attention.sampling_offsets).reshape(batch * heads, 2, down, across)
    divisors = (height // size, width // size)
    if attention.recipe != 'released_code':
        divisors = divisors[::-1]
    offsets = torch.stack((offsets[:, 0] / divisors[0], offsets[:, 1] / divisors[1]), 1)
    scales = predict(attention.sampling_scales).reshape(batch * heads, 2, down, across) + 1
    angles = predict(attention.sampling_angles).reshape(batch * heads, 1, down, across)
    moved = (steps[None].repeat(batch * heads, 1, 1, 1, 1, 1) * scales[:, :, :, None, :, None])
    turned = moved.clone()
    turned[:, 0] = -moved[:, 1] * torch.sin(angles[:, 0, :, None, :, None]) \
        + moved[:, 0] * torch.cos(angles[:, 0, :, None, :, None])
    turned[:, 1] = moved[:, 0] * torch.sin(angles[:, 0, :, None, :, None]) \
        + moved[:, 1] * torch.cos(angles[:, 0, :, None, :, None])
    base = centre[None] + turned + offsets[:, :, :, None, :, None]
    grid = base.permute(0, 2, 3, 4, 5, 1).reshape(batch * heads, full_h, full_w, 2)

    qkv = attention.qkv(image.permute(0, 2, 3, 1).reshape(batch, -1, dim)).permute(0, 2, 1)
    qkv = F.pad(qkv.reshape(batch, -1, height, width), pad).reshape(batch, 3, heads, -1, full_h, full_w)
    q, k, v = (part.reshape(batch * heads, -1, full_h, full_w) for part in qkv.unbind(1))
    k = F.grid_sample(k, grid, mode='bilinear', padding_mode='zeros', align_corners=True)
    v = F.grid_sample(v, grid, mode='bilinear', padding_mode='zeros', align_corners=True)

    def tiles(t):
        t = t.reshape(batch, heads, dim // heads, down, size, across, size).permute(0, 3, 5, 1, 4, 6, 2)
        return t.reshape(batch * down * across, heads, size * size, dim // heads)

    q, k, v = tiles(q), tiles(k), tiles(v)
    logits = (q @ k.transpose(-2, -1)) * attention.scale
    logits = _decomposed_bias(logits, q, (size, size), attention.rel_pos_h, attention.rel_pos_w)
    table = attention.relative_position_bias_table[attention.relative_position_index.view(-1)]
    logits = logits + table.view(size * size, size * size, -1).permute(2, 0, 1).contiguous().unsqueeze(0)
    out = (logits.softmax(-1) @ v).reshape(batch, down, across, heads, size, size, -1)
    out = out.permute(0, 3, 6, 1, 4, 2, 5).reshape(batch, dim, full_h, full_w)
    out = out[:, :, top:top + height, left:left + width].permute(0, 2, 3, 1).reshape(batch, height * width, dim)
    return attention.proj(out)


def _pyramid(model, maps):
    up, norm, _, up_again = model.fpn1
    first = F.conv_transpose2d(maps[0], up.weight, up.bias, 2)
    first = norm.ln(first.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()
    first = F.conv_transpose2d(F.gelu(first), up_again.weight, up_again.bias, 2)
    second = F.conv_transpose2d(maps[1], model.fpn2[0].weight, model.fpn2[0].bias, 2)
    return [first, second, maps[2], F.max_pool2d(maps[3], 2, 2)]


def _block(block, x, height, width, ours):
    kind, attention = ('full', full_attention) if hasattr(block.attn, 'has_position') else ('window', window_attention)
    normed = block.norm1(x)
    mixed = block.attn(normed, height, width) if kind in ours else attention(block.attn, normed, height, width)
    x = x + block.drop_path(mixed)
    return x + block.drop_path(block.mlp(block.norm2(x)))


def rvsa(model, image, ours=()):
    """What ``model(image)`` gives for a pyramid of branches and an image of the model's own size.

    ``ours`` names the parts ('window', 'full', 'pyramid') that are computed our way, to see what each brings.
    """
    x = model.patch_embed.proj(image)
    height, width = x.shape[-2:]
    x = x.flatten(2).transpose(1, 2) + model.pos_embed
    maps = []
    for index, block in enumerate(model.blocks):
        if model.use_checkpoint:
            x = checkpoint(_block, block, x, height, width, ours)
        else:
            x = _block(block, x, height, width, ours)
        if index in model.out_indices:
            maps.append(x.permute(0, 2, 1).reshape(x.shape[0], -1, height, width))
    if 'pyramid' in ours:
        return [operation(m) for operation, m in zip((model.fpn1, model.fpn2, model.fpn3, model.fpn4), maps)]
    return _pyramid(model, maps)


def dcnv3(value, offset, mask, groups, offset_scale):
    """DCNv3 with 3 x 3 taps by padding, a normalised grid and ``grid_sample`` for each group."""
    batch, height, width, channels = value.shape
    value = F.pad(value, (0, 0, 1, 1, 1, 1))
    full_h, full_w = height + 2, width + 2
    ys, xs = torch.meshgrid(torch.arange(height) + 1.5, torch.arange(width) + 1.5, indexing='ij')
    reference = torch.stack((xs / full_w, ys / full_h), -1).reshape(1, height, width, 1, 2).to(value.device)
    taps = torch.arange(3.) - 1
    tap_x, tap_y = torch.meshgrid(taps / full_w, taps / full_h, indexing='ij')
    taps = torch.stack((tap_x, tap_y), -1).reshape(1, 1, 1, 9, 2).repeat(1, 1, 1, groups, 1).to(value.device)
    norm = torch.tensor([full_w, full_h], dtype=torch.float32).repeat(9 * groups).to(value.device)
    places = (reference + taps * offset_scale).repeat(batch, 1, 1, 1, 1).flatten(3) + offset * offset_scale / norm
    grid = (2 * places - 1).view(batch, height * width, groups, 9, 2).transpose(1, 2).flatten(0, 1)
    image = value.view(batch, full_h * full_w, channels).transpose(1, 2)
    image = image.reshape(batch * groups, channels // groups, full_h, full_w)
    sampled = F.grid_sample(image, grid, mode='bilinear', padding_mode='zeros', align_corners=False)
    mask = mask.view(batch, height * width, groups, 9).transpose(1, 2).reshape(batch * groups, 1, height * width, 9)
    out = (sampled * mask).sum(-1).view(batch, channels, height * width)
    return out.transpose(1, 2).reshape(batch, height, width, channels).contiguous()


def _dcn(layer, x):
    depthwise, norm, activation = layer.dw_conv
    feature = depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).contiguous()
    feature = activation(norm['1'](feature))
    mask = layer.mask(feature).reshape(x.shape[:3] + (layer.groups, -1)).softmax(-1).flatten(3)
    out = dcnv3(layer.input_proj(x), layer.offset(feature), mask, layer.groups, layer.offset_scale)
    return layer.output_proj(out)


def _layer(layer, x, ours):
    mixed = layer.dcn(x) if 'dcn' in ours else _dcn(layer.dcn, x)
    x = x + layer.drop_path(layer.gamma1 * layer.norm1['0'](mixed))
    return x + layer.drop_path(layer.gamma2 * layer.norm2['0'](layer.mlp(x)))


def internimage(model, image, ours=()):
    """What ``model(image)`` gives; ``ours`` may hold 'dcn' to compute DCNv3 our way."""
    x = model.patch_embed(image)
    maps = []
    for level in model.levels:
        for layer in level.blocks:
            x = checkpoint(_layer, layer, x, ours) if model.with_cp else _layer(layer, x, ours)
        maps.append(x.permute(0, 3, 1, 2).contiguous())
        if level.downsample is not None:
            x = level.downsample(x)
    return maps
