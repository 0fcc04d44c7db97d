import json
import os
import subprocess
import sys

import pytest

from mtp import files
from mtp.errors import MTPError
from tests import ordinary

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def test_a_failed_write_keeps_the_old_file_and_leaves_no_litter(tmp_path):
    target = tmp_path / 'result.txt'
    target.write_text('old')
    with pytest.raises(RuntimeError):
        with files.atomic_path(target) as temporary:
            with open(temporary, 'w') as stream:
                stream.write('half')
            raise RuntimeError('killed')
    assert target.read_text() == 'old'
    assert os.listdir(str(tmp_path)) == ['result.txt']


def test_json_round_trip_makes_folders(tmp_path):
    target = tmp_path / 'a' / 'b.json'
    files.write_json(target, {'x': [1, 'é']}, indent=None)
    assert json.loads(target.read_text(encoding='utf-8')) == {'x': [1, 'é']}
    assert target.read_text(encoding='utf-8') == '{"x":[1,"é"]}\n'


def test_sha256_of_a_known_text(tmp_path):
    target = tmp_path / 'abc'
    target.write_bytes(b'abc')
    assert files.sha256(target) == 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'


def test_two_writers_of_one_file_never_share_a_temporary_name(tmp_path):
    with files.atomic_path(tmp_path / 'x') as one, files.atomic_path(tmp_path / 'x') as two:
        assert one != two
        for name in (one, two):
            with open(name, 'w') as stream:
                stream.write(name)
    assert (tmp_path / 'x').read_text() == one  # the last to end


def test_the_longest_name_that_a_file_may_have_can_be_written(tmp_path):
    name = 'é' * 125 + '.json'
    files.write_text(tmp_path / name, 'x')
    assert os.listdir(str(tmp_path)) == [name]


@pytest.mark.parametrize('make', [os.mkdir, os.mkfifo])
def test_only_a_file_is_replaced_by_a_file(tmp_path, make):
    make(str(tmp_path / 'x'))
    with pytest.raises(MTPError, match='x is a (folder|pipe), and a file was to be written there'):
        files.write_text(tmp_path / 'x', 'text')
    with pytest.raises(MTPError, match='is a device'):
        files.write_text('/dev/null', 'text')
    assert os.listdir(str(tmp_path)) == ['x']


@pytest.mark.parametrize('name', ['', 'folder/'])
def test_no_name_is_no_file_to_write(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MTPError, match='is no name of a file'):
        files.write_text(name, 'x')
    assert os.listdir('.') == []


@pytest.mark.parametrize('text, says', [
    (b'[' * 100000, 'nested too deep'), (b'{"a":' * 100000, 'nested too deep'), (b'\xff', 'utf-8'),
    (b'"' + b'x' * 200, 'larger than'), (b'', 'Expecting value')])
def test_json_that_cannot_be_read_is_a_value_error(tmp_path, text, says):
    (tmp_path / 'a.json').write_bytes(text)
    with pytest.raises(ValueError, match=says):
        files.read_json(tmp_path / 'a.json', most=100 if says == 'larger than' else 1 << 20)


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir, lambda path: os.symlink('/dev/zero', path)])
def test_json_is_read_from_a_file_with_an_end(tmp_path, make):
    make(str(tmp_path / 'a.json'))
    with pytest.raises(OSError, match='it is a'):
        files.read_json(tmp_path / 'a.json')
    assert files.read_note(tmp_path / 'a.json') == {}


def test_what_may_not_be_written_is_told_by_its_own_name(tmp_path):
    """Not by that of the temporary file, which nobody has seen; and what is to be looked at is there."""
    code = (f'import os, sys; sys.path.insert(0, {ROOT!r})\n'
            'from mtp import files\nfrom mtp.errors import run_main\n'
            'run_main(lambda: files.write_text(sys.argv[1], "x"))')
    os.chmod(str(tmp_path), 0o555)
    done = subprocess.run([sys.executable, '-c', code, str(tmp_path / 'passport.json')], stderr=subprocess.PIPE,
                          universal_newlines=True, preexec_fn=ordinary.become)
    os.chmod(str(tmp_path), 0o755)
    if not done.returncode:
        pytest.skip('this process may write everywhere')
    assert done.stderr.startswith(f'error: cannot use {tmp_path}/passport.json: Permission denied\n'
                                  f'  next: ls -ld {tmp_path}; ')
