"""Every published run has a config, and the config says what the published one says (published.md#configs)."""
import os

import pytest

from mtp.launch import configs
from mtp.nn import BACKBONES
from tests import environments
from tests.configs import resolved

NETWORKS = {'rvsa-b': 'vit_b_rvsa', 'rvsa-l': 'vit_l_rvsa', 'intern-xl': 'internimage_xl'}
CHANNELS = {'rvsa-b': [768] * 4, 'rvsa-l': [1024] * 4, 'intern-xl': [192, 384, 768, 1536]}
WEIGHTS = {
    ('rvsa-b', 'mae'): 'vit-b-checkpoint-1599.pth',
    ('rvsa-b', 'mae+mtp'): 'last_vit_b_rvsa_ss_is_rd_pretrn_model_encoder.pth',
    ('rvsa-l', 'mae'): 'vit-l-mae-checkpoint-1599.pth',
    ('rvsa-l', 'mae+mtp'): 'last_vit_l_rvsa_ss_is_rd_pretrn_model_encoder.pth',
    ('intern-xl', 'imp'): 'internimage_xl_22kto1k_384.pth',
    ('intern-xl', 'imp+mtp'): 'last_internimage_xl_ss_is_rd_pretrn_model_encoder.pth',
}
RULES = {'ViT': 'LayerDecayOptimizerConstructor_ViT', 'II': 'CustomLayerDecayOptimizerConstructor_InternImage'}

each = pytest.mark.parametrize('run', resolved.HERE, ids=resolved.name)


def test_the_table_is_whole():
    assert [run['number'] for run in resolved.RUNS] == list(range(1, 96))


@pytest.mark.parametrize('env', environments.ledger.recorded())
def test_every_published_run_has_its_own_config_and_every_config_is_one(env):
    files = [resolved.path(run) for run in resolved.RUNS if run['env'] == env]
    own = [os.path.join(environments.ROOT, configs.leaf_path(leaf)) for leaf in configs.leaves(environments.ROOT)
           if leaf.env == env and leaf.dataset != 'demo']
    assert sorted(files) == sorted(own)


def of_leaf(run):
    return resolved.load(resolved.path(run))


@each
def test_backbone(run):
    backbone = of_leaf(run).model.backbone
    assert backbone.type == run['type']
    assert backbone.get('img_size') == run['img_size']
    assert backbone.drop_path_rate == run['drop_path']
    flag = 'with_cp' if run['backbone'] == 'intern-xl' else 'use_checkpoint'
    assert backbone.get(flag, False) == run['checkpointing']
    for key, value in BACKBONES[NETWORKS[run['backbone']]][1].items():
        assert backbone[key] == value, key


@each
def test_pretrained_weights_are_named_by_the_short_prefix(run):
    assert of_leaf(run).model.backbone.pretrained == 'weights/' + WEIGHTS[run['backbone'], run['init']]


@each
def test_no_absolute_path(run):
    cfg = of_leaf(run)
    found = [text for text in resolved.texts(cfg._cfg_dict) if os.path.isabs(text) or text.startswith(('~', '..'))]
    assert not found


@each
def test_optimizer(run):
    cfg = of_leaf(run)
    if run['env'] == 'mmrotate03':
        optimizer, holder = cfg.optimizer, cfg.optimizer
    else:
        optimizer, holder = cfg.optim_wrapper.optimizer, cfg.optim_wrapper
        assert 'clip_grad' not in holder and 'accumulative_counts' not in holder and holder.type == 'OptimWrapper'
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('AdamW', run['lr'], run['weight_decay'])
    assert tuple(optimizer.betas) == (0.9, 0.999)
    # The published 0.3.4 files for DOTA give InternImage the ViT's rule; ours its own.
    rule = 'II' if run['backbone'] == 'intern-xl' else 'ViT'
    assert holder.constructor == RULES[rule]
    assert holder.paramwise_cfg.num_layers == run['layers']
    assert holder.paramwise_cfg.layer_decay_rate == run['rate']
    assert holder.paramwise_cfg.get('depths') == ([5, 5, 24, 5] if rule == 'II' else None)


@each
def test_batch(run):
    cfg = of_leaf(run)
    if run['env'] == 'mmrotate03':
        assert [cfg.data.samples_per_gpu, cfg.data.test_dataloader.samples_per_gpu] == run['batch']
    else:
        assert [cfg.train_dataloader.batch_size, cfg.test_dataloader.batch_size] == run['batch']


def channels_of(model):
    """What the part behind the backbone expects from it."""
    if 'in_channels' in model.get('neck', {}):
        return model.neck.in_channels
    head = model.get('decode_head') or model.head
    return head.in_channels


@each
def test_what_follows_the_backbone_fits_it(run):
    expected = CHANNELS[run['backbone']]
    found = channels_of(of_leaf(run).model)
    assert found == (expected[-1] if isinstance(found, int) else expected)


@each
def test_only_networks_with_idle_parameters_look_for_them(run):
    """The guide asks for it in every classification, segmentation and change detection.

    See published.md#unused-parameters.
    """
    idle = run['type'] == 'RVSA_MTP' and run['toolbox'].split()[0] in ('mmpretrain', 'opencd')
    assert of_leaf(run).get('find_unused_parameters', False) == idle
