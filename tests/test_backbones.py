"""The one table of backbones, and who repeats it: the configs of pretraining and the blocks of fine-tuning."""
import ast
import json
import os

import pytest

from mtp import backbones
from mtp.errors import MTPError
from mtp.weights import manifest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def block(name):
    """Values of a block of configs, those of its base included."""
    with open(os.path.join(ROOT, 'configs/_base_/mmrotate1/backbones', name + '.py'), encoding='utf-8') as stream:
        values = {}
        exec(stream.read(), values)
    if '_base_' not in values:
        return values
    base = block(os.path.basename(values['_base_'])[:-3])
    rule = dict(base['optim_wrapper']['paramwise_cfg'], **values['optim_wrapper']['paramwise_cfg'])
    return dict(base, backbone=dict(base['backbone'], **values['backbone']), optim_wrapper=dict(paramwise_cfg=rule))


@pytest.mark.parametrize('name', backbones.BACKBONES)
def test_a_block_of_the_configs_says_what_the_table_says(name):
    entry = backbones.get(name)
    values = block(entry.block)
    for key, value in entry.settings.items():
        assert values['backbone'][key] == value, key
    rule = values['optim_wrapper']['paramwise_cfg']
    assert rule['num_layers'] == entry.layers and rule.get('depths') == (list(entry.depths) if entry.depths else None)


@pytest.mark.parametrize('name', backbones.BACKBONES)
def test_a_config_of_pretraining_starts_as_the_table_says(name):
    with open(os.path.join(ROOT, 'configs/pretrain', name + '.json')) as stream:
        found = json.load(stream)
    assert found['backbone'] == name and found['init_backbone'] == backbones.start_of(name)


def test_published_weights_are_in_the_manifest():
    files = {name for entry in backbones.BACKBONES.values() for name in tuple(entry.init.values()) + (entry.encoder,)}
    assert files - {''} <= set(manifest.entries())


def test_only_the_table_says_how_many_layers_there_are():
    """Where sizes stand twice, the second place is forgotten."""
    for folder, _, names in os.walk(os.path.join(ROOT, 'mtp')):
        for name in names:
            if name.endswith('.py') and os.path.join(folder, name) != backbones.__file__:
                with open(os.path.join(folder, name), encoding='utf-8') as stream:
                    lists = [ast.literal_eval(node) for node in ast.walk(ast.parse(stream.read()))
                             if isinstance(node, (ast.List, ast.Tuple)) and node.elts
                             and all(isinstance(item, ast.Constant) for item in node.elts)]
                assert not [found for found in map(list, lists) if found in ([7, 11, 15, 23], [5, 5, 24, 5])], name


def test_a_strange_name_lists_the_known_ones():
    with pytest.raises(MTPError, match="'vit_x'\n.*" + ', '.join(backbones.BACKBONES)):
        backbones.get('vit_x')
