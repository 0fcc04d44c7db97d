"""Key maps between the published layouts."""
import json
import os
from collections import OrderedDict

import pytest
import torch

from mtp.checkpoints import layouts, load
from mtp.errors import MTPError

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, 'golden', 'state_dict_manifest.json')


def kept(state, source, target, **choice):
    return layouts.convert(state, source, target, **choice).state_dict


@pytest.mark.parametrize('target, task, dropped', [
    ('mmpretrain', 'cls', ''), ('opencd', 'cd', ''), ('mmseg', 'seg', 'norm'),
    ('mmdet', 'det_branches', 'norm full_attn'), ('mmrotate1', 'det_branches', 'norm full_attn')])
def test_encoder_to_a_toolbox_fits_its_variant(encoder, target, task, dropped):
    from checkpoint_parts import backbone
    renamed = kept(encoder, 'encoder', target)
    assert set(renamed) == {'backbone.' + key for key in backbone(variant=task).state_dict()}
    assert renamed['backbone.pos_embed'] is encoder['pos_embed']


def test_rotated_decoder_and_last_layers(whole_model):
    plain = {key for key in kept(whole_model, 'mtp', 'mmrotate1') if not key.startswith('backbone.')}
    assert plain == {'neck.lateral_convs.0.conv.weight', 'rpn_head.rpn_reg.weight',
                     'roi_head.bbox_head.shared_fcs.0.weight'}
    renamed = kept(whole_model, 'mtp', 'mmrotate1', head='fast')
    assert renamed['roi_head.bbox_head.fc_cls.weight'] is whole_model['rotdetroiboxhead_fc_cls3.weight']
    assert renamed['roi_head.bbox_head.fc_reg.weight'] is whole_model['rotdetroiboxhead_fc_reg3.weight']
    assert renamed['neck.lateral_convs.0.conv.weight'] is whole_model['rotdetdecoder.neck.lateral_convs.0.conv.weight']
    assert list(kept(whole_model, 'mtp', 'mmrotate03', head='sota')) == list(
        kept(whole_model, 'mtp', 'mmrotate1', head='sota'))


def test_instance_decoder(whole_model):
    renamed = kept(whole_model, 'mtp', 'mmdet', head='sota')
    assert renamed['neck.lateral_convs.0.conv.weight'] is whole_model['inssegdecoder.neck.lateral_convs.0.conv.weight']
    assert renamed['roi_head.mask_head.conv_logits.weight'] is whole_model['inssegroimaskhead_conv1.weight']
    assert renamed['roi_head.bbox_head.fc_reg.weight'] is whole_model['inssegroiboxhead_fc_reg1.weight']


def test_semantic_decoder_leaves_the_dead_layer(whole_model):
    assert 'decode_head.conv_seg.weight' not in kept(whole_model, 'mtp', 'mmseg')
    renamed = kept(whole_model, 'mtp', 'mmseg', head='sior')
    assert renamed['decode_head.conv_seg.weight'] is whole_model['semseghead_2.1.weight']
    assert 'decode_head.bottleneck.conv.weight' in renamed


def test_nothing_disappears_unsaid(whole_model):
    converted = layouts.convert(whole_model, 'mtp', 'mmrotate1')
    assert len(converted.state_dict) + len(converted.dropped) == len(whole_model)
    assert 'semseghead_1.1.weight' in converted.dropped and 'encoder.norm.weight' in converted.dropped


def test_backbone_only(whole_model):
    assert all(key.startswith('backbone.') for key in kept(whole_model, 'mtp', 'mmrotate1', task='backbone'))
    assert all(key.startswith('backbone.') for key in kept(whole_model, 'mtp', 'opencd'))


def test_the_two_mmrotate_generations_share_their_names(detector):
    detector['data_preprocessor.mean'] = torch.zeros(3)
    there = layouts.convert(detector, 'mmrotate1', 'mmrotate03')
    assert there.dropped == ['data_preprocessor.mean']
    back = layouts.convert(there.state_dict, 'mmrotate03', 'mmrotate1')
    assert list(back.state_dict) == [key for key in detector if key != 'data_preprocessor.mean'] and not back.dropped


@pytest.mark.parametrize('source', layouts.TOOLBOXES)
def test_every_toolbox_gives_its_encoder_back(detector, source):
    renamed = kept(detector, source, 'encoder')
    assert set(renamed) == {key[len('backbone.'):] for key in detector if key.startswith('backbone.')}


def test_other_toolboxes_exchange_backbones_only(detector):
    assert all(key.startswith('backbone.') for key in kept(detector, 'mmrotate1', 'mmseg'))


def test_a_detector_goes_back_to_pretraining(detector):
    renamed = kept(detector, 'mmrotate1', 'mtp')
    assert 'rotdetdecoder.neck.lateral_convs.0.conv.weight' in renamed and 'encoder.pos_embed' in renamed
    assert not any('fc_cls' in key or 'fc_reg' in key for key in renamed)


