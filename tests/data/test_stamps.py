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
    with pytest.raises(MTPError, match='other files'):
        stamps.begin(folder, 'b', _options())
    stamps.complete(folder, 'a')
    assert not stamps.begin(folder, 'a', _options())
    assert stamps.begin(folder, 'b', _options(overwrite=True)) and not (tmp_path / 'out' / 'half').exists()


def test_what_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / 'thesis.txt').write_text('x')
    for overwrite in (False, True):
        with pytest.raises(MTPError, match='not made by'):
            stamps.begin(str(tmp_path), 'a', _options(overwrite=overwrite))


def test_a_dry_run_writes_nothing(tmp_path):
    assert stamps.begin(str(tmp_path / 'out'), 'a', _options(dry_run=True)) and not (tmp_path / 'out').exists()
