import json
import os
import re

import pytest
import torch

from mtp import sealed
from mtp.checkpoints import __main__ as commands
from mtp.checkpoints import load, publish
from mtp.errors import OK, MTPError
from mtp.files import sha256

STATE = {'backbone.a': torch.arange(6.).reshape(2, 3), 'head.b': torch.ones(2)}


@pytest.fixture
def run(tmp_path):
    """The folder of a training with averaged weights, an optimizer and a passport."""
    trained = {'module.' + key: value + 1 for key, value in STATE.items()}
    content = dict(meta=dict(epoch=12, cfg='model = 1', dataset_meta=dict(classes=('a', 'b'))), state_dict=STATE,
                   optimizer=dict(state={}, param_groups=[]), message_hub={},
                   ema_state_dict=dict(trained, steps=torch.tensor(9)))
    torch.save(content, str(tmp_path / 'epoch_12.pth'))
    passport = dict(kind='finetune', metrics={'mAP': 0.5}, config=dict(recipe='paper'), hardware=dict(host='mine'),
                    seed=3)
    (tmp_path / 'passport.json').write_text(json.dumps(sealed.seal(passport)))
    return tmp_path


def test_what_is_given_away_has_weights_and_where_they_are_from_and_nothing_else(run, capsys):
    assert commands.main(['publish', str(run / 'epoch_12.pth')]) == OK
    (name,) = [name for name in os.listdir(str(run)) if re.fullmatch(r'epoch_12-[0-9a-f]{8}\.pth', name)]
    path = str(run / name)
    assert sha256(path).startswith(name[9:17]) and 'averaged weights' in capsys.readouterr().out
    for each in (path, path[:-4] + '.safetensors'):
        found = load(each)
        assert set(found.state_dict) == set(STATE) and all(
            torch.equal(found.state_dict[key], value) for key, value in STATE.items())
        told = json.loads(found.meta['passport'])
        assert told['metrics'] == {'mAP': 0.5} and told['config'] == {'recipe': 'paper'} and 'mine' not in str(told)
        assert not found.rest and str(found.meta['epoch']) == '12' and found.meta['weights'] == 'averaged'


def test_the_trained_weights_beside_the_averages(run):
    path, _, which = publish.publish(str(run / 'epoch_12.pth'), averaged=False, passport=None)
    found = load(path)
    assert which == 'trained' and torch.equal(found.state_dict['head.b'], STATE['head.b'] + 1)
    assert 'passport' not in found.meta


def test_the_same_twice_is_said_and_nothing_is_left_over(run):
    publish.publish(str(run / 'epoch_12.pth'))
    before = sorted(os.listdir(str(run)))
    with pytest.raises(MTPError, match='exists'):
        publish.publish(str(run / 'epoch_12.pth'))
    assert sorted(os.listdir(str(run))) == before


@pytest.mark.parametrize('content', ['', '{"kind": 1, "seal": "crc32:00000000"}', '[]'])
def test_a_damaged_passport_is_not_given_away(run, content):
    (run / 'passport.json').write_text(content)
    with pytest.raises(MTPError, match='the passport .* is damaged\n.*--no-passport'):
        publish.publish(str(run / 'epoch_12.pth'))
    assert publish.publish(str(run / 'epoch_12.pth'), passport=None)[0]


def test_without_averages_the_weights_are_the_trained_ones(tmp_path):
    torch.save(dict(STATE), str(tmp_path / 'w.pth'))
    assert publish.publish(str(tmp_path / 'w.pth'), str(tmp_path / 'new'))[2] == 'trained'
    assert len(os.listdir(str(tmp_path / 'new'))) == 2


def _loop(path):
    path.symlink_to(path.name)


@pytest.mark.parametrize('make', [
    lambda path: path.mkdir(), lambda path: os.mkfifo(str(path)), _loop, lambda path: path.symlink_to('nowhere')])
def test_a_passport_that_is_there_and_no_file_is_not_passed_over(run, make):
    (run / 'passport.json').unlink()
    make(run / 'passport.json')
    with pytest.raises(MTPError, match='the passport .* cannot be read: .*\n.*--no-passport'):
        publish.publish(str(run / 'epoch_12.pth'), str(run / 'out'))
    assert not (run / 'out').exists()


@pytest.mark.parametrize('make', [os.mkfifo, lambda path: os.symlink('/dev/zero', path),
                                  lambda path: open(path, 'w').write('[' * 100000)])
def test_a_passport_that_never_ends_or_goes_too_deep(run, make):
    make(str(run / 'p.json'))
    with pytest.raises(MTPError, match='p.json (cannot be read|is damaged)'):
        publish.publish(str(run / 'epoch_12.pth'), str(run / 'out'), passport=str(run / 'p.json'))
    assert not os.path.exists(str(run / 'out'))
