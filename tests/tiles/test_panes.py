"""TIFFs read by windows have the pixels that OpenCV decodes; what it would decode otherwise is left to it.

Of an image in tiles, however wide, only those are read that a window touches, and few windows are in memory.
"""
import os
import tracemalloc

import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.tiles import cut, rasters, rows, sources
from mtp.tiles.windows import Preset, parse_tile_id

cv2 = pytest.importorskip('cv2')
rasterio = pytest.importorskip('rasterio')

pytestmark = pytest.mark.filterwarnings('ignore')  # these TIFFs lie nowhere on the ground
SHAPE = (300, 700)
KINDS = {
    'strips': {}, 'tiles': dict(tiled=True, blockxsize=128, blockysize=128, compress='deflate', predictor=2),
    'lzw': dict(compress='lzw'), 'planes': dict(interleave='band', tiled=True, blockxsize=64, blockysize=64),
    'gray': dict(count=1, compress='packbits'), 'big': dict(BIGTIFF='YES'),
}


def save(path, pixels, **options):
    settings = dict(dict(driver='GTiff', height=pixels.shape[1], width=pixels.shape[2], dtype=pixels.dtype,
                         photometric='RGB'), **options)
    if settings.setdefault('count', 3) == 1:
        del settings['photometric']
    with rasterio.open(str(path), 'w', **settings) as stream:
        stream.write(pixels[:settings['count']])


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (3,) + SHAPE).astype(np.uint8)


@pytest.mark.parametrize('kind', sorted(KINDS))
def test_rows_and_columns_are_those_of_opencv(tmp_path, pixels, kind):
    path = str(tmp_path / 'a.tif')
    save(path, pixels, **KINDS[kind])
    found, expected = rows.open_rows(path), cv2.imread(path)
    assert isinstance(found, rasters.Raster) and (found.height, found.width) == SHAPE
    for start, stop in ((0, 10), (5, 100), (50, 90), (120, 300), (299, 400)):
        assert np.array_equal(found.take(start, stop), expected[start:stop])
    assert np.array_equal(found.columns(33, 400).take(7, 130), expected[7:130, 33:400])
    assert found.tiled == (kind in ('tiles', 'planes'))


@pytest.mark.parametrize('options', [dict(photometric='YCBCR', compress='jpeg'), dict(count=2), dict(count=1, nbits=1)])
def test_kinds_that_are_less_plain(tmp_path, pixels, options):
    """Colours are stored as differences, a band is left over, a pixel is one bit: 0 and 1 are black and white."""
    path = str(tmp_path / 'a.tif')
    if options.get('compress'):
        pixels[:] = np.uint8([20, 120, 200])[:, None, None]
    save(path, pixels // 128 if options.get('nbits') else pixels, **options)
    found = rows.open_rows(path).take(0, SHAPE[0])
    if options.get('photometric'):
        assert np.abs(found - np.int64([200, 120, 20])).max() <= 2
    else:
        gray = pixels[0] // 128 * 255 if options.get('nbits') else pixels[0]
        assert (found == gray[..., None]).all()


def test_a_damaged_file_is_named(tmp_path, pixels):
    path = str(tmp_path / 'a.tif')
    save(path, pixels, compress='deflate')
    with open(path, 'r+b') as stream:
        stream.truncate(os.path.getsize(path) // 2)
    with pytest.raises(MTPError, match='a.tif'):
        rows.open_rows(path).take(0, SHAPE[0])


def test_a_wide_image_is_cut_in_panels(tmp_path, pixels, monkeypatch):
    """The tiles are the same as those of the image read as a whole."""
    monkeypatch.setattr(rows, '_PANEL', 1)
    images = {name: tmp_path / name for name in ('tif', 'png')}
    wide = np.tile(pixels, (1, 1, 2))
    for name, folder in images.items():
        folder.mkdir()
        if name == 'tif':
            save(folder / 'P1.tif', wide, **KINDS['tiles'])
        else:
            cv2.imwrite(str(folder / 'P1.png'), np.moveaxis(wide[::-1], 0, -1))
        counts = cut.cut_folder('demo_ms', str(folder), str(tmp_path / (name + '_out')))
    assert counts['tiles'] > 20
    for name in os.listdir(str(tmp_path / 'tif_out/images')):
        first, second = (cv2.imread(str(tmp_path / (kind + '_out/images') / name)) for kind in ('tif', 'png'))
        assert np.array_equal(first, second)


def bytes_read():
    """What this process has read from files so far."""
    try:
        with open('/proc/self/io') as stream:
            return int(stream.readline().split()[1])
    except OSError as error:
        pytest.skip(f'the kernel does not count what is read: {error}')


@pytest.fixture
def scene(tmp_path):
    """Path of an image of 96 tiles of 128 x 128 pixels, not packed, so that a tile has 49152 bytes."""
    values = np.random.default_rng(0).integers(0, 256, (3, 512, 3072)).astype(np.uint8)
    save(tmp_path / 'a.tif', values, tiled=True, blockxsize=128, blockysize=128)
    return str(tmp_path / 'a.tif')


def test_a_window_reads_the_tiles_that_it_touches(scene):
    window = np.array([[1000, 200, 1100, 300]])  # touches 2 x 2 tiles
    before = bytes_read()
    (_, found), = sources.read(sources.Piece(scene, 'a', window, (0, 0, 0), 10000))
    assert 4 * 49152 <= bytes_read() - before < 6 * 49152
    assert np.array_equal(found, cv2.imread(scene)[200:300, 1000:1100])


def test_a_wide_image_is_read_once_with_few_windows_in_memory(scene):
    """Half of a window lies over the next one, as in a test at several scales; four windows make a panel."""
    piece, = sources.of_images({'a': scene}, Preset(128, 64))
    whole, seen = cv2.imread(scene), []
    next(sources.read(piece))  # what is loaded and set up once is not counted
    before = bytes_read()
    tracemalloc.start()
    try:
        for tile, found in sources.read(piece):
            _, side, x, y = parse_tile_id(tile)
            assert np.array_equal(found, whole[y:y + side, x:x + side])
            seen.append(tile)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sorted(seen) == sorted(piece.tiles)
    assert bytes_read() - before < 1.3 * 96 * 49152  # tiles at the edge of a panel are read for the next one again
    assert most < 24 * 128 * 128 * 3  # less than one band of the whole width, which would be there twice to move on


def test_windows_that_reach_beyond_an_image_in_tiles_are_padded(tmp_path, pixels):
    path, how = str(tmp_path / 'a.tif'), Preset(512, 64, padding=(1, 2, 3))
    save(path, pixels, **KINDS['tiles'])
    piece, = sources.of_images({'a': path}, how)
    whole = np.empty((512, 1024, 3), np.uint8)
    whole[:] = how.padding
    whole[:SHAPE[0], :SHAPE[1]] = cv2.imread(path)
    assert len(piece.tiles) == 2
    for tile, found in sources.read(piece):
        _, side, x, y = parse_tile_id(tile)
        assert np.array_equal(found, whole[y:y + side, x:x + side])
