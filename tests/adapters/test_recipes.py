"""What ``recipe='released_code'`` makes of each published config, and that ``paper`` changes nothing.

See published.md#fine-tuning.
"""
import copy

import pytest

from mtp.adapters import recipes
from mtp.errors import MTPError
from tests.configs import resolved

VIT = ('LayerDecayOptimizerConstructor_ViT', None)
INTERN = ('CustomLayerDecayOptimizerConstructor_InternImage', 'released_code')
# The other initial weights are another file name and nothing else.
RUNS = [run for run in resolved.HERE if run['init'].endswith('mtp')]


def facts(said):
    return sorted(line[line.index('published.md#') + len('published.md#'):-1] for line in said)


def expected(run):
    """What is told of the oddities of a published run, by heading."""
    old, intern, dataset = run['env'] == 'mmrotate03', run['backbone'] == 'intern-xl', run['dataset']
    found = ['old-pipelines'] if old else []
    whole = old and intern and dataset == 'dotav1'
    found += ['rule-of-the-vit'] if whole else ['decay-of-internimage'] if intern else ['window-offsets']
    found += ['classes-of-dota', 'validation-of-fair1m'] if old and dataset == 'fair1m' else []
    found += ['loveda-validation'] if dataset == 'loveda' else []
    found += ['rounded-scores'] if not old and dataset in ('dotav1', 'dotav2', 'fair1m') else []
    return sorted(found)


@pytest.mark.parametrize('run', RUNS, ids=resolved.name)
def test_every_oddity_is_said_and_put_back(run):
    before = resolved.load(resolved.path(run))._cfg_dict
    paper, released = copy.deepcopy(before), copy.deepcopy(before)
    assert recipes.apply(paper, 'paper') == [] and paper == dict(before, recipe='paper')
    assert facts(recipes.apply(released, 'released_code')) == expected(run)
    rule = released['optimizer'] if run['env'] == 'mmrotate03' else released['optim_wrapper']
    vit = run['backbone'] != 'intern-xl' or (run['env'], run['dataset']) == ('mmrotate03', 'dotav1')
    assert (rule['constructor'], rule['paramwise_cfg'].get('recipe')) == (VIT if vit else INTERN)
    assert released['model']['backbone'].get('recipe') == (None if run['backbone'] == 'intern-xl' else 'released_code')
    if run['env'] == 'mmrotate03':
        turns = [step for step in released['data']['train']['pipeline'] if step['type'] == 'PolyRandomRotate']
        assert [step['rect_classes'] for step in turns] == [[9, 11]]


def test_there_are_two():
    with pytest.raises(MTPError, match="'released' is unknown\n.*paper, released_code"):
        recipes.apply({}, 'released')
