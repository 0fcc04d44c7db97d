"""configs/results.json: an expectation for every published run, each with the log it stands in.

See published.md#results.
"""
import json
import os

import pytest

from tests import environments
from tests.configs import resolved

README = {'eurosat': {'rvsa-b': 98.76, 'rvsa-l': 98.78, 'intern-xl': 99.24},
          'resisc45': {'rvsa-b': 95.57, 'rvsa-l': 95.88, 'intern-xl': 96.27},
          'xview': {'rvsa-b': 16.4, 'rvsa-l': 19.4, 'intern-xl': 18.2},
          'dior': {'rvsa-b': 79.0, 'rvsa-l': 81.7, 'intern-xl': 78.3},
          'diorr': {'rvsa-b': 71.29, 'rvsa-l': 74.54, 'intern-xl': 72.17},
          'fair1m': {'rvsa-b': 51.92, 'rvsa-l': 53.0, 'intern-xl': 50.93},
          'spacenetv1': {'rvsa-b': 79.63, 'rvsa-l': 79.54, 'intern-xl': 79.16},
          'loveda': {'rvsa-b': 52.39, 'rvsa-l': 54.17, 'intern-xl': 54.17},
          'oscd': {'rvsa-b': 53.36, 'rvsa-l': 55.92, 'intern-xl': 55.61},
          'whu': {'rvsa-b': 94.32, 'rvsa-l': 94.75, 'intern-xl': 95.59},
          'levir': {'rvsa-b': 92.22, 'rvsa-l': 92.67, 'intern-xl': 92.54},
          'cdd': {'rvsa-b': 97.87, 'rvsa-l': 97.98, 'intern-xl': 98.33}}
# The evaluation that a value is in a log, where it is not in percent there.
SHARES = ('coco/bbox_mAP_50', 'dota/mAP')


def read(name):
    with open(os.path.join(environments.ROOT, 'configs', name), encoding='utf-8') as stream:
        return json.load(stream)


RESULTS, LOGS = read('results.json')['configs'], read('published_curves.json')['logs']


def key(run):
    """Path of the leaf below configs/, without suffix."""
    return os.path.relpath(resolved.path(run), os.path.join(environments.ROOT, 'configs'))[:-len('.py')]


def test_one_entry_for_each_published_run():
    assert list(RESULTS) == [key(run) for run in resolved.RUNS]


@pytest.mark.parametrize('name', RESULTS)
def test_the_value_stands_in_the_log(name):
    entry = RESULTS[name]
    if entry['log'] is None:
        assert entry['judged'] == 'server' and entry['key'] is None
        return
    logged = LOGS[entry['log']]['last_evaluation'][entry['key']] * (100 if entry['key'] in SHARES else 1)
    assert entry['published'] == pytest.approx(logged, abs=6e-4)


@pytest.mark.parametrize('name', RESULTS)
def test_backbone_init_and_log_belong_together(name):
    entry = RESULTS[name]
    run = next(run for run in resolved.RUNS if key(run) == name)
    assert (entry['backbone'], entry['init']) == (run['backbone'], run['init'])
    plain = '{}-{}'.format(run['backbone'], run['init'].replace('+', '-'))
    for log in (entry['log'], entry['curve']):
        if log:
            stem = os.path.basename(log).replace('_', '-').replace('-tmp', '-mtp').split('.')[0].split('-trn-')[0]
            assert stem.replace('test-', '').replace('paper-', '') == plain
            assert '/{}'.format({'diorr': 'dior-r', 'spacenetv1': 'spacenet'}.get(run['dataset'],
                                                                                  run['dataset'])) in log


@pytest.mark.parametrize('dataset', sorted(README))
def test_values_of_the_guide(dataset):
    for entry in RESULTS.values():
        if entry['dataset'] == dataset and entry['init'].endswith('mtp'):
            assert entry['published'] == pytest.approx(README[dataset][entry['backbone']], abs=0.0051)


def test_what_was_never_published():
    missing = {name for name, entry in RESULTS.items() if entry['published'] is None}
    assert all('fair1m' in name or 'loveda' in name or name.startswith('mmrotate03/dotav1') for name in missing)
    assert {name for name, entry in RESULTS.items() if entry['curve'] is None} == {
        'mmrotate1/loveda/rvsa-b-upernet-512-mae-loveda'}


@pytest.mark.parametrize('run', [run for run in resolved.HERE if run['env'] == 'mmrotate1'] or [None],
                         ids=resolved.name)
def test_the_batch_that_the_rate_belongs_to_is_that_of_all_published_processes(run):
    if run is None:
        pytest.skip('--auto-scale-lr belongs to the other environment')
    processes, cfg = RESULTS[key(run)]['gpus'], resolved.load(resolved.path(run))
    if processes is None:  # the blocks say what is taken
        assert run['dataset'] in ('xview', 'fair1m', 'loveda')
    else:
        assert cfg.auto_scale_lr.base_batch_size == processes * cfg.train_dataloader.batch_size


def test_tolerances_and_figures_of_ours():
    assert all(0 < entry['tolerance'] <= 2.5 for entry in RESULTS.values())
    assert all(entry['reached'] is None or isinstance(entry['reached'], dict) for entry in RESULTS.values())


def test_every_published_curve_is_used_and_falls():
    used = {entry[part] for entry in RESULTS.values() for part in ('log', 'curve')} - {None}
    assert used == set(LOGS)
    for log in used:
        points = LOGS[log].get('loss')
        if points:
            assert points[-1][1] < points[0][1] and points[-1][0] == LOGS[log]['last_step']
