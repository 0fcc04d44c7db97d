"""Hostile annotation files are named with entry and field; what cannot be trained on is counted."""
import json
import os
import unicodedata

import numpy as np
import pytest

from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.pretrain.data import annotation_cache, annotations, samples


@pytest.fixture
def sota(samrs_root, tmp_path, monkeypatch):
    """A copy of SOTA's sample set whose COCO content a test may change: (content, write)."""
    import shutil
    shutil.copytree(str(samrs_root / 'samrs' / 'dotav2_1024_rbb'), str(tmp_path / 'samrs' / 'dotav2_1024_rbb'))
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path))
    path = catalogue.locate(catalogue.get('sota').files['coco'], split='train')
    with open(path) as stream:
        content = json.load(stream)

    def write(changed):
        with open(path, 'w') as stream:
            json.dump(changed, stream)
    return content, write


def test_counts_and_order(samrs):
    for name in ('sota', 'sior', 'fast'):
        found = annotations.read(name)
        assert len(found) == len(found.sizes) == len(found.first) - 1 == len(found.rfirst) - 1
        assert found.first[-1] == len(found.boxes) == len(found.labels) == len(found.rle_first) - 1
        assert len(found.boxes) > len(found) and len(found.rboxes) > len(found)
        assert sum(found.skipped.values()) == 0


def test_labels_follow_names_not_the_order_of_the_file(sota):
    content, write = sota
    before = annotations.read('sota').labels.tolist()
    content['categories'].reverse()
    write(content)
    assert annotations.read('sota').labels.tolist() == before


@pytest.mark.parametrize('change, message', [
    (lambda c: c.update(images=[]), 'field images'),
    (lambda c: c.update(images='no'), 'field images'),
    (lambda c: c['images'][1].update(file_name='../x.png'), r'images\[1\]: field file_name'),
    (lambda c: c['images'][1].update(file_name='gone.png'), 'missing in'),
    (lambda c: c['images'][0].update(width=-4), r'images\[0\]: field width'),
    (lambda c: c['categories'][2].update(name='zebra'), r'categories\[2\]: field name: .zebra'),
    (lambda c: c['annotations'][3].pop('bbox'), r'annotations\[3\]: KeyError .bbox'),
    (lambda c: c['annotations'][3].update(bbox=[1, 2, 'x', 4]), r'annotations\[3\]'),
    (lambda c: c['annotations'][3].update(bbox=[1, 2, float('nan'), 4]), r'annotations\[3\]'),
    (lambda c: c['annotations'][3].update(bbox=[1, 2, 10 ** 400, 4]), r'annotations\[3\]: OverflowError'),
    (lambda c: c['annotations'][3]['segmentation'].update(size=[float('inf'), 4]), r'annotations\[3\]: OverflowError'),
    (lambda c: c.update(annotations=7), 'field annotations: a list of objects'),
    (lambda c: c.update(annotations={'a': 1}), 'field annotations: a list of objects'),
    (lambda c: c['annotations'][4].update(category_id=99), r'annotations\[4\]: KeyError 99'),
    (lambda c: c['annotations'][5]['segmentation'].update(size=[7, 7]), r'annotations\[5\]: field segmentation.size'),
    (lambda c: c['annotations'][5]['segmentation'].update(counts='0'), r'annotations\[5\]: field segmentation'),
    (lambda c: c['annotations'][5]['segmentation'].update(counts=[1, 2]), r'annotations\[5\]'),
])
def test_wrong_entries_are_named(sota, change, message):
    content, write = sota
    change(content)
    write(content)
    with pytest.raises(MTPError, match=message):
        annotations.read('sota')


@pytest.mark.parametrize('text', ['[' * 100000, '{"images":' * 100000])
def test_a_file_nested_too_deep_is_damaged(sota, tmp_path, text):
    (tmp_path / 'samrs/dotav2_1024_rbb/trainval/sota_rbb_train_ins_segmentation.json').write_text(text)
    with pytest.raises(MTPError, match='not a COCO file: its values are nested too deep'):
        annotations.read('sota')


def test_unusable_annotations_are_counted(sota):
    content, write = sota
    whole = len(annotations.read('sota').boxes)
    content['annotations'][0]['iscrowd'] = 1
    content['annotations'][1]['bbox'] = [5, 5, 0.5, 9]
    content['annotations'][2]['bbox'] = [-20, -20, 10, 10]
    write(content)
    found = annotations.read('sota')
    assert found.skipped == {'flagged as ignored': 1, 'smaller than a pixel': 1, 'outside the image': 1,
                             'empty mask': 0,
                             'rotated box thinner than a pixel': 0}
    assert len(found.boxes) == whole - 3


def test_collinear_polygon_is_dropped_only_in_the_paper_recipe(sota, tmp_path):
    content, _ = sota
    text = tmp_path / 'samrs/dotav2_1024_rbb/trainval/rbbtxts' / content['images'][0]['file_name'].replace('.png',
                                                                                                           '.txt')
    with open(str(text), 'a') as stream:
        stream.write('1 1 20 20 30 30 5 5 plane 4\n')
    assert annotations.read('sota').skipped['rotated box thinner than a pixel'] == 1
    assert len(annotations.read('sota', drop_degenerate=False).rboxes) == len(annotations.read('sota').rboxes) + 1


@pytest.mark.parametrize('listed, there', [('NFC', 'NFD'), ('NFD', 'NFC')])
def test_names_that_are_there_in_another_form_of_unicode(sota, listed, there, tmp_path):
    content, write = sota
    before = annotations.read('sota')
    size = before.sizes[0]
    whole = samples.read_image(before.image(0), size), samples.read_semantic(before.seg(0), size, 18)
    where, old = annotations.folders('sota'), content['images'][0]['file_name']
    for what in ('images', 'semantic', 'rotated'):
        for name in os.listdir(where[what]):
            stem, suffix = os.path.splitext(name)
            if stem == os.path.splitext(old)[0]:
                os.rename(os.path.join(where[what], name),
                          os.path.join(where[what], unicodedata.normalize(there, 'é한' + suffix)))
    content['images'][0]['file_name'] = unicodedata.normalize(listed, 'é한' + os.path.splitext(old)[1])
    write(content)
    annotation_cache.save(str(tmp_path / 'cache'), annotations.read('sota'))
    found = annotation_cache.load(str(tmp_path / 'cache'), 'sota', 'train')
    annotations.check_files('sota', 'train', found.names)
    assert found.rboxes.tolist() == before.rboxes.tolist() and all(map(os.path.isfile, found.files))
    again = samples.read_image(found.image(0), size), samples.read_semantic(found.seg(0), size, 18)
    assert all(map(np.array_equal, whole, again))


def test_missing_folder_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path))
    with pytest.raises(MTPError, match='MTP_DATA_ROOT'):
        annotations.check_folders('sior')


def test_missing_instance_file_names_the_converter(sota, tmp_path):
    (tmp_path / 'samrs/dotav2_1024_rbb/trainval/sota_rbb_train_ins_segmentation.json').unlink()
    with pytest.raises(MTPError, match='next: make data-sota'):
        annotations.read('sota')
