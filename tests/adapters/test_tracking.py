"""Curves of a fine-tuning: which writers a config gets, what is said of a missing package, and that no secret leaves
the environment."""
import os
import sys

import pytest

from mtp.adapters import tracking
from mtp.errors import MTPError
from tests import environments

SECRET = 'not-for-any-file'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A work folder, and an environment in which nothing is said of trackers."""
    monkeypatch.setenv('MTP_WORK_ROOT', str(tmp_path))
    monkeypatch.setattr(sys, 'path', list(sys.path))
    for name in list(os.environ):
        if name.startswith(('WANDB_', 'MLFLOW_')):
            monkeypatch.delenv(name)
    environ = dict(os.environ)
    yield tmp_path
    for name in set(os.environ) - set(environ):
        del os.environ[name]


def package(folder, name):
    """A package where the hint puts it."""
    place = folder / 'packages' / name
    place.mkdir(parents=True)
    (place / '__init__.py').write_text('')


@pytest.mark.parametrize('tracker, names', [
    (None, ['LocalVisBackend', 'TensorboardVisBackend']),
    ('wandb', ['LocalVisBackend', 'TensorboardVisBackend', 'MTPWandb']),
    ('mlflow', ['LocalVisBackend', 'TensorboardVisBackend', 'MTPMLflow'])])
def test_a_visualizer_gets_the_writers(tracker, names):
    for cfg in ({}, dict(visualizer=dict(type='RotLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')]))):
        tracking.add_backends(cfg, tracker)
        assert [item['type'] for item in cfg['visualizer']['vis_backends']] == names
        tracking.add_backends(cfg, tracker)  # what a config has already comes once
        assert [item['type'] for item in cfg['visualizer']['vis_backends']] == names
    assert cfg['visualizer']['type'] == 'RotLocalVisualizer'


@pytest.mark.parametrize('tracker, names', [
    (None, ['TextLoggerHook', 'TensorboardLoggerHook']),
    ('wandb', ['TextLoggerHook', 'TensorboardLoggerHook', 'MTPWandb']),
    ('mlflow', ['TextLoggerHook', 'TensorboardLoggerHook', 'MlflowLoggerHook'])])
def test_a_log_config_gets_the_writers(tracker, names):
    cfg = dict(log_config=dict(interval=50, hooks=[dict(type='TextLoggerHook')]), runner=dict(type='IterBasedRunner'))
    for _ in range(2):
        tracking.add_hooks(cfg, tracker, 'work_dirs/run')
        assert [item['type'] for item in cfg['log_config']['hooks']] == names
    assert cfg['log_config']['interval'] == 50
    assert cfg['log_config']['hooks'][1] == dict(type='TensorboardLoggerHook', by_epoch=False,
                                                 log_dir='work_dirs/run/tensorboard')


@pytest.mark.parametrize('tracker', ['wandb', 'mlflow'])
def test_a_missing_package_is_told_with_what_to_type_and_is_found_where_that_puts_it(tracker, folder, monkeypatch):
    monkeypatch.setattr(tracking.importlib.util, 'find_spec', lambda name, find=tracking.importlib.util.find_spec: (
        find(name) if name != tracker or (folder / 'packages').exists() else None))
    with pytest.raises(MTPError, match=f'TRACK={tracker} needs the package {tracker}') as caught:
        tracking.prepare(tracker, str(folder / 'run'))
    assert caught.value.hint.endswith('-m pip install --target {} {}'.format(folder / 'packages', tracker))
    assert not (folder / 'run').exists()  # before anything is written
    package(folder, tracker)
    tracking.prepare(tracker, str(folder / 'run'))
    assert str(folder / 'packages') in sys.path


def test_a_folder_that_a_run_has_left_is_no_package(folder, monkeypatch):
    (folder / 'wandb').mkdir()
    monkeypatch.delitem(sys.modules, 'wandb', raising=False)  # another test may have imported its double
    monkeypatch.setattr(sys, 'path', [str(folder)])
    assert not tracking._found('wandb')


def test_what_the_user_has_said_stays_and_the_rest_lies_in_the_run(folder, monkeypatch):
    package(folder, 'wandb')
    package(folder, 'mlflow')
    monkeypatch.setenv('WANDB_MODE', 'online')
    tracking.prepare('wandb', str(folder / 'run'))
    tracking.prepare('mlflow', str(folder / 'run'))
    said = {name: os.environ[name] for name in os.environ if name.startswith(('WANDB_', 'MLFLOW_'))}
    assert said == dict(WANDB_MODE='online', WANDB_PROJECT='mtp', WANDB_NAME='run', WANDB_DIR=str(folder / 'run'),
                        MLFLOW_EXPERIMENT_NAME='mtp', MLFLOW_RUN_NAME='run',
                        MLFLOW_TRACKING_URI=(folder / 'run' / 'mlruns').as_uri())


@pytest.mark.parametrize('name', sorted(tracking.ADDRESSES))
def test_an_address_with_a_password_is_refused_without_showing_it(name, folder, monkeypatch):
    monkeypatch.setenv(name, f'https://me:{SECRET}@tracker.example')
    with pytest.raises(MTPError, match=name) as caught:
        tracking.prepare('mlflow', str(folder / 'run'))
    assert SECRET not in str(caught.value) + caught.value.hint


def test_a_visualizer_draws_into_tensorboard(tmp_path):
    if environments.adapter(environments.current()) != 'mmrotate1':
        pytest.skip('needs the toolboxes of OpenMMLab 2')
    import numpy as np
    from mmengine.visualization import Visualizer

    import mtp.adapters.mmrotate1  # noqa: F401 -- as every config does
    cfg = {}
    tracking.add_backends(cfg, None)
    backends = [dict(item, save_dir=str(tmp_path)) for item in cfg['visualizer']['vis_backends']]
    Visualizer(vis_backends=backends, save_dir=str(tmp_path)).add_image('mask', np.zeros((4, 6, 3), np.uint8), step=2)
    assert [path for path in tmp_path.rglob('events.out.tfevents.*')]
    assert [path for path in tmp_path.rglob('mask_2.png')]
