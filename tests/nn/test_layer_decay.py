"""Learning rates and weight decay of every parameter against published.md#layer-decay and #optimizer."""
import json
import os
import re

import pytest
import torch
from golden_files import FOLDER

from mtp.errors import MTPError
from mtp.nn import build
from mtp.nn.layer_decay import LayerDecay

VIT_B = dict(family='vit', num_layers=12, rate=0.9)
VIT_L = dict(family='vit', num_layers=24, rate=0.9)
XL = dict(family='internimage', num_layers=39, rate=0.94, depths=[5, 5, 24, 5])


@pytest.mark.parametrize('settings, name, power', [
    (VIT_B, 'pos_embed', 13), (VIT_B, 'patch_embed.proj.weight', 13), (VIT_B, 'blocks.0.attn.qkv.weight', 12),
    (VIT_B, 'blocks.11.mlp.fc2.weight', 1), (VIT_B, 'norm.weight', 0), (VIT_B, 'fpn1.0.weight', 0),
    (VIT_L, 'pos_embed', 25), (VIT_L, 'blocks.23.norm1.weight', 1), (VIT_L, 'blocks.10.norm1.weight', 14),
    (XL, 'patch_embed.conv1.weight', 40), (XL, 'levels.0.blocks.0.gamma1', 39), (XL, 'levels.0.blocks.4.gamma1', 35),
    (XL, 'levels.0.downsample.conv.weight', 34), (XL, 'levels.1.blocks.0.gamma1', 34),
    (XL, 'levels.1.downsample.conv.weight', 29), (XL, 'levels.2.blocks.23.gamma1', 6),
    (XL, 'levels.2.downsample.norm.1.weight', 5), (XL, 'levels.3.blocks.4.gamma1', 1)])
def test_scale_of_a_backbone_parameter(settings, name, power):
    expected = settings['rate'] ** power
    published, other = ('backbone.', 'encoder.') if settings['family'] == 'vit' else ('encoder.', 'backbone.')
    for recipe in ('paper', 'released_code'):
        assert LayerDecay(recipe=recipe, **settings).rule(published + name, 2)[0] == pytest.approx(expected)
    assert LayerDecay(recipe='paper', **settings).rule(other + name, 2)[0] == pytest.approx(expected)
    assert LayerDecay(recipe='released_code', **settings).rule(other + name, 2)[0] == 1


def test_constants_seen_in_the_published_logs():
    assert LayerDecay(**VIT_B).rule('backbone.pos_embed', 3)[0] == pytest.approx(0.25419, abs=1e-5)
    assert LayerDecay(**VIT_L).rule('backbone.pos_embed', 3)[0] == pytest.approx(0.07179, abs=1e-5)


def vit_power(name, depth):
    """The rule of published.md#layer-decay once more, as the power of the decay: how many layers lie behind."""
    if re.match(r'(cls_token|mask_token|pos_embed)$|patch_embed', name):
        return depth + 1
    block = re.match(r'blocks\.(\d+)\.', name)
    return depth - int(block.group(1)) if block else 0


def internimage_power(name):
    if name.startswith('patch_embed'):
        return 40
    stage, part, block = re.match(r'levels\.(\d)\.(blocks|downsample)\.(\w+)', name).groups()
    if part == 'blocks':
        return 40 - (int(block) + 1 + (0, 5, 10, 34)[int(stage)])
    return 40 - (1 + (5, 10, 34, 34)[int(stage)])


def vit_decays(name, dimensions):
    return dimensions > 1 and not name.endswith('.bias') and 'pos_embed' not in name


def internimage_decays(name, dimensions):
    return dimensions > 1 and not name.endswith('.bias') and not re.search(
        'relative_position|norm|sampling_offsets', name)


@pytest.mark.parametrize('case, settings, power, decays, published', [
    ('vit_b_rvsa_224', VIT_B, lambda name: vit_power(name, 12), vit_decays, 'backbone.'),
    ('vit_l_rvsa_448', VIT_L, lambda name: vit_power(name, 24), vit_decays, 'backbone.'),
    ('internimage_xl', XL, internimage_power, internimage_decays, 'encoder.')])
