"""Every published config can be rehearsed: the reduced one is small, and otherwise what it was."""
import copy

import pytest

from mtp.adapters import rehearsal
from tests.configs import resolved


def reduced(run):
    tree = copy.deepcopy(resolved.load(resolved.path(run)))._cfg_dict
    rehearsal.reduce(tree)
    return tree


@pytest.mark.parametrize('run', [run for run in resolved.HERE if run['init'].endswith('mtp')], ids=resolved.name)
def test_small_and_still_the_same_task(run):
    before, after = resolved.load(resolved.path(run)), reduced(run)
    backbone = after['model']['backbone']
    assert backbone['type'] == run['type'] and backbone['pretrained'] is None
    assert backbone.get('embed_dim', backbone.get('channels')) <= 64
    assert backbone.get('img_size', 0) <= 256
    assert after['model'].get('type') == before.model.get('type')
    kinds = [step['type'] for step in before.train_pipeline]
    assert [step['type'] for step in after['train_pipeline']] == kinds
    if run['env'] == 'mmrotate1':
        assert after['test_evaluator'] == before.test_evaluator and after['param_scheduler'][0]['end'] <= 5
        dataset = after['train_dataloader']['dataset']
        assert dataset.get('indices', 8) == 8 and after['train_dataloader']['num_workers'] == 0
        assert after['train_cfg'].get('max_epochs', 2) == 2 and after['train_cfg'].get('max_iters', 8) == 8
    else:
        assert after['data']['train']['indices'] == 8 and 'indices' not in after['data']['test']
        assert after['runner']['max_epochs'] == 2


@pytest.mark.parametrize('run', [run for run in resolved.HERE if run['number'] in (14, 62, 48)], ids=resolved.name)
def test_all_sizes_shrink_alike(run):
    cfg = reduced(run)
    side = 128 if run['number'] == 62 else 256
    assert cfg['model']['backbone']['img_size'] == side
    if run['number'] == 62:
        assert tuple(cfg['model']['test_cfg']['crop_size']) == (128, 128)
        assert tuple(cfg['model']['test_cfg']['stride']) == (96, 96)
    else:
        sizes = [step[key] for step in cfg['train_pipeline'] for key in ('scale', 'img_scale') if key in step]
        assert [tuple(size) for size in sizes] == [(side, side)]
