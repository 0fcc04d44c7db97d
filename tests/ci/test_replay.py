"""What ``ci/replay`` takes for a confirmation."""
import os
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger

sys.path.insert(0, os.path.join(ledger.ROOT, 'ci'))
import replay  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'ci'))

GOOD = 'pretrain of a against b\n  weights    equal, bit for bit\nconfirmed\n'
BAD = '  differs    data: the hashes differ: sota\n  weights    differ\nNOT CONFIRMED\n'


@pytest.fixture
def said(monkeypatch, tmp_path):
    """Stands for make: what each call says in turn."""
    answers = ['', GOOD, BAD]
    monkeypatch.setenv('MTP_CACHE_ROOT', str(tmp_path))
    monkeypatch.setattr(replay, 'draw', lambda work: None)
    monkeypatch.setattr(replay, 'spoil', lambda work: None)

    def make(verb, work, expected=0, **words):
        if verb == 'pretrain':
            os.makedirs(os.path.join(work, 'first'))
            with open(os.path.join(work, 'first', 'passport.json'), 'w') as stream:
                stream.write('{}')
        return answers.pop(0)

    monkeypatch.setattr(replay, 'make', make)
    return answers


def test_a_confirmed_replay_leaves_the_passport_for_the_cluster(said, tmp_path):
    assert replay.main(['native']) == 0 and os.path.exists(replay.kept()) and replay.kept().startswith(str(tmp_path))


@pytest.mark.parametrize('second, third', [('confirmed\n', BAD), (GOOD.replace('equal, bit for bit', 'differ'), BAD),
                                           (GOOD, GOOD)])
def test_anything_less_fails(said, second, third):
    said[1:] = [second, third]
    with pytest.raises(MTPError):
        replay.main(['native'])


def test_an_unknown_runtime_is_refused_at_once():
    with pytest.raises(MTPError, match='podman'):
        replay.main(['podman'])