def test_every_parameter_of_the_published_models(case, settings, power, decays, published):
    with open(os.path.join(FOLDER, 'state_dict_manifest.json')) as stream:
        shapes = json.load(stream)[case]['encoder']
    paper, released = (LayerDecay(recipe=recipe, **settings) for recipe in ('paper', 'released_code'))
    parameters = [name for name in shapes if not name.endswith('relative_position_index')]
    assert len(parameters) > 200
    for name in parameters:
        for prefix in ('backbone.', 'encoder.'):
            expected = settings['rate'] ** power(name), decays(name, len(shapes[name]))
            assert paper.rule(prefix + name, len(shapes[name])) == (pytest.approx(expected[0]), expected[1]), name
            if prefix != published:
                expected = 1, expected[1]  # the published rule does not know this prefix
            assert released.rule(prefix + name, len(shapes[name])) == (pytest.approx(expected[0]), expected[1]), name


@pytest.mark.parametrize('settings', [VIT_B, XL])
@pytest.mark.parametrize('name', ['neck.lateral_convs.0.conv.weight', 'decode_head.conv_seg.weight', 'my_encoder.x'])
def test_everything_else_moves_at_full_speed(settings, name):
    assert LayerDecay(**settings).rule(name, 4) == (1, True)


@pytest.mark.parametrize('family, name, dimensions, decays', [
    ('vit', 'backbone.blocks.0.attn.rel_pos_h', 2, True),
    ('vit', 'backbone.blocks.0.attn.relative_position_bias_table', 2, True),
    ('vit', 'backbone.blocks.2.attn.full_attn_rel_pos_w', 2, True),
    ('vit', 'backbone.blocks.0.attn.sampling_offsets.2.weight', 4, True),
    ('vit', 'backbone.pos_embed', 3, False), ('vit', 'backbone.norm.weight', 1, False), ('vit', 'head.bias', 1, False),
    ('internimage', 'encoder.levels.0.blocks.0.dcn.offset.weight', 2, True),
    ('internimage', 'encoder.levels.0.blocks.0.gamma1', 1, False),
    ('internimage', 'encoder.levels.0.blocks.0.norm1.0.weight', 1, False),
    ('internimage', 'x.relative_position_bias_table', 2, False), ('internimage', 'x.sampling_offsets.w', 4, False)])
def test_weight_decay(family, name, dimensions, decays):
    settings = VIT_B if family == 'vit' else XL
    assert LayerDecay(**settings).decays(name, dimensions) is decays


def holder(name, kind):
    model = torch.nn.Module()
    setattr(model, name, build('vit_t_rvsa', img_size=112) if kind == 'vit' else
            build('internimage_xl', channels=16, depths=[1, 1, 1, 1], groups=[1, 2, 4, 8]))
    model.head = torch.nn.Linear(4, 4)
    return model


def test_groups_hold_every_trained_parameter_once():
    model = holder('backbone', 'vit')
    model.head.bias.requires_grad_(False)
    groups = LayerDecay('vit', 6, 0.9).groups(model.named_parameters(), base_lr=1e-4, weight_decay=0.05)
    names = [name for group in groups for name in group['param_names']]
    assert sorted(names) == sorted(name for name, p in model.named_parameters() if p.requires_grad)
    assert len(groups) == 2 * 8  # embedding, 6 blocks, the rest; each with and without decay
    for group in groups:
        layer = int(group['group_name'].split('_')[1])
        assert group['lr'] == pytest.approx(1e-4 * 0.9 ** (7 - layer))
        assert group['weight_decay'] == (0. if group['group_name'].endswith('no_decay') else 0.05)
    torch.optim.AdamW(groups)


@pytest.mark.parametrize('name, kind, settings', [
    ('encoder', 'vit', dict(family='vit', num_layers=6, rate=0.9)),
    ('backbone', 'internimage', dict(family='internimage', num_layers=4, rate=0.94, depths=[1, 1, 1, 1]))])
def test_published_inactivity_leaves_two_groups(name, kind, settings):
    model = holder(name, kind)
    published = LayerDecay(recipe='released_code', **settings).groups(model.named_parameters(), 6e-5, 0.05)
    assert [group['lr'] for group in published] == [6e-5, 6e-5]
    assert sorted(group['weight_decay'] for group in published) == [0, 0.05]
    assert len(LayerDecay(recipe='paper', **settings).groups(model.named_parameters(), 6e-5, 0.05)) > 8


def test_impossible_settings_are_refused():
    with pytest.raises(MTPError, match='add up'):
        LayerDecay('internimage', 39, 0.94, depths=[5, 5, 5, 5])
    with pytest.raises(MTPError, match='resnet'):
        LayerDecay('resnet', 12, 0.9)
