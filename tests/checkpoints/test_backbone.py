"""Opening files and filling a backbone: layouts, resizing, reports and refusals."""
from collections import OrderedDict

import numpy as np
import pytest
import torch
from checkpoint_parts import backbone

from mtp.checkpoints import load, load_backbone
from mtp.errors import MTPError
from mtp.nn import build
from mtp.nn.resize import resize_pos_embed, resize_relative


def written(folder, state, name='w.pth', **rest):
    path = str(folder / name)
    torch.save(dict(rest, state_dict=state), path)
    return path


def prefixed(state, prefix):
    return OrderedDict((prefix + key, value) for key, value in state.items())


@pytest.mark.parametrize('wrap', [lambda s: s, lambda s: {'state_dict': s}, lambda s: {'model': s, 'epoch': 3}])
@pytest.mark.parametrize('prefix', ['', 'module.', 'encoder.', 'module.encoder.', 'backbone.'])
def test_every_container_and_prefix(tmp_path, encoder, wrap, prefix):
    path = str(tmp_path / 'w.pth')
    torch.save(wrap(prefixed(encoder, prefix)), path)
    model = backbone().requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    report = load_backbone(model, path)
    assert len(report.loaded) == len(encoder) and not report.missing and not report.left_over and not report.resized
    assert all(torch.equal(value, encoder[key]) for key, value in model.state_dict().items())


def test_published_encoder_file(tmp_path, encoder):
    checkpoint = load(written(tmp_path, encoder, epoch=1, iteration=2, optimizer={'state': {}},
                              loss_pretrain=np.arange(3.)))
    assert checkpoint.layout == 'encoder' and checkpoint.meta == {'epoch': 1, 'iteration': 2}
    assert set(checkpoint.rest) == {'optimizer', 'loss_pretrain'}


@pytest.mark.parametrize('meta, layout', [
    (dict(mmengine_version='0.8.4'), 'openmmlab2'), (dict(mmcv_version='1.6.1'), 'openmmlab1'), ({}, 'openmmlab2')])
def test_openmmlab_layouts(tmp_path, detector, meta, layout):
    assert load(written(tmp_path, detector, meta=meta)).layout == layout


def test_whole_pretraining_model_gives_its_encoder(tmp_path, encoder, whole_model):
    model = backbone(variant='seg')
    report = load_backbone(model, written(tmp_path, whole_model))
    assert not report.missing
    decoders = {key for key in whole_model if not key.startswith('encoder.')}
    assert set(report.left_over) == {'norm.weight', 'norm.bias'} | decoders
    assert torch.equal(model.pos_embed, encoder['pos_embed'])


def test_mae_file_loses_its_class_token_and_is_resized(tmp_path, encoder):
    mae = OrderedDict((k, v) for k, v in encoder.items() if 'rel' not in k and 'sampling' not in k and 'fpn' not in k)
    grid = torch.randn(1, 49, 16)
    mae.update(cls_token=torch.zeros(1, 1, 16), mask_token=torch.zeros(1, 1, 16),
               pos_embed=torch.cat((torch.full((1, 1, 16), 9.), grid), 1))
    path = written(tmp_path, mae)
    assert load(path).layout == 'mae'
    model = backbone(img_size=112)
    report = load_backbone(model, path)
    assert torch.equal(model.pos_embed, grid)  # 7 x 7 fits: only the token is cut
    assert set(report.left_over) == {'cls_token', 'mask_token'}
    assert any('sampling_offsets' in key for key in report.missing)
    model = backbone(img_size=160)
    report = load_backbone(model, path)
    assert torch.equal(model.pos_embed, resize_pos_embed(grid, (7, 7), (10, 10)))
    assert report.resized == {'pos_embed': ((1, 50, 16), (1, 100, 16))}


def test_tables_follow_the_grid(tmp_path, encoder):
    encoder = OrderedDict((k, torch.randn_like(v) if 'full_attn' in k else v) for k, v in encoder.items())
    model = backbone(img_size=(96, 160))
    report = load_backbone(model, written(tmp_path, encoder))
    key = 'blocks.2.attn.full_attn_rel_pos_'
    assert torch.equal(model.blocks[2].attn.full_attn_rel_pos_h, resize_relative(encoder[key + 'h'], 11))
    assert torch.equal(model.blocks[2].attn.full_attn_rel_pos_w, resize_relative(encoder[key + 'w'], 19))
    assert report.resized[key + 'w'] == ((7, 8), (19, 8))
    detection = backbone(variant='det_branches')
    report = load_backbone(detection, written(tmp_path, encoder))
    assert sum('full_attn' in key for key in report.left_over) == 4 and not report.missing


