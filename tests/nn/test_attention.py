"""Blocked and fused attention against the formula written out."""
import pytest
import torch

from mtp.nn import attention, build
from mtp.nn.window_attention import RVSAttention

GRID = (5, 6)


def inputs(bias, position, queries=30):
    torch.manual_seed(0)
    keys = GRID[0] * GRID[1]
    q, k, v = (torch.randn(2, 3, n, 8, dtype=torch.float64) for n in (queries, keys, keys))
    rel = [torch.randn(2, 3, queries, n, dtype=torch.float64) if position else None for n in GRID]
    table = torch.randn(3, queries, keys, dtype=torch.float64) if bias else None
    return [t if t is None else t.requires_grad_() for t in (q, k, v, *rel, table)]


def written_out(q, k, v, rel_h, rel_w, bias):
    logits = q @ k.transpose(-2, -1)
    if rel_h is not None:
        logits = logits + rel_h.repeat_interleave(GRID[1], -1) + rel_w.repeat(1, 1, 1, GRID[0])
    if bias is not None:
        logits = logits + bias
    return logits.softmax(-1) @ v


def agree(function, arguments):
    results = []
    for f in (function, written_out):
        out = f(*arguments)
        learned = [t for t in arguments if t is not None]
        results.append([out] + list(torch.autograd.grad((out * out.detach().cos()).sum(), learned)))
    for ours, expected in zip(*results):
        assert torch.allclose(ours, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize('position', [False, True])
@pytest.mark.parametrize('budget', [1, 30 * 7, 30 * 30, 3 * 30 * 30, 1 << 20])  # from one row a block to one block
def test_blocks_of_any_size(monkeypatch, bias, position, budget):
    monkeypatch.setattr(attention, '_CPU_BLOCK', budget)
    agree(attention._BlockedAttention.apply, inputs(bias, position))


@pytest.mark.skipif(not attention._FUSED, reason='this torch has no fused attention with a scale')
@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize('position', [False, True])
def test_fused(bias, position):
    agree(attention._attend_fused, inputs(bias, position))


@pytest.mark.skipif(not attention._FUSED, reason='this torch has no fused attention with a scale')
@pytest.mark.parametrize('size, height, width', [(7, 14, 21), (7, 15, 9)])  # whole windows, and padded ones of odd maps
def test_fused_windows_are_the_plain_way(monkeypatch, size, height, width):
    """Values and all gradients of a whole window layer to 1e-5: the position term is part of the kernel's mask."""
    torch.manual_seed(0)
    layer = RVSAttention(64, 4, window_size=size)
    for name, parameter in layer.named_parameters():
        torch.nn.init.normal_(parameter, std=.02 if name.startswith('sampling') else .2)
    tokens = torch.randn(2, height * width, 64, requires_grad=True)
    found = []
    for way in (attention._attend_fused, attention._BlockedAttention.apply):
        monkeypatch.setattr('mtp.nn.window_attention.attend', lambda *a, way=way: way(*a))
        out = layer(tokens, height, width)
        found.append([out] + list(torch.autograd.grad(out.sin().sum(), [tokens] + list(layer.parameters()))))
    for ours, expected in zip(*found):
        assert (ours - expected).abs().max() <= 1e-5 * max(expected.abs().max(), 1e-2)


@pytest.mark.skipif(not attention._FUSED, reason='this torch has no fused attention with a scale')
@pytest.mark.parametrize('variant, expected', [('det_branches', 2), ('pretrain', 0)])
def test_a_network_on_a_cpu_uses_the_fused_kernel_where_it_has_no_position_term(monkeypatch, variant, expected):
    """With the term as extra dimensions of q and k the CPU's kernel is slower than our blocks."""
    calls = []
    fused = attention.F.scaled_dot_product_attention
    monkeypatch.setattr(attention.F, 'scaled_dot_product_attention', lambda *a, **k: calls.append(1) or fused(*a, **k))
    build('vit_t_rvsa', img_size=112, embed_dim=32, num_heads=2, variant=variant)(torch.zeros(1, 3, 112, 112))
    assert len(calls) == expected


@pytest.mark.skipif(not (attention._FUSED and torch.cuda.is_available()), reason='no fused attention on a GPU here')
@pytest.mark.parametrize('variant', ['det_branches', 'pretrain'])
def test_a_network_on_a_gpu_always_uses_the_fused_kernel(monkeypatch, variant):
    calls = []
    fused = attention.F.scaled_dot_product_attention
    monkeypatch.setattr(attention.F, 'scaled_dot_product_attention', lambda *a, **k: calls.append(1) or fused(*a, **k))
    model = build('vit_t_rvsa', img_size=112, embed_dim=32, num_heads=2, variant=variant).cuda()
    model(torch.zeros(1, 3, 112, 112).cuda())
    assert len(calls) == 6


def test_blocks_cover_every_logit_once(monkeypatch):
    monkeypatch.setattr(attention, '_CPU_BLOCK', 100)
    seen = torch.zeros(3, 4, 17)
    for b, h, n in attention._blocks(3, 4, 17, 21, False):
        seen[b, h, n] += 1
        assert seen[b, h, n].numel() * 21 <= 100
    assert (seen == 1).all()


def test_a_table_made_while_testing_serves_training():
    with torch.inference_mode():
        table = attention._key_positions(2, 3, 1, torch.device('cpu'), torch.float32)
    assert not table.is_inference()
    assert table.tolist()[4] == [0, 1, 0, 1, 0, 0]  # key 4 of a 2 x 3 grid: row 1, column 1, one column of padding
