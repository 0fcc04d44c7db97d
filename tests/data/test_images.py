import struct

import numpy as np
import pytest
from PIL import Image

from mtp.data import converting, images
from mtp.data.samples import writing
from mtp.errors import MTPError


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.tif'])
def test_size_of_every_format(tmp_path, suffix):
    path = str(tmp_path / ('a' + suffix))
    writing.save_image(path, np.zeros((30, 70, 3), np.uint8))
    assert images.size(path) == (70, 30)


@pytest.mark.parametrize('suffix', ['.jpg', '.tif', '.bmp', '.jp2'])
def test_a_size_is_read_whatever_the_process_has_for_a_limit_of_pixels(tmp_path, suffix, monkeypatch):
    path = str(tmp_path / ('a' + suffix))
    Image.fromarray(np.zeros((30, 70, 3), np.uint8)).save(path)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)  # of which nothing is heard, for no pixel is decoded
    assert images.header(path) == (70, 30, 3)


def test_a_huge_image_has_a_size(tmp_path):
    """DOTA-v2.0 has images of 800 million pixels: only the header is read."""
    path = tmp_path / 'a.png'
    path.write_bytes(b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR' + struct.pack('>II', 29200, 27620) + b'\x08\x02')
    assert images.size(str(path)) == (29200, 27620)


@pytest.mark.parametrize('data', [
    b'', b'no image', b'\x89PNG\r\n\x1a\n', b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR' + b'\0' * 10])
def test_what_is_no_image_is_refused(tmp_path, data):
    path = tmp_path / 'a.png'
    path.write_bytes(data)
    with pytest.raises(MTPError, match='a.png'):
        images.size(str(path))


@pytest.mark.parametrize('parts, size', [
    (('dota', 'DOTA_devkit', 'images', 'P0706.png'), (1111, 1182)),
    (('dota', 'mmrotate_demo', 'dota_demo.jpg'), (1616, 1565)),
    (('fair1m', 'images_unannotated', '1008.jpg'), (1000, 1000)), (('dior', 'JPEGImages', '00001.jpg'), (800, 800)),
    (('spacenet', 'sample_geotiff.tif'), (900, 900)), (('loveda', 'img_dir', '0.png'), (1024, 1024))])
def test_real_images(real, parts, size):
    assert images.size(real(*parts)) == size


def test_two_forms_of_one_name_are_one_id(tmp_path):
    composed, taken_apart = str(tmp_path / '\u00e9.png'), str(tmp_path / 'e\u0301.png')
    assert images.by_stem([taken_apart]) == {'\u00e9': taken_apart}
    for path in (composed, taken_apart):
        open(path, 'wb').close()
    with pytest.raises(MTPError, match='share one image id'):
        images.by_stem([composed, taken_apart])
    with pytest.raises(MTPError, match='are one and the same'):
        converting.paths_by_stem(str(tmp_path), '.png')
