import os

import pytest

from mtp.errors import MTPError
from mtp.launch import jobs
from mtp.launch.containers import Places
from tests.launch.fakes import ask, checkout, machine, touch

DOTA03 = 'configs/mmrotate03/dotav1/oriented_rcnn_rvsa_l_1024_mae_mtp_dota10.py'
DIOR = 'configs/mmrotate1/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior.py'


@pytest.fixture
def root(tmp_path):
    return checkout(tmp_path)


def places(root, runtime='native', **words):
    return Places(runtime, ask(**words), machine(root))


def test_pretraining_is_the_guides_command(root):
    settings = ask(LAUNCHER='slurm', NODES='8', GPUS='4', PORT='16003', SAVE_PATH='work_dirs/saved')
    assert ' '.join(jobs.pretrain(settings, places(root)).script) == (
        'main_pretrain.py --backbone vit_l_rvsa --tasks ss is rd --datasets sota sior fast --batch_size 3 '
        '--batch_size_val 3 --workers 8 --save_path work_dirs/saved --distributed True --end_iter 80000 '
        '--image_size 448 --init_backbone mae --port 16003 --batch_mode avg --background True --use_ckpt True '
        '--interval 5000')


def test_pretraining_takes_the_users_values_and_words(root):
    settings = ask(BACKBONE='vit_t_rvsa', TASKS='ss', ARGS="--ft 'True' --resume work_dirs/x.pth")
    job = jobs.pretrain(settings, places(root))
    assert ('vit_t_rvsa', '--tasks', 'ss', '--datasets') == job.script[2:6]
    assert job.script[-4:] == ('--ft', 'True', '--resume', 'work_dirs/x.pth')
    assert 'work_dirs/pretrain/vit_t_rvsa' in job.script and job.reads == ('data',)


@pytest.mark.parametrize('backbone, weights', [('vit_l_rvsa', 'mae'), ('vit_t_rvsa', 'none'),
                                               ('internimage_xl', 'imp')])
def test_the_weights_to_start_from(root, backbone, weights):
    script = jobs.pretrain(ask(BACKBONE=backbone), places(root)).script
    assert script[script.index('--init_backbone') + 1] == weights
    assert jobs.init_backbone({'INIT_BACKBONE': 'rsp', 'BACKBONE': backbone}) == 'rsp'


def test_finetuning_writes_below_its_own_folder(root):
    assert ' '.join(jobs.finetune(ask(GPUS='2'), places(root, 'docker'), 'mmrotate1', DIOR).script) == (
        f'tools/train.py {DIOR} --work-dir=/work/mmrotate1/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior --launcher=pytorch'
        )


def test_testing_in_mmrotate1_is_the_guides_command(root):
    touch(os.path.join(root, 'work_dirs/mmrotate1/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior/epoch_12.pth'))
    folder = 'work_dirs/mmrotate1/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior'
    assert ' '.join(jobs.test(ask(), places(root), 'mmrotate1', DIOR).script) == (
        'tools/test.py {0} {1}/epoch_12.pth --work-dir={1}/predict --show-dir={1}/predict/show --launcher=none '
        '--cfg-options val_cfg=None val_dataloader=None val_evaluator=None'.format(DIOR, folder))


def test_testing_in_mmrotate03_is_the_guides_command_with_weights_of_mmrotate1(root):
    trained = 'mmrotate1/dotav1/oriented_rcnn_rvsa_l_1024_mae_mtp_dota10'
    touch(os.path.join(root, 'work_dirs', trained, 'epoch_12.pth'))
    predict = '/work/' + trained.replace('mmrotate1', 'mmrotate03') + '/predict'
    assert ' '.join(jobs.test(ask(), places(root, 'apptainer'), 'mmrotate03', DOTA03).script) == (
        f'tools/test.py {DOTA03} /work/{trained}/epoch_12.pth --format-only --show-dir={predict}/show --eval-options '
        f'submission_dir={predict}/submit --launcher=none')


def test_loveda_writes_for_the_evaluation_server(root):
    config = 'configs/mmrotate1/loveda/rvsa-l-upernet-512-mae-mtp-loveda.py'
    touch(os.path.join(root, 'x.pth'))
    script = jobs.test(ask(CHECKPOINT='x.pth'), places(root, CHECKPOINT='x.pth'), 'mmrotate1', config).script
    assert '--out=work_dirs/mmrotate1/loveda/rvsa-l-upernet-512-mae-mtp-loveda/predict/submit' in script


def test_weights_below_the_weights_folder_are_let_in(root):
    touch(os.path.join(root, 'weights/x.pth'))
    job = jobs.test(ask(CHECKPOINT='weights/x.pth'), places(root, 'docker'), 'mmrotate1', DIOR)
    assert job.script[2] == '/weights/x.pth' and job.reads == ('data', 'weights')


@pytest.mark.parametrize('names, newest', [
    ([], None), (['latest.pth', 'epoch_x.pth'], None), (['epoch_2.pth', 'epoch_12.pth', 'epoch_9.pth'], 'epoch_12.pth'),
    (['iter_8000.pth', 'iter_80000.pth', 'iter_80000.pth.tmp'], 'iter_80000.pth')])
def test_newest_checkpoint(tmp_path, names, newest):
    for name in names:
        touch(str(tmp_path / name))
    assert jobs.newest_checkpoint(str(tmp_path)) == newest
    assert jobs.newest_checkpoint(str(tmp_path / 'none')) is None


def test_no_checkpoint_can_be_planned_and_says_how_to_get_one(root):
    problem, = jobs.test(ask(), places(root), 'mmrotate03', DOTA03).problems
    assert 'no epoch_*.pth' in problem.message and 'mmrotate03' in problem.message and 'mmrotate1' in problem.message
    assert 'make finetune CONFIG=oriented_rcnn_rvsa_l_1024_mae_mtp_dota10' in problem.hint
    with pytest.raises(MTPError, match='CHECKPOINT=gone.pth is no file'):
        jobs.test(ask(CHECKPOINT='gone.pth'), places(root), 'mmrotate03', DOTA03)


def test_a_program_that_is_not_there_is_not_yet(tmp_path):
    with pytest.raises(MTPError, match='not yet: main_pretrain.py') as caught:
        jobs.pretrain(ask(), places(str(tmp_path)))
    assert caught.value.code == 3
    with pytest.raises(MTPError, match='not yet: mtp/x/y.py or mtp/x/y/__main__.py'):
        jobs.need_file(str(tmp_path), ['-m', 'mtp.x.y'])