def test_published_models_convert_whole():
    """Every key of the published models is mapped or dropped on purpose; the decoder keys match the toolboxes'."""
    with open(GOLDEN) as stream:
        manifest = json.load(stream)
    for name, parts in manifest.items():
        for target, task in layouts.DEFAULT_TASK.items():
            names = layouts.new_names(parts['full'], 'mtp', target, head='sota')
            new = [key for key in names.values() if key]
            allowed = ('decode_head.',) if task == 'semseg' else ('neck.', 'rpn_head.', 'roi_head.')
            assert all(key.startswith(allowed + ('backbone.',)) for key in new)
            assert len(new) == len(set(new)) > len(parts['encoder']) - 20, name
            if task == 'semseg':
                assert 'decode_head.conv_seg.weight' in new and 'decode_head.fpn_bottleneck.bn.running_var' in new


def test_key_collisions_are_refused(encoder):
    names = ['backbone.x', 'encoder.backbone.x']
    assert layouts.new_names(names, 'mmseg', 'mmseg')  # different names stay different
    with pytest.raises(MTPError, match='both'):
        layouts.new_names(['rotdetdecoder.roi_head.bbox_head.fc_cls.w', 'rotdetroiboxhead_fc_cls1.w'], 'mtp',
                          'mmrotate1', head='sota')


@pytest.mark.parametrize('arguments, words', [
    (('mtp', 'keras'), 'keras'), (('mtp', 'mmseg', 'depth'), 'depth'), (('mtp', 'mmseg', None, 'dota'), 'dota'),
    (('encoder', 'mmseg', None, 'sota'), 'last layers'), (('mtp', 'opencd', None, 'sota'), 'last layers'),
    (('encoder', 'mmseg', None, None), 'no backbone|nothing')])
def test_bad_choices(arguments, words):
    with pytest.raises(MTPError, match=words):
        layouts.convert(OrderedDict(), *arguments)


def test_a_wrong_source_is_noticed(encoder):
    with pytest.raises(MTPError, match='no backbone'):
        layouts.convert(encoder, 'mmseg', 'mmrotate1')


def test_a_whole_model_is_not_taken_for_an_encoder(whole_model, detector):
    for state, key in ((whole_model, 'encoder.pos_embed'), (detector, 'backbone.pos_embed')):
        with pytest.raises(MTPError, match='whole model where a bare encoder is wanted.*' + key):
            layouts.convert(state, 'encoder', 'mmrotate1')


@pytest.mark.parametrize('extra, meta, expected', [
    ({}, {}, 'mmrotate1'), ({}, {'mmcv_version': '1.6.1'}, 'mmrotate03'),
    ({'rpn_head.rpn_reg.weight': torch.zeros(12, 4)}, {}, 'mmdet')])
def test_detect_detectors(tmp_path, detector, extra, meta, expected):
    torch.save({'state_dict': dict(detector, **extra), 'meta': meta}, str(tmp_path / 'w.pth'))
    assert layouts.detect(load(str(tmp_path / 'w.pth'))) == expected


@pytest.mark.parametrize('key, expected', [
    ('decode_head.blocks.0.conv1.0.weight', 'opencd'), ('decode_head.conv_seg.weight', 'mmseg'),
    ('head.fc.weight', 'mmpretrain'), ('bbox_head.retina_cls.weight', 'mmdet')])
def test_detect_others(tmp_path, key, expected):
    torch.save({'backbone.x': torch.zeros(1), key: torch.zeros(1)}, str(tmp_path / 'w.pth'))
    assert layouts.detect(load(str(tmp_path / 'w.pth'))) == expected


def test_class_names_move_with_the_generation():
    new = layouts.convert_meta(dict(dataset_meta=dict(classes=('a', 'b'), palette=[1]), epoch=3, cfg='x'), 'mmrotate03')
    assert new == dict(CLASSES=('a', 'b'), PALETTE=[1], epoch=3, cfg='x')
    assert layouts.convert_meta(new, 'mmrotate1')['dataset_meta'] == dict(classes=('a', 'b'), palette=[1])


def test_a_single_stage_detector_gives_a_proposal_network_and_says_it():
    """The guide's detectors do so when they are loaded."""
    state = {'inssegdecoder.bbox_head.rpn_conv.weight': torch.ones(1), 'inssegdecoder.neck.a': torch.ones(1)}
    found, said = layouts.single_stage(state)
    assert list(found) == ['inssegdecoder.rpn_head.rpn_conv.weight',
                           'inssegdecoder.neck.a'] and 'proposal network' in said[0]
    whole = {'encoder.x': torch.ones(1), 'rotdetdecoder.bbox_head.rpn_cls.weight': torch.ones(1)}
    converted = layouts.convert(whole, 'mtp', 'mmrotate1', 'rotdet')
    assert set(converted.state_dict) == {'backbone.x', 'rpn_head.rpn_cls.weight'}
    both = dict(state, **{'inssegdecoder.rpn_head.rpn_cls.weight': torch.ones(1)})
    assert layouts.single_stage(both) == (both, [])
    two_stage = {'roi_head.bbox_head.fc_cls.weight': torch.ones(1)}
    assert layouts.single_stage(two_stage) == (two_stage, [])