def test_resizing_follows_the_published_rule():
    """Bicubic, align_corners=False: rows of the table are the rows of a 1 x 1 x rows x d image."""
    table = torch.randn(7, 4)
    expected = torch.nn.functional.interpolate(table[None, None], size=(11, 4), mode='bicubic', align_corners=False)
    assert torch.equal(resize_relative(table, 11), expected[0, 0])
    constant = torch.full((1, 9, 2), 3.)
    assert torch.allclose(resize_pos_embed(constant, (3, 3), (5, 4)), torch.full((1, 20, 2), 3.))


def test_report_reads_well(tmp_path, encoder):
    text = str(load_backbone(backbone(variant='seg', img_size=112), written(tmp_path, encoder)))
    assert '5 resized' in text and 'resized pos_embed: (1, 16, 16) -> (1, 49, 16)' in text
    assert 'left over: norm.weight, norm.bias' in text


def test_short_paths_are_resolved(tmp_path, encoder, monkeypatch):
    monkeypatch.setenv('MTP_WEIGHTS_ROOT', str(tmp_path))
    written(tmp_path, encoder, 'x.pth')
    assert load('weights/x.pth').layout == 'encoder'


def test_safetensors(tmp_path, encoder):
    from safetensors.torch import save_file  # in both environments' locks: missing is a failure, not a skip
    path = str(tmp_path / 'w.safetensors')
    save_file(dict(encoder), path, metadata={'epoch': '3'})
    checkpoint = load(path)
    assert checkpoint.layout == 'encoder' and checkpoint.meta == {'epoch': '3'}
    assert all(torch.equal(checkpoint.state_dict[key], value) for key, value in encoder.items())
    with open(path, 'r+b') as stream:
        stream.truncate(5000)
    with pytest.raises(MTPError, match='whole safetensors'):
        load(path)


@pytest.mark.parametrize('value, words', [
    ({}, 'no tensors'), ({'state_dict': {}}, 'no tensors'), ({'epoch': 3}, 'no tensors.*epoch'), ([1], 'list'),
    (torch.zeros(2), 'Tensor')])
def test_files_without_a_state_dict(tmp_path, value, words):
    path = str(tmp_path / 'w.pth')
    torch.save(value, path)
    with pytest.raises(MTPError, match=words) as caught:
        load(path)
    assert path in str(caught.value) and caught.value.hint


@pytest.mark.parametrize('state, words', [
    ({'layer1.0.conv1.weight': torch.zeros(2)}, 'nothing for this backbone.*layer1'),
    ({'backbone.layer1.0.conv1.weight': torch.zeros(2), 'fc.weight': torch.zeros(1)}, 'nothing for this backbone'),
    ({'blocks.0.norm1.weight': torch.zeros(99)}, r'blocks.0.norm1.weight.*\(99,\).*\(16,\)'),
    ({'pos_embed': torch.zeros(1, 15, 16)}, r'pos_embed.*\(1, 15, 16\)'),
    ({'pos_embed': torch.zeros(1, 16, 32)}, r'pos_embed.*\(1, 16, 32\)'),
    ({'blocks.2.attn.full_attn_rel_pos_h': torch.zeros(7, 99)}, 'full_attn_rel_pos_h'),
    ({'blocks.0.attn.relative_position_index': torch.zeros(49, 49)}, 'nothing for this backbone')])
def test_what_does_not_fit(tmp_path, state, words):
    path = written(tmp_path, state)
    model = backbone()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(MTPError, match=words) as caught:
        load_backbone(model, path)
    assert path in str(caught.value) and caught.value.hint
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())  # nothing half-loaded


def test_one_family_into_the_other(tmp_path, encoder):
    small = build('internimage_xl', channels=16, depths=[1, 1, 1, 1], groups=[1, 2, 4, 8])
    with pytest.raises(MTPError, match='nothing for this backbone'):
        load_backbone(small, written(tmp_path, encoder))
    with pytest.raises(MTPError, match='nothing for this backbone'):
        load_backbone(backbone(), written(tmp_path, small.state_dict()))


def test_internimage_takes_a_whole_pretraining_model(tmp_path):
    """The published loader loaded nothing here, silently."""
    source, target = (build('internimage_xl', channels=16, depths=[1, 1, 1, 1], groups=[1, 2, 4, 8]) for _ in range(2))
    path = written(tmp_path, dict(prefixed(source.state_dict(), 'encoder.'), other=torch.zeros(1)))
    report = load_backbone(target, path)
    assert not report.missing and report.left_over == ['other']
    assert torch.equal(target.state_dict()['patch_embed.conv1.weight'], source.state_dict()['patch_embed.conv1.weight'])
