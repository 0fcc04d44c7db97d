import os

import pytest

from mtp.data import catalogue, splits
from mtp.errors import MTPError


def _raw(root, classes, number):
    for kind in classes:
        folder = root / kind
        folder.mkdir(parents=True)
        for index in range(number):
            (folder / '{}_{}.jpg'.format(kind, index)).write_bytes(b'jpeg')


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
    names = ['{}.jpg'.format(index) for index in range(50)]
    shares = {'a': 50, 'b': 50}
    assert splits.draw(names, shares, 1) == splits.draw(names[::-1], shares, 1) != splits.draw(names, shares, 2)


def test_what_is_missing_is_named(data_root):
    with pytest.raises(MTPError, match='2750 is missing'):
        splits.main(['eurosat'])
    _raw(data_root / 'eurosat' / '2750', catalogue.get('eurosat').classes[1:], 1)
    with pytest.raises(MTPError, match='AnnualCrop'):
        splits.main(['eurosat'])
