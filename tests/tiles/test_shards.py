"""Shards survive kills and damage; nothing that was written whole is lost."""
import os
import subprocess
import sys
import zlib

import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.tiles import shards
from mtp.tiles.shards import ShardWriter, contents, read_shards

CLASSES = ('plane', 'ship')


def detections(seed, n):
    rng = np.random.default_rng(seed)
    return rng.random((n, 5)).astype(np.float32), rng.random(n).astype(np.float32), rng.integers(0, 2, n)


def write(folder, tiles, rank=0, world=1, fingerprint='a', classes=CLASSES):
    with ShardWriter(folder, rank, world, classes, fingerprint) as writer:
        before = set(writer.done)
        for tile in tiles:
            writer.append(tile, *detections(len(tile) + ord(tile[0]), len(tile) - 1))
    return before


def check(folder, tiles):
    found = {tile: rest for tile, *rest in read_shards(folder)}
    assert sorted(found) == sorted(tiles)
    for tile, columns in found.items():
        for column, expected in zip(columns, detections(len(tile) + ord(tile[0]), len(tile) - 1)):
            assert np.array_equal(column, expected) and column.shape == expected.shape


def test_what_is_written_is_read(tmp_path):
    write(tmp_path, ['a', 'bb', 'cccc'], rank=0, world=2)
    write(tmp_path, ['dd', 'eeeeee'], rank=1, world=2)
    check(tmp_path, ['a', 'bb', 'cccc', 'dd', 'eeeeee'])
    assert contents(tmp_path).classes == CLASSES and contents(tmp_path).fingerprint == 'a'


def test_done_counts_every_rank_and_an_empty_result(tmp_path):
    write(tmp_path, ['a', 'bb'], rank=0, world=2)
    assert write(tmp_path, ['ccc', 'a'], rank=1, world=2) == {'a', 'bb'}
    assert write(tmp_path, [], rank=0, world=1) == {'a', 'bb', 'ccc'}
    check(tmp_path, ['a', 'bb', 'ccc'])


@pytest.mark.parametrize('lost', [1, 10, 30, 200])
def test_a_tail_cut_short_is_dropped_and_redone(tmp_path, lost):
    tiles = ['aaa', 'bbbb', 'ccccc', 'dddd', 'ee']
    write(tmp_path, tiles)
    path = str(tmp_path / 'rank-00000.shard')
    os.truncate(path, os.path.getsize(path) - lost)
    kept = {tile for tile, *_ in read_shards(tmp_path)}
    assert kept < set(tiles) and contents(tmp_path).damaged
    assert write(tmp_path, tiles) == kept
    check(tmp_path, tiles)
    assert not contents(tmp_path).damaged


def test_every_single_damaged_byte_is_noticed(tmp_path):
    tiles = ['aaa', 'bb', 'c']
    write(tmp_path, tiles)
    path = tmp_path / 'rank-00000.shard'
    whole = path.read_bytes()
    start = contents(tmp_path).entries['aaa'].offset - 19  # first byte of the first record
    for position in range(start, len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1:])
        found = contents(tmp_path)
        assert found.damaged and set(found.entries) < set(tiles)
        assert all(entry.offset + entry.count * 26 <= position for entry in found.entries.values())


def test_a_damaged_header_costs_that_rank_only(tmp_path):
    write(tmp_path, ['aaa'], rank=0, world=2)
    write(tmp_path, ['bb'], rank=1, world=2)
    path = tmp_path / 'rank-00001.shard'
    path.write_bytes(b'garbage' * 30)
    assert set(contents(tmp_path).entries) == {'aaa'}
    assert write(tmp_path, ['bb'], rank=1, world=2) == {'aaa'}
    check(tmp_path, ['aaa', 'bb'])


def test_fewer_ranks_than_before_mend_the_shards_of_the_others(tmp_path):
    write(tmp_path, ['aaa'], rank=0, world=2)
    write(tmp_path, ['bb', 'cccc'], rank=1, world=2)
    path = str(tmp_path / 'rank-00001.shard')
    os.truncate(path, os.path.getsize(path) - 3)
    assert write(tmp_path, ['cccc'], rank=0, world=1) == {'aaa', 'bb'}
    assert not contents(tmp_path).damaged
    check(tmp_path, ['aaa', 'bb', 'cccc'])


def test_another_test_is_refused(tmp_path):
    write(tmp_path, ['a'])
    for changed in (dict(fingerprint='b'), dict(classes=CLASSES[::-1])):
        with pytest.raises(MTPError, match='another test'):
            write(tmp_path, ['b'], **changed)
    check(tmp_path, ['a'])


