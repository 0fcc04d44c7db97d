import os

import cv2
import numpy as np
import pytest

from mtp.data import catalogue, splits
from mtp.errors import MTPError

JPEG = cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1].tobytes()


def _raw(root, classes, number):
    for kind in classes:
        folder = root / kind
        folder.mkdir(parents=True)
        for index in range(number):
            (folder / f'{kind}_{index}.jpg').write_bytes(JPEG)


def test_eurosat_folders(data_root, capsys):
    dataset = catalogue.get('eurosat')
    _raw(data_root / 'eurosat' / '2750', dataset.classes, 10)
    assert splits.main(['eurosat']) == 0
    seen = {}
    for part, number in (('train', 6), ('val', 2)):
        folder = data_root / 'eurosat' / part
        assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(dataset.classes)
        seen[part] = {path.name for path in folder.glob('*/*.jpg')}
        assert len(seen[part]) == 10 * number
        assert all(len(os.listdir(str(folder / kind))) == number for kind in dataset.classes)
    assert not seen['train'] & seen['val']
    assert splits.main(['eurosat']) == 0 and 'already' in capsys.readouterr().out


def test_resisc45_lists(data_root):
    dataset = catalogue.get('resisc45')
    _raw(data_root / 'nwpu' / 'NWPU-RESISC45', dataset.classes, 5)
    assert splits.main(['resisc45']) == 0
    lists = data_root / 'nwpu' / 'mtp'
    train = (lists / 'train_labels_28_mtp.txt').read_text().splitlines()
    valid = (lists / 'valid_labels_28_mtp.txt').read_text().splitlines()
    assert (len(train), len(valid)) == (45, 180) and not set(train) & set(valid)
    for line in train + valid:
        name, label = line.split()
        assert name.startswith(dataset.classes[int(label)]) and (data_root / 'nwpu' / 'all_img' / name).exists()


def test_official_numbers():
    parts = splits.draw([str(index) for index in range(700)], splits.SHARES['resisc45'], 0)
    assert (45 * len(parts['train']), 45 * len(parts['valid'])) == (6300, 25200)
    train = sum(len(splits.draw(range(number), splits.SHARES['eurosat'], 0)['train'])
                for number in (3000, 3000, 3000, 2500, 2500, 2000, 2500, 3000, 2500, 3000))
    assert train == catalogue.get('eurosat').splits['train'].count


def test_a_seed_is_a_split():
    names = [f'{index}.jpg' for index in range(50)]
    shares = {'a': 50, 'b': 50}
    assert splits.draw(names, shares, 1) == splits.draw(names[::-1], shares, 1) != splits.draw(names, shares, 2)


def test_what_is_missing_is_named(data_root):
    with pytest.raises(MTPError, match='2750 is missing'):
        splits.main(['eurosat'])
    _raw(data_root / 'eurosat' / '2750', catalogue.get('eurosat').classes[1:], 1)
    with pytest.raises(MTPError, match='AnnualCrop'):
        splits.main(['eurosat'])


@pytest.mark.parametrize('name, is_folder, message', [
    ('.ipynb_checkpoints', True, ''), ('README.txt', False, ''), ('Desert', True, "'Desert' is not a class"),
    ('Annual Crop', True, 'are one class'), ('stray.jpg', False, 'the folder of no class')])
def test_what_lies_beside_the_folders_of_classes_is_passed_over_or_refused(data_root, name, is_folder, message):
    _raw(data_root / 'eurosat' / '2750', catalogue.get('eurosat').classes, 2)
    path = data_root / 'eurosat' / '2750' / name
    path.mkdir() if is_folder else path.write_bytes(b'')
    if message:
        with pytest.raises(MTPError, match=message):
            splits.main(['eurosat'])
    else:
        assert splits.main(['eurosat']) == 0


def test_other_spellings_and_capitals_are_taken_for_the_class(data_root):
    classes = catalogue.get('resisc45').classes
    _raw(data_root / 'nwpu' / 'NWPU-RESISC45', classes, 5)
    folder = data_root / 'nwpu' / 'NWPU-RESISC45'
    (folder / 'sea_ice' / 'sea_ice_1.jpg').rename(folder / 'sea_ice' / 'sea_ice_1.JPG')
    (folder / 'sea_ice').rename(folder / 'Sea Ice')
    assert splits.main(['resisc45']) == 0
    lines = [line for part in ('train', 'valid') for line in
             (data_root / 'nwpu' / 'mtp' / (part + '_labels_28_mtp.txt')).read_text().splitlines()]
    assert 'sea_ice_1.jpg {}'.format(classes.index('sea_ice')) in lines and len(lines) == 225
    assert (data_root / 'nwpu' / 'all_img' / 'sea_ice_1.jpg').exists()
