import unicodedata

import cv2
import numpy as np
import pytest
from mmrotate.datasets import build_dataset

from mtp.adapters import mmrotate03  # noqa: F401  (registers)
from mtp.data import catalogue
from mtp.errors import MTPError

POLYGON = '0 0 10 0 10 5 0 5 {} {}\n'


def made(tmp_path, kind='DOTADataset', labels=True, **more):
    folder = str(tmp_path / ('annfiles' if labels else 'images'))
    return build_dataset(dict(type=kind, ann_file=folder, img_prefix=str(tmp_path / 'images'), pipeline=[],
                              version='le90', **more))


def write(tmp_path, **texts):
    for name in ('images', 'annfiles'):
        (tmp_path / name).mkdir()
    for stem, text in texts.items():
        (tmp_path / 'annfiles' / (stem + '.txt')).write_text(text)
        cv2.imwrite(str(tmp_path / 'images' / (stem + '.png')), np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize('kind, name', [('DOTADataset', 'dotav1'), ('FAIR1Mv2Dataset', 'fair1m')])
def test_classes_are_those_of_the_catalogue(tmp_path, kind, name):
    write(tmp_path, a='')
    assert made(tmp_path, kind, test_mode=True).CLASSES == catalogue.get(name).classes


def test_boxes_are_le90_and_headers_are_passed_over(tmp_path):
    write(tmp_path, a='imagesource:GoogleEarth\ngsd:0.5\n' + POLYGON.format('ship', 1) + '0 0 1 0 1 9 0 9 plane 0\n')
    info = made(tmp_path).get_ann_info(0)
    assert info['labels'].tolist() == [6]  # the plane is thinner than two pixels
    assert np.allclose(info['bboxes'], [[5, 2.5, 10, 5, 0]]) or np.allclose(np.abs(info['bboxes'][0, 4]), np.pi / 2)


def test_empty_tiles_are_left_out_of_training_only(tmp_path):
    write(tmp_path, b=POLYGON.format('plane', 0), a='')
    assert len(made(tmp_path)) == 1
    assert made(tmp_path, test_mode=True).img_ids == ['a', 'b']


def test_a_stray_text_file_does_not_turn_images_into_labels(tmp_path):
    write(tmp_path, a='', b='')
    (tmp_path / 'images' / 'note.txt').write_text('read me')
    assert made(tmp_path, labels=False, test_mode=True).img_ids == ['a', 'b']


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(MTPError, match='no folder'):
        made(tmp_path)


def test_an_image_whose_name_has_another_form_of_unicode_than_its_label(tmp_path):
    label, image = unicodedata.normalize('NFC', 'é'), unicodedata.normalize('NFD', 'é')
    write(tmp_path, **{label: POLYGON.format('ship', 0)})
    (tmp_path / 'images' / (label + '.png')).rename(tmp_path / 'images' / (image + '.png'))
    assert made(tmp_path).data_infos[0]['filename'] == image + '.png'
