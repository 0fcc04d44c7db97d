import os
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

from mtp.data import catalogue, describe, loveda
from mtp.errors import MTPError


@pytest.fixture
def pred(tmp_path):
    folder = tmp_path / 'submit'
    folder.mkdir()
    for number, low in ((4191, 1), (4192, 2)):
        pixels = np.full((32, 32), low, np.uint8)
        pixels[4:9] = 7
        cv2.imwrite(str(folder / f'{number}.png'), pixels)
    return folder


def _run(pred, *more):
    return loveda.main(['--pred', str(pred), '--expect-count', '0', '--size', '32'] + list(more))


def _values(path):
    return set(np.unique(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))


def test_1_to_7_becomes_0_to_6_in_a_flat_zip(pred, tmp_path, capsys):
    assert _run(pred) == 0
    out = tmp_path / 'submit_0to6'
    assert _values(out / '4191.png') == {0, 6} and _values(pred / '4191.png') == {1, 7}
    with zipfile.ZipFile(str(out) + '.zip') as archive:
        assert archive.namelist() == ['4191.png', '4192.png']
        assert archive.read('4192.png') == (out / '4192.png').read_bytes()
    assert _run(pred) == 0 and 'already' in capsys.readouterr().out


def test_a_second_shift_changes_nothing(pred, tmp_path):
    """The published script turns 0 into 255 when it runs over its own output."""
    _run(pred)
    first = tmp_path / 'submit_0to6'
    assert _run(first) == 0
    for name in ('4191.png', '4192.png'):
        np.testing.assert_array_equal(cv2.imread(str(first / name), -1), cv2.imread(str(first) + '_0to6/' + name, -1))


@pytest.mark.parametrize('pixels, message', [
    (np.full((32, 32), 8, np.uint8), 'above 7'), (np.full((32, 32), 0, np.uint8), 'not predictions of one kind'),
    (np.zeros((32, 32, 3), np.uint8), 'RGB'), (np.zeros((32, 32), np.uint16), 'mode'),
    (np.ones((16, 32), np.uint8), '32 x 16')])
def test_what_is_not_understood_is_refused_before_anything_is_written(pred, tmp_path, pixels, message):
    cv2.imwrite(str(pred / '4193.png'), pixels)
    with pytest.raises(MTPError, match=message):
        _run(pred)
    assert os.listdir(str(tmp_path)) == ['submit']


def test_a_palette_image_is_refused(pred):
    Image.fromarray(np.ones((32, 32), np.uint8), 'L').convert('P').save(str(pred / '4193.png'))
    with pytest.raises(MTPError, match='palette'):
        _run(pred)


def test_what_looks_like_both_needs_a_word(tmp_path):
    cv2.imwrite(str(tmp_path / '4191.png'), np.full((32, 32), 3, np.uint8))
    with pytest.raises(MTPError, match='cannot be told'):
        _run(tmp_path)
    assert _run(tmp_path, '--offset', '-1', '--out', str(tmp_path / 'x')) == 0
    assert _values(tmp_path / 'x' / '4191.png') == {2}
    with pytest.raises(MTPError, match='leave 0..6'):
        cv2.imwrite(str(tmp_path / '4192.png'), np.full((32, 32), 0, np.uint8))
        _run(tmp_path, '--offset', '-1', '--out', str(tmp_path / 'y'))


def test_number_and_names_are_checked(pred, capsys):
    (pred / '4192.png').rename(pred / 'cat.png')
    assert loveda.main(['--pred', str(pred), '--size', '32']) == 1
    printed = capsys.readouterr().out
    assert '2 files, and the server expects 1796' in printed and 'cat.png' in printed


