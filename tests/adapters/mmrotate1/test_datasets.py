import unicodedata

import cv2
import numpy as np
import pytest

from mtp.adapters.mmrotate1 import datasets
from mtp.data import catalogue

POLYGON = '0 0 10 0 10 5 0 5 {} {}\n'


def folder(tmp_path, **texts):
    for name in ('images', 'annfiles'):
        (tmp_path / name).mkdir()
    for stem, text in texts.items():
        (tmp_path / 'annfiles' / (stem + '.txt')).write_text(text)
        cv2.imwrite(str(tmp_path / 'images' / (stem + '.png')), np.zeros((8, 8, 3), np.uint8))
    return dict(data_root=str(tmp_path), data_prefix=dict(img_path='images'), pipeline=[])


@pytest.mark.parametrize('kind, name', [
    (datasets.DOTADataset, 'dotav1'), (datasets.DOTAv15Dataset, 'dotav15'), (datasets.DOTAv2Dataset, 'dotav2'),
    (datasets.FAIR1Mv2Dataset, 'fair1m'), (datasets.DIORDataset, 'diorr')])
def test_classes_are_those_of_the_catalogue(kind, name):
    assert kind.METAINFO['classes'] == catalogue.get(name).classes
    assert len(kind.METAINFO['palette']) == len(kind.METAINFO['classes'])


def test_difficult_objects_are_ignored_and_labels_follow_the_catalogue(tmp_path):
    common = folder(tmp_path, b=POLYGON.format('ship', 2), a=POLYGON.format('plane', 0) + POLYGON.format('ship', 101))
    made = datasets.DOTADataset(ann_file='annfiles', **common)
    assert [made.get_data_info(i)['img_id'] for i in range(2)] == ['a', 'b']
    first = made.get_data_info(0)['instances']
    assert [item['bbox_label'] for item in first] == [0, 6] and [item['ignore_flag'] for item in first] == [0, 1]
    assert first[0]['bbox'].tolist() == [0, 0, 10, 0, 10, 5, 0, 5]


def test_empty_tiles_are_left_out_of_training_only(tmp_path):
    common = folder(tmp_path, a=POLYGON.format('plane', 0), b='')
    keep = dict(ann_file='annfiles', filter_cfg=dict(filter_empty_gt=True))
    assert len(datasets.DOTADataset(**keep, **common)) == 1
    assert len(datasets.DOTADataset(test_mode=True, **keep, **common)) == 2


def test_a_test_without_labels_lists_the_images(tmp_path):
    made = datasets.DOTADataset(test_mode=True, **folder(tmp_path, a='', b='', c=''))
    assert [made.get_data_info(i)['img_id'] for i in range(len(made))] == ['a', 'b', 'c']


def test_degenerate_polygons_are_left_out_for_fair1m(tmp_path):
    text = '0 0 0 0 10 5 0 5 {0} 0\n' + POLYGON.format('{0}', 0)
    common = folder(tmp_path, a=text.format('Bus'))
    assert len(datasets.FAIR1Mv2Dataset(ann_file='annfiles', **common).get_data_info(0)['instances']) == 1
    (tmp_path / 'annfiles' / 'a.txt').write_text(text.format('ship'))
    assert len(datasets.DOTADataset(ann_file='annfiles', **common).get_data_info(0)['instances']) == 2


def test_an_image_whose_name_has_another_form_of_unicode_than_its_label(tmp_path):
    label, image = unicodedata.normalize('NFC', 'é'), unicodedata.normalize('NFD', 'é')
    common = folder(tmp_path, **{label: POLYGON.format('plane', 0)})
    (tmp_path / 'images' / (label + '.png')).rename(tmp_path / 'images' / (image + '.png'))
    found = datasets.DOTADataset(ann_file='annfiles', **common).get_data_info(0)
    assert found['img_path'] == str(tmp_path / 'images' / (image + '.png')) and len(found['instances']) == 1
