"""Every reader, given damaged files: a parsed value or our own error that names the file, and nothing else.

A thousand mutations a format; ``MTP_FUZZ`` is another number of them. A failure names its seed.
"""
import os
import time

import cv2
import numpy as np
import pytest

from mtp.data import (catalogue, converting, dior, dota, fair1m, geotiff, images, loveda, patches, pickles, samrs,
                      samrs2coco, spacenet, xview)
from mtp.errors import MTPError
from mtp.pretrain.data import annotations
from mtp.tiles import packed, rows

MUTATIONS = int(os.environ.get('MTP_FUZZ', '1000'))
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


def _coco(sota, folder):
    samrs2coco.main(['--dataset', 'sota', '--split', 'train', '--root', sota, '--out', folder, '--images',
                     os.path.join(sota, 'trainval', 'images'), '--labels',
                     os.path.join(sota, 'trainval', 'rhbox_segs_init', 'ins'), '--name-template', 'coco.json'])
    return os.path.join(folder, 'coco.json')


def _picture(folder, suffix, values):
    """A small image file of ``values`` (h, w) or (h, w, 3), as a picture of the ground or a label."""
    path = os.path.join(folder, 'picture' + suffix)
    assert cv2.imwrite(path, values)
    return path


def _all_rows(path):
    """Every pixel, in strips, as the cutter reads them."""
    found = rows.open_rows(path)
    for start in range(0, found.height, packed.STRIP):
        found.take(start, start + packed.STRIP)


SLOPE = np.add.outer(np.arange(150), np.arange(60)).astype(np.uint8)
COLOURS = np.dstack([SLOPE, SLOPE[::-1], 255 - SLOPE])
CASES = {  # name: (function from `made` and a folder to a whole file, reader)
    'dota': (lambda made, _: _first(os.path.join(made('dotav1'), 'train', 'labelTxt')),
             lambda path: dota.read(path, catalogue.get('dotav1').classes)),
    'dior-horizontal': (
        lambda made, _: _first(os.path.join(made('samrs'), 'dior', 'Annotations', 'Horizontal Bounding Boxes')),
        lambda path: dior.read(path, 'horizontal', catalogue.get('dior').classes)),
    'dior-oriented': (
        lambda made, _: _first(os.path.join(made('samrs'), 'dior', 'Annotations', 'Oriented Bounding Boxes')),
        lambda path: dior.read(path, 'oriented', catalogue.get('dior').classes)),
    'fair1m': (lambda made, _: _first(os.path.join(made('fair1m'), 'train', 'part1', 'labelXml')),
               lambda path: fair1m.read(path, catalogue.get('fair1m').classes)),
    'samrs': (lambda made, _: _first(os.path.join(_sota(made), 'trainval', 'rhbox_segs_init', 'ins')),
              lambda path: samrs.read(path, catalogue.get('sota').classes)),
    'pickle': (lambda made, _: _first(os.path.join(_sota(made), 'trainval', 'rhbox_segs_init', 'ins')), pickles.load),
    'list': (lambda made, _: os.path.join(_sota(made), 'train.txt'), converting.stems),
    'xview': (lambda made, _: os.path.join(made('xview'), 'xView_train.geojson'), xview.read),
    'spacenet': (lambda made, _: os.path.join(made('spacenet'), 'geojson', 'Geo_AOI_1_RIO_img1.geojson'),
                 spacenet.read),
    'coco': (lambda made, folder: _coco(_sota(made), folder),
             lambda path: annotations._read_coco(path, catalogue.get('sota'))),
    'loveda-png': (lambda _, folder: _picture(folder, '.png', SLOPE % 7), loveda._read),
    'change-label': (lambda _, folder: _picture(folder, '.png', SLOPE // 128 * 255),
                     lambda path: patches.binary(patches._load(path), path)),
    'geotiff': (lambda made, _: _first(os.path.join(made('spacenet'), '3band')), geotiff.read),
    'png-header': (lambda made, _: _first(os.path.join(_sota(made), 'trainval', 'images')), images.size),
    'jpeg-header': (lambda made, _: _first(os.path.join(made('samrs'), 'dior', 'JPEGImages-trainval')), images.size),
    'png-rows': (lambda _, folder: _picture(folder, '.png', COLOURS), _all_rows),
    'tiff-rows': (lambda _, folder: _picture(folder, '.tif', COLOURS), _all_rows),
    'jpeg-rows': (lambda _, folder: _picture(folder, '.jpg', COLOURS), _all_rows),
}
HEADERS = ('geotiff', 'png-header', 'jpeg-header')  # only the beginning of the file is read
FORGIVING = ('jpeg-rows',)  # a damaged JPEG is decoded as far as it goes, by every decoder


def _sota(made):
    return os.path.join(made('samrs'), 'dotav2_1024_rbb')


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', sorted(CASES))
def test_damage_is_parsed_or_refused(made, tmp_path, monkeypatch, name):
    make, read = CASES[name]
    origin = tmp_path / 'whole'
    origin.mkdir()
    source = make(made, str(origin))
    with open(source, 'rb') as stream:
        data = stream.read(4000 if name in HEADERS else -1)
    folder = tmp_path / 'damaged'
    folder.mkdir()
    path = str(folder / ('damaged.file' + os.path.splitext(source)[1]))
    monkeypatch.chdir(folder)
    refused = 0
    for seed in range(MUTATIONS):
        with open(path, 'wb') as stream:
            stream.write(_mutate(seed, data))
        start = time.monotonic()
        try:
            read(path)
        except MTPError as error:
            refused += 1
            assert 'damaged.file' in str(error), f'seed {seed}: {error}'
        except Exception as error:
            raise AssertionError(f'seed {seed}: {type(error).__name__}: {error}') from error
        assert time.monotonic() - start < 20, f'seed {seed}: too slow'
    assert refused > MUTATIONS // (20 if name in FORGIVING else 10)
    assert os.listdir(str(folder)) == [os.path.basename(path)]
