"""The RVSA ViT: keys, sizes, recipes, freezing, checkpointing, bad settings."""
import copy
import json
import os
import pickle

import pytest
import torch
from golden_files import FOLDER, fill, normal

from mtp.errors import MTPError
from mtp.nn import RVSA, build
from mtp.nn.window_attention import RVSAttention, Windows
from tests.nn import formulas

with open(os.path.join(FOLDER, 'state_dict_manifest.json')) as stream:
    MANIFEST = json.load(stream)


def tiny(**settings):
    return fill(build('vit_t_rvsa', **dict(dict(img_size=112, embed_dim=32, num_heads=2), **settings))).eval()


@pytest.mark.parametrize('name, size', [('vit_b_rvsa', 224), ('vit_b_rvsa', 448), ('vit_l_rvsa', 448)])
@pytest.mark.usefixtures('empty_weights')
def test_keys_and_shapes_are_the_published_ones(name, size):
    state = build(name, img_size=size).state_dict()
    expected = MANIFEST[f'{name}_{size}']['encoder']
    assert [(key, list(value.shape)) for key, value in state.items()] == list(expected.items())
    assert state['blocks.0.attn.relative_position_index'].dtype == torch.int64


@pytest.mark.parametrize('variant, absent', [
    ('pretrain', ''), ('cls', ''), ('cd', ''), ('seg', 'norm.'), ('det', 'full_attn'),
    ('det_branches', 'norm.|full_attn')])
def test_each_variant_has_its_published_tensors(variant, absent):
    families = ('norm.', 'full_attn')
    keys = tiny(variant=variant).state_dict()
    for family in families:
        found = any(key.startswith(family) or key.split('.')[-1].startswith(family) for key in keys)
        assert found == (family not in absent.split('|'))


def test_window_bias_index_is_the_published_table():
    index = RVSAttention(8, 2).relative_position_index
    for query, key in ((0, 0), (0, 48), (48, 0), (10, 31), (31, 10)):
        (i, j), (k, m) = divmod(query, 7), divmod(key, 7)
        assert index[query, key] == (i - k + 6) * 13 + (j - m + 6)


