import os

import cv2
import numpy as np
import pytest

from mtp.data import catalogue, patches
from mtp.errors import MTPError


def _image(path, pixels):
    os.makedirs(os.path.dirname(str(path)), exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def _random(rng, *shape):
    return rng.integers(0, 256, shape).astype(np.uint8)


def _label(rng, *shape):
    return (rng.random(shape) < 0.3).astype(np.uint8) * 255


def test_published_numbers_of_patches():
    """WHU is 15,354 x 32,507 pixels; a grid over its border gives the published 5,334, 762 and 1,524 patches."""
    parts = patches._parts((15354, 32507), 256, 0)
    assert [parts.count(part) for part in ('train', 'val', 'test')] == [
        catalogue.get('whu').splits[part].count for part in ('train', 'val', 'test')]


def test_grid_covers_and_pads():
    image = _random(np.random.default_rng(0), 100, 70, 3)
    rebuilt = np.zeros((128, 128, 3), np.uint8)
    for y, x, patch in patches.grid(image, 64):
        rebuilt[y:y + 64, x:x + 64] = patch
    np.testing.assert_array_equal(rebuilt[:100, :70], image)
    assert not rebuilt[100:].any() and not rebuilt[:, 70:].any()


@pytest.mark.parametrize('values', [(0, 255), (0, 1), (1, 2)])
def test_labels_of_every_kind_become_0_and_255(values):
    label = np.array([[values[0], values[1]]], np.uint8)
    assert patches.binary(label, 'x').tolist() == [[0, 255]]
    assert patches.binary(np.repeat(label[..., None], 3, 2), 'x').tolist() == [[0, 255]]


def test_a_jpeg_label_is_cut_at_128_and_a_photograph_is_refused():
    assert patches.binary(np.array([[3, 250, 60, 199]], np.uint8), 'x').tolist() == [[0, 255, 0, 255]]
    for label in (np.array([[3, 100]], np.uint8), np.zeros((2, 2, 3), np.uint8) + np.arange(3, dtype=np.uint8)):
        with pytest.raises(MTPError, match='x: '):
            patches.binary(label, 'x')


def test_levir_in_16_aligned_patches(data_root, capsys):
    rng = np.random.default_rng(0)
    sources = {}
    for part in ('train', 'val', 'test'):
        for role in ('A', 'B', 'label'):
            pixels = _label(rng, 1024, 1024) if role == 'label' else _random(rng, 1024, 1024, 3)
            sources[part, role] = pixels
            _image(data_root / 'levir' / part / role / f'{part}_1.png', pixels)
    assert patches.main(['levir']) == 0
    out = data_root / 'levir_patch_dataset'
    for (part, role), pixels in sources.items():
        names = sorted(os.listdir(str(out / part / role)))
        assert len(names) == 16
        patch = cv2.imread(str(out / part / role / f'{part}_1_0256_0512.png'), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(patch, pixels[256:512, 512:768])
    assert patches.main(['levir']) == 0 and 'already' in capsys.readouterr().out


def test_whu_is_split_alike_for_all_roles(data_root):
    rng = np.random.default_rng(0)
    _image(data_root / 'whu_cd' / '2012.tif', _random(rng, 700, 1000, 3))
    _image(data_root / 'whu_cd' / '2016.tif', _random(rng, 700, 1000, 3))
    _image(data_root / 'whu_cd' / 'change_label.tif', _label(rng, 700, 1000))
    assert patches.main(['whu']) == 0
    out = data_root / 'whu_cd_patch_dataset'
    names = {(part, role): set(os.listdir(str(out / part / role))) for part in ('train', 'val', 'test')
             for role in ('A', 'B', 'label')}
    assert [len(names[part, 'A']) for part in ('train', 'val', 'test')] == [8, 1, 3]
    for part in ('train', 'val', 'test'):
        assert names[part, 'A'] == names[part, 'B'] == names[part, 'label']


def test_oscd_bands_to_rgb(data_root):
    rng = np.random.default_rng(0)
    for region, part in (('paris', 'train'), ('rio', 'test')):
        for date in ('imgs_1_rect', 'imgs_2_rect'):
            for number, band in enumerate(('B04', 'B03', 'B02', 'B08')):
                pixels = rng.integers(1000 * number, 1000 * number + 500, (150, 200)).astype(np.uint16)
                pixels[:, :100] += 3000 if band == 'B04' else 0  # the left half is red
                _image(data_root / 'oscd' / 'images' / region / date / (band + '.tif'), pixels)
        _image(data_root / 'oscd' / (part + '_labels') / region / 'cm' / 'cm.png', _label(rng, 150, 200))
    (data_root / 'oscd' / 'train_labels' / 'readme.txt').write_text('x')
    assert patches.main(['oscd']) == 0
    out = data_root / 'oscd_rgb_patch_dataset'
    assert sorted(os.listdir(str(out))) == ['.mtp-output.json', 'test', 'train']
    assert len(os.listdir(str(out / 'train' / 'A'))) == 6
    patch = cv2.imread(str(out / 'train' / 'A' / 'paris_0000_0000.png')).astype(float)
    assert patch.shape == (96, 96, 3) and patch[..., 2].mean() > patch[..., 0].mean() + 50


def test_cdd_keeps_its_jpeg_files(data_root):
    rng = np.random.default_rng(0)
    for part in ('train', 'val', 'test'):
        for role in ('A', 'B', 'OUT'):
            _image(data_root / 'cdd' / part / role / '00001.jpg', _random(rng, 16, 16))
    assert patches.main(['cdd']) == 0
    out = data_root / 'cdd_dataset' / 'train' / 'label' / '00001.jpg'
    assert os.path.samefile(str(out), str(data_root / 'cdd' / 'train' / 'OUT' / '00001.jpg'))


def test_what_is_missing_or_of_another_size_is_named(data_root):
    with pytest.raises(MTPError, match='whu_cd is missing'):
        patches.main(['whu'])
    rng = np.random.default_rng(0)
    for part in ('train', 'val', 'test'):
        for role, size in (('A', 64), ('B', 64), ('label', 32)):
            _image(data_root / 'levir' / part / role / 'a.png', _label(rng, size, size))
    with pytest.raises(MTPError, match='label/a.png: it has 32 x 32 pixels'):
        patches.main(['levir'])
    os.unlink(str(data_root / 'levir' / 'val' / 'B' / 'a.png'))
    with pytest.raises(MTPError, match='val/B/a.png is missing'):
        patches.main(['levir', '--overwrite'])


def test_real_labels_are_understood(real):
    for name in ('test_102_0512_0000', 'train_36_0512_0512', 'val_27_0000_0256', 'test_2_0000_0000'):
        path = real('levir_cd', 'label', name + '.png')
        label = patches.binary(cv2.imread(path, cv2.IMREAD_UNCHANGED), path)
        assert label.shape == (256, 256) and set(np.unique(label)) <= {0, 255}


def test_a_label_of_cdd_in_three_channels_becomes_one(data_root):
    rng, label = np.random.default_rng(0), np.zeros((16, 16, 3), np.uint8)
    label[4:9] = 255
    for part in ('train', 'val', 'test'):
        for role in ('A', 'B', 'OUT'):
            _image(data_root / 'cdd' / part / role / '1.JPG', label if role == 'OUT' else _random(rng, 16, 16, 3))
    assert patches.main(['cdd']) == 0
    found = cv2.imread(str(data_root / 'cdd_dataset' / 'train' / 'label' / '1.jpg'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found >= 128, label[..., 0] > 0)
    assert found.ndim == 2
