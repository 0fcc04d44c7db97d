"""``make finetune DATA=``: what runs, in which order, and what a container sees of the folder."""
import os
import subprocess
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import jobs, own, verbs
from mtp.own import config
from tests.launch.fakes import GOOD, ask, checkout, machine, touch


@pytest.fixture()
def root(tmp_path):
    root = checkout(tmp_path / 'kit')
    touch(os.path.join(root, 'mtp/own/__main__.py'))
    touch(os.path.join(root, 'mtp/launch/own.py'))
    os.makedirs(str(tmp_path / 'my ships'))
    return root


def asked(root, **words):
    return ask(**dict(dict(DATA=os.path.join(os.path.dirname(root), 'my ships'), TASK='rotated'), **words))


def planned(root, stage, **words):
    settings, found = asked(root, **words), machine(root)
    return own.stages(own.run_of(settings, found))[stage].plan(own.run_of(settings, found), settings, found)


def words_of(plan):
    return list(plan.commands[0].words)


def test_it_is_named_after_folder_task_and_backbone(root):
    run = own.run_of(asked(root, BACKBONE='rvsa_l'), machine(root))
    assert run.folder == 'work_dirs/own/my-ships-rotated-rvsa_l'
    run = own.run_of(asked(root, BACKBONE='vit_b_rvsa', INIT='mae', TASK='change'), machine(root))
    assert run.folder == 'work_dirs/own/my-ships-change-rvsa_b-mae'


def test_a_folder_that_is_not_there_is_said(root):
    problem, = planned(root, 0, DATA='nowhere', RUNTIME='native').problems
    assert problem.message.endswith('nowhere is no folder')


def test_the_paper_s_backbone_of_pretraining_is_not_taken_unasked(root):
    assert own.run_of(asked(root), machine(root)).backbone == 'rvsa_b'


@pytest.mark.parametrize('words, message', [
    (dict(TASK=''), 'TASK is not'), (dict(TASK='ships'), 'TASK is .ships.'), (dict(BACKBONE='resnet'), 'BACKBONE'),
    (dict(INIT='mae', BACKBONE='intern_xl'), 'INIT is .mae.; for intern_xl it can be mtp, imp, none'),
    (dict(CONFIG='x.py'), 'has both'),
    (dict(ENV='mmrotate03'), 'runs in mmrotate1')])
def test_what_cannot_be_is_refused(root, words, message):
    with pytest.raises(MTPError, match=message):
        own.run_of(asked(root, **words), machine(root))


@pytest.mark.parametrize('runtime', ['docker', 'apptainer'])
def test_a_container_sees_the_folder_read_only_under_its_own_name(root, runtime):
    data = os.path.join(os.path.dirname(root), 'my ships')
    words = words_of(planned(root, 0, RUNTIME=runtime))
    form = {'docker': 'type=bind,source={0},target={0},readonly', 'apptainer': '{0}:{0}:ro'}[runtime]
    assert form.format(data) in words
    assert words[words.index('prepare') + 1] == data
    assert words[words.index('--out') + 1] == '/work/own/my-ships-rotated-rvsa_b'
    training = words_of(planned(root, 1, RUNTIME=runtime))
    assert not any('my ships' in word for word in training)  # it reads what was prepared
    assert '/work/own/my-ships-rotated-rvsa_b/config.py' in training
    assert '--work-dir=/work/own/my-ships-rotated-rvsa_b/train' in training


def test_links_in_the_folder_are_seen_too(root):
    far = os.path.join(os.path.dirname(root), 'far')
    os.makedirs(far)
    os.symlink(far, os.path.join(os.path.dirname(root), 'my ships', 'images'))
    words = words_of(planned(root, 0, RUNTIME='apptainer'))
    assert '{0}:{0}:ro'.format(os.path.realpath(far)) in words


def test_preparing_takes_one_process_and_training_all(root):
    assert 'torch.distributed.run' not in ' '.join(words_of(planned(root, 0, RUNTIME='native', GPUS='4')))
    training = words_of(planned(root, 1, RUNTIME='native', GPUS='4'))
    assert '--launcher=pytorch' in training


def test_settings_reach_the_preparation(root):
    words = words_of(planned(root, 0, RUNTIME='native', CLASSES='a,b', LAYOUT='coco', LENIENT='1'))
    assert words[-5:] == ['--classes', 'a,b', '--layout', 'coco', '--lenient']


def test_a_test_takes_what_it_knows_of_args():
    assert own.for_test(('--amp', '--cfg-options', 'a=1', 'val_cfg.x=3', 'b=2', '--resume', '--rehearse')) == (
        '--cfg-options', 'a=1', 'b=2', '--rehearse')


def test_a_begun_training_goes_on(root):
    assert '--resume' not in words_of(planned(root, 1, RUNTIME='native'))
    touch(os.path.join(root, 'work_dirs/own/my-ships-rotated-rvsa_b/train/epoch_3.pth'))
    assert '--resume' in words_of(planned(root, 1, RUNTIME='native'))
    assert any(word.endswith('train/epoch_3.pth') for word in words_of(planned(root, 2, RUNTIME='native')))


