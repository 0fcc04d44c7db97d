"""Rasters of every depth become 8-bit colours by the stated rule, row by row, and know where they lie."""
import functools
import tracemalloc

import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.tiles import panes, rasters, sources
from mtp.tiles.rasters import Colours, Raster, size
from mtp.tiles.windows import Preset, parse_tile_id
from tests.tiles.test_panes import bytes_read

rasterio = pytest.importorskip('rasterio')


def write(path, values, **options):
    """A raster of values (bands, height, width)."""
    driver = {'.png': 'PNG', '.tif': 'GTiff'}[path[-4:]]
    with rasterio.open(path, 'w', driver=driver, count=len(values), height=values.shape[1], width=values.shape[2],
                       dtype=str(values.dtype), **options) as stream:
        stream.write(values)
    return path


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (3, 40, 30), dtype=np.uint8)


def whole(path, *colours):
    raster = Raster(str(path), *colours)
    return raster.take(0, raster.height)


@pytest.mark.parametrize('suffix', ['.tif', '.png'])
def test_eight_bits_are_as_they_are(tmp_path, rgb, suffix):
    path = write(str(tmp_path / ('a' + suffix)), rgb)
    assert size(path) == (30, 40)
    assert (whole(path) == np.moveaxis(rgb, 0, -1)[..., ::-1]).all()
    raster = Raster(path)
    for start, stop in ((0, 10), (0, 10), (4, 12), (20, 50), (39, 40)):  # 50 is beyond the last row
        assert (raster.take(start, stop) == np.moveaxis(rgb, 0, -1)[start:stop, :, ::-1]).all()
    assert Raster(path).overview(20).shape == (20, 15, 3)


def test_gray_alpha_and_further_bands(tmp_path, rgb):
    gray = whole(write(str(tmp_path / 'g.tif'), rgb[:1]))
    assert (gray == rgb[0][..., None]).all()
    both = whole(write(str(tmp_path / 'ga.png'), rgb[:2]))
    assert (both == rgb[0][..., None]).all()
    four = np.concatenate([rgb, rgb[:1]])
    expected = np.moveaxis(rgb, 0, -1)[..., ::-1]
    assert (whole(write(str(tmp_path / 'rgba.png'), four)) == expected).all()
    path = write(str(tmp_path / 'ms.tif'), np.concatenate([four, four]), photometric='MINISBLACK')
    assert (whole(path, Colours((3, 2, 1))) == np.moveaxis(rgb, 0, -1)).all()
    with pytest.raises(MTPError, match='8 bands'):
        Raster(path, Colours((1, 2, 9)))


def test_a_palette_gives_its_colours(tmp_path):
    path = str(tmp_path / 'p.png')
    with rasterio.open(path, 'w', driver='PNG', count=1, height=2, width=2, dtype='uint8') as stream:
        stream.write(np.uint8([[[0, 1], [2, 1]]]))
        stream.write_colormap(1, {0: (1, 2, 3), 1: (255, 0, 10), 2: (7, 7, 7)})
    assert whole(path).tolist() == [[[3, 2, 1], [10, 0, 255]], [[7, 7, 7], [10, 0, 255]]]


@pytest.mark.parametrize('kind, first, step', [('uint32', 3e9, 1), ('int32', -2e9, 1), ('float64', 1e12, 0.5),
                                               ('float64', 0, 1e200)])
def test_numbers_that_differ_little_or_are_huge_keep_their_difference(tmp_path, kind, first, step):
    values = (first + step * np.arange(256).reshape(1, 16, 16)).astype(kind)
    path = write(str(tmp_path / 'a.tif'), values)
    found = whole(path, Colours(None, (float(values.min()), float(values.max()))))
    assert (found[..., 0].ravel() == np.arange(256)).all()
    assert len(np.unique(whole(path))) > 250


def test_a_palette_of_16_bits_gives_its_colours_too(tmp_path):
    path = str(tmp_path / 'p.tif')
    with rasterio.open(path, 'w', driver='GTiff', count=1, height=2, width=2, dtype='uint16') as stream:
        stream.write(np.uint16([[[0, 1], [300, 65535]]]))
        stream.write_colormap(1, {0: (1, 2, 3), 1: (255, 0, 10), 300: (7, 8, 9), 65535: (5, 5, 5)})
    assert whole(path).tolist() == [[[3, 2, 1], [10, 0, 255]], [[9, 8, 7], [5, 5, 5]]]
    assert rasters.remark([path]) == ''


