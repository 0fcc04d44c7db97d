"""Labels of scenes follow the catalogue, whatever else lies on the disk."""
import cv2
import numpy as np
import pytest

from mtp.data import catalogue
from mtp.errors import MTPError

pytest.importorskip('mmpretrain')


@pytest.fixture
def build():
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import DATASETS

    import mtp.adapters.mmrotate1  # noqa: F401
    init_default_scope('mmpretrain')
    return lambda kind, **settings: DATASETS.build(dict(type=kind, pipeline=[], **settings))


def labels(dataset):
    return [(dataset.get_data_info(number)['img_path'].split('/')[-2], dataset.get_data_info(number)['gt_label'])
            for number in range(len(dataset))]


@pytest.fixture
def eurosat(tmp_path):
    for kind in catalogue.get('eurosat').classes:
        (tmp_path / kind).mkdir()
        cv2.imwrite(str(tmp_path / kind / (kind + '_1.jpg')), np.zeros((8, 8, 3), np.uint8))
    return tmp_path


def test_hidden_folders_and_other_files_move_no_label(build, eurosat):
    (eurosat / '.ipynb_checkpoints').mkdir()
    (eurosat / 'made_by_mtp.txt').write_text('complete')
    (eurosat / 'AnnualCrop' / '._AnnualCrop_1.jpg').write_bytes(b'')
    found = build('EuroSATDataset', data_prefix=str(eurosat))
    assert found.metainfo['classes'] == catalogue.get('eurosat').classes
    assert labels(found) == [(kind, number) for number, kind in enumerate(catalogue.get('eurosat').classes)]


def test_a_folder_that_is_renamed_keeps_its_label(build, eurosat):
    (eurosat / 'SeaLake').rename(eurosat / 'A Sea Lake'.replace('A ', ''))
    assert labels(build('EuroSATDataset', data_prefix=str(eurosat)))[-1] == ('Sea Lake', 9)


@pytest.mark.parametrize('change, message', [
    (lambda root: (root / 'Desert').mkdir(), "'Desert' is not a class"),
    (lambda root: (root / 'River').rename(root / '.River'), 'no folder of the class River'),
    (lambda root: (root / 'River' / 'River_1.jpg').unlink(), 'no image of the class River')])
def test_folders_that_mean_something_else_are_refused(build, eurosat, change, message):
    change(eurosat)
    with pytest.raises(MTPError, match=message):
        build('EuroSATDataset', data_prefix=str(eurosat))


def test_lists_of_resisc45(build, tmp_path):
    (tmp_path / 'list.txt').write_text('a b.jpg 44\nc.jpg 0\n')
    found = build('RESISC45Dataset', data_prefix=str(tmp_path), ann_file=str(tmp_path / 'list.txt'))
    assert [found.get_data_info(number)['gt_label'] for number in range(2)] == [44, 0]
    assert found.metainfo['classes'] == catalogue.get('resisc45').classes
    for line in ('c.jpg 45', 'c.jpg', 'c.jpg -1'):
        (tmp_path / 'list.txt').write_text('a.jpg 1\n' + line + '\n')
        with pytest.raises(MTPError, match='list.txt: line 2'):
            build('RESISC45Dataset', data_prefix=str(tmp_path), ann_file=str(tmp_path / 'list.txt'))
