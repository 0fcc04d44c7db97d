import copy

import pytest

from mtp.adapters import accumulation
from mtp.errors import MTPError
from mtp.launch import configs
from tests.configs import resolved

runs = pytest.mark.parametrize('run', [run for run in resolved.HERE if run['env'] == 'mmrotate1'][::6] or [None],
                               ids=resolved.name)


@pytest.mark.parametrize('processes, images, asked, steps', [
    (1, 1, 'auto', 8), (2, 1, 'auto', 4), (2, 2, 'auto', 2), (8, 1, 'auto', 1), (1, 1, '3', 3), (5, 7, '2', 2)])
def test_steps_that_give_the_published_batch(processes, images, asked, steps):
    batch = accumulation.plan(8, processes, images, asked)
    assert batch.steps == steps and batch.found == processes * images * steps
    assert ('as published' in str(batch)) == (batch.found == 8)


@pytest.mark.parametrize('wanted, processes, asked, message', [
    (8, 3, 'auto', 'does not divide'), (8, 16, 'auto', 'does not divide'), (None, 2, 'auto', 'does not say'),
    (8, 1, 'all', "'all'"), (8, 1, '0', "'0'")])
def test_what_cannot_be_is_refused(wanted, processes, asked, message):
    with pytest.raises(MTPError, match=message):
        accumulation.plan(wanted, processes, 1, asked)


def updates(cfg, images):
    """(updates of the weights, (begin, end) of each schedule in updates) of a run over so many images an epoch."""
    loader, steps = cfg['train_dataloader'], cfg['optim_wrapper'].get('accumulative_counts', 1)
    epoch = images / loader['batch_size']
    total = cfg['train_cfg'].get('max_iters') or cfg['train_cfg']['max_epochs'] * epoch
    ends = [(value * epoch if each.get('by_epoch', True) else value) / steps
            for each in cfg['param_scheduler'] for value in (each['begin'], each['end'])]
    return [total / steps] + ends


@runs
def test_one_process_makes_the_updates_of_the_published_run(run):
    if run is None:
        pytest.skip('the runs with schedules of mmengine belong to the other environment')
    cfg = resolved.load(resolved.path(run))._cfg_dict.to_dict()
    alone, world = copy.deepcopy(cfg), cfg['auto_scale_lr']['base_batch_size'] // cfg['train_dataloader']['batch_size']
    batch = accumulation.apply(alone, 1, 'auto')
    assert batch.steps == world and batch.found == cfg['auto_scale_lr']['base_batch_size']
    # The images of an epoch are dealt to the processes of the published run, and are all this one's here.
    assert updates(alone, 1024) == pytest.approx(updates(cfg, 1024 / world))


def test_the_older_generation_sums_by_a_hook_and_warms_up_longer():
    cfg = dict(data=dict(samples_per_gpu=2), optimizer_config=dict(grad_clip=dict(max_norm=35)),
               lr_config=dict(policy='step', warmup_iters=500, step=[8, 11]), runner=dict(max_epochs=12))
    accumulation.apply(cfg, 2, '3')
    assert cfg['optimizer_config'] == dict(grad_clip=dict(max_norm=35), type='GradientCumulativeOptimizerHook',
                                           cumulative_iters=3)
    assert cfg['lr_config'] == dict(policy='step', warmup_iters=1500, step=[8, 11])


def test_one_step_changes_nothing():
    for run in resolved.HERE[:3]:
        cfg = resolved.load(resolved.path(run))._cfg_dict.to_dict()
        before = copy.deepcopy(cfg)
        accumulation.apply(cfg, 2, '1')
        assert cfg == before


def test_every_config_of_the_newer_generation_says_its_batch():
    assert configs.leaves(resolved.environments.ROOT)
    for run in resolved.HERE:
        if run['env'] == 'mmrotate1':
            assert resolved.load(resolved.path(run)).auto_scale_lr.base_batch_size >= run['batch'][0]
