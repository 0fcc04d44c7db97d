"""``python -m mtp.browse`` on tests of data of one's own: nothing of them stands in the catalogue."""
import json
import os

import cv2
import numpy as np
import pytest

from mtp import errors, files, sealed
from mtp.browse import __main__ as command
from mtp.browse import runs, verdicts
from mtp.data import scene_table
from mtp.errors import MTPError
from mtp.report import passport
from mtp.tiles import shards
from tests.browse import drawn

CLASSES = ('kiosk', 'tent')  # of no data set of the catalogue
OWN = 'work_dirs/own/{}/data/'


@pytest.fixture()
def home(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_WORK_ROOT', str(tmp_path))
    return tmp_path


def left(home, name, dataset, classes=CLASSES, evaluator=None):
    """The folder of a test with the passport that it leaves; its data lie where the config says."""
    run = home / 'own' / name
    folder = run / 'train' / 'predict'
    folder.mkdir(parents=True)
    config = dict(test_dataloader=dict(dataset=dict(
        dataset, data_root=OWN.format(name), metainfo=dict(classes=list(classes)))), test_evaluator=evaluator or {})
    passport.Passport(str(folder / 'passport-test.json'), 'test', config, {}, 0, 1)
    return str(run), str(folder), str(run / 'data')


def collection(run, **named):
    found, = runs.find(run, runs.Named(**named))
    return found


def test_rotated_boxes_beside_the_labels_of_their_tiles(home, capsys):
    run, folder, data = left(home, 'camp', dict(
        type='DOTADataset', ann_file='val/annfiles/', data_prefix=dict(img_path='val/images/')))
    drawn.picture(data + '/val/images/a__96__0___0.png')
    drawn.write(data + '/val/annfiles/a__96__0___0.txt', ''.join(
        '{} {} 0\n'.format(' '.join(map(str, drawn.corners(*middle))), kind)
        for kind, middle in (('kiosk', (100, 100)), ('tent', (300, 300)))))
    with shards.ShardWriter(folder + '/shards-1', 0, 1, CLASSES, 'x') as writer:
        writer.append('a__96__0___0', np.array([[100, 100, 40, 20, 0], [500, 500, 40, 20, 0]], np.float32),
                      np.array([0.9, 0.6], np.float32), np.array([0, 1]))
    assert command.main([run, '--jobs', '1']) == errors.OK
    assert 'camp: 1 images, 2 detections, truth of 1 images, 2 objects' in capsys.readouterr().out
    boxes = collection(run).boxes
    assert boxes.truth.label.tolist() == [0, 1] and boxes.truth.polygon[0].tolist() == drawn.corners(100, 100)
    assert sorted(boxes.found.label.tolist()) == [0, 1]


def test_upright_boxes_of_a_coco_file(home):
    run, folder, data = left(home, 'camp', dict(
        type='CocoDataset', ann_file='val.json', data_prefix=dict(img='val/images/')))
    drawn.picture(data + '/val/images/a.png')
    files.write_json(data + '/val.json', dict(
        images=[dict(id=7, file_name='a.png', width=drawn.SIDE, height=drawn.SIDE)],
        categories=[dict(id=number, name=name) for number, name in enumerate(CLASSES)],
        annotations=[dict(id=1, image_id=7, category_id=1, bbox=[10, 20, 30, 40], iscrowd=0)]))
    files.write_json(folder + '/detections.bbox.json', [dict(image_id=7, category_id=1, bbox=[11, 20, 30, 40],
                                                      score=0.8)])
    shown = collection(run)
    assert shown.classes == CLASSES and shown.boxes.found.score.tolist() == [0.8]
    assert shown.boxes.truth.polygon.tolist() == [[10, 20, 40, 20, 40, 60, 10, 60]]


@pytest.mark.parametrize('classes, prefix', [
    (('background', 'field'), dict(img_path='val/images', seg_map_path='val/labels')),
    (('unchanged', 'changed'), dict(img_path_from='val/A', img_path_to='val/B', seg_map_path='val/label'))])
def test_masks(home, classes, prefix):
    run, folder, data = left(home, 'land', dict(data_prefix=prefix), classes)
    for key, path in prefix.items():
        os.makedirs(os.path.join(data, path))
        if key != 'seg_map_path':
            drawn.picture(os.path.join(data, path, 'a.png'), 60)
    os.makedirs(folder + '/masks')
    for path in (os.path.join(data, prefix['seg_map_path']), folder + '/masks'):
        cv2.imwrite(path + '/a.png', np.eye(60, dtype=np.uint8))
    shown = collection(run)
    assert shown.masks.truth == {'a': os.path.join(data, prefix['seg_map_path'], 'a.png')}
    assert list(shown.masks.found) == ['a'] and shown.masks.background == 0
    assert list(shown.later) == (['a'] if 'img_path_to' in prefix else [])


def scenes(home, classes=CLASSES, root='work_dirs/own/scenes/data/val/images/'):
    """What a test of classification leaves: one image right, one wrong, one of which no truth is known."""
    run, folder, data = left(home, 'scenes', dict(ann_file='val.txt', data_prefix=''), classes)
    for name in ('kiosk-1', 'kiosk-2', 'tent-1'):
        drawn.picture(f'{data}/val/images/{name}.png', 64)
    scene_table.write(folder + '/scenes.csv', classes, [
        scene_table.Scene(f'{root}{name}.png', (0, 0, 64, 64), np.array(scores), truth) for name, scores, truth in (
            ('kiosk-1', (.9, .1), 0), ('kiosk-2', (.3, .7), 0), ('tent-1', (.4, .6), -1))], True)
    return run, data


def test_classes_of_scenes_beside_what_is_true(home, capsys):
    run, data = scenes(home)
    assert command.main([run, '--jobs', '1']) == errors.OK
    assert 'scenes: 3 images, 3 detections, truth of 2 images, 2 objects' in capsys.readouterr().out
    shown = collection(run)
    assert list(shown.images.values()) == [f'{data}/val/images/{name}.png' for name in ('kiosk-1', 'kiosk-2', 'tent-1')]
    said = verdicts.judge(shown.boxes.found, shown.boxes.truth, shown.boxes.known, shown.boxes.mode)
    assert [verdicts.CODES[code] for code in said.code] == ['hit', 'wrong_class', 'unjudged']
    assert said.hit_by.tolist() == [0, -1] and said.iou[0] == 1


def test_scenes_whose_images_lie_elsewhere_now(home):
    run, data = scenes(home)
    os.makedirs(str(home / 'elsewhere' / 'images'))
    os.rename(data + '/val/images', str(home / 'gone'))
    with pytest.raises(MTPError, match='scenes.csv: 3 of 3 images are not there, for example .*kiosk-1.png') as told:
        collection(run)
    assert told.value.hint == "ARGS='--images FOLDER' with the folder of the images"
    os.rmdir(str(home / 'elsewhere' / 'images'))
    os.rename(str(home / 'gone'), str(home / 'elsewhere' / 'images'))
    for folder in ('elsewhere', 'elsewhere/images'):
        assert all(os.path.isfile(path) for path in collection(run, images=str(home / folder)).images.values())


def test_scenes_of_one_name_in_two_folders_are_two(home):
    run, data = scenes(home)
    folder = run + '/train/predict'
    files = [f'work_dirs/own/scenes/data/{kind}/1.png' for kind in CLASSES]
    for kind in CLASSES:
        drawn.picture(f'{data}/{kind}/1.png', 64)
    scene_table.write(folder + '/scenes.csv', CLASSES, [
        scene_table.Scene(file, (0, 0, 64, 64), np.array((.9, .1)), truth) for truth, file in enumerate(files)], True)
    assert list(collection(run).images) == ['kiosk/1.png', 'tent/1.png']


@pytest.mark.parametrize('line', ['a.png,0,0,64,64,shed,.5,,.5,.5', 'a.png,0,0,64,64,kiosk,nan,,nan,nan', 'a.png,0,0'])
def test_a_table_of_scenes_that_is_none(home, line):
    run, _ = scenes(home)
    drawn.write(run + '/train/predict/scenes.csv',
                'image,x,y,width,height,class,score,truth,score_kiosk,score_tent\n' + line + '\n')
    with pytest.raises(MTPError, match='scenes.csv is no table of scenes: '):
        collection(run)


def test_images_that_have_gone_are_named_and_can_be_given(home):
    run, folder, data = left(home, 'land', dict(data_prefix=dict(img_path='val/images', seg_map_path='val/labels')))
    os.makedirs(folder + '/masks')
    cv2.imwrite(folder + '/masks/a.png', np.zeros((60, 60), np.uint8))
    with pytest.raises(MTPError, match=f'no folder {data}/val/images'):
        collection(run)
    drawn.picture(str(home / 'elsewhere' / 'a.png'), 60)
    shown = collection(run, images=str(home / 'elsewhere'))
    assert list(shown.images) == ['a'] and shown.masks.truth == {}


@pytest.mark.parametrize('change', [
    dict(test_dataloader=7), dict(test_dataloader=dict(dataset=[1])), dict(test_dataloader=dict(dataset=dict(
        data_root=3, metainfo=dict(classes='kiosk')))), dict(test_dataloader=dict(dataset=dict(
            data_root='work_dirs/own/x/data/', metainfo=dict(classes=[1, 2]), data_prefix='img')))])
def test_a_passport_with_other_things_in_it_is_no_traceback(home, change):
    run, folder, _ = left(home, 'land', dict(data_prefix=dict(img_path='val/images')))
    path = folder + '/passport-test.json'
    with open(path, encoding='utf-8') as stream:
        said = json.load(stream)
    files.write_json(path, sealed.seal(dict(said, config=change)))
    with pytest.raises(MTPError, match='holds no results'):
        runs.find(run)


def test_a_run_without_results_asks_for_no_images(home):
    run, folder, _ = left(home, 'land', dict(data_prefix=dict(img_path='val/images', seg_map_path='val/labels')))
    drawn.write(folder + '/show/a.txt', '')
    with pytest.raises(MTPError, match='holds no results'):
        runs.find(run)
