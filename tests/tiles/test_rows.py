"""Rows read band by band are those of the decoded image; damage is an error, never wrong pixels."""
import numpy as np
import pytest
from PIL import Image

from mtp.errors import MTPError
from mtp.tiles import rows
from mtp.tiles.pixels import read_image

pytest.importorskip('cv2')

MODES = ['RGB', 'L', 'RGBA', 'LA', 'P', '1', 'I;16']


def make(path, mode='RGB', size=(70, 90), seed=0, **options):
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(rng.integers(0, 4, size[::-1] + (4,)), axis=0).astype(np.uint8)
    if mode == 'I;16':
        Image.fromarray(smooth[..., 0].astype(np.uint16) * 250).save(str(path), **options)
    else:
        Image.fromarray(smooth, 'RGBA').convert(mode).save(str(path), **options)
    return str(path)


@pytest.mark.parametrize('mode', MODES)
def test_bands_equal_the_whole_image(tmp_path, mode, monkeypatch):
    monkeypatch.setattr(rows, '_BAND_BYTES', 2000)
    path = make(tmp_path / 'a.png', mode)
    whole = read_image(path)
    reader = rows.open_rows(path)
    assert isinstance(reader, rows.PngRows) == (mode in ('RGB', 'L', 'RGBA', 'LA'))
    assert (reader.width, reader.height) == (70, 90)
    for start, stop in [(0, 10), (0, 30), (5, 31), (31, 32), (60, 70), (60, 200), (89, 90)]:
        assert np.array_equal(reader.take(start, stop), whole[start:stop])


def test_every_filter_of_the_format(tmp_path, monkeypatch):
    """Each row of a PNG may be stored by another rule."""
    monkeypatch.setattr(rows, '_BAND_BYTES', 500)
    rng = np.random.default_rng(0)
    packed = b''.join(bytes([k % 5]) + rng.integers(0, 256, 60, dtype=np.uint8).tobytes() for k in range(50))
    path = tmp_path / 'a.png'
    path.write_bytes(rows._png(20, 50, 2, packed))
    whole = read_image(str(path))
    reader = rows.open_rows(str(path))
    assert np.array_equal(np.concatenate([reader.take(k, k + 7).copy() for k in range(0, 50, 7)]), whole)


@pytest.mark.parametrize('name, options', [('a.jpg', {}), ('a.tif', {}), ('a.bmp', {})])
def test_other_formats(tmp_path, name, options):
    path = make(tmp_path / name, **options)
    assert np.array_equal(rows.open_rows(path).take(20, 40), read_image(path)[20:40])


def test_random_walks(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, '_BAND_BYTES', 3000)
    path = make(tmp_path / 'a.png', size=(50, 400))
    whole = read_image(path)
    rng = np.random.default_rng(0)
    for _ in range(20):
        reader, start = rows.open_rows(path), 0
        while start < 400:
            stop = start + int(rng.integers(1, 120))
            assert np.array_equal(reader.take(start, stop), whole[start:stop])
            start += int(rng.integers(0, 60))


def test_memory_is_a_few_bands(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, '_BAND_BYTES', 1000)
    reader = rows.open_rows(make(tmp_path / 'a.png', size=(50, 400)))
    for start in range(0, 400, 20):
        reader.take(start, start + 40)
    assert len(reader._buffer) <= 40 + 1000 // 151 + 1


def test_damage_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, '_BAND_BYTES', 2000)
    make(tmp_path / 'a.png', size=(40, 60))
    whole = (tmp_path / 'a.png').read_bytes()
    expected = read_image(str(tmp_path / 'a.png'))
    rng = np.random.default_rng(0)
    for size in rng.integers(0, len(whole) - 12, 40):
        (tmp_path / 'b.png').write_bytes(whole[:size])
        with pytest.raises(MTPError, match='b.png'):
            rows.open_rows(str(tmp_path / 'b.png')).take(0, 60)
    for position in rng.integers(33, len(whole), 150):
        (tmp_path / 'b.png').write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1:])
        try:
            found = rows.open_rows(str(tmp_path / 'b.png')).take(0, 60)
        except MTPError:
            continue
        assert np.array_equal(found, expected)  # behind the pixels nothing matters


def test_the_last_band_is_verified_also_when_the_bands_come_out_even(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, '_BAND_BYTES', 30 * 121)
    make(tmp_path / 'a.png', size=(40, 60))
    whole = (tmp_path / 'a.png').read_bytes()
    at = whole.rindex(b'IEND') - 10  # in the check sum of the pixels
    (tmp_path / 'a.png').write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
    reader = rows.open_rows(str(tmp_path / 'a.png'))
    with pytest.raises(MTPError, match='a.png'):
        reader.take(0, 60)