def test_without_arguments_it_says_what_it_expects(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_WORK_ROOT', str(tmp_path))
    with pytest.raises(MTPError, match='loveda/predict/submit.*values 1 to 7'):
        loveda.main([])


def _raw(data_root):
    root, number = data_root / 'loveda_dataset', 0
    for part in ('Train', 'Val', 'Test'):
        for area in ('Urban', 'Rural'):
            for kind in ('images_png',) if part == 'Test' else ('images_png', 'masks_png'):
                folder = root / part / area / kind
                folder.mkdir(parents=True)
                cv2.imwrite(str(folder / f'{number}.png'), np.full((8, 8), 1, np.uint8))
            number += 1
    return root


def test_flat_folders(data_root, capsys):
    root = _raw(data_root)
    assert loveda.flatten([]) == 0
    assert sorted(os.listdir(str(root / 'trainval' / 'images'))) == ['0.png', '1.png', '2.png', '3.png']
    assert sorted(os.listdir(str(root / 'trainval' / 'labels'))) == ['0.png', '1.png', '2.png', '3.png']
    assert sorted(os.listdir(str(root / 'test' / 'images'))) == ['4.png', '5.png']
    assert loveda.flatten([]) == 0 and capsys.readouterr().out.count('already') == 2


def test_flat_folders_refuse_a_collision_and_a_missing_mask(data_root):
    root = _raw(data_root)
    urban, rural = root / 'Train' / 'Urban', root / 'Val' / 'Rural'
    os.link(str(urban / 'images_png' / '0.png'), str(rural / 'images_png' / '0.png'))
    with pytest.raises(MTPError, match='cannot read the image .*masks_png/0.png'):
        loveda.flatten([])
    os.link(str(urban / 'masks_png' / '0.png'), str(rural / 'masks_png' / '0.png'))
    with pytest.raises(MTPError, match='0.png is there twice'):
        loveda.flatten([])
    assert not (root / 'trainval').exists()


def test_real_mask(real, tmp_path):
    mask = cv2.imread(real('loveda', 'ann_dir', '0.png'), cv2.IMREAD_UNCHANGED)
    values, counts = np.unique(mask, return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist())) == {1: 142441, 2: 14427, 3: 19208, 4: 3888, 7: 868612}
    folder = tmp_path / 'pred'
    folder.mkdir()
    cv2.imwrite(str(folder / '4191.png'), mask)
    assert loveda.main(['--pred', str(folder), '--expect-count', '0']) == 0
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'pred_0to6' / '4191.png'), -1), mask - 1)


def _mask(root, pixels):
    path = root / 'Train' / 'Urban' / 'masks_png' / '0.png'
    path.unlink()
    cv2.imwrite(str(path), pixels)


GOOD = np.arange(64, dtype=np.uint8).reshape(8, 8) % 8
PALETTE = np.uint8([(0, 0, 0)] + [colour[::-1] for colour in catalogue.get('loveda').palette])


@pytest.mark.parametrize('pixels', [GOOD, np.repeat(GOOD[..., None], 3, 2), PALETTE[GOOD]])
def test_masks_in_colours_become_the_numbers_that_they_show(data_root, pixels, capsys):
    root = _raw(data_root)
    _mask(root, pixels)
    assert loveda.flatten([]) == 0
    assert ('1 masks turned' in capsys.readouterr().out) == (pixels.ndim == 3)
    found = cv2.imread(str(root / 'trainval' / 'labels' / '0.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found, GOOD)


@pytest.mark.parametrize('pixels, message', [
    (np.full((8, 8), 9, np.uint8), 'masks_png/0.png: 9 at row 0, column 0; classes are numbered up to 7'),
    (np.full((8, 8, 3), 100, np.uint8), 'masks_png/0.png: .*the colour of no class'),
    (np.full((8, 8), 1, np.uint16), 'masks_png/0.png: a mask of mode')])
def test_masks_that_training_would_stumble_over_are_refused(data_root, pixels, message):
    root = _raw(data_root)
    _mask(root, pixels)
    with pytest.raises(MTPError, match=message) as raised:
        loveda.flatten([])
    assert '--lenient' not in str(raised.value)  # there is no such option


def test_the_check_sees_masks_in_colours_and_names_in_capitals(data_root, capsys):
    root = _raw(data_root)
    assert loveda.flatten([]) == 0 and describe.check('loveda', any_count=True) == 0
    label = root / 'trainval' / 'labels' / '1.png'
    label.unlink()
    cv2.imwrite(str(label), np.ones((8, 8, 3), np.uint8))
    assert describe.check('loveda', any_count=True) == 1
    assert '1 masks are in colours' in capsys.readouterr().out
    (root / 'test' / 'images' / '4.png').rename(root / 'test' / 'images' / '4.PNG')
    assert describe.check('loveda', any_count=True) == 1
    assert 'do not end in .png' in capsys.readouterr().out


def test_predictions_of_eight_classes_are_told_from_shifted_ones(tmp_path):
    cv2.imwrite(str(tmp_path / '4191.png'), np.tile(GOOD, (4, 4)))
    with pytest.raises(MTPError, match='4191.png holds 0 and 7, so it knows 8 classes') as raised:
        _run(tmp_path)
    assert 'reduce_zero_label' in raised.value.hint


def test_images_and_masks_in_capitals_are_found(data_root):
    root = _raw(data_root)
    for kind in ('images_png', 'masks_png'):
        (root / 'Train' / 'Urban' / kind / '0.png').rename(root / 'Train' / 'Urban' / kind / '0.PNG')
    assert loveda.flatten([]) == 0
    assert sorted(os.listdir(str(root / 'trainval' / 'labels'))) == ['0.png', '1.png', '2.png', '3.png']