@pytest.mark.parametrize('recipe', ['paper', 'released_code'])
@pytest.mark.parametrize('height, width', [(7, 14), (9, 5), (3, 16)])
def test_window_attention_is_its_formula(recipe, height, width):
    attention = fill(RVSAttention(16, 2, recipe=recipe))
    x = normal(3, 1, height * width, 16).requires_grad_()
    results = []
    for out in (attention(x, height, width), formulas.window_attention(attention, x, height, width)):
        results.append([out] + list(torch.autograd.grad(
            (out * out.detach().cos()).sum(), [x] + list(attention.parameters()))))
    for ours, expected in zip(*results):
        assert (ours - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_recipes_differ_in_maps_that_are_not_square_only():
    x = normal(5, 1, 14 * 21, 32)
    paper, released = (fill(RVSAttention(32, 2, recipe=recipe)) for recipe in ('paper', 'released_code'))
    assert torch.equal(paper(x[:, :196], 14, 14), released(x[:, :196], 14, 14))
    assert not torch.allclose(paper(x, 14, 21), released(x, 14, 21))


@pytest.mark.parametrize('height, width', [(7, 7), (8, 13), (1, 30)])
def test_windows_cut_and_join(height, width):
    windows = Windows(height, width, 7)
    x = normal(1, 2, height * width, 3)
    cut = windows.cut(x)
    assert cut.shape == (2, windows.rows, 7, windows.columns, 7, 3)
    assert torch.equal(windows.join(cut), x)
    assert windows.top == (-height % 7) // 2 and windows.left == (-width % 7) // 2


@pytest.mark.parametrize('variant', ['pretrain', 'seg', 'cd', 'det', 'det_branches'])
@pytest.mark.parametrize('height, width', [(112, 112), (96, 160), (65, 100), (16, 16), (7, 33)])
def test_any_size(variant, height, width):
    model = tiny(variant=variant)
    maps = model(normal(2, 1, 3, height, width))
    rows, columns = -(-height // 16), -(-width // 16)
    for k, (m, stride) in enumerate(zip(maps, model.strides)):
        expected = (-(-height // stride), -(-width // stride))
        if stride == 32:
            expected = (max(rows // 2, 1), max(columns // 2, 1))
        assert m.shape == (1, model.out_channels[k]) + expected
        assert m.is_contiguous() and torch.isfinite(m).all()
    assert len(maps) == len(model.out_channels) == len(model.strides) == 4


def test_padding_to_whole_patches_is_padding_the_image():
    model = tiny()
    image = normal(4, 1, 3, 100, 90)
    padded = torch.nn.functional.pad(image, (0, 6, 0, 12))
    for ours, whole in zip(model(image)[:3], model(padded)):
        assert torch.equal(ours, whole[..., :ours.shape[-2], :ours.shape[-1]])


def test_a_published_size_is_untouched_by_other_sizes_between():
    model, image = tiny(), normal(4, 1, 3, 112, 112)
    with torch.no_grad():
        before = model(image)
        model(normal(4, 1, 3, 64, 144))
        after = model(image)
    assert all(torch.equal(a, b) for a, b in zip(before, after))


def test_resized_tables_follow_the_weights_and_take_gradients():
    model, image = tiny(), normal(4, 1, 3, 64, 144)
    with torch.no_grad():
        first = model(image)[0]
        assert torch.equal(first, model(image)[0])
        model.pos_embed.add_(1)
        assert not torch.equal(first, model(image)[0])
    sum(m.sum() for m in model(image)).backward()
    assert model.pos_embed.grad.abs().sum() > 0
    assert model.blocks[2].attn.full_attn_rel_pos_w.grad.abs().sum() > 0


def test_copies_and_pickles_work_after_use():
    model, image = tiny(), normal(4, 1, 3, 64, 144)
    with torch.no_grad():
        expected = model(image)[0]
        assert torch.equal(copy.deepcopy(model)(image)[0], expected)
        assert torch.equal(pickle.loads(pickle.dumps(model))(image)[0], expected)


def test_inference_mode_then_training():
    model, image = tiny(), normal(4, 1, 3, 80, 80)
    with torch.inference_mode():
        model(image)
    model(image)[0].sum().backward()


@pytest.mark.parametrize('input_learns', [False, True])
def test_activation_checkpointing_changes_nothing(input_learns):
    """Bit for bit, also where samples are dropped at random: the second pass draws what the first one drew."""
    results = []
    for use in (False, True):
        model = tiny(use_checkpoint=use, drop_path_rate=0.5).train()
        image = normal(4, 2, 3, 112, 112).requires_grad_(input_learns)
        torch.manual_seed(3)
        sum(m.square().mean() for m in model(image)).backward()
        results.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert results[0].keys() == results[1].keys()
    for name, expected in results[0].items():
        assert torch.equal(results[1][name], expected), name


def test_activation_checkpointing_computes_blocks_again():
    """What a checkpointed block leaves for the backward pass is its input alone: the block runs a second time."""
    calls = []
    model = tiny(use_checkpoint=True)
    for block in model.blocks:
        block.attn.register_forward_pre_hook(lambda *_: calls.append(1))
    image = normal(4, 1, 3, 112, 112).requires_grad_()
    maps = model(image)
    assert len(calls) == len(model.blocks)
    sum(m.sum() for m in maps).backward()
    assert len(calls) == 2 * len(model.blocks)


def test_frozen_stages_really_freeze():
    model = tiny(frozen_stages=2).train()
    assert not model.pos_embed.requires_grad
    assert not any(p.requires_grad for p in model.patch_embed.parameters())
    for index, block in enumerate(model.blocks):
        assert block.training == (index >= 2)
        assert all(p.requires_grad == (index >= 2) for p in block.parameters())
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.)
    sum(m.sum() for m in model(normal(1, 1, 3, 112, 112))).backward()
    optimizer.step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert not any(name.startswith(('pos_embed', 'patch_embed', 'blocks.0.', 'blocks.1.')) for name in moved)
    assert any(name.startswith('blocks.5.') for name in moved)


def test_drop_path_grows_linearly_and_drops_whole_samples():
    model = build('vit_t_rvsa', drop_path_rate=0.5)
    assert [block.drop_path.rate for block in model.blocks] == pytest.approx([0, .1, .2, .3, .4, .5])
    torch.manual_seed(0)
    out = model.blocks[5].drop_path.train()(torch.ones(1000, 3))
    assert set(out.flatten().tolist()) == {0., 2.}
    assert (out == out[:, :1]).all() and 400 < (out[:, 0] == 0).sum() < 600


def test_residual_layers_start_scaled_by_depth():
    torch.manual_seed(0)
    model = build('vit_t_rvsa')
    for number, block in enumerate(model.blocks, 1):
        for weight in (block.attn.proj.weight, block.mlp.fc2.weight):
            assert weight.std().item() * (2 * number) ** 0.5 == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize('settings, words', [
    (dict(variant='detect'), 'detect'), (dict(recipe='mine'), 'mine'), (dict(embed_dim=100, num_heads=3), 'multiple'),
    (dict(out_indices=[3, 6]), r'\[3, 6\]'), (dict(init_values=0.1), 'init_values'), (dict(frozen_stages=7), 'frozen')])
def test_bad_settings(settings, words):
    with pytest.raises(MTPError, match=words) as caught:
        build('vit_t_rvsa', **settings)
    assert caught.value.hint


def test_unknown_name():
    with pytest.raises(MTPError, match='vit_x'):
        build('vit_x')


def test_published_arguments_are_accepted():
    model = RVSA(img_size=32, num_classes=80, embed_dim=32, depth=3, num_heads=2, qk_scale=None, use_rel_pos_bias=True,
                 restart_regression=True, hybrid_backbone=None, use_shared_rel_pos_bias=False, out_indices=[2])
    assert model.pos_embed is None and len(model(torch.zeros(1, 3, 32, 32))) == 1
