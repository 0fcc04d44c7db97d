"""Sample sets and real files for the tests of mtp.data."""
import os

import pytest

from mtp.data.samples import dota, fair1m, samrs, spacenet, xview

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    """An empty folder that MTP_DATA_ROOT names."""
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path))
    return tmp_path


def _fresh_copy(source, target):
    for folder, _, files in os.walk(source):
        there = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(there, exist_ok=True)
        for name in files:
            os.link(os.path.join(folder, name), os.path.join(there, name))


@pytest.fixture(scope='session')
def made(tmp_path_factory):
    """Makes a sample set once: ``made('samrs')`` is its folder; do not change files in it."""
    modules = {'samrs': (samrs, dict(images=4)), 'dotav1': (dota, dict(images=1, tests=1)),
               'fair1m': (fair1m, dict(images=1, tests=1)), 'xview': (xview, dict(images=3)),
               'spacenet': (spacenet, dict(images=8))}
    done = {}

    def make(name):
        if name not in done:
            module, settings = modules[name]
            done[name] = str(tmp_path_factory.mktemp(name))
            with pytest.MonkeyPatch.context() as patch:  # smaller than for users: tests must be fast
                patch.setattr(dota, 'SIZES', dict.fromkeys(dota.SIZES, ((700, 600),)))
                patch.setattr(fair1m, 'SIZE', 500)
                patch.setattr(fair1m, 'OBJECTS', 36)
                patch.setattr(samrs, 'SIZE', 320)
                patch.setattr(samrs, 'OBJECTS', 14)
                module.write(done[name], seed=0, **settings)
        return done[name]

    return make


@pytest.fixture
def sample(made, data_root):
    """Puts a sample set below MTP_DATA_ROOT: ``sample('samrs')`` is its folder. Replace files, never edit them."""

    def put(name):
        _fresh_copy(made(name), str(data_root / name))
        return str(data_root / name)

    return put


@pytest.fixture(scope='session')
def real():
    """``real('dota', 'label_only', 'P0032.txt')``: path of a real file; the test is skipped where it does not lie.

    The folder is ``MTP_REAL_DATA``, or ``shared/data`` beside the repository.
    """
    root = os.environ.get('MTP_REAL_DATA') or os.path.join(os.path.dirname(REPOSITORY), 'shared', 'data')

    def find(*parts):
        path = os.path.join(root, *parts)
        if not os.path.exists(path):
            pytest.skip(f'no real file {os.path.join(*parts)} (MTP_REAL_DATA names their folder)')
        return path

    return find
