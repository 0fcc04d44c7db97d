"""Every reader, given damaged files: a parsed value or our own error that names the file, and nothing else.

``MTP_FUZZ=1000`` makes so many mutations a format; the default keeps the tests fast. A failure names its seed.
"""
import os
import time

import numpy as np
import pytest

from mtp.data import catalogue, converting, dior, dota, fair1m, geotiff, images, pickles, samrs, spacenet, xview
from mtp.errors import MTPError

MUTATIONS = int(os.environ.get('MTP_FUZZ', '40'))
TOKENS = [b'nan', b'-1', b'1e999', b'inf', b'', b'<', b'>', b'</object>', b'<object>', b'&lol;', b'\0', b'\xff\xfe',
          b'[', b'{', b'"', b',', b'9' * 400, b'<!DOCTYPE a [<!ENTITY lol "lol">]>', b'true', b'null',
          b'../../etc/passwd', b'\xe9']


def _flip(rng, data):
    place = rng.integers(len(data), size=rng.integers(1, 6))
    changed = bytearray(data)
    for index in place:
        changed[index] = rng.integers(256)
    return bytes(changed)


def _insert(rng, data):
    at = rng.integers(len(data) + 1)
    return data[:at] + TOKENS[rng.integers(len(TOKENS))] + data[at:]


def _replace_number(rng, data):
    """One run of digits becomes a token."""
    digits = [index for index, byte in enumerate(data) if 48 <= byte <= 57]
    if not digits:
        return data
    start = digits[rng.integers(len(digits))]
    stop = start
    while stop < len(data) and 48 <= data[stop] <= 57:
        stop += 1
    return data[:start] + TOKENS[rng.integers(len(TOKENS))] + data[stop:]


def _swap(rng, data):
    a, b, c = sorted(rng.integers(0, len(data) + 1, 3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def _recode(rng, data):
    text = data.decode('latin-1')
    return [b'\xef\xbb\xbf' + data, text.encode('utf-16'), text.encode('utf-16-be'), data.replace(b'\n', b'\r\n'),
            data.replace(b'\n', b'\r'), text.encode('utf-32')][rng.integers(6)]


MUTATORS = [
    _flip, _insert, _replace_number, _swap, _recode,
    lambda rng, data: data[:rng.integers(len(data) + 1)],  # truncated
    lambda rng, data: data * int(rng.integers(2, 4)),  # oversized
    lambda rng, data: data[rng.integers(len(data)):],
    lambda rng, data: b'',
]


def _mutate(seed, data):
    rng = np.random.default_rng(seed)
    for _ in range(rng.integers(1, 4)):
        if data:
            data = MUTATORS[rng.integers(len(MUTATORS))](rng, data)
    return data


def _first(folder):
    return os.path.join(folder, sorted(os.listdir(folder))[0])


def _cases(made):
    sior = os.path.join(made('samrs'), 'dior')
    sota = os.path.join(made('samrs'), 'dotav2_1024_rbb')
    classes = {name: catalogue.get(name).classes for name in ('dotav1', 'dior', 'fair1m', 'sota')}
    return {
        'dota': (_first(os.path.join(made('dotav1'), 'train', 'labelTxt')),
                 lambda path: dota.read(path, classes['dotav1'])),
        'dior-horizontal': (_first(os.path.join(sior, 'Annotations', 'Horizontal Bounding Boxes')),
                            lambda path: dior.read(path, 'horizontal', classes['dior'])),
        'dior-oriented': (_first(os.path.join(sior, 'Annotations', 'Oriented Bounding Boxes')),
                          lambda path: dior.read(path, 'oriented', classes['dior'])),
        'fair1m': (_first(os.path.join(made('fair1m'), 'train', 'part1', 'labelXml')),
                   lambda path: fair1m.read(path, classes['fair1m'])),
        'samrs': (_first(os.path.join(sota, 'trainval', 'rhbox_segs_init', 'ins')),
                  lambda path: samrs.read(path, classes['sota'])),
        'pickle': (_first(os.path.join(sota, 'trainval', 'rhbox_segs_init', 'ins')), pickles.load),
        'list': (os.path.join(sota, 'train.txt'), converting.stems),
        'xview': (os.path.join(made('xview'), 'xView_train.geojson'), xview.read),
        'spacenet': (os.path.join(made('spacenet'), 'geojson', 'Geo_AOI_1_RIO_img1.geojson'), spacenet.read),
        'geotiff': (_first(os.path.join(made('spacenet'), '3band')), geotiff.read),
        'png': (_first(os.path.join(sota, 'trainval', 'images')), images.size),
        'jpeg': (_first(os.path.join(sior, 'JPEGImages-trainval')), images.size),
    }


@pytest.mark.parametrize('name', ['dota', 'dior-horizontal', 'dior-oriented', 'fair1m', 'samrs', 'pickle', 'list',
                                  'xview', 'spacenet', 'geotiff', 'png', 'jpeg'])
def test_damage_is_parsed_or_refused(made, tmp_path, monkeypatch, name):
    source, read = _cases(made)[name]
    with open(source, 'rb') as stream:
        data = stream.read()
    if name in ('geotiff', 'png', 'jpeg'):
        data = data[:4000]  # the header and the tags are what is read
    path = str(tmp_path / 'damaged.file')
    monkeypatch.chdir(tmp_path)
    refused = 0
    for seed in range(MUTATIONS):
        with open(path, 'wb') as stream:
            stream.write(_mutate(seed, data))
        start = time.monotonic()
        try:
            read(path)
        except MTPError as error:
            refused += 1
            assert 'damaged.file' in str(error), 'seed {}: {}'.format(seed, error)
        except Exception as error:
            raise AssertionError('seed {}: {}: {}'.format(seed, type(error).__name__, error)) from error
        assert time.monotonic() - start < 20, 'seed {}: too slow'.format(seed)
    assert refused > MUTATIONS // 10
    assert os.listdir(str(tmp_path)) == ['damaged.file']
