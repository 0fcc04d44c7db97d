"""The networks against numbers that the published code computed (tests/golden/README.md)."""
import pytest
import torch
from golden_files import golden, normal, probe_loss
from golden_networks import CASES, differences, model_and_image


@pytest.mark.parametrize('case', sorted(CASES))
@pytest.mark.parametrize('recipe', ['paper', 'released_code'])
def test_outputs_loss_and_gradients(case, recipe):
    """Equal to 1e-4, relative to the largest expected value."""
    found = differences(case, recipe=recipe)
    assert not {name: apart for name, apart in found.items() if not apart < 1e-4}
    model, image = model_and_image(case)
    assert isinstance(model(image), tuple)
    assert sorted(name for name, p in model.named_parameters()) == sorted(golden(case)['grad_names'])


def bfloat16_products_are_exact():
    """Whether products of bfloat16 are summed in more than bfloat16 (torch 1.10 without AVX-512 does not)."""
    a, b = normal(1, 64, 768), normal(2, 768, 64)
    exact = a.bfloat16().float() @ b.bfloat16().float()
    return (torch.matmul(a.bfloat16(), b.bfloat16()).float() - exact).norm() < 5e-3 * exact.norm()


@pytest.mark.skipif(not bfloat16_products_are_exact(), reason='one bfloat16 matrix product is off by more')
@pytest.mark.parametrize('case', sorted(CASES))
def test_autocast_on_cpu_stays_close(case):
    model, image = model_and_image(case)
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
    model, image = model_and_image(case)
    expected, model, image = model(image), model.cuda(), image.cuda()
    exact = model(image)
    with torch.autocast('cuda', dtype=dtype):
        rough = model(image)
        probe_loss([m.float().cpu() for m in rough]).backward()
    for a, b, c in zip(expected, exact, rough):
        assert (a - b.cpu()).norm() / a.norm() < 1e-3  # the GPU may round products to TF32
        assert (a - c.float().cpu()).norm() / a.norm() < 2e-2
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
