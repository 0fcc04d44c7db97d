"""InternImage and DCNv3: keys, formula, sizes, freezing."""
import json
import os

import pytest
import torch
from golden_files import FOLDER, fill, normal

from mtp.errors import MTPError
from mtp.nn import InternImage, build
from mtp.nn import dcnv3 as module
from tests.nn import formulas

SMALL = dict(channels=32, depths=[1, 2, 1, 1], groups=[2, 4, 8, 16], offset_scale=2.0, post_norm=True, layer_scale=1e-5)


@pytest.mark.usefixtures('empty_weights')
def test_keys_and_shapes_are_the_published_ones():
    with open(os.path.join(FOLDER, 'state_dict_manifest.json')) as stream:
        expected = json.load(stream)['internimage_xl']['encoder']
    model = build('internimage_xl')
    assert {key: list(value.shape) for key, value in model.state_dict().items()} == expected
    assert model.out_channels == [192, 384, 768, 1536] and model.strides == [4, 8, 16, 32]


def arguments(groups=4, height=9, width=7):
    value = normal(1, 2, height, width, groups * 8)
    offset = 3 * normal(2, 2, height, width, groups * 18)
    mask = normal(3, 2, height, width, groups, 9).softmax(-1).flatten(3)
    return [t.requires_grad_() for t in (value, offset, mask)] + [groups, 2.0]


def results(function, inputs):
    out = function(*inputs)
    return [out] + list(torch.autograd.grad((out * out.detach().cos()).sum(), inputs[:3]))


def test_dcnv3_is_its_formula():
    for ours, expected in zip(results(module.dcnv3, arguments()), results(formulas.dcnv3, arguments())):
        assert (ours - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_dcnv3_hand_made_case():
    """One group, no offsets, all weight on tap 1 (x = -1, y = 0), scale 1: every pixel takes its left neighbour."""
    value = normal(1, 1, 4, 5, 2)
    mask = torch.zeros(1, 4, 5, 9)
    mask[..., 1] = 1
    out = module.dcnv3(value, torch.zeros(1, 4, 5, 18), mask, 1, 1.0)
    assert torch.allclose(out[:, :, 1:], value[:, :, :-1], atol=1e-5) and out[:, :, 0].abs().max() < 1e-5


@pytest.mark.parametrize('height, width', [(64, 64), (70, 41), (17, 90), (4, 4)])
def test_any_size(height, width):
    maps = InternImage(**SMALL).eval()(normal(1, 1, 3, height, width))
    for level, m in enumerate(maps):
        stride = 4 << level
        assert m.shape == (1, 32 << level, -(-height // stride), -(-width // stride)) and m.is_contiguous()


def test_activation_checkpointing_changes_nothing():
    """Bit for bit, also where samples are dropped at random."""
    gradients = []
    for with_cp in (False, True):
        model = fill(InternImage(with_cp=with_cp, drop_path_rate=0.5, **SMALL)).train()
        torch.manual_seed(3)
        sum(m.square().mean() for m in model(normal(1, 2, 3, 64, 64))).backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients))


def test_drop_path_grows_linearly_over_all_layers():
    model = InternImage(drop_path_rate=0.4, **SMALL)
    rates = [layer.drop_path.rate for level in model.levels for layer in level.blocks]
    assert rates == pytest.approx([0, .1, .2, .3, .4])


def test_frozen_stages_really_freeze():
    model = InternImage(frozen_stages=1, drop_path_rate=0.5, **SMALL).train()
    assert not any(p.requires_grad for p in model.patch_embed.parameters())
    for index, level in enumerate(model.levels):
        assert all(p.requires_grad == (index >= 1) for p in level.parameters())
        assert level.training == (index >= 1)


def test_initial_values():
    layer = InternImage(**SMALL).levels[1].blocks[0]
    assert (layer.gamma1 == 1e-5).all() and (layer.dcn.offset.weight == 0).all() and (layer.dcn.mask.bias == 0).all()
    bound = (6 / 128) ** 0.5  # Xavier-uniform of a 64 -> 64 layer
    assert 0.9 * bound < layer.dcn.input_proj.weight.abs().max() <= bound


@pytest.mark.parametrize('settings, words', [
    (dict(post_norm=False), 'post_norm'), (dict(dw_kernel_size=5), 'dw_kernel_size'), (dict(colour=1), 'colour'),
    (dict(depths=[1, 1]), 'four')])
def test_bad_settings(settings, words):
    with pytest.raises(MTPError, match=words) as caught:
        InternImage(**dict(SMALL, **settings))
    assert caught.value.hint
