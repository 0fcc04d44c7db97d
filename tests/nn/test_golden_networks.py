"""The networks against numbers that the published code computed (tests/golden/README.md)."""
import numpy as np
import pytest
import torch
from golden_files import fill, golden, normal, probe_loss

from mtp.nn import RVSA, InternImage

REDUCED = dict(embed_dim=64, depth=6, num_heads=4, mlp_ratio=4, qkv_bias=True, interval=3, out_indices=[1, 2, 4, 5],
               use_abs_pos_emb=True)
INTERN = dict(channels=32, depths=[1, 1, 2, 1], groups=[2, 4, 8, 16], offset_scale=2.0, post_norm=True,
              layer_scale=1e-5)
CASES = {
    'rvsa/rvsa_224': (lambda: RVSA(img_size=224, **REDUCED), (7, 2, 3, 224, 224)),
    'rvsa/rvsa_112': (lambda: RVSA(img_size=112, **REDUCED), (7, 2, 3, 112, 112)),
    'variants/cls': (lambda: RVSA(variant='cls', **dict(REDUCED, out_indices=[5])), (21, 2, 3, 224, 224)),
    'variants/seg': (lambda: RVSA(variant='seg', **REDUCED), (21, 2, 3, 224, 224)),
    'variants/det_branches': (lambda: RVSA(variant='det_branches', **REDUCED), (21, 2, 3, 224, 224)),
    'internimage/intern_128': (lambda: InternImage(**INTERN), (31, 2, 3, 128, 128)),
}


def close(value, expected, name):
    """Equal to 1e-4 relative to the largest expected value."""
    value, expected = np.asarray(value, np.float64), np.asarray(expected, np.float64)
    assert value.shape == expected.shape, name
    error = abs(value - expected).max() / max(abs(expected).max(), 1e-12)
    assert error < 1e-4, '{}: off by {:.2e}'.format(name, error)


@pytest.mark.parametrize('case', sorted(CASES))
@pytest.mark.parametrize('recipe', ['paper', 'released_code'])
def test_outputs_loss_and_gradients(case, recipe):
    build, shape = CASES[case]
    expected = golden(case)
    model = fill(build()).eval()
    for module in model.modules():
        if hasattr(module, 'recipe'):
            module.recipe = recipe  # the inputs are square: both recipes are the same function
    image = normal(*shape).requires_grad_()
    maps = model(image)
    assert isinstance(maps, tuple)
    loss = probe_loss(maps)
    loss.backward()
    outputs = [key for key in expected if key.startswith('out')]
    assert len(maps) == len(outputs)
    for key in outputs:
        close(maps[int(key[3:])].detach()[:len(expected[key])], expected[key], key)
    close(loss.item(), expected['loss'], 'loss')
    if 'grad_input' in expected:
        close(image.grad, expected['grad_input'], 'grad_input')
    norms = {name: p.grad.double().norm().item() for name, p in model.named_parameters() if p.grad is not None}
    for name, norm in zip(expected['grad_names'], expected['grad_norms']):
        assert abs(norms.get(name, 0.) - norm) <= 1e-4 * max(norm, 1e-6), (name, norms.get(name), norm)
    assert sorted(name for name, p in model.named_parameters()) == sorted(expected['grad_names'])


def bfloat16_products_are_exact():
    """Whether products of bfloat16 are summed in more than bfloat16 (torch 1.10 without AVX-512 does not)."""
    a, b = normal(1, 64, 768), normal(2, 768, 64)
    exact = a.bfloat16().float() @ b.bfloat16().float()
    return (torch.matmul(a.bfloat16(), b.bfloat16()).float() - exact).norm() < 5e-3 * exact.norm()


@pytest.mark.skipif(not bfloat16_products_are_exact(), reason='one bfloat16 matrix product is off by more')
@pytest.mark.parametrize('case', sorted(CASES))
def test_autocast_on_cpu_stays_close(case):
    build, shape = CASES[case]
    model = fill(build()).eval()
    image = normal(*shape)
    with torch.no_grad():
        exact = model(image)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            rough = model(image)
    for a, b in zip(exact, rough):
        assert (a - b.float()).norm() / a.norm() < 2e-2


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU here')
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('case', sorted(CASES))
def test_gpu_and_its_autocast_stay_close(case, dtype):
    build, shape = CASES[case]
    model = fill(build()).eval()
    expected, model, image = model(normal(*shape)), model.cuda(), normal(*shape).cuda()
    exact = model(image)
    with torch.autocast('cuda', dtype=dtype):
        rough = model(image)
        probe_loss([m.float().cpu() for m in rough]).backward()
    for a, b, c in zip(expected, exact, rough):
        assert (a - b.cpu()).norm() / a.norm() < 1e-3  # the GPU may round products to TF32
        assert (a - c.float().cpu()).norm() / a.norm() < 2e-2
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
