"""Every published flag is read, and what cannot work is refused before anything is built."""
import json

import pytest
import torch

from mtp.errors import MTPError
from mtp.pretrain import cli, recipe
from mtp.pretrain.engine import devices, options
from mtp.pretrain.model import backbones

PUBLISHED = ('--backbone vit_l_rvsa --tasks ss is rd --datasets sota sior fast --batch_size 3 --batch_size_val 3 '
             '--workers 8 '
             '--save_path out --distributed True --end_iter 80000 --image_size 448 --init_backbone mae --port 16003 '
             '--batch_mode avg --background True --use_ckpt True --interval 5000').split()
SMALL = (
    '--backbone vit_t_rvsa --batch_size 3 --save_path out --end_iter 2 --image_size 64 --init_backbone none').split()


def test_the_published_command():
    found = options.parse(PUBLISHED)
    assert (found.backbone, found.batch_size, found.image_size, found.interval) == ('vit_l_rvsa', 3, 448, 5000)
    assert found.distributed is True and found.use_ckpt is True and found.background is True
    assert found.lr == 6e-5 and found.weight_decay == 0.05 and found.recipe == 'paper'


def test_every_flag_of_the_published_program():
    words = PUBLISHED + ('--start_epoch 1 --start_iter 2 --lr 1e-4 --weight_decay 0.1 --world_size 4 --local-rank 1 '
                         '--ft False '
                         '--ignore_label 255 --mixed_precision False').split()
    found = options.parse(words)
    assert (found.start_epoch, found.start_iter, found.lr, found.weight_decay) == (1, 2, 1e-4, 0.1)


def test_names_come_in_the_published_order():
    found = options.parse(SMALL + '--tasks rd ss --datasets fast sota'.split())
    assert found.tasks == ['ss', 'rd'] and found.datasets == ['sota', 'fast']


@pytest.mark.parametrize('words, message', [
    ('--image_size 100', 'image_size 100'),
    ('--image_size 32', 'image_size 32'),
    ('--batch_size 2', 'batch_size 2 is smaller'),
    ('--ignore_label 254', 'ignore_label 254'),
    ('--ft True', 'ft True'),
    ('--ft True --resume nowhere.pth', 'nowhere.pth'),
    ('--config nowhere.json', 'nowhere.json'),
])
def test_refused(words, message):
    with pytest.raises(MTPError, match=message):
        options.parse(SMALL + words.split())


@pytest.mark.parametrize('words', ['--end_iter 0', '--workers -1', '--lr 0', '--lr nan', '--batch_size_val 0',
                                   '--val_interval -1', '--weight_decay inf'])
def test_numbers_that_make_no_sense(words, capsys):
    with pytest.raises(SystemExit) as left:
        options.parse(SMALL + words.split())
    said = capsys.readouterr().err
    assert left.value.code == 2 and f'argument {words.split()[0]}: a ' in said and 'is expected' in said


@pytest.mark.parametrize('missing', ['--backbone', '--save_path', '--image_size', '--init_backbone'])
def test_missing_flags(missing):
    place = SMALL.index(missing)
    with pytest.raises(MTPError, match=missing):
        options.parse(SMALL[:place] + SMALL[place + 2:])


def test_config_file(tmp_path):
    path = tmp_path / 'run.json'
    path.write_text(json.dumps({'batch_size': 12, 'interval': 7}))
    found = options.parse(SMALL + ['--config', str(path)])
    assert found.interval == 7 and found.batch_size == 3  # the command line wins
    for content in ('{"bath_size": 3}', '{"backbone": "vgg"}', '[1]', 'nothing'):
        path.write_text(content)
        with pytest.raises(MTPError, match='run.json'):
            options.parse(SMALL + ['--config', str(path)])


def test_data_and_weights_are_looked_for_first(tmp_path, monkeypatch, samrs_root):
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path))
    words = PUBLISHED[:-2] + ['--save_path', str(tmp_path / 'out')]
    with pytest.raises(MTPError, match='is missing'):
        cli.main(words)
    monkeypatch.setenv('MTP_DATA_ROOT', str(samrs_root))
    monkeypatch.setenv('MTP_WEIGHTS_ROOT', str(tmp_path))
    with pytest.raises(MTPError, match='vit-l-mae-checkpoint-1599.pth'):
        cli.main(words)
    with pytest.raises(MTPError, match='no such weights for vit_l_rvsa'):
        cli.main(words + ['--init_backbone', 'imp'])
    assert not (tmp_path / 'out').exists()


def test_half_precision_of_each_device():
    def half(words, device):
        return devices.half(options.parse(SMALL + words.split()), torch.device(device))
    assert half('--mixed_precision False --amp_dtype fp16', 'cpu') is None
    assert half('--mixed_precision True', 'cpu') == 'bf16' and half('--mixed_precision True', 'cuda') == 'fp16'
    with pytest.raises(MTPError, match='amp_dtype fp16 needs a CUDA device'):
        half('--mixed_precision True --amp_dtype fp16', 'cpu')


def test_layer_decay_of_both_recipes():
    """The released rule (published.md#layer-decay-of-the-vit) matches no ViT parameter, so that every scale is 1."""
    from mtp.pretrain.model.model import PretrainModel
    scales = {}
    for name in recipe.RECIPES:
        encoder, _ = backbones.build('vit_t_rvsa', 64, recipe.get(name))
        model = PretrainModel(encoder, ['ss'], ['sota'], name, backbones.size('vit_t_rvsa'))
        # as ViT-B is trained, on the small network's names
        groups = backbones.parameter_groups(model, 'vit_b_rvsa', recipe.get(name), 1e-3, 0.05)
        scales[name] = sorted({round(group['lr_scale'], 6) for group in groups})
        plain = {group['group_name'].split('_', 2)[2] for group in groups if not group['weight_decay']}
        assert plain == {'no_decay'}
    assert scales['released_code'] == [1.0] and len(scales['paper']) == 8


@pytest.mark.parametrize('name', sorted(backbones.BACKBONES))
def test_shipped_configs_are_complete(name):
    import os
    path = os.path.join(os.path.dirname(__file__), os.pardir, os.pardir, 'configs', 'pretrain', name + '.json')
    found = options.parse(['--config', path, '--save_path', 'out'])
    assert found.backbone == name and found.tasks == ['ss', 'is', 'rd']
