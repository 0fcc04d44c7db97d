"""Tiles that share their compression hold the pixels of the image, whoever reads them."""
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from mtp.tiles import packed

cv2 = pytest.importorskip('cv2')
RNG = np.random.default_rng(0)
WIDTH, HEIGHT = 500, 300
CONTENTS = {
    'noise': RNG.integers(0, 256, (HEIGHT, WIDTH, 3)),
    'flat': np.full((HEIGHT, WIDTH, 3), 255),
    'slope': np.add.outer(np.arange(HEIGHT), np.arange(WIDTH))[..., None] // [2, 3, 5] % 256,
    'black beside noise': RNG.integers(0, 256, (HEIGHT, WIDTH, 3)) * (np.arange(WIDTH) > 200)[:, None],
}


def strips_of(image, windows, rows=packed.STRIP):
    columns = packed.columns_of(windows)
    return [packed.pack(y, image[y:y + rows], columns) for y in range(0, len(image), rows)]


def windows_in(rng, count):
    sizes = np.stack([rng.integers(packed.LEAST_WIDTH, WIDTH + 1, count), rng.integers(1, HEIGHT + 1, count)], 1)
    starts = (rng.random((count, 2)) * ([WIDTH + 1, HEIGHT + 1] - sizes)).astype(int)
    return np.concatenate([np.concatenate([starts, starts + sizes], 1), [[0, 0, WIDTH, HEIGHT]]])


@pytest.mark.parametrize('rows', [1, 37, packed.STRIP, 1000])
@pytest.mark.parametrize('name', sorted(CONTENTS))
def test_pixels_are_those_of_the_image(name, rows, monkeypatch):
    monkeypatch.setattr(packed, '_CHUNK', 7 * WIDTH)
    image = CONTENTS[name].astype(np.uint8)
    windows = windows_in(np.random.default_rng(rows), 6)
    strips = strips_of(image, windows, rows)
    for x_start, y_start, x_stop, y_stop in windows:
        data = b''.join(bytes(part) for part in packed.png(strips, (x_start, y_start, x_stop, y_stop)))
        expected = image[y_start:y_stop, x_start:x_stop]
        assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), expected)
        with Image.open(io.BytesIO(data)) as opened:
            assert opened.mode == 'RGB' and np.array_equal(np.asarray(opened), expected[..., ::-1])
        start, length = data.index(b'IDAT'), int.from_bytes(data[data.index(b'IDAT') - 4:data.index(b'IDAT')], 'big')
        assert len(zlib.decompress(data[start + 4:start + 4 + length])) == (y_stop - y_start) * (
            1 + 3 * (x_stop - x_start))  # raises where the check sum is wrong


def test_files_are_about_as_large_as_those_of_opencv():
    x, y = np.meshgrid(np.arange(900), np.arange(700))
    image = np.stack([128 + 60 * np.sin(x / 9) + 40 * np.cos(y / 23)] * 3, 2) + RNG.normal(0, 4, (700, 900, 3))
    image, windows = image.clip(0, 255).astype(np.uint8), np.array([[100, 50, 740, 690]])
    size = sum(len(part) for part in packed.png(strips_of(image, windows), windows[0]))
    assert size < 1.05 * len(cv2.imencode('.png', image[50:690, 100:740])[1])
