import json
import os

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from mtp.data import xview, xview2coco
from mtp.errors import MTPError


@pytest.mark.parametrize('length, expected', [
    (300, [0]), (416, [0]), (417, [0, 1]), (832, [0, 416]), (833, [0, 208, 417]), (1000, [0, 292, 584])])
def test_starts(length, expected):
    assert xview2coco.starts(length, 416).tolist() == expected


@pytest.mark.parametrize('overlap', [0, 50])
def test_starts_cover_everything(overlap):
    for length in range(1, 2000, 37):
        first = xview2coco.starts(length, 416, overlap)
        covered = np.zeros(max(length, 416), int)
        for start in first:
            covered[start:start + 416] += 1
        assert covered[:length].min() >= 1 and (np.diff(first) <= 416 - overlap).all()


def test_tiles_can_be_traced_back(sample, data_root, capsys):
    root = sample('xview')
    assert xview2coco.main([]) == 0
    out = os.path.join(root, 'yolo_format_patch')
    labels = xview.read(os.path.join(root, 'xView_train.geojson'))
    parts = {part: COCO(os.path.join(out, f'xview_{part}_coco_format.json')) for part in ('train', 'val')}
    assert sum(len(coco.anns) for coco in parts.values()) >= sum(
        len(found.names) for name, found in labels.items() if name != '1395.tif') - 3
    stems = {part: {entry['file_name'].split('__')[0] for entry in coco.imgs.values()} for part, coco in parts.items()}
    assert len(stems['train']) == 2 and len(stems['val']) == 1 and not stems['train'] & stems['val']
    for part, coco in parts.items():
        for image in coco.imgs.values():
            stem, size, x, y = image['file_name'][:-4].replace('___', '__').split('__')
            tile = cv2.imread(os.path.join(out, part, 'images', image['file_name']))
            source = cv2.imread(os.path.join(root, 'train_images', stem + '.tif'))
            x, y = int(x), int(y)
            np.testing.assert_array_equal(tile, source[y:y + 416, x:x + 416])
            found = labels[stem + '.tif']
            for entry in coco.loadAnns(coco.getAnnIds(imgIds=image['id'])):
                box = np.array(entry['bbox']) + (x, y, 0, 0)
                box[2:] += box[:2]
                same = [index for index, name in enumerate(found.names)
                        if name == coco.cats[entry['category_id']]['name']
                        and (np.clip(found.boxes[index], (x, y, x, y), (x + 416, y + 416) * 2) == box).all()]
                assert same
    assert xview2coco.main([]) == 0 and 'already' in capsys.readouterr().out


def test_a_killed_run_is_continued(sample, data_root):
    root = sample('xview')
    xview2coco.main([])
    out = os.path.join(root, 'yolo_format_patch')
    with open(os.path.join(out, 'xview_train_coco_format.json'), 'rb') as stream:
        before = stream.read()
    stamp = os.path.join(out, '.mtp-output.json')
    with open(stamp) as stream:
        text = stream.read()
    with open(stamp, 'w') as stream:
        stream.write(text.replace('"complete"', '"making"'))
    folder = os.path.join(out, 'train', 'images')
    kept, lost = sorted(os.listdir(folder))[:2]
    os.unlink(os.path.join(folder, lost))
    age = os.stat(os.path.join(folder, kept)).st_mtime_ns
    assert xview2coco.main([]) == 0
    assert os.stat(os.path.join(folder, kept)).st_mtime_ns == age and os.path.exists(os.path.join(folder, lost))
    with open(os.path.join(out, 'xview_train_coco_format.json'), 'rb') as stream:
        assert stream.read() == before


def test_published_quirks_by_option(sample, data_root, tmp_path_factory):
    root = sample('xview')
    out = str(tmp_path_factory.mktemp('quirks') / 'x')
    xview2coco.main(['--out', out, '--clip', 'published', '--names', 'published', '--id-base', '0', '--export-yolo',
                     '--split', '2', '--seed', '5'])
    with open(os.path.join(out, 'xview_train_coco_format.json')) as stream:
        value = json.load(stream)
    assert value['annotations'][0]['id'] == 0
    assert max(entry['bbox'][0] + entry['bbox'][2] for entry in value['annotations']) <= 415.5
    stems = [entry['file_name'].split('_')[0] for entry in value['images']]
    assert value['images'][stems.index(stems[-1])]['file_name'] == stems[-1] + '_0.png'
    assert len(os.listdir(os.path.join(out, 'train', 'labels'))) == len(value['images'])
    assert os.path.isdir(os.path.join(root, 'train_images'))


def test_small_images_are_padded_and_boxes_keep_their_size(data_root):
    folder = data_root / 'xview' / 'train_images'
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / '7.tif'), np.zeros((100, 200, 3), np.uint8))
    (folder / '._7.tif').write_bytes(b'macOS')
    feature = {'properties': {'image_id': '7.tif', 'type_id': 18, 'bounds_imcoords': '10,20,30,50'}}
    (data_root / 'xview' / 'xView_train.geojson').write_text(
        json.dumps({'type': 'FeatureCollection', 'features': [feature]}))
    assert xview2coco.main(['--split', '1']) == 0
    out = data_root / 'xview' / 'yolo_format_patch'
    tile = cv2.imread(str(out / 'train' / 'images' / '7__416__0___0.png'))
    assert tile.shape == (416, 416, 3) and (tile[:100, :200] == 0).all() and (tile[100:] == 128).all()
    entry = json.loads((out / 'xview_train_coco_format.json').read_text())['annotations'][0]
    assert entry['bbox'] == [10, 20, 20, 30] and entry['area'] == 600


@pytest.mark.parametrize('arguments', [['--min-overlap', '416'], ['--split', '99'], ['--geojson', 'nowhere']])
def test_senseless_options(sample, data_root, arguments):
    sample('xview')
    with pytest.raises(MTPError):
        xview2coco.main(arguments)


@pytest.mark.parametrize('arguments', [['--tile', '0'], ['--pad-value', '256'], ['--split', '0']])
def test_senseless_numbers(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        xview2coco.main(arguments)
    assert left.value.code == 2 and 'a whole number ' in capsys.readouterr().err