def test_bad_detections(tmp_path, capsys):
    with ShardWriter(tmp_path, 0, 1, CLASSES, 'a') as writer:
        with pytest.raises(MTPError, match='labels'):
            writer.append('t', np.zeros((1, 5)), [0.5], [2])
        with pytest.raises(MTPError, match='2 scores'):
            writer.append('t', np.zeros((1, 5)), [0.5, 0.6], [0])
        writer.append('t', [[1, 2, 3, 4, 0], [1, 2, np.nan, 4, 0], [1, 2, 3, 4, 1]], [0.5, 0.6, np.inf], [0, 1, 1])
        assert writer.skipped == 2
    assert '2 detections' in capsys.readouterr().err
    (_, boxes, scores, labels), = read_shards(tmp_path)
    assert boxes.tolist() == [[1, 2, 3, 4, 0]] and scores.tolist() == [0.5] and labels.tolist() == [0]


def test_no_shards(tmp_path):
    for folder in (tmp_path, tmp_path / 'nowhere'):
        with pytest.raises(MTPError, match='no shard'):
            list(read_shards(folder))
    (tmp_path / 'rank-00000.shard').write_bytes(b'')
    with pytest.raises(MTPError, match='damaged'):
        contents(tmp_path)


def test_a_newer_version_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(shards, 'VERSION', 2)
        write(tmp_path, ['a'])
    with pytest.raises(MTPError, match='version 2'):
        contents(tmp_path)


@pytest.mark.parametrize('header', [b'[]', b'{}', b'1', b'"version"', b'{"version": "1"}', b'[' * 100000,
                                    b'{"version": 1, "classes": "plane", "fingerprint": "a"}',
                                    b'{"version": 1, "classes": [1, 2], "fingerprint": "a"}',
                                    b'{"version": 1, "classes": [], "fingerprint": null}'])
def test_a_whole_header_that_is_not_ours(tmp_path, header):
    (tmp_path / 'rank-00000.shard').write_bytes(
        shards._HEAD.pack(b'MTPSHARD', len(header), zlib.crc32(header)) + header)
    with pytest.raises(MTPError, match='header is not one of ours'):
        contents(tmp_path)
    write(tmp_path, ['a'])  # a test that goes on puts it aside, and begins anew
    check(tmp_path, ['a'])


def record(name, numbers=(1, 1, 9, 9, 0, 0.5), label=0):
    body = name + np.array(numbers, '<f4').tobytes() + np.array([label], '<u2').tobytes()
    return shards._RECORD.pack(b'TILE', len(name), 1, zlib.crc32(body)) + body


@pytest.mark.parametrize('forged', [record(b'\xff\xfe'), record(b'b', label=2), record(b'b', label=65535),
                                    record(b'b', (np.nan, 1, 9, 9, 0, 0.5)), record(b'b', (1, 1, 9, 9, 0, np.inf))])
def test_a_record_that_nobody_of_us_writes_counts_as_a_damaged_tail(tmp_path, forged):
    write(tmp_path, ['a'])
    with open(str(tmp_path / 'rank-00000.shard'), 'ab') as stream:
        stream.write(forged + record(b'cc'))
    assert 'not one of ours' in contents(tmp_path).damaged[0][2]
    write(tmp_path, ['bb'])
    check(tmp_path, ['a', 'bb'])


FULL = '''
import resource
from mtp.errors import run_main
from mtp.tiles.shards import ShardWriter
import numpy as np

def main():
    with ShardWriter({folder!r}, 0, 1, ('ship',), 'a') as writer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
        for name in ('first', 'second'):
            writer.append(name, np.ones((500, 5)), np.ones(500), np.zeros(500))

run_main(main)
'''


def test_a_limit_on_the_size_of_a_file_is_told_by_its_name(tmp_path):
    done = subprocess.run([sys.executable, '-c', FULL.format(folder=str(tmp_path))], stderr=subprocess.PIPE)
    path = tmp_path / 'rank-00000.shard'
    assert done.returncode == 1 and done.stderr.decode() == (
        f'error: cannot write {path}: File too large\n'
        '  next: ulimit -f unlimited, then start the same command again\n')
    assert path.stat().st_size == 20000 and [tile for tile, *_ in read_shards(tmp_path)] == ['first']
    with ShardWriter(tmp_path, 0, 1, ('ship',), 'a') as writer:
        assert writer.done == {'first'}
        writer.append('second', *detections(0, 3))
    assert [tile for tile, *_ in read_shards(tmp_path)] == ['first', 'second'] and not contents(tmp_path).damaged
