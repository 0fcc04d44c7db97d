"""A small part of ``ci/fuzz``, and that it finds what it is there to find."""

import os
import subprocess
import sys
import time

import pytest

from mtp.errors import MTPError
from tests.environments import ROOT

sys.path.insert(0, os.path.join(ROOT, 'ci'))
import fuzz  # noqa: E402
import fuzz_changes as changes  # noqa: E402
import fuzz_readers as readers  # noqa: E402

QUICK = ('checkpoint', 'checkpoint-legacy', 'pickle', 'passport')


def test_readers_of_pickles_and_passports_hold(tmp_path):
    """In a process of its own: the children are forks of it, and should be small."""
    words = [sys.executable, 'ci/fuzz.py', '--seed', '7', '--count', '100', '--keep', str(tmp_path), '--only'] + list(
        QUICK
    )
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = done.stdout.decode()
    assert done.returncode == 0 and '400 cases, 0 findings, seed 7' in said, said


def crash(path):
    os.kill(os.getpid(), 11)


def memory(path):
    return bytearray(2 << 30)


def leave(path):
    with open(path + '.tmp', 'w'):
        pass


def key(path):
    raise KeyError('x')


def own(path):
    raise MTPError('it is damaged')


@pytest.mark.parametrize(
    'read, says',
    [
        (crash, 'signal 11'),
        (memory, 'MemoryError'),
        (leave, 'files beside'),
        (key, 'KeyError'),
        (lambda path: time.sleep(30), 'more than 1 s'),
        (own, None),
    ],
)
def test_each_kind_of_finding_is_found(tmp_path, monkeypatch, read, says):
    monkeypatch.setattr(fuzz, 'SECONDS', 1)
    reader = readers.Reader(None, read, None)
    found, reached = fuzz.batch('x', reader, b'abc', 1, 0, 2, str(tmp_path / 'damaged' / 'x'))
    assert [says in text for _, text in found[:1]] == ([True] if says else []) and reached == (
        1 if says in ('signal 11', 'more than 1 s') else 2
    )


def test_a_seed_gives_the_same_bytes():
    data = b'{"a": 1, "b": [1, 2, 3]}'
    assert changes.case(3, 'log', 5, data) == changes.case(3, 'log', 5, data)
    assert len({changes.case(seed, 'log', 5, data) for seed in range(20)}) > 10


@pytest.mark.parametrize(
    'name', ['checkpoint', 'checkpoint-legacy', 'pickle', 'safetensors', 'submission', 'shard', 'log']
)
def test_an_entry_of_the_table_reads_its_whole_file(tmp_path, name):
    folder = tmp_path / 'whole'
    folder.mkdir()
    reader = readers.READERS[name]
    reader.read(reader.make(str(folder)))
