import os
import pickle

import numpy as np
import pytest

from mtp.data import catalogue, rle, samrs
from mtp.errors import MTPError

CLASSES = catalogue.get('sota').classes


def _entry(**changes):
    mask = np.zeros((8, 10), np.uint8)
    mask[2:5, 3:9] = 1
    entry = {'mask': {'size': [8, 10], 'counts': rle.pack([mask])[0]}, 'label': 4, 'category': 'plane',
             'size': np.int64(18), 'rbox': np.array([[3., 2], [9, 2], [9, 5], [3, 5]]), 'rhbox': [3., 2., 9., 5.]}
    entry.update(changes)
    return {key: value for key, value in entry.items() if value is not None}


def _write(path, entries):
    path.write_bytes(pickle.dumps(entries))
    return str(path)


def test_an_instance(tmp_path):
    path = _write(tmp_path / 'a.pkl', [_entry()])
    instance, = samrs.read(path, CLASSES)
    assert (instance.label, instance.category, instance.area, instance.box) == (4, 'plane', 18, (3, 2, 6, 3))
    assert instance.prompt_box == (3, 2, 9, 5) and instance.polygon.shape == (4, 2)


def test_the_older_kind_with_the_index_as_category(tmp_path):
    path = _write(tmp_path / 'a.pkl', [_entry(label=None, category=4)])
    assert samrs.read(path, CLASSES)[0].category == 'plane'


@pytest.mark.parametrize('changes, field', [
    (dict(label=18), 'label'), (dict(label=-1), 'label'), (dict(label='4'), 'label'), (dict(label=True), 'label'),
    (dict(category='ship'), 'category'), (dict(size=np.int64(17)), 'size'), (dict(size='big'), 'size'),
    (dict(mask='x'), 'mask'), (dict(mask={'size': [8, 10]}), 'mask'),
    (dict(mask={'size': [8, 11], 'counts': '4'}), 'mask'),
    (dict(mask={'size': [8, 0], 'counts': '4'}), 'mask'), (dict(mask={'size': [8, 10], 'counts': [1, 2]}), 'mask'),
    (dict(mask={'size': [1e30, 10], 'counts': '4'}), 'mask'),
    (dict(rhbox=[1., 2.]), 'rhbox'), (dict(rhbox=[1., 2., np.nan, 4.]), 'rhbox'), (dict(rbox=[['a']]), 'rbox'),
])
def test_a_bad_field_is_named(tmp_path, changes, field):
    path = _write(tmp_path / 'a.pkl', [_entry(), _entry(**changes)])
    with pytest.raises(MTPError, match='a.pkl: instance 1, field ' + field):
        samrs.read(path, CLASSES)


@pytest.mark.parametrize('value', [{}, 3, [3], [[]]])
def test_another_shape_of_file_is_refused(tmp_path, value):
    with pytest.raises(MTPError, match='a.pkl'):
        samrs.read(_write(tmp_path / 'a.pkl', value), CLASSES)


def test_sample_pickles_agree_with_the_gray_images(made):
    import cv2
    root = os.path.join(made('samrs'), 'dotav2_1024_rbb', 'trainval')
    folder = os.path.join(root, 'rhbox_segs_init')
    for name in os.listdir(os.path.join(folder, 'ins')):
        gray = cv2.imread(os.path.join(folder, 'gray', name[:-4] + '.png'), cv2.IMREAD_UNCHANGED)
        instances = samrs.read(os.path.join(folder, 'ins', name), CLASSES)
        assert len(instances) > 3
        assert sum(instance.area for instance in instances) == (gray != 255).sum()  # sample objects never overlap
        assert {instance.label for instance in instances} == set(np.unique(gray)) - {255}
