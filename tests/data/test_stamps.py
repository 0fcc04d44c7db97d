import argparse

import pytest

from mtp.data import stamps
from mtp.errors import MTPError


def _options(**changes):
    return argparse.Namespace(**dict(dict(overwrite=False, dry_run=False), **changes))


def test_the_life_of_a_folder(tmp_path):
    folder = str(tmp_path / 'out')
    assert stamps.begin(folder, 'a', _options())
    (tmp_path / 'out' / 'half').write_text('x')
    assert stamps.begin(folder, 'a', _options()) and (tmp_path / 'out' / 'half').exists()  # continued
    stamps.complete(folder, 'a')
    assert not stamps.begin(folder, 'a', _options())
    with pytest.raises(MTPError, match='other files'):
        stamps.begin(folder, 'b', _options())
    assert stamps.begin(folder, 'b', _options(overwrite=True)) and not (tmp_path / 'out' / 'half').exists()


def test_a_stopped_run_begins_anew_when_its_inputs_changed(tmp_path):
    """As when it stopped at a damaged file that was replaced since."""
    folder = tmp_path / 'out'
    assert stamps.begin(str(folder), 'a', _options())
    (folder / 'below').mkdir()
    (folder / 'below' / 'half').write_text('x')
    assert stamps.needed(str(folder), 'b', _options()) and stamps.begin(str(folder), 'b', _options(dry_run=True))
    assert (folder / 'below' / 'half').exists()
    assert stamps.begin(str(folder), 'b', _options()) and [entry.name for entry in folder.iterdir()] == [stamps.NAME]


def test_a_damaged_stamp_is_no_leave_to_remove(tmp_path):
    stamps.begin(str(tmp_path / 'out'), 'a', _options())
    (tmp_path / 'out' / stamps.NAME).write_text('?')
    with pytest.raises(MTPError, match='--overwrite'):
        stamps.begin(str(tmp_path / 'out'), 'a', _options())


def test_what_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / 'thesis.txt').write_text('x')
    for overwrite in (False, True):
        with pytest.raises(MTPError, match='not made by'):
            stamps.begin(str(tmp_path), 'a', _options(overwrite=overwrite))


def test_a_dry_run_writes_nothing(tmp_path):
    assert stamps.begin(str(tmp_path / 'out'), 'a', _options(dry_run=True)) and not (tmp_path / 'out').exists()
