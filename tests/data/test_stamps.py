import argparse
import os

import pytest

from mtp import locks, ownership
from mtp.data import stamps
from mtp.errors import MTPError

MADE = ('half', 'below/half')


def _options(**changes):
    return argparse.Namespace(**dict(dict(overwrite=False, dry_run=False), **changes))


def fill(folder, mark, names=(), fails=False, whole=True, **changes):
    """Fill ``folder`` as a converter does; whether there was anything to do."""
    with stamps.filling(str(folder), 'data x', mark, MADE, _options(**changes)) as filling:
        for name in names if filling.needed else ():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(name)
        filling.whole = whole
        if fails:
            raise KeyboardInterrupt
    return filling.needed


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def test_the_life_of_a_folder(tmp_path):
    folder = tmp_path / 'out'
    with pytest.raises(KeyboardInterrupt):
        fill(folder, 'a', ['half'], fails=True)
    assert fill(folder, 'a') and (folder / 'half').exists()  # continued
    assert not fill(folder, 'a')
    with pytest.raises(MTPError, match='other files'):
        fill(folder, 'b')
    assert fill(folder, 'b', overwrite=True) and not (folder / 'half').exists()
    assert not stamps.needed(str(folder), 'data x', 'b', _options())


def test_a_stopped_run_begins_anew_when_its_inputs_changed(tmp_path):
    """As when it stopped at a damaged file that was replaced since."""
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, 'a', ['below/half'], fails=True)
    assert fill(tmp_path, 'b', dry_run=True) and (tmp_path / 'below' / 'half').exists()
    assert fill(tmp_path, 'b') and names(tmp_path) == [ownership.NAME]


def test_what_lacks_something_is_not_complete(tmp_path):
    fill(tmp_path, 'a', whole=False)
    assert stamps.needed(str(tmp_path), 'data x', 'a', _options())


@pytest.mark.parametrize('overwrite', [False, True])
def test_what_is_not_ours_is_left_alone(tmp_path, overwrite):
    (tmp_path / 'thesis.txt').write_text('x')
    with pytest.raises(MTPError, match='was not made by data x'):
        fill(tmp_path, 'a', overwrite=overwrite)
    assert names(tmp_path) == ['thesis.txt']


def test_overwriting_leaves_what_others_put_there(tmp_path, capsys):
    fill(tmp_path, 'a', ['half'])
    (tmp_path / 'thesis.txt').write_text('x')
    fill(tmp_path, 'a', overwrite=True)
    assert names(tmp_path) == [ownership.NAME, 'thesis.txt'] and 'thesis.txt' in capsys.readouterr().err


def test_a_killed_removal_is_no_complete_folder(tmp_path, monkeypatch):
    fill(tmp_path, 'a', MADE)

    def dies(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ownership, 'clear', dies)
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, 'a', overwrite=True)
    assert stamps.needed(str(tmp_path), 'data x', 'a', _options())


def test_what_an_earlier_version_made_is_good_and_is_never_removed(tmp_path):
    (tmp_path / stamps.BEFORE).write_text('complete a\n')
    assert not fill(tmp_path, 'a')
    for changes in (dict(mark='b'), dict(mark='a', overwrite=True)):
        with pytest.raises(MTPError, match='no mark'):
            fill(tmp_path, **changes)
    assert names(tmp_path) == [stamps.BEFORE]


def test_two_at_once_are_refused(tmp_path):
    with locks.hold(tmp_path, 'data x'):
        assert locks.NAME in os.listdir(str(tmp_path))
    with stamps.filling(str(tmp_path), 'data x', 'a', MADE, _options()):
        assert locks.holder(tmp_path)


def test_a_dry_run_writes_nothing(tmp_path):
    assert fill(tmp_path / 'out', 'a', dry_run=True) and not (tmp_path / 'out').exists()
