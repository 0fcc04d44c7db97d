"""What ci/rehearse runs today, and that nothing is left out."""
import collections
import datetime
import os
import sys

import pytest

from mtp.launch import configs, ledger

sys.path.insert(0, os.path.join(ledger.ROOT, 'ci'))
import rehearse  # noqa: E402
from cells.verbs import CHANGE  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'ci'))

LEAVES = [leaf for leaf in configs.leaves(ledger.ROOT) if leaf.env in ledger.recorded()]
MONDAY = datetime.date(2024, 1, 1)


def of(day, datasets=()):
    date = None if day is None else MONDAY + datetime.timedelta(days=day)
    return [leaf for group in rehearse.due(LEAVES, datasets, date) for leaf in group]


def test_within_a_week_all_24_runs_of_change_detection_are_rehearsed_and_never_more_than_11_a_day():
    days = [[leaf for leaf in of(day) if leaf.dataset in CHANGE] for day in range(7)]
    whole = {leaf for leaf in LEAVES if leaf.dataset in CHANGE}
    assert set().union(*days) == whole and len(whole) == 24
    assert all(10 <= len(set(day)) == len(day) <= 11 for day in days)


@pytest.mark.parametrize('day', range(7))
def test_every_day_each_block_is_rehearsed_and_of_change_detection_both_kinds_of_network(day):
    count = collections.Counter((leaf.env, leaf.dataset) for leaf in of(day) if rehearse.every_time(leaf))
    assert count == {tuple(block.split('/')): 2 if block.split('/')[1] in CHANGE else 1
                     for group in rehearse.GROUPS for block in group}


def test_everything_is_asked_for_and_of_some_datasets_alone():
    assert len([leaf for leaf in of(None) if leaf.dataset in CHANGE]) == 24
    assert {leaf.dataset for leaf in of(0, ['oscd', 'dotav1'])} == {'oscd', 'dotav1'}
    assert {leaf.env for leaf in of(0, ['dotav1'])} == {'mmrotate1', 'mmrotate03'}


def test_a_misspelt_dataset_is_refused_with_the_right_ones(capsys):
    with pytest.raises(SystemExit):
        rehearse.main(['osdc'])
    assert 'oscd' in capsys.readouterr().err
