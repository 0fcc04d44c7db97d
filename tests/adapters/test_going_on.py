"""A training that was killed, moved or damaged ends as one that was not, in whichever environment this is."""
import os

import pytest

from mtp.adapters import environment
from tests import environments
from tests.adapters import going_on, tiny

NAME = environments.of_the_record() or pytest.skip('no toolbox is installed', allow_module_level=True)
CONFIG = 'configs/mtp/demo/oriented_rcnn_rvsa_t_256_mtp_dotav1.py'
# As the published detectors: epochs, a validation after each, workers that stay.
EPOCHS = {'mmrotate1': """_base_ = {!r}
train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=4, val_interval=1)
train_dataloader = dict(sampler=dict(type='DefaultSampler'), num_workers=1, persistent_workers=True, batch_size=2)
val_dataloader = dict(_delete_=True, sampler=dict(type='DefaultSampler', shuffle=False), batch_size=1, num_workers=0,
                      dataset={{{{_base_.test_dataloader.dataset}}}})
val_evaluator = dict(_delete_=True, type='DOTAMetric', metric='mAP')
val_cfg = dict(_delete_=True, type='ValLoop')
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, begin=0, end=4, milestones=[2], gamma=0.1)]
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=1))
log_processor = dict(by_epoch=True)
""", 'mmrotate03': """_base_ = {!r}
runner = dict(_delete_=True, type='EpochBasedRunner', max_epochs=4)
checkpoint_config = dict(interval=1, by_epoch=True)
lr_config = dict(_delete_=True, policy='step', step=[2])
evaluation = dict(interval=1)
data = dict(workers_per_gpu=1, samples_per_gpu=2, val=dict(
    type='DOTADataset', version='le90', ann_file='data/demo_dotav1/test/annfiles/',
    img_prefix='data/demo_dotav1/test/images/', pipeline={{{{_base_.data.test.pipeline}}}}))
"""}[NAME]
BY_STEP, ALWAYS, RESUME = {
    'mmrotate1': (
        ['train_cfg.max_iters=4', 'train_dataloader.batch_size=2', 'default_hooks.checkpoint.interval=1'],
        ['model.backbone.drop_path_rate=0.3', 'optim_wrapper.paramwise_cfg.num_layers=4'], '--resume'),
    'mmrotate03': (
        ['runner.max_iters=4', 'data.samples_per_gpu=2', 'checkpoint_config.interval=1', 'log_config.interval=1'],
        ['model.backbone.drop_path_rate=0.3', 'optimizer.paramwise_cfg.num_layers=4'], '--resume-from'),
}[NAME]


def command(config, *words, options=()):
    environment.command_line().train([config, *words, '--cfg-options', *tiny.NARROW, *ALWAYS, *options])


def train(*words):
    command(CONFIG, *words, options=BY_STEP)


@pytest.fixture(scope='module')
def whole(place):
    train('--work-dir=work_dirs/whole')
    return place / 'work' / 'whole'


def test_a_killed_and_damaged_run_ends_with_the_same_weights_in_another_folder(whole, tmp_path, capsys):
    going_on.check_the_end(train, whole, tmp_path / 'moved', capsys)


def test_a_run_names_no_root_and_goes_on_below_others(whole, place, tmp_path, monkeypatch):
    going_on.check_that_roots_may_change(train, whole, place, tmp_path / 'b', monkeypatch)


def test_resuming_a_finished_run_changes_nothing(whole):
    going_on.check_that_nothing_changes(train, whole)


def test_a_training_does_not_go_on_from_weights_alone(whole, tmp_path):
    going_on.check_that_weights_alone_are_refused(train, whole, tmp_path, RESUME)


def test_two_at_once_one_works_and_the_other_says_who(whole):
    going_on.check_two_at_once(train, whole)


@pytest.fixture(scope='module')
def by_epoch(place):
    """(function that trains by epochs, folder of a whole run)."""
    own = place / 'epochs.py'
    own.write_text(EPOCHS.format(os.path.join(environments.ROOT, CONFIG.replace('mtp', NAME, 1))))

    def go(*words):
        command(str(own), *words)
    go('--work-dir=work_dirs/epochs')
    return go, place / 'work' / 'epochs'


def test_epochs_go_on_where_they_were(by_epoch, tmp_path, capsys):
    going_on.check_the_end(*by_epoch, tmp_path / 'moved', capsys)


def test_a_validation_that_was_killed_is_made_up_for(by_epoch, tmp_path):
    going_on.check_that_a_validation_is_made_up_for(*by_epoch, tmp_path / 'last')
