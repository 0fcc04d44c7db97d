"""Users' hooks on the Runner of pretraining, and what the Runner must leave alone."""
import json

import pytest
import torch

from mtp.errors import CONTINUE, OK, USAGE, MTPError
from mtp.pretrain.engine import options, runner

WORDS = ('--backbone vit_t_rvsa --tasks ss --datasets sota --batch_size 1 --end_iter 4 --interval 2 --image_size 64 '
         '--init_backbone none --distributed False --save_path').split()
LAST = 'last_vit_t_rvsa_ss_pretrn_model.pth'
HOOK = '''
import os
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class Witness(Hook):
    """Notes each call in a file, draws from the global generator, and stops the run once."""

    def __init__(self, path, stop_at=None):
        self.path, self.stop_at = path, stop_at

    def note(self, runner, *words):
        with open(self.path, 'a') as stream:
            print(runner.iter, runner.max_iters, *words, file=stream)

    def before_train(self, runner):
        self.note(runner, 'before_train')
        runner.logger.info('witness %s', runner.cfg.backbone)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        torch.rand(batch_idx + 1)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.note(runner, 'loss' if outputs['loss'] > 0 and data_batch['sota'].truths else 'no loss')
        runner.visualizer.add_scalar('witness', batch_idx, step=batch_idx)
        if batch_idx == self.stop_at and not os.path.exists(self.path + '.stopped'):
            open(self.path + '.stopped', 'w').close()
            runner.train_loop.stop_training = True

    def after_val_epoch(self, runner, metrics=None):
        self.note(runner, 'validated', metrics['mean'] is not None)

    def after_train(self, runner):
        self.note(runner, 'after_train', runner.train_loop.code)
'''


@pytest.fixture(scope='module')
def run(zygote, samrs_root, tmp_path_factory):
    """Run in a folder with hooks; gives (exit code, what was said)."""
    place = tmp_path_factory.mktemp('hooks')
    (place / 'my_hooks.py').write_text(HOOK)

    def go(folder, *hooks, validate=False):
        config = {'custom_imports': {'imports': ['my_hooks']}, 'custom_hooks': list(hooks)}
        (place / 'run.json').write_text(json.dumps(config if validate else dict(config, val_interval=0)))
        return zygote.start(folder / 'said.txt', '--config', str(place / 'run.json'), *WORDS, str(folder),
                            MTP_DATA_ROOT=str(samrs_root)).wait()
    return go


@pytest.fixture(scope='module')
def witnessed(run, tmp_path_factory):
    """(folder, what was said, notes) of a whole run with hooks."""
    folder = tmp_path_factory.mktemp('witnessed')
    hooks = dict(type='Witness', path=str(folder / 'notes')), dict(type='EMAHook', momentum=0.5)
    code, said = run(folder, *hooks, validate=True)
    assert code == OK, said
    return folder, said, (folder / 'notes').read_text().splitlines()


def test_hooks_are_called_where_mmengine_calls_them(witnessed):
    _, said, notes = witnessed
    assert notes == ['0 4 before_train', '0 4 loss', '1 4 loss', '2 4 validated True', '2 4 loss', '3 4 loss',
                     '4 4 validated True', '4 4 after_train 0']
    assert said.count('witness vit_t_rvsa') == 1


def test_the_runner_adds_neither_words_nor_files(witnessed):
    folder, said, _ = witnessed
    names = sorted(item.name for item in folder.iterdir())
    stems = ['Iter_2_', 'best_', 'last_']
    models = [f'{stem}vit_t_rvsa_ss_pretrn_model{kind}.pth' for stem in stems for kind in ('', '_encoder')]
    assert names == sorted(models + ['annotations', 'index.html', 'last_checkpoint', 'log.jsonl', 'loss_curves.png',
                                     'notes', 'passport.json', 'said.txt', 'tensorboard', 'validation.json'])
    assert 'environment' not in said and 'Hooks will be' not in said and 'WARNING' not in said


def test_scalars_of_a_hook_stand_beside_ours(witnessed):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    found = EventAccumulator(str(witnessed[0] / 'tensorboard'))
    found.Reload()
    assert [event.step for event in found.Scalars('witness')] == [0, 1, 2, 3]


def test_passport_and_checkpoint_name_the_hooks(witnessed):
    folder, _, _ = witnessed
    passport = json.loads((folder / 'passport.json').read_text())
    saved = torch.load(str(folder / LAST))
    assert [hook['type'] for hook in passport['config']['custom_hooks']] == ['Witness', 'EMAHook']
    assert saved['meta']['settings']['custom_hooks'] == passport['config']['custom_hooks']


def test_a_hook_with_a_state_goes_on_with_it(witnessed, run, tmp_path):
    """EMAHook keeps its averaged weights in the checkpoint; a run that a hook has stopped goes on with both."""
    whole = torch.load(str(witnessed[0] / LAST))
    hooks = dict(type='Witness', path=str(tmp_path / 'notes'), stop_at=0), dict(type='EMAHook', momentum=0.5)
    code, said = run(tmp_path, *hooks)
    assert code == CONTINUE and 'stopped; start the same command again' in said
    code, said = run(tmp_path)
    assert code == USAGE and 'custom_hooks' in said and 'None now' in said
    code, said = run(tmp_path, *hooks)
    assert code == OK and 'continuing from' in said, said
    after = torch.load(str(tmp_path / LAST))
    for part in ('state_dict', 'ema_state_dict'):
        assert [key for key, value in whole[part].items() if not torch.equal(value, after[part][key])] == []
    name = 'semseghead_1.1.weight'
    assert not torch.equal(after['state_dict'][name], after['ema_state_dict']['module.' + name])


def test_hooks_that_only_look_change_nothing(witnessed, run, tmp_path):
    code, said = run(tmp_path)
    assert code == OK, said
    plain = torch.load(str(tmp_path / LAST))['state_dict']
    watched = torch.load(str(witnessed[0] / LAST))['ema_state_dict']
    # EMAHook puts its average where the weights stand, and the weights beside
    assert [key for key, value in plain.items() if not torch.equal(value, watched['module.' + key])] == []


@pytest.mark.parametrize('flag, value, message', [
    ('custom_hooks', '[{"type": "NoSuchHook"}]', "'NoSuchHook' is not in the hook registry"),
    ('custom_hooks', '[{"kind": "EMAHook"}]', 'no list of objects with a type'),
    ('custom_hooks', '{"type": "EMAHook"}', 'no list of objects with a type'),
    ('custom_imports', '{"imports": ["no_such_module"]}', "No module named 'no_such_module'"),
    ('custom_imports', '{"import": "my_hooks"}', 'unexpected keyword'),
    ('custom_imports', '["my_hooks"]', 'is no object'),
])
def test_hooks_that_cannot_be_made_are_refused_at_once(flag, value, message):
    with pytest.raises(MTPError, match=message):
        runner.find_hooks(options.parse(WORDS + ['out', '--' + flag, value]))
