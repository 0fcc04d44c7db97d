import json
import os
import shutil

import pytest

from mtp.data import catalogue, join
from mtp.errors import MTPError


def test_train_and_val_become_one(sample, data_root, capsys):
    root = sample('dotav1')
    assert join.main(['dotav1']) == 0
    for kind, suffix in (('images', '.png'), ('labelTxt', '.txt')):
        assert sorted(os.listdir(os.path.join(root, 'trainval', kind))) == ['P0000' + suffix, 'P1000' + suffix]
    assert os.path.samefile(os.path.join(root, 'val', 'images', 'P1000.png'),
                            os.path.join(root, 'trainval', 'images', 'P1000.png'))
    assert join.main(['dotav1']) == 0 and 'already' in capsys.readouterr().out


def test_a_missing_label_is_named(sample, data_root):
    root = sample('dotav1')
    os.unlink(os.path.join(root, 'val', 'labelTxt', 'P1000.txt'))
    with pytest.raises(MTPError, match='P1000.png has no label file'):
        join.main(['dotav1'])
    assert not os.path.exists(os.path.join(root, 'trainval'))


def test_capitals_in_a_suffix_make_no_difference(sample, data_root):
    root = sample('dotav1')
    for folder, name, other in (('images', 'P1000.png', 'P1000.PNG'), ('labelTxt', 'P1000.txt', 'P1000.Txt')):
        os.rename(os.path.join(root, 'val', folder, name), os.path.join(root, 'val', folder, other))
    assert join.main(['dotav1']) == 0
    for kind, suffix in (('images', '.png'), ('labelTxt', '.txt')):  # as training and cutting look for them
        assert sorted(os.listdir(os.path.join(root, 'trainval', kind))) == ['P0000' + suffix, 'P1000' + suffix]
    shutil.copy(os.path.join(root, 'val', 'images', 'P1000.PNG'), os.path.join(root, 'val', 'images', 'P1000.png'))
    with pytest.raises(MTPError, match='are one and the same'):
        join.main(['dotav1', '--overwrite'])


def test_any_set_in_the_form_of_dota_is_joined_in_its_own_folder(sample, data_root, monkeypatch):
    facts, root = catalogue._facts(), sample('dotav1')
    entry = json.loads(json.dumps(facts['datasets']['dotav1']).replace('dotav1', 'harbours'))
    monkeypatch.setattr(catalogue, '_facts', lambda: dict(facts, datasets=dict(facts['datasets'], quays=entry)))
    os.rename(root, os.path.join(os.path.dirname(root), 'harbours'))
    assert join.main(['quays']) == 0
    joined = os.path.join(os.path.dirname(root), 'harbours', 'trainval', 'images')
    assert sorted(os.listdir(joined)) == ['P0000.png', 'P1000.png']
    with pytest.raises(SystemExit):
        join.main(['fair1m'])
    catalogue.get.cache_clear()
