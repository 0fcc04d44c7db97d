import json
import os

import pytest

from mtp import files


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
