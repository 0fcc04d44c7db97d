import os

import pytest

from mtp.launch import configs, ledger
from mtp.launch import plan as planning
from mtp.reproduce import stages
from tests.launch import fakes

DOTA = 'oriented_rcnn_rvsa_l_1024_mae_mtp_dota10'


@pytest.fixture
def root(tmp_path):
    fakes.checkout(tmp_path)
    fakes.touch(os.path.join(str(tmp_path), 'mtp/data/__main__.py'))
    return str(tmp_path)


def words(stage, settings, root):
    return [' '.join(item.words) for item in stage.plan(settings, fakes.machine(root)).commands]


def test_the_paper_trains_in_one_environment_and_tests_in_the_other(root):
    settings = fakes.ask(RUNTIME='native', CONFIG=DOTA, ACCEL='none')
    run = stages.run_of(settings, root)
    assert (run.env, run.test_env, run.dataset) == ('mmrotate1', 'mmrotate03', 'dotav1')
    fakes.touch(os.path.join(root, 'work_dirs/mmrotate1/dotav1', DOTA, 'epoch_12.pth'))
    fakes.touch(os.path.join(root, 'work_dirs/mmrotate03/dotav1', DOTA, 'epoch_99.pth'))  # of another run
    train, test, judge = [words(stage, settings, root)[0] for stage in stages.real(run)]
    assert 'mmrotate1/bin/python' in train and train.endswith('--resume --accumulate auto --cfg-options '
                                                              'recipe=released_code')
    assert test.endswith('--cfg-options recipe=released_code')  # as the published number was got
    assert 'mmrotate03/bin/python' in test and f'work_dirs/mmrotate1/dotav1/{DOTA}/epoch_12.pth' in test
    assert f'--test work_dirs/mmrotate03/dotav1/{DOTA}/predict' in judge and '--rehearsal' not in judge


def test_a_config_named_with_its_environment_stays_there(root):
    settings = fakes.ask(RUNTIME='native', CONFIG=f'configs/mmrotate03/dotav1/{DOTA}.py')
    run = stages.run_of(settings, root)
    assert (run.env, run.test_env) == ('mmrotate03', 'mmrotate03')


def test_every_number_is_trained_where_the_published_one_was():
    leaves = [leaf for leaf in configs.leaves(ledger.ROOT) if leaf.env == 'mmrotate03' and leaf.dataset != 'demo']
    assert len(leaves) == 12
    for leaf in leaves:
        config = configs.leaf_path(leaf)
        run = stages.run_of(fakes.ask(RUNTIME='native', CONFIG=config), ledger.ROOT)
        real = stages.as_published(run, ledger.ROOT)
        assert (real.env, real.test_env, real.test_config) == ('mmrotate1', 'mmrotate03', config)
        assert real.config == config.replace('mmrotate03', 'mmrotate1')
        assert stages.as_published(real, ledger.ROOT) == real


def test_an_environment_beside_the_record_trains_and_tests_by_itself(root):
    run = stages.run_of(fakes.ask(RUNTIME='native', CONFIG=DOTA, ENV='mmrotate12'), root)
    assert run.config == run.test_config == f'configs/mmrotate1/dotav1/{DOTA}.py'
    assert run.env == run.test_env == 'mmrotate12'
    assert stages.as_published(run, root) == run


def test_the_published_batch_is_kept_unless_another_is_asked_for(root):
    settings = fakes.ask(RUNTIME='native', CONFIG=DOTA, ACCEL='none', ACCUMULATE='1')
    train = stages.real(stages.run_of(settings, root))[0]
    assert '--accumulate 1 ' in words(train, settings, root)[0]


def test_a_rehearsal_draws_trains_in_two_parts_and_says_that_it_is_one(root):
    settings = fakes.ask(RUNTIME='native', CONFIG='faster_rcnn_rvsa_l_800_mae_mtp_dior', ACCEL='none', ARGS='--amp')
    run = stages.run_of(settings, root)
    found = {stage.name: words(stage, settings, root) for stage in stages.rehearsal(run) if stage.name != 'test'}
    assert list(found) == ['samples', 'data', 'train', 'resume', 'judge']
    assert 'mtp.data.samples samrs --out work_dirs/data' in found['samples'][0]
    assert 'scripts/dior_h_2_coco.py' in found['data'][0] and found['data'][-1].endswith('check dior --any-count')
    assert '--rehearse --cfg-options train_cfg.max_epochs=1 --amp' in found['train'][0]
    assert 'max_epochs' not in found['resume'][0] and '--rehearsal' in found['judge'][0]


@pytest.mark.parametrize('gpus', [1, 2])
def test_only_training_and_test_run_in_several_processes(root, gpus):
    settings = fakes.ask(RUNTIME='native', CONFIG=DOTA, GPUS=str(gpus))
    plans = {stage.name: stage.plan(settings, fakes.machine(root))
             for stage in stages.real(stages.run_of(settings, root))}
    assert [name for name, plan in plans.items() if 'torch.distributed.run' in planning.render(plan)] == (
        ['train', 'test'] if gpus > 1 else [])