@pytest.mark.parametrize('kind', ['uint16', 'int16', 'float32'])
def test_other_depths_are_stretched_without_their_outliers(tmp_path, kind):
    values = np.tile(np.linspace(200, 1200, 100), (1, 100, 1)).astype(kind)
    values[0, 0, 0], values[0, 0, 1] = 30000, -9 if kind != 'uint16' else 0
    values[0, 5, 5] = 7
    path = write(str(tmp_path / 'd.tif'), values, nodata=7)
    found = whole(path)[..., 0]
    low, high = np.percentile(values[values != 7], (0.5, 99.5))
    assert found[5, 5] == 0 and found[0, 0] == 255 and found[0, 1] == 0
    assert np.abs(found[50] - np.clip((values[0, 50] - low) / (high - low) * 255, 0, 255)).max() <= 0.51
    stated = whole(path, Colours(None, (0, 2550)))[..., 0]
    assert np.abs(stated[50] - values[0, 50] / 10.0).max() <= 0.51
    parts = Raster(path)
    assert (np.concatenate([parts.take(0, 30), parts.take(30, 100)])[..., 0] == found).all()


def test_numbers_that_are_not_finite_and_flat_images(tmp_path):
    values = np.full((1, 9, 9), np.nan, np.float32)
    assert (whole(write(str(tmp_path / 'nan.tif'), values)) == 0).all()
    assert whole(write(str(tmp_path / 'flat.tif'), np.full((1, 9, 9), 500, np.uint16))).max() == 0


def test_place_on_the_ground(tmp_path, rgb):
    assert Raster(write(str(tmp_path / 'no.tif'), rgb)).ground is None
    path = write(str(tmp_path / 'yes.tif'), rgb, crs='EPSG:32650',
                 transform=rasterio.Affine(0.5, 0, 400000, 0, -0.5, 4000000))
    ground = Raster(path).ground
    assert ground.to_ground == (0.5, 0, 400000, 0, -0.5, 4000000) and ground.crs.to_epsg() == 32650


def test_bad_files(tmp_path, rgb):
    with pytest.raises(MTPError, match='no image'):
        Raster(str(tmp_path / 'gone.tif'))
    (tmp_path / 'text.tif').write_text('nothing')
    with pytest.raises(MTPError, match='cannot read'):
        Raster(str(tmp_path / 'text.tif'))
    path = write(str(tmp_path / 'cut.tif'), np.tile(rgb, (1, 20, 20)), compress='deflate')
    data = open(path, 'rb').read()
    open(path, 'wb').write(data[:len(data) // 2])
    with pytest.raises(MTPError, match='cannot'):
        whole(path)
    with pytest.raises(MTPError, match='complex'):
        Raster(write(str(tmp_path / 'c.tif'), np.ones((1, 4, 4), np.complex64)))


def test_a_big_deep_raster_is_read_once_with_few_windows_in_memory(tmp_path, monkeypatch):
    """Of an image in tiles, 3072 x 512 pixels with 16 bits, bands of four windows are in memory and not whole rows."""
    monkeypatch.setattr(panes, '_STEP', 1 << 14)
    values = np.random.default_rng(0).integers(0, 5000, (3, 512, 3072)).astype(np.uint16)
    path = write(str(tmp_path / 'big.tif'), values, tiled=True, blockxsize=128, blockysize=128, photometric='RGB')
    open_it = functools.partial(Raster, colours=Colours(stretch=(0, 5100)))
    piece, = sources.of_images({'big': path}, Preset(128, 64))
    expected = np.rint(np.moveaxis(values[::-1], 0, -1) / 20)
    for tile, found in sources.read(piece, open_it):
        _, side, x, y = parse_tile_id(tile)
        assert np.abs(found - expected[y:y + side, x:x + side]).max() <= 1  # halves
    before = bytes_read()
    tracemalloc.start()
    try:
        seen = [tile for tile, _ in sources.read(piece, open_it)]
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sorted(seen) == sorted(piece.tiles)
    assert bytes_read() - before < 1.3 * values.nbytes
    assert most < 24 * 128 * 128 * 3 * 4  # less than the numbers of one band of the whole width


def test_the_pieces_of_an_image_find_its_percentiles_once(tmp_path, monkeypatch):
    path = write(str(tmp_path / 'd.tif'), np.arange(256 * 64, dtype=np.uint16).reshape(1, 256, 64))
    pieces, asked = sources.of_images({'d': path}, Preset(32, 0), readers=4), []
    percentile = np.percentile
    monkeypatch.setattr(rasters.np, 'percentile', lambda *words: asked.append(words) or percentile(*words))
    found = {tile: pixels for piece in pieces for tile, pixels in sources.read(piece, Raster)}
    assert len(pieces) > 4 and len(asked) == 1 and len(found) == 16
    write(path, np.arange(256 * 64, dtype=np.uint16).reshape(1, 256, 64) // 3)
    whole(path)
    assert len(asked) == 2  # another file by that name is looked at anew
