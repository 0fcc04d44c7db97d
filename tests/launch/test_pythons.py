import os

import pytest

from mtp.errors import MTPError
from mtp.launch import pythons


def fake(path, version, code=0):
    """A program at ``path`` that answers like a Python of ``version``."""
    os.makedirs(os.path.dirname(str(path)), exist_ok=True)
    with open(str(path), 'w') as stream:
        stream.write(f'#!/bin/sh\necho {version}\nexit {code}\n')
    os.chmod(str(path), 0o755)
    return str(path)


@pytest.fixture
def environ(tmp_path, monkeypatch):
    monkeypatch.setattr(pythons, 'PLACES', tuple(place for place in pythons.PLACES if place.startswith('{')))
    (tmp_path / 'bin').mkdir()
    return {'HOME': str(tmp_path), 'PATH': str(tmp_path / 'bin')}


@pytest.mark.parametrize('place', ['bin/python3.8', '.pyenv/versions/3.8.18/bin/python3.8', 'miniconda3/bin/python3.8',
                                   '.local/share/uv/python/cpython-3.8.20-linux-x86_64-gnu/bin/python3.8',
                                   'miniforge3/envs/old/bin/python3.8', '.conda/envs/x/bin/python3.8'])
def test_it_is_found_wherever_its_owner_keeps_it(tmp_path, environ, place):
    path = fake(tmp_path / place, '3.8.18')
    assert pythons.find(environ, '3.8') == (path, '3.8.18')


def test_another_minor_version_is_another_python(tmp_path, environ):
    fake(tmp_path / 'bin/python3.8', '3.8.18')
    path = fake(tmp_path / '.pyenv/versions/3.12.1/bin/python3.12', '3.12.1')
    assert pythons.find(environ, '3.12') == (path, '3.12.1')
    with pytest.raises(MTPError, match='no Python 3.11 that works.*\n  next: .*3.11'):
        pythons.find(environ, '3.11')
    with pytest.raises(MTPError, match='PYTHON312=.*is Python 3.8.18\n  next: leave PYTHON312 away'):
        pythons.find(dict(environ, PYTHON312=str(tmp_path / 'bin/python3.8')), '3.12')


def test_the_patch_level_of_the_ledger_is_preferred(tmp_path, environ):
    fake(tmp_path / 'bin/python3.8', '3.8.10')
    exact = fake(tmp_path / '.pyenv/versions/3.8.17/bin/python3.8', '3.8.17')
    assert pythons.find(environ, '3.8', '3.8.17') == (exact, '3.8.17')
    assert pythons.find(environ, '3.8', '3.8.0')[1] == '3.8.10'


def test_one_that_lacks_a_module_or_is_a_shim_is_passed_over(tmp_path, environ):
    fake(tmp_path / 'bin/python3.8', 'command not found', 127)
    fake(tmp_path / '.pyenv/versions/3.8.18/bin/python3.8', '', 1)
    good = fake(tmp_path / '.pyenv/versions/3.8.1/bin/python3.8', '3.8.1')
    assert pythons.find(environ, '3.8') == (good, '3.8.1')


def test_the_users_choice_comes_first(tmp_path, environ):
    fake(tmp_path / 'bin/python3.8', '3.8.17')
    mine = fake(tmp_path / 'mine', '3.8.2')
    assert pythons.find(dict(environ, PYTHON38=mine), '3.8', '3.8.17') == (mine, '3.8.2')


@pytest.mark.parametrize('version, code, said', [('3.11.7', 0, 'is Python 3.11.7'), ('', 1, 'is no Python that works')])
def test_a_wrong_choice_is_refused(tmp_path, environ, version, code, said):
    mine = fake(tmp_path / 'mine', version, code)
    with pytest.raises(MTPError, match=said):
        pythons.find(dict(environ, PYTHON38=mine), '3.8')


@pytest.mark.parametrize('tool, command', [
    (None, 'python3 -m pip install --user uv && python3 -m uv python install 3.8'), ('uv', 'uv python install 3.8'),
    ('conda', 'conda create --yes --name python38 python=3.8'), ('pyenv', 'pyenv install 3.8')])
def test_without_one_there_is_one_command_to_get_it(tmp_path, environ, tool, command):
    if tool:
        fake(tmp_path / 'bin' / tool, '')
    with pytest.raises(MTPError) as caught:
        pythons.find(environ, '3.8')
    assert 'no Python 3.8' in str(caught.value) and str(caught.value).endswith('next: ' + command)
