"""A library that is found nowhere is named with whoever needs it; what the ledger declares passes."""
import os
import shutil
import subprocess
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger

sys.path.insert(0, os.path.join(ledger.ROOT, 'docker'))
import libraries  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'docker'))


@pytest.fixture
def place(tmp_path):
    """A folder with ``user/a.so``, which needs ``libgone.so.1``."""
    if not shutil.which('cc'):
        pytest.skip('no compiler')
    (tmp_path / 'user').mkdir()
    subprocess.check_call(['cc', '-shared', '-o', 'libgone.so.1', '-Wl,-soname,libgone.so.1', '-x', 'c', '/dev/null'],
                          cwd=str(tmp_path))
    subprocess.check_call(['cc', '-shared', '-o', 'user/a.so', '-Wl,--no-as-needed', '-x', 'c', '/dev/null', '-x',
                           'none',
                           'libgone.so.1'], cwd=str(tmp_path))
    return tmp_path


def test_a_library_that_is_nowhere_fails_with_the_name_of_who_needs_it(place, monkeypatch):
    with pytest.raises(MTPError, match=r'libgone.so.1 is found nowhere; needed by .*/user/a.so'):
        libraries.main(['--env', 'mmrotate1', '--variant', 'cpu', str(place)])
    variant = dict(ledger.variant('mmrotate1', 'cpu'), outside={'libgone.so.1': 'the driver brings it'})
    monkeypatch.setattr(libraries.ledger, 'variant', lambda *names: variant)
    assert libraries.main(['--env', 'mmrotate1', '--variant', 'cpu', str(place)]) == 0


def test_a_library_beside_the_one_that_needs_it_is_found(place):
    (place / 'libgone.so.1').rename(place / 'user' / 'libgone.so.1')
    assert libraries.missing(list(libraries.shared([str(place)]))) == {}


def test_only_programs_and_libraries_are_asked(tmp_path):
    (tmp_path / 'a.so').write_text('no library')
    (tmp_path / 'script').write_text('#!/bin/sh\n')
    (tmp_path / 'script').chmod(0o755)
    assert list(libraries.shared([str(tmp_path)])) == []


def test_torch_is_loaded_before_what_is_built_on_it(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(libraries.subprocess, 'run', lambda words, env, **more: seen.append(
        env['LD_LIBRARY_PATH']) or subprocess.CompletedProcess(words, 0, ''))
    libraries.missing(['/venv/torch/lib/libc10.so', '/venv/mmcv/_ext.so'])
    assert seen == ['/venv/torch/lib'] * 2
