"""The over-fit runs set what their configs have, and their verdict counts."""
import json
import os
import sys

import pytest

from mtp.adapters import command
from mtp.launch import ledger
from tests import environments
from tests.configs import resolved

sys.path.insert(0, os.path.join(ledger.ROOT, 'ci'))
import overfit_finetune as overfit  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'ci'))

WORDS = [(task.config, words) for task in overfit.TASKS for words in (task.train, task.test)]
WORDS += [(overfit.DEMO.format(env), words[env]) for env in environments.ledger.recorded()
          for words in (overfit.LEARNT, overfit.TESTED)]


@pytest.mark.parametrize('config, words', [each for each in WORDS if environments.of_the_record() in each[0]])
def test_every_setting_is_one_of_the_config(config, words):
    tree = resolved.load(os.path.join(ledger.ROOT, config))._cfg_dict.to_dict()
    names = [word.split('=')[0] for word in words.split()]
    command._spelt_right(tree, dict.fromkeys(names))
    assert len(set(names)) == len(names)
    for name in names:  # but for what a config may leave out
        node = tree
        for part in name.split('.')[:-1]:
            node = node[int(part)] if isinstance(node, list) else node.get(part)
            assert node is not None or 'clip_grad' in name, name


@pytest.mark.parametrize('share, code', [(0.9, 0), (0.1, 1)])
def test_a_score_below_the_stated_one_fails(monkeypatch, tmp_path, capsys, share, code):
    monkeypatch.setattr(overfit, 'WORK', str(tmp_path))
    monkeypatch.setattr(overfit, 'DATA', str(tmp_path / 'data'))
    monkeypatch.setattr(overfit.jobs, 'newest_checkpoint', lambda folder: 'epoch_1.pth')
    monkeypatch.setattr(overfit, 'python', lambda words, env='mmrotate1': None)
    (tmp_path / 'horizontal' / 'predict').mkdir(parents=True)
    (tmp_path / 'horizontal' / 'predict' / 'passport-test.json').write_text(json.dumps(dict(
        metrics={'coco/bbox_mAP_50': share})))
    assert overfit.main(['horizontal']) == code
    assert f'{100 * share:.2f}' in capsys.readouterr().out


def test_a_task_that_is_none():
    with pytest.raises(SystemExit, match='there are the tasks classification, horizontal'):
        overfit.main(['nothing'])
