"""The parts shared by the backbones."""
import torch

from mtp.nn.layers import GELU, LayerNorm


def test_gelu_takes_a_gradient_in_any_layout():
    """torch 1.10's own gives numbers around 1e7 here."""
    x = torch.randn(2, 32, 32, 16, requires_grad=True)
    direction = torch.randn(2, 16, 32, 32).permute(0, 2, 3, 1)
    grad, = torch.autograd.grad((GELU()(x) * 1).permute(0, 3, 1, 2), x, direction.permute(0, 3, 1, 2))
    exact = 0.5 * (1 + torch.erf(x / 2 ** 0.5)) + x * torch.exp(-x * x / 2) / (2 * 3.141592653589793) ** 0.5
    assert torch.allclose(grad, exact * direction, atol=1e-5)


def test_layer_norm_computes_in_the_precision_of_its_weights():
    norm = LayerNorm(8)
    assert norm(torch.randn(3, 8).bfloat16()).dtype == torch.float32
    assert norm.eps == 1e-6
