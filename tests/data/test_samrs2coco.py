import json
import os
import unicodedata

import pytest
from pycocotools.coco import COCO

from mtp.data import catalogue, samrs2coco
from mtp.errors import MTPError


def _load(data_root, subset, split='train'):
    path = catalogue.locate(catalogue.get(subset).files['coco'], split=split)
    with open(path) as stream:
        return json.load(stream)


def test_without_arguments_all_subsets_are_converted(sample, data_root, capsys):
    sample('samrs')
    assert samrs2coco.main([]) == 0
    for subset in samrs2coco.SUBSETS:
        for split, images in (('train', 3), ('valid', 1)):
            value = _load(data_root, subset, split)
            assert [entry['name'] for entry in value['categories']] == list(catalogue.get(subset).classes)
            assert [entry['id'] for entry in value['categories']] == list(range(len(value['categories'])))
            assert [entry['id'] for entry in value['images']] == list(range(images))
            assert [entry['id'] for entry in value['annotations']] == list(range(1, len(value['annotations']) + 1))
    assert samrs2coco.main([]) == 0
    assert capsys.readouterr().out.count('already') == 6


def test_pycocotools_reads_it_and_agrees_on_area_and_box(sample, data_root, capsys):
    sample('samrs')
    samrs2coco.main(['--dataset', 'fast', '--split', 'train'])
    coco = COCO(catalogue.locate(catalogue.get('fast').files['coco'], split='train'))
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        ys, xs = mask.nonzero()
        assert mask.sum() == annotation['area']
        assert annotation['bbox'] == [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]


def test_several_processes_write_the_same_bytes(sample, data_root, tmp_path, monkeypatch):
    sample('samrs')
    monkeypatch.setattr('mtp.data.converting.FEW', 2)
    for jobs in ('1', '2'):
        samrs2coco.main(['--dataset', 'sota', '--split', 'train', '--out', str(tmp_path / jobs), '--jobs', jobs])
    name = 'sota_rbb_train_ins_segmentation.json'
    assert (tmp_path / '1' / name).read_bytes() == (tmp_path / '2' / name).read_bytes()


def test_published_ids_by_option(sample, data_root):
    sample('samrs')
    samrs2coco.main(['--dataset', 'sior', '--id-base', '0'])
    assert _load(data_root, 'sior')['annotations'][0]['id'] == 0


def test_lists_beside_the_images_as_published(sample, data_root):
    root = sample('samrs') + '/dotav2_1024_rbb/'
    for name in ('train.txt', 'valid.txt'):
        os.rename(root + name, root + 'trainval/' + name)
    assert samrs2coco.main(['--dataset', 'sota']) == 0


@pytest.mark.parametrize('listed, there', [('NFC', 'NFD'), ('NFD', 'NFC')])
def test_a_list_in_another_form_of_unicode_than_its_files(sample, data_root, listed, there):
    sample('samrs')
    entry = catalogue.get('sota').splits['valid']
    path, images, labels = (catalogue.locate(each) for each in (entry.listing, entry.images, entry.labels))
    with open(path, encoding='utf-8') as stream:
        stem, = stream.read().split()
    os.unlink(path)
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(unicodedata.normalize(listed, 'é') + '\n')
    name = unicodedata.normalize(there, 'é')
    for folder, suffix in ((images, entry.image_suffix), (labels, '.pkl')):
        os.rename(os.path.join(folder, stem + suffix), os.path.join(folder, name + suffix))
    assert samrs2coco.main(['--dataset', 'sota', '--split', 'valid']) == 0
    assert [image['file_name'] for image in _load(data_root, 'sota', 'valid')['images']] == [name + entry.image_suffix]


def test_other_settings_do_not_overwrite(sample, data_root):
    sample('samrs')
    samrs2coco.main(['--dataset', 'sota'])
    with pytest.raises(MTPError, match='exists already'):
        samrs2coco.main(['--dataset', 'sota', '--drop-empty'])
    assert samrs2coco.main(['--dataset', 'sota', '--drop-empty', '--overwrite']) == 0


def test_a_damaged_pickle_stops_or_is_left_out(sample, data_root):
    root = sample('samrs')
    path = os.path.join(root, 'dior', 'hbox_segs_trainvaltest_init', 'ins', '00002.pkl')
    os.unlink(path)
    with open(path, 'wb') as stream:
        stream.write(b'no pickle')
    with pytest.raises(MTPError, match='00002.pkl') as caught:
        samrs2coco.main(['--dataset', 'sior', '--split', 'train'])
    assert caught.value.code == 1
    out = catalogue.locate(catalogue.get('sior').files['coco'], split='train')
    assert not os.path.exists(out)
    report = os.path.join(root, 'report.json')
    assert samrs2coco.main(['--dataset', 'sior', '--split', 'train', '--lenient', '--report', report]) == 1
    assert len(_load(data_root, 'sior')['images']) == 2
    with open(report) as stream:
        assert '00002.pkl' in json.load(stream)['problems'][0]


def test_dry_run_writes_nothing(sample, data_root, capsys):
    sample('samrs')
    before = sorted(str(path) for path in data_root.rglob('*'))
    assert samrs2coco.main(['--dry-run']) == 0
    assert sorted(str(path) for path in data_root.rglob('*')) == before
    assert '3 images' in capsys.readouterr().out


def test_nothing_there_says_what_was_expected(data_root):
    with pytest.raises(MTPError, match='dotav2_1024_rbb'):
        samrs2coco.main([])


def test_an_image_of_another_size_is_named(sample, data_root):
    root = sample('samrs')
    source = os.path.join(root, 'dotav2_1024_rbb', 'trainval', 'images')
    import numpy as np

    from mtp.data.samples import writing
    name = sorted(os.listdir(source))[0]
    os.unlink(os.path.join(source, name))
    writing.save_image(os.path.join(source, name), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(MTPError, match='320 x 320.*20 x 30'):
        samrs2coco.main(['--dataset', 'sota', '--split', 'train'])
