import os

import pytest

from tests import environments


def test_every_test_runs_somewhere():
    files = environments.test_files()
    assert len(files) > 20
    for path in files:
        assert any(environments.wanted(path, name) for name in environments.NAMES), path


@pytest.mark.parametrize('path, names', [
    ('tests/test_errors.py', ('mmrotate1', '')), ('tests/launch/test_x.py', ('mmrotate1', '')),
    ('tests/boxes/test_x.py', ('mmrotate1', 'mmrotate03', '')), ('tests/pretrain/test_x.py', ('mmrotate1',)),
    ('tests/adapters/mmrotate03/test_x.py', ('mmrotate03',)), ('tests/adapters/mmrotate1/test_x.py', ('mmrotate1',)),
    ('tests/adapters/test_x.py', ('mmrotate1', 'mmrotate03', ''))])
def test_folders_say_where(path, names):
    assert tuple(name for name in ('mmrotate1', 'mmrotate03', '') if environments.wanted(path, name)) == names


def test_folders_of_the_table_name_environments():
    for folder, names in environments.FOLDERS.items():
        assert set(names) <= set(environments.ADAPTERS)
        assert os.path.dirname(folder) in ('tests', 'tests/adapters')


def test_this_environment_is_known():
    assert environments.current() in environments.NAMES + ('',)
