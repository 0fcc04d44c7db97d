"""What each published flag does, seen in what a run leaves (published.md#command-line)."""
import json
import os

import pytest
import torch

from mtp.errors import OK

BASE = ['--backbone', 'vit_t_rvsa', '--image_size', '64', '--init_backbone', 'none', '--val_interval', '0',
        '--distributed', 'False']


@pytest.fixture(scope='module')
def run(zygote, samrs_root, tmp_path_factory):
    """(folder, lines of the log, the last checkpoint, what was said) of a run with words of its own."""
    def go(*words, **environment):
        folder = tmp_path_factory.mktemp('run')
        code, said = zygote.start(folder / 'said.txt', *BASE, '--save_path', str(folder), *words,
                                  MTP_DATA_ROOT=str(samrs_root),
                                  **environment).wait()
        assert code == OK, said
        with open(str(folder / 'log.jsonl')) as stream:
            lines = [json.loads(line) for line in stream]
        last = [name for name in os.listdir(str(folder)) if name.startswith('last_') and name.endswith('model.pth')]
        return folder, lines, torch.load(str(folder / last[0])), said
    return go


@pytest.fixture(scope='module')
def first(run):
    return run('--datasets', 'sior', 'sota', '--tasks', 'rd', 'ss', '--batch_size', '5', '--batch_mode', 'ratio',
               '--start_iter', '2',
               '--start_epoch', '3', '--end_iter', '4', '--interval', '1', '--lr', '2e-4', '--weight_decay', '0.2',
               '--background',
               'False', '--use_ckpt', 'True', '--mixed_precision', 'True', '--workers', '1', '--batch_size_val', '2',
               '--world_size',
               '1', '--local_rank', '0', '--ignore_label', '255', '--port', '16003', '--ft', 'False')


def test_counters_names_and_interval(first):
    folder, lines, last, _ = first
    assert [line['step'] for line in lines] == [3, 4] and lines[0]['epoch'] >= 3
    assert os.path.exists(str(folder / 'Iter_3_vit_t_rvsa_ss_rd_pretrn_model.pth'))
    assert (last['iteration'], last['epoch']) == (4, lines[-1]['epoch'])


def test_optimizer(first):
    _, lines, last, _ = first
    assert lines[0]['lr'] == pytest.approx(2e-4 * 0.5)  # cosine, step 3 of 4
    groups = last['optimizer']['param_groups']
    assert {group['weight_decay'] for group in groups} == {0.0, 0.2}


def test_only_what_is_named_is_trained(first):
    _, lines, last, _ = first
    parts = {key.rsplit('/', 1)[0] for key in lines[0] if key.count('/') == 2}
    assert parts == {'ss/sota', 'ss/sior', 'rd/sota', 'rd/sior'}
    assert not [key for key in last['state_dict'] if 'insseg' in key or key.startswith('semseghead_3')]


def test_background_batch_mode_and_half_precision(first):
    _, _, last, said = first
    assert last['state_dict']['semseghead_1.1.weight'].shape[0] == 18
    settings = last['meta']['settings']
    assert settings['mixed_precision'] == 'bf16' and settings['batch_mode'] == 'ratio'
    assert '4 images of 64 pixels' in said  # five by size: two each of two sets of five images


def test_resume_from_a_published_file(first, run, tmp_path):
    """Weights and counters of a file as the released code writes it, optimizer wrapper and loss history included."""
    import numpy as np
    _, _, last, _ = first
    published = dict(epoch=1, iteration=6, state_dict=last['state_dict'], scheduler={}, loss_pretrain=np.zeros(6),
                     optimizer=dict(last['optimizer'], base_param_settings=None))
    torch.save(published, str(tmp_path / 'published.pth'))
    _, lines, after, said = run('--datasets', 'sota', 'sior', '--tasks', 'ss', 'rd', '--batch_size', '2', '--end_iter',
                                '7',
                                '--background', 'False', '--ft', 'True', '--resume', str(tmp_path / 'published.pth'))
    assert 'continuing from' in said and 'its optimizer state has another layout' in said
    assert [line['step'] for line in lines] == [7] and after['iteration'] == 7
