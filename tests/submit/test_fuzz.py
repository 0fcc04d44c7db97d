"""A thousand damaged inputs of each kind: parsed, or named as a problem, never anything else."""
import random
import re
import zipfile

import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.submit import results, validate
from mtp.submit.fair1m import EXACT, document
from mtp.tiles import shards

COUNT = 1000
TOKENS = [b'nan', b'-inf', b'1e999', b'-0', b'0x10', b'1_0', b'', b' ', b'\t', b'\r', b'\n', b'\0', b'\xff\xfe',
          b'\xef\xbb\xbf', b'P1__1024__0___0', b'99999999999999999999', '\u0663'.encode(), b'<', b'&amp;', b'&x;',
          b'<!DOCTYPE a>', b']]>', b'</object>', b'<object>', b'1,2,3', b'(' * 300]


def mutations(data, seed):
    """COUNT damaged copies of ``data``."""
    rng = random.Random(seed)
    for _ in range(COUNT):
        text = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            at, length = rng.randrange(len(text) + 1), rng.choice([0, 1, 1, 4, 40])
            kind = rng.random()
            if kind < 0.4:
                text[at:at + length] = rng.choice(TOKENS)
            elif kind < 0.6:
                text[at:at + length] = bytes(rng.randrange(256) for _ in range(length))
            elif kind < 0.8:
                other = rng.randrange(len(text) + 1)
                text[at:at] = text[other:other + length]  # repeated elsewhere
            else:
                del text[at:at + length * 5]
        yield bytes(text)
    for encoding in ('utf-16', 'utf-8-sig', 'utf-32'):
        yield data.decode().encode(encoding)
    yield data.replace(b'\n', b'\r\n')
    yield b''


def test_result_texts(tmp_path):
    rng = np.random.default_rng(0)
    rows = ['P{} {!r} {}\n'.format(k, k / 40, ' '.join('%.2f' % v for v in rng.uniform(0, 900, 8))) for k in range(12)]
    path = tmp_path / 'Task1_plane.txt'
    sizes = {'P%d' % k: (1000, 1000) for k in range(12)}
    good = 0
    for data in mutations(''.join(rows).encode(), seed=1):
        path.write_bytes(data)
        found, problems = results.read_results(str(tmp_path))
        n = len(found.score)
        assert found.polygon.shape == (n, 8) and len(found.score_text) == len(found.line) == len(found.image) == n
        assert np.isfinite(found.polygon).all() and np.isfinite(found.score).all()
        assert all(problem.file == path.name for problem in problems)
        assert len(validate._check_dota(str(tmp_path), ('plane',), sizes).problems) >= len(problems)
        good += not problems
    assert 10 < good < COUNT  # some damage is none


def test_fair1m_xml(tmp_path, monkeypatch):
    monkeypatch.setattr('mtp.submit.fair1m._header', lambda path: (400, 300, 3))
    corners = [10.0, 10.0, 60.0, 12.0, 58.0, 40.0, 8.0, 38.0]
    text = document('7', '7.tif', [('Small Car', '0.5', corners), ('Bridge', '0.25', corners)], EXACT)
    names, good = {'Small Car', 'Bridge'}, 0
    for data in mutations(text.encode(), seed=2):
        problems = []
        count, _ = validate._check_xml('test/7.xml', '7', data, (400, 300), names, problems)
        assert isinstance(count, int) and all(0 <= problem.line <= data.count(b'\n') + 2 for problem in problems)
        good += not problems
    assert 10 < good < COUNT


def test_shards(tmp_path):
    with shards.ShardWriter(tmp_path, 0, 1, ('plane',), 'x') as writer:
        for number in range(5):
            writer.append(f'P1__1024__{number}___0', np.ones((number, 5)), np.ones(number), [0] * number)
    path = tmp_path / 'rank-00000.shard'
    whole = path.read_bytes()
    originals = {tile: rest for tile, *rest in shards.read_shards(tmp_path)}
    for data in mutations_of_bytes(whole):
        path.write_bytes(data)
        try:
            found = list(shards.read_shards(tmp_path))
        except MTPError:
            continue
        for tile, *columns in found:
            assert all(np.array_equal(a, b) for a, b in zip(columns, originals[tile]))


def mutations_of_bytes(data):
    rng = random.Random(3)
    for _ in range(COUNT):
        text = bytearray(data)
        at = rng.randrange(len(text))
        if rng.random() < 0.5:
            text[at] ^= 1 << rng.randrange(8)
        else:
            del text[at:at + rng.choice([1, 30, len(text)])]
        yield bytes(text)


@pytest.mark.parametrize('seed', [4])
def test_zips(tmp_path, seed):
    path = tmp_path / 'a.zip'
    with zipfile.ZipFile(str(path), 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('Task1_plane.txt', 'P1 0.5 1 1 9 1 9 9 1 9\n' * 20)
    for data in mutations_of_bytes(path.read_bytes()):
        path.write_bytes(data)
        try:
            found, problems = results.read_results(str(path))
        except MTPError as error:
            assert re.search('zip|damaged', str(error))
            continue
        assert len(found.score) == 20 or problems