def test_missing_weights_are_said_before_anything_runs(root):
    settings, found = asked(root), machine(root)
    run = own.run_of(settings, found)
    places = own.containers.Places('native', settings, found)
    problem, = own._missing_weights(run, settings, places)
    assert 'last_vit_b_rvsa_ss_is_rd_pretrn_model_encoder.pth is missing' in problem.message
    assert 'make weights' in problem.hint
    assert not own._missing_weights(run, asked(root, ARGS='--rehearse'), places)
    assert not own._missing_weights(own.run_of(asked(root, INIT='none'), found), asked(root, INIT='none'), places)
    touch(places.host('weights/last_vit_b_rvsa_ss_is_rd_pretrn_model_encoder.pth'))
    assert not own._missing_weights(run, settings, places)


def test_a_dry_run_says_that_weights_are_missing_and_what_is_tested(root, capsys, monkeypatch):
    monkeypatch.setattr(own.execute, 'run', lambda plan: 0)  # the look at the folder
    settings, found = asked(root, RUNTIME='native', DRYRUN='1'), machine(root)
    assert own._shown(own.run_of(settings, found), settings, found) == 0
    prepared, trained, tested = capsys.readouterr().out.split('\n# [')
    assert 'not ready' not in prepared + tested and 'not ready: ' in trained
    assert trained.startswith('2/3] train ') and 'model_encoder.pth is missing' in trained
    assert tested.startswith('3/3] test the newest checkpoint that this leaves\n') and 'tools/test.py' in tested


def test_what_is_refused_leaves_nothing(tmp_path):
    environ = {name: value for name, value in os.environ.items() if not name.startswith('MTP_')}
    environ.update(RUNTIME='native', MTP_WORK_ROOT=str(tmp_path / 'work'), TASK='rotated', DATA=str(tmp_path / 'no'))
    done = subprocess.run([sys.executable, '-m', 'mtp.launch.own'], cwd=own.ledger.ROOT, env=environ,
                          stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    assert done.returncode == 2 and 'is no folder' in done.stderr.decode() and not os.listdir(str(tmp_path))


def test_the_verb_takes_data_or_config(root):
    plan = verbs.plan('finetune', asked(root, RUNTIME='native'), machine(root))
    assert plan.commands[0].words == ('python3', '-m', 'mtp.launch.own')
    assert plan.commands[0].environment['TASK'] == 'rotated'
    assert verbs.prints_itself('finetune', asked(root)) and not verbs.prints_itself('finetune', ask(CONFIG='x'))


def test_data_that_everybody_exports_does_not_disturb_a_config(root):
    leaf = 'dotav2/oriented_rcnn_rvsa_l_1024_mae_mtp_dota20'
    plan = verbs.plan('finetune', ask(DATA='/somewhere', CONFIG=leaf, RUNTIME='native'), machine(root))
    assert 'tools/train.py' in plan.commands[0].words


def test_as_a_batch_job_it_runs_all_stages(root):
    plan = verbs.plan('finetune', asked(root, RUNTIME='apptainer', SUBMIT='1', GPUS='4'), machine(root))
    assert 'mtp.launch finetune' in plan.script.text.replace('\\\n  ', '') and 'TASK=rotated' in plan.script.text


def test_test_and_predict_find_what_a_training_on_own_data_left(root):
    assert jobs.run_folder('mmrotate1', 'work_dirs/own/x/config.py') == 'work_dirs/own/x/train'
    assert jobs.run_folder('mmrotate1', 'configs/mmrotate1/own/config.py') != 'configs/mmrotate1/train'


def test_every_backbone_starts_somewhere():
    for init, files in config.INITIAL.items():
        assert set(files) <= set(config.BACKBONES) and init in config.STARTS


@pytest.mark.parametrize('task, masks', [('segmentation', True), ('change', True), ('rotated', False)])
def test_masks_of_a_test_are_kept_to_be_looked_at(root, task, masks):
    folder = f'work_dirs/own/my-ships-{task}-rvsa_b'
    assert (f'--out={folder}/train/predict/masks' in words_of(planned(root, 2, TASK=task, RUNTIME='native'))
            ) == masks


def test_a_config_of_one_s_own_is_found_below_the_work_folder_wherever_that_is(root, tmp_path):
    config = 'own/my-land-segmentation-rvsa_b-none/config.py'
    path = tmp_path / 'big disk' / config
    path.parent.mkdir(parents=True)
    path.write_text("_base_ = ['configs/_base_/mmrotate1/datasets/own_segmentation.py']\n")
    touch(str(path.parent / 'train' / 'iter_40.pth'))
    settings = ask(CONFIG='work_dirs/' + config, MTP_WORK_ROOT=str(tmp_path / 'big disk'), RUNTIME='native')
    plan = verbs.plan('test', settings, machine(root, folders={
        'data': GOOD._replace(exists=False), 'weights': GOOD, str(tmp_path / 'big disk'): GOOD}))
    words = words_of(plan)
    assert words[words.index('tools/test.py') + 1:][:2] == [str(path), str(path.parent / 'train' / 'iter_40.pth')]
    assert f'--out={path.parent}/train/predict/masks' in words and not plan.problems
