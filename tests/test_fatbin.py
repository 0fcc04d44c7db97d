"""For which cards a shared object has code: a reader of our own for what cuobjdump --list-elf says."""
import shutil
import struct
import subprocess

import pytest

from mtp import fatbin
from tests.fatbins import shared_object


def written(path, data):
    path.write_bytes(data)
    return str(path)


def test_architectures_of_every_container(tmp_path):
    path = written(tmp_path / 'a.so', shared_object([[80, 86, 120], [86, 80]]))
    assert fatbin.containers(path) == [({(8, 0), (8, 6), (12, 0)}, set()), ({(8, 0), (8, 6)}, set())]
    assert fatbin.architectures(path) == [(8, 0), (8, 6)]


def test_code_that_a_driver_would_have_to_compile_counts_for_itself(tmp_path):
    path = written(tmp_path / 'a.so', shared_object([[80]], ptx=86))
    assert fatbin.containers(path) == [({(8, 0)}, {(8, 6)})]
    assert fatbin.architectures(path) == [(8, 0)]


def test_without_device_code_there_is_none(tmp_path):
    assert fatbin.architectures(written(tmp_path / 'a.so', shared_object([]))) == []
    if shutil.which('cc'):
        subprocess.check_call(['cc', '-shared', '-o', str(tmp_path / 'b.so'), '-x', 'c', '/dev/null'])
        assert fatbin.containers(str(tmp_path / 'b.so')) == []


@pytest.mark.parametrize('damage', [
    lambda data: b'', lambda data: b'PK' + data, lambda data: data[:200],
    lambda data: data.replace(struct.pack('<I', fatbin.MAGIC), b'abcd'),
    lambda data: data[:fatbin.ELF.size + 8] + b'\xff' * 8 + data[fatbin.ELF.size + 16:]])
def test_what_is_damaged_is_refused_and_never_read_beyond_its_end(tmp_path, damage):
    path = written(tmp_path / 'a.so', damage(shared_object([[80, 86]])))
    with pytest.raises(fatbin.Unreadable):
        fatbin.containers(path)
