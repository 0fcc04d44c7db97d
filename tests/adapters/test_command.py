import argparse

import pytest

from mtp.adapters import command
from mtp.errors import MTPError


def arguments(*words):
    return command.parser('x', argparse.Action).parse_args(('config',) + words)


def test_published_options_in_both_spellings():
    args = arguments('--work-dir=here', '--launcher=slurm', '--local-rank', '2')
    assert (args.work_dir, args.launcher, args.local_rank) == ('here', 'slurm', 2)
    assert arguments('--local_rank=3').local_rank == 3


def test_one_process_without_launcher():
    environ = {}
    assert command.ranks(arguments(), environ) == (0, 1, 0)
    assert environ['WORLD_SIZE'] == '1'


def test_processes_started_without_the_option_train_together():
    """The published DOTA-v2.0 command leaves --launcher away (published.md#missing-launcher)."""
    environ = {'RANK': '3', 'WORLD_SIZE': '4'}
    assert command.ranks(arguments('--local_rank=3'), environ) == (3, 4, 3)


def test_ranks_of_open_mpi():
    environ = {'OMPI_COMM_WORLD_RANK': '1', 'OMPI_COMM_WORLD_SIZE': '2', 'OMPI_COMM_WORLD_LOCAL_RANK': '1'}
    assert command.ranks(arguments('--launcher', 'mpi'), environ) == (1, 2, 1)


def test_a_launcher_that_started_nothing_is_refused():
    with pytest.raises(MTPError, match='pytorch'):
        command.ranks(arguments('--launcher', 'pytorch'), {})


def test_training_over_an_earlier_run_is_refused(tmp_path):
    command.fresh_or_resumed(str(tmp_path / 'new'), resume=False)
    (tmp_path / 'epoch_3.pth').write_text('')
    with pytest.raises(MTPError, match='epoch_3.pth.*\n.*--resume'):
        command.fresh_or_resumed(str(tmp_path), resume=False)
    command.fresh_or_resumed(str(tmp_path), resume=True)
    with pytest.raises(MTPError, match='is a file'):
        command.fresh_or_resumed(str(tmp_path / 'epoch_3.pth'), resume=False)


def test_published_config_names_belong_to_their_environment():
    name = 'configs/mtp/dotav1/oriented_rcnn_rvsa_l_1024_mae_mtp_dota10.py'
    for env in ('mmrotate1', 'mmrotate03'):
        assert command.locate(name, env, 'test').endswith('configs/{}/dotav1/{}'.format(env, name.split('/')[-1]))
    with pytest.raises(MTPError, match='belongs to mmrotate1, but mmrotate03'):
        command.locate('configs/mtp/dotav2/oriented_rcnn_rvsa_l_1024_mae_mtp_dota20.py', 'mmrotate03', 'test')


def test_work_folder_by_option_config_and_name(monkeypatch):
    monkeypatch.setenv('MTP_WORK_ROOT', '/w')
    assert command.work_dir(arguments('--work-dir=work_dirs/a'), {}, 'c/x.py') == '/w/a'
    assert command.work_dir(arguments(), {'work_dir': 'work_dirs/b'}, 'c/x.py') == '/w/b'
    assert command.work_dir(arguments(), {}, 'c/x.py') == '/w/x'


def test_missing_weights_are_said_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_WEIGHTS_ROOT', str(tmp_path))
    command.pretrained_exists({'backbone': {'pretrained': None}})
    with pytest.raises(MTPError, match='pretrained backbone'):
        command.pretrained_exists({'backbone': {'pretrained': 'weights/a.pth'}})
    (tmp_path / 'a.pth').write_text('')
    command.pretrained_exists({'backbone': {'pretrained': 'weights/a.pth'}})


class Config:
    """As much of a toolbox's config as is asked for."""

    def __init__(self, **settings):
        self._cfg_dict, self.merged = settings, None
        self.get, self.merge_from_dict = settings.get, lambda options: setattr(self, 'merged', options)


def settled(**options):
    cfg = Config(loss=dict(loss_weight=1.), model=dict(backbone=dict(type='RVSA_MTP')),
                 optim_wrapper=dict(optimizer=dict(lr=1.), clip_grad=None),
                 train_pipeline=[dict(type='Resize', scale=8)], data=dict(test=dict(type='X')))
    options = {key.replace('__', '.'): value for key, value in options.items()}
    command.settle(cfg, argparse.Namespace(rehearse=False, cfg_options=options), 'c/x.py')
    return cfg


@pytest.mark.parametrize('option, meant', [
    ('optim_wrapper__optimzer__lr', 'optimizer'), ('optim_wraper__optimizer__lr', 'optim_wrapper'),
    ('train_pipeline__0__scales', 'scale')])
def test_a_misspelt_setting_is_refused(option, meant):
    with pytest.raises(MTPError, match=f'--cfg-options .*the config has no .*\n.*did you mean {meant!r}'):
        settled(**{option: 3})


@pytest.mark.parametrize('option', ['find_unused_parameters', 'optim_wrapper__clip_grad__max_norm', 'load_from',
                                    'train_pipeline__0__scale', 'train_pipeline__5__scale', 'optim_wrapper__x__lr',
                                    'loss__class_weight'])
def test_a_setting_that_is_new_or_there_is_taken(option):
    assert settled(**{option: 3}).merged == {option.replace('__', '.'): 3}


def test_the_recipe_is_said_and_options_have_the_last_word(capsys, monkeypatch):
    monkeypatch.setenv('RANK', '0')
    cfg = settled(recipe='released_code', model__backbone__recipe='paper')
    assert cfg._cfg_dict['model']['backbone']['recipe'] == 'released_code' == cfg._cfg_dict['recipe']
    assert cfg.merged['model.backbone.recipe'] == 'paper' and 'published.md#window-offsets' in capsys.readouterr().out
    monkeypatch.setenv('RANK', '1')
    settled(recipe='released_code')
    assert not capsys.readouterr().out
