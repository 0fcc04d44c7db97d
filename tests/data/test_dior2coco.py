import json
import os
import shutil
import unicodedata

import numpy as np
import pytest
from pycocotools.coco import COCO

from mtp.data import catalogue, dior, dior2coco
from mtp.data.samples import annotations
from mtp.errors import MTPError


def test_the_json_lies_where_the_configs_read_it_and_agrees_with_the_xml(sample, data_root, capsys):
    root = sample('samrs') + '/dior/'
    assert dior2coco.main([]) == 0
    for split, images in (('trainval', 4), ('test', 1)):
        coco = COCO(root + f'DIOR_{split}_coco.json')
        assert len(coco.imgs) == images and min(coco.anns) == 1
        for image in coco.imgs.values():
            path = root + 'Annotations/Horizontal Bounding Boxes/' + image['file_name'][:-4] + '.xml'
            labels = dior.read(path, 'horizontal')
            found = coco.loadAnns(coco.getAnnIds(imgIds=image['id']))
            assert [coco.cats[entry['category_id']]['name'] for entry in found] == list(labels.names)
            boxes = np.array([entry['bbox'] for entry in found])
            np.testing.assert_array_equal(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1), labels.boxes)
    capsys.readouterr()
    assert dior2coco.main([]) == 0 and capsys.readouterr().out.count('already') == 2


def test_oriented_boxes_keep_their_polygon(sample, data_root):
    root = sample('samrs') + '/dior/'
    dior2coco.main(['--box', 'obb', '--splits', 'test', '--id-base', '0'])
    with open(root + 'DIOR-R_test_coco.json') as stream:
        value = json.load(stream)
    first = value['annotations'][0]
    assert first['id'] == 0 and len(first['segmentation'][0]) == 8
    assert first['area'] <= first['bbox'][2] * first['bbox'][3]


@pytest.mark.parametrize('listed, image, label', [
    ('NFC', 'NFD', 'NFD'), ('NFD', 'NFC', 'NFD'), ('NFD', 'NFD', 'NFC'), ('NFC', 'NFC', 'NFC')])
def test_a_list_in_another_form_of_unicode_than_its_files(sample, data_root, listed, image, label):
    root = sample('samrs') + '/dior/'
    with open(root + 'ImageSets/Main/test.txt', encoding='utf-8') as stream:
        stem, = stream.read().split()
    os.unlink(stream.name)
    with open(root + 'ImageSets/Main/test.txt', 'w', encoding='utf-8') as stream:
        stream.write(unicodedata.normalize(listed, 'é한') + '\n')
    name = unicodedata.normalize(image, 'é한.jpg')
    os.rename(root + 'JPEGImages-test/' + stem + '.jpg', root + 'JPEGImages-test/' + name)
    labels = root + 'Annotations/Horizontal Bounding Boxes/'
    os.rename(labels + stem + '.xml', labels + unicodedata.normalize(label, 'é한.xml'))
    assert dior2coco.main(['--splits', 'test']) == 0
    with open(root + 'DIOR_test_coco.json', encoding='utf-8') as stream:
        assert [entry['file_name'] for entry in json.load(stream)['images']] == [name]


def _replace(path, box):
    os.unlink(path)
    with open(path, 'w') as stream:
        stream.write(annotations.dior_horizontal('00001.jpg', 320, 320, [np.array(box, float)], ['ship']))


def test_boxes_outside_or_without_area_are_counted_and_mended_by_option(sample, data_root, capsys):
    root = sample('samrs') + '/dior/'
    path = root + 'Annotations/Horizontal Bounding Boxes/00001.xml'
    _replace(path, [[300, 10], [330, 20]])
    dior2coco.main(['--splits', 'train'])
    assert '1 reach outside' in capsys.readouterr().out
    dior2coco.main(['--splits', 'train', '--clip', '--overwrite'])
    with open(root + 'DIOR_train_coco.json') as stream:
        assert json.load(stream)['annotations'][0]['bbox'] == [300, 10, 20, 10]
    _replace(path, [[100, 10], [100, 20]])
    dior2coco.main(['--splits', 'train', '--overwrite', '--drop-degenerate'])
    assert '1 without area' in capsys.readouterr().out
    assert COCO(root + 'DIOR_train_coco.json').getAnnIds(imgIds=0) == []


def test_a_bad_file_stops_before_anything_is_written(sample, data_root):
    root = sample('samrs') + '/dior/'
    path = root + 'Annotations/Horizontal Bounding Boxes/00002.xml'
    os.unlink(path)
    with pytest.raises(MTPError, match='00002.xml'):
        dior2coco.main([])
    assert not [name for name in os.listdir(root) if 'DIOR' in name]
    assert dior2coco.main(['--lenient', '--splits', 'trainval']) == 1


def test_nothing_there(data_root):
    with pytest.raises(MTPError, match='trainval.txt is missing'):
        dior2coco.main([])


def test_the_class_order_is_the_published_one():
    assert catalogue.get('dior').classes.index('golffield') == 9


def test_a_real_image_of_dior(real, tmp_path):
    labels = real('dior', 'transcribed', 'Annotations', 'Horizontal Bounding Boxes', '00001.xml')
    oriented = real('dior', 'Annotations', 'Oriented Bounding Boxes', '00001.xml')
    image = real('dior', 'JPEGImages', '00001.jpg')
    for source, *target in ((labels, 'Annotations', 'Horizontal Bounding Boxes', '00001.xml'),
                            (oriented, 'Annotations', 'Oriented Bounding Boxes', '00001.xml'),
                            (image, 'JPEGImages-trainval', '00001.jpg')):
        path = tmp_path.joinpath(*target)
        path.parent.mkdir(parents=True)
        shutil.copyfile(source, str(path))
    (tmp_path / 'ImageSets' / 'Main').mkdir(parents=True)
    (tmp_path / 'ImageSets' / 'Main' / 'trainval.txt').write_text('00001\r\n')
    for box, name in (('hbb', 'DIOR'), ('obb', 'DIOR-R')):
        assert dior2coco.main(['--root', str(tmp_path), '--splits', 'trainval', '--box', box]) == 0
        value = json.loads((tmp_path / (name + '_trainval_coco.json')).read_text())
        assert value['images'] == [{'file_name': '00001.jpg', 'height': 800, 'width': 800, 'id': 0}]
        entry, = value['annotations']
        assert (entry['category_id'], entry['bbox'], entry['area']) == (9, [133, 237, 551, 435], 551 * 435)
