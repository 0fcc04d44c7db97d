"""TIFFs read by windows have the pixels that OpenCV decodes; what it would decode otherwise is left to it."""
import os

import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.tiles import cut, rows, tiff

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
    assert isinstance(found, tiff.TiffRows) and (found.height, found.width) == SHAPE
    for start, stop in ((0, 10), (5, 100), (50, 90), (120, 300), (299, 400)):
        assert np.array_equal(found.take(start, stop), expected[start:stop])
    assert np.array_equal(found.columns(33, 400).take(7, 130), expected[7:130, 33:400])


@pytest.mark.parametrize('options', [dict(dtype='uint16'), dict(photometric='YCBCR', compress='jpeg'),
                                     dict(count=4, alpha='yes'), dict(count=1, nbits=1), dict(count=2)])
def test_what_opencv_decodes_otherwise_is_left_to_it(tmp_path, pixels, options):
    path, options = str(tmp_path / 'a.tif'), dict(options)
    full = np.concatenate([pixels, pixels[:1]]).astype(options.get('dtype', 'uint8'))
    save(path, full // 128 if options.get('nbits') else full, **options)
    assert tiff.open_windows(path) is None


def test_a_damaged_file_is_named(tmp_path, pixels):
    path = str(tmp_path / 'a.tif')
    save(path, pixels, compress='deflate')
    with open(path, 'r+b') as stream:
        stream.truncate(os.path.getsize(path) // 2)
    with pytest.raises(MTPError, match='a.tif'):
        rows.open_rows(path).take(0, SHAPE[0])


def test_a_wide_image_is_cut_in_panels(tmp_path, pixels, monkeypatch):
    """The tiles are the same as those of the image read as a whole."""
    monkeypatch.setattr(cut, '_PANEL', 1)
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
