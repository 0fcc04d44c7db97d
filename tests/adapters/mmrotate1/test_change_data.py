"""Pairs of images and their masks, found by name."""
import os
import unicodedata

import pytest

pytest.importorskip('mmseg')

from mtp.adapters.mmrotate1.change_detection.datasets import LEVIR_CD_Dataset
from mtp.errors import MTPError

FOLDERS = dict(img_path_from='A', img_path_to='B', seg_map_path='label')


def dataset(root, **more):
    return LEVIR_CD_Dataset(data_root=str(root), data_prefix=dict(FOLDERS), pipeline=[], **more)


def empty(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b'')


def test_partners_whose_names_have_another_form_of_unicode(tmp_path):
    composed, apart = (unicodedata.normalize(form, 'Orléans_서울.png') for form in ('NFC', 'NFD'))
    empty(tmp_path / 'A', composed, 'z.png')
    empty(tmp_path / 'B', apart, 'z.png')
    found = [dataset(tmp_path).get_data_info(number)['img_path'] for number in range(2)]
    assert sorted(found) == [[str(tmp_path / 'A' / composed), str(tmp_path / 'B' / apart)],
                             [str(tmp_path / 'A' / 'z.png'), str(tmp_path / 'B' / 'z.png')]]
    assert all(os.path.isfile(path) for pair in found for path in pair)


def test_an_image_without_a_partner_is_named(tmp_path):
    empty(tmp_path / 'A', 'x.png', 'y.png')
    empty(tmp_path / 'B', 'x.png')
    with pytest.raises(MTPError, match='1 of the images in .* have no partner of the same name: y.png'):
        dataset(tmp_path)


def test_names_that_differ_in_their_form_alone_are_two_images(tmp_path):
    empty(tmp_path / 'A', *(unicodedata.normalize(form, 'é.png') for form in ('NFC', 'NFD')))
    empty(tmp_path / 'B', unicodedata.normalize('NFC', 'é.png'))
    with pytest.raises(MTPError, match='differ in the form of their letters alone') as told:
        dataset(tmp_path)
    assert 'keep one of them' in str(told.value)
