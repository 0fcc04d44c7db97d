"""The over-fit of data of one's own has a run for every task, in layouts that are drawn, and its verdict counts."""
import json
import os
import sys

import pytest

from mtp.launch import ledger
from mtp.own import config
from tests.own import drawn

sys.path.insert(0, os.path.join(ledger.ROOT, 'ci'))
import overfit_own as overfit  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'ci'))


def test_every_task_has_a_run_in_a_layout_that_is_drawn_for_it():
    assert [task.name for task in overfit.TASKS] == list(config.MODELS)
    assert all(task.name in drawn.ALL[task.layout][1] for task in overfit.TASKS)
    assert len({task.layout for task in overfit.TASKS}) == len(overfit.TASKS)


@pytest.mark.parametrize('share, code', [(0.95, 0), (0.5, 1), (None, 1)])
def test_a_score_below_the_stated_one_fails(monkeypatch, tmp_path, capsys, share, code):
    monkeypatch.setattr(overfit, 'WORK', str(tmp_path))
    commands = []
    monkeypatch.setattr(overfit, 'call', lambda task, words: commands.append(words))
    folder = tmp_path / 'own' / 'horizontal-horizontal-rvsa_b-none' / 'train' / 'predict'
    folder.mkdir(parents=True)
    (folder / 'passport-test.json').write_text(json.dumps(dict(metrics={'coco/bbox_mAP_50': share})))
    assert overfit.main(['horizontal']) == code
    assert f'{100 * (share or 0):.2f}' in capsys.readouterr().out
    assert [words[1] for words in commands if words[0] == 'make'] == ['finetune', 'browse']


def test_a_task_that_is_none():
    with pytest.raises(SystemExit, match='there are the tasks rotated, horizontal'):
        overfit.main(['nothing'])
