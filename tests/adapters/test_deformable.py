"""DCNv3 through the operator that mmcv carries for cards, in the form of it that mmcv wrote in plain PyTorch."""
import pytest
import torch
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

from mtp.adapters import deformable
from mtp.nn import dcnv3, internimage


def attention(value, shapes, starts, locations, weights, step):
    """The compiled operator's arguments and result, and what its launches demand of them."""
    assert starts.tolist() == [0] and shapes.dtype == starts.dtype == torch.long and value.shape[0] % step == 0
    assert all(each.is_contiguous() for each in (value, locations, weights))
    return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)


def arguments(height, width, groups, channels, far):
    """Value, offset and mask as DCNv3 makes them; ``far`` offsets look beyond every edge."""
    generator = torch.Generator().manual_seed(height * width + groups)
    value = torch.randn(2, height, width, groups * channels, generator=generator)
    offset = far * torch.randn(2, height, width, groups * 18, generator=generator)
    mask = torch.randn(2, height, width, groups, 9, generator=generator).softmax(-1).flatten(3)
    return [each.requires_grad_() for each in (value, offset, mask)]


def results(function, inputs):
    out = function(*inputs)
    return [out] + list(torch.autograd.grad((out.float() * out.detach().float().cos()).sum(), inputs))


@pytest.mark.parametrize('far', [0.5, 20.])
@pytest.mark.parametrize('scale', [1.0, 2.0])
@pytest.mark.parametrize('height, width, groups, channels',
                         [(13, 9, 3, 16), (32, 32, 2, 16), (7, 8, 12, 16), (1, 5, 1, 4)])
def test_values_and_gradients_are_those_of_the_plain_way(height, width, groups, channels, scale, far):
    inputs = arguments(height, width, groups, channels, far)
    plain = results(lambda *tensors: dcnv3.dcnv3(*tensors, groups, scale), inputs)
    ours = results(lambda *tensors: dcnv3.as_attention(attention, *tensors, groups, scale), inputs)
    for expected, found in zip(plain, ours):
        assert found.shape == expected.shape and found.dtype == expected.dtype
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_computes_in_full_and_answers_in_its_own(dtype):
    inputs = [each.detach().to(dtype).requires_grad_() for each in arguments(6, 5, 2, 8, 0.5)]
    found = results(lambda *tensors: dcnv3.as_attention(attention, *tensors, 2, 1.0), inputs)
    exact = [each.detach().float().requires_grad_() for each in inputs]
    expected = results(lambda *tensors: dcnv3.as_attention(attention, *tensors, 2, 1.0).to(dtype), exact)
    assert all(each.dtype == dtype for each in found) and torch.equal(found[0], expected[0])
    assert all((a.float() - b).abs().max() <= 1e-2 * b.abs().max() for a, b in zip(found[1:], expected[1:]))


def test_a_network_of_odd_size_through_it(monkeypatch):
    """Every layer and level of InternImage, on a map whose levels are all odd."""
    torch.manual_seed(0)
    model = internimage.InternImage(channels=32, depths=[1, 1, 2, 1], groups=[2, 4, 8, 16], offset_scale=2.0,
                                    layer_scale=1.0).eval()
    for name, parameter in model.named_parameters():
        if name.endswith(('offset.weight', 'mask.weight')):
            torch.nn.init.normal_(parameter, std=0.02)
    image, maps = torch.randn(1, 3, 70, 41), []
    plain = dcnv3.dcnv3
    with torch.no_grad():
        for way in (plain, lambda *inputs: dcnv3.as_attention(attention, *inputs)):
            monkeypatch.setattr(dcnv3, 'dcnv3', way)
            maps.append(model(image))
    for expected, found in zip(*maps):
        assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_it_is_given_where_there_is_a_card_and_an_mmcv_for_cards(monkeypatch):
    monkeypatch.setattr(dcnv3, '_given', [])
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    for compiled in ('not available', '11.7'):
        monkeypatch.setattr('mmcv.ops.get_compiling_cuda_version', lambda compiled=compiled: compiled)
        deformable.give()
        assert len(dcnv3._given) == (compiled == '11.7')


def test_without_a_card_nothing_is_given(monkeypatch):
    monkeypatch.setattr(dcnv3, '_given', [])
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    deformable.give()
    assert not dcnv3._given


@pytest.mark.skipif(not (torch.cuda.is_available() and dcnv3._given), reason='no card and compiled operator here')
def test_the_compiled_operator():
    inputs = arguments(13, 9, 3, 16, 2.0)
    on_card = [each.detach().cuda().requires_grad_() for each in inputs]
    plain = results(lambda *tensors: dcnv3.dcnv3(*tensors, 3, 2.0), inputs)
    compiled = results(lambda *tensors: dcnv3.dcnv3(*tensors, 3, 2.0), on_card)
    for expected, found in zip(plain, compiled):
        assert (found.cpu() - expected).abs().max() <= 1e-4 * expected.abs().max()
