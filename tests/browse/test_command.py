"""``python -m mtp.browse``: what it finds, what it writes, that it goes on, and what it says where it cannot."""
import base64
import json
import os
import re

import cv2
import numpy as np
import pytest

from mtp import errors, files, ownership, sealed
from mtp.browse import __main__ as command
from mtp.browse import runs, site, tiles, verdicts
from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.files import sha256
from mtp.report import passport
from tests.browse import drawn

APP = os.path.dirname(site.__file__) + '/app'


@pytest.fixture(autouse=True)
def roots(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path / 'data'))


def browse(*words):
    assert command.main(list(map(str, words)) + ['--jobs', '1']) == errors.OK


def content(run):
    with open(os.path.join(str(run), 'browse', 'data', 'index.js'), encoding='utf-8') as stream:
        return json.loads(re.fullmatch(r'MTP\.index\((.*)\);\n', stream.read(), re.S).group(1))


def records(packed):
    return np.frombuffer(base64.b64decode(packed), np.uint8).reshape(-1, 4)


def test_a_submission_beside_its_truth(tmp_path, capsys):
    run = drawn.submission(str(tmp_path), ('a', 'b'))
    browse(run, '--dataset', 'dotav1')
    said = capsys.readouterr().out
    assert 'DOTA-v1.0: 2 images, 14 detections, truth of 1 images, 4 objects' in said
    assert f'page {run}/browse/index.html' in said
    collection, = content(run)['collections']
    first, second = collection['images']
    assert (first['name'], first['known'], second['known'], collection['judged']) == ('a', True, False, True)
    rows = records(first['found'])
    wanted = sorted(drawn.FOUND, key=lambda row: -row[3])
    assert [verdicts.CODES[code] for code in rows[:, 1]] == [row[4] for row in wanted]
    assert rows[:, 0].tolist() == [round(row[3] * 100) for row in wanted]
    assert records(first['truth'])[:, 0].tolist() == [90, 255, 40, 255]
    assert records(first['truth'])[:, 1].tolist() == [0, 0, 0, 1]
    assert set(records(second['found'])[:, 1]) == {verdicts.UNJUDGED}


def test_what_is_cut_stays_and_what_has_gone_goes(tmp_path):
    run = drawn.submission(str(tmp_path), ('a', 'b'))
    browse(run, '--dataset', 'dotav1')
    before = {path: os.stat(os.path.join(run, 'browse', path)).st_mtime_ns
              for path in ownership.tree(run + '/browse') if path.startswith('tiles')}
    drawn.picture(str(tmp_path / 'data/dotav1/test/images/b.png'), 300)
    browse(run, '--dataset', 'dotav1')
    after = ownership.tree(run + '/browse')
    first, second = (image['key'] for image in content(run)['collections'][0]['images'])
    kept = [path for path in before if path in after]
    assert {path.split('/')[1] for path in kept} == {first} and len(kept) < len(before)
    assert all(os.stat(os.path.join(run, 'browse', path)).st_mtime_ns == before[path] for path in kept)
    assert content(run)['collections'][0]['images'][1]['width'] == 300
    assert {path.split('/')[1] for path in after if path.startswith('tiles')} == {first, second}


def test_a_killed_one_goes_on(tmp_path, monkeypatch):
    run, cut = drawn.submission(str(tmp_path), ('a', 'b')), tiles.cut
    names = []

    def dies(task, out):
        names.append(os.path.basename(task.path))
        if len(names) == 2:
            raise KeyboardInterrupt
        return cut(task, out)

    monkeypatch.setattr(tiles, 'cut', dies)
    with pytest.raises(KeyboardInterrupt):
        browse(run, '--dataset', 'dotav1')
    assert not os.path.exists(run + '/browse/index.html')
    done = {path: os.stat(os.path.join(run, 'browse', path)).st_mtime_ns for path in ownership.tree(run + '/browse')
            if path.endswith('.jpg')}
    monkeypatch.setattr(tiles, 'cut', cut)
    browse(run, '--dataset', 'dotav1')
    assert done and all(os.stat(os.path.join(run, 'browse', path)).st_mtime_ns == when for path, when in done.items())


def test_a_prediction_knows_where_its_images_are(tmp_path):
    run = drawn.prediction(str(tmp_path))
    browse(run)
    collection, = content(run)['collections']
    assert collection['classes'] == ['plane', 'ship'] and not collection['judged']
    assert records(collection['images'][0]['found']).tolist() == [[75, 0, 1, 0]]


def test_a_prediction_is_judged_by_a_coco_file(tmp_path):
    run = drawn.prediction(str(tmp_path))
    drawn.write(str(tmp_path / 'truth.json'), json.dumps(dict(
        images=[dict(id=7, file_name='a.png')], categories=[dict(id=3, name='ship')],
        annotations=[dict(id=1, image_id=7, category_id=3, bbox=[40, 60, 40, 20])])))
    browse(run, '--truth', tmp_path / 'truth.json')
    image, = content(run)['collections'][0]['images']
    assert records(image['found'])[0, 1] == verdicts.HIT and records(image['truth'])[0, 0] == 75


def test_a_map_and_a_table_of_scenes(tmp_path):
    run = drawn.prediction(str(tmp_path))
    os.remove(run + '/coco.json')
    mark = ownership.read(run)
    ownership.put(run, dict(mark, classes={'background': [0, 0, 0], 'road': [255, 0, 0]}))
    classes = np.zeros((drawn.SIDE, drawn.SIDE), np.uint8)
    classes[:10], classes[10:20] = 1, 255
    cv2.imwrite(run + '/a.tif', classes)
    browse(run)
    collection, = content(run)['collections']
    assert collection['classes'] == ['background', 'road'] and collection['background'] == 0
    assert sorted(collection['images'][0]['pixels']) == [
        [0, 0, 10 * drawn.SIDE], [1, 0, (drawn.SIDE - 20) * drawn.SIDE], [2, 0, 10 * drawn.SIDE]]
    drawn.write(run + '/scenes.csv', 'image,x,y,width,height,class,score\na.png,0,0,64,64,road,0.75\n')
    os.remove(run + '/a.tif')
    browse(run)
    collection, = content(run)['collections']
    assert records(collection['images'][0]['found']).tolist() == [[75, 0, 1, 0]]


def test_several_results_below_one_folder(tmp_path):
    first, second = (drawn.prediction(str(tmp_path / name)) for name in ('one', 'two'))
    drawn.picture(str(tmp_path / 'preview/sota_1.png'), 40)
    found = runs.find(str(tmp_path))
    assert [each.title for each in found] == ['prediction (one/predict)', 'prediction (two/predict)', 'pretraining']
    assert found[0].in_words() == 'prediction (one/predict): 1 images, 1 detections, no truth, so no verdicts'


def test_a_preview_of_pretraining_has_masks_and_boxes_as_layers(tmp_path):
    place = str(tmp_path / 'preview' / 'layers' / 'sota')
    side = 64
    drawn.picture(place + '/images/sota_1.png', side)
    for title, first in (('ss', 3), ('ss_truth', 4)):  # in files class k has the number k + 1
        os.makedirs(os.path.join(place, title))
        mask = np.zeros((side, side), np.uint8)
        mask[:10], mask[10:20] = first, 1
        cv2.imwrite(os.path.join(place, title, 'sota_1.png'), mask)
    names = catalogue.get('sota').classes
    head = dict(images=[dict(id=1, file_name='sota_1.png', width=side, height=side)],
                categories=[dict(id=number, name=name) for number, name in enumerate(names)])
    box = dict(id=1, image_id=1, category_id=2, bbox=[2, 3, 20, 10])
    for title, rows in (('rd', [dict(box, score=0.5), dict(box, category_id=5, bbox=[40, 40, 9, 9], score=0.75)]),
                        ('rd_truth', [box])):
        drawn.write(os.path.join(place, title + '.json'), json.dumps(dict(head, annotations=rows)))
    found = runs.find(str(tmp_path))
    assert [each.title for each in found] == ['pretraining, sota: classes', 'pretraining, sota: rotated boxes']
    browse(str(tmp_path))
    masks, boxes = content(tmp_path)['collections']
    assert masks['judged'] and sorted(masks['images'][0]['pixels']) == [
        [0, 0, (side - 20) * side], [1, 1, 10 * side], [3, 4, 10 * side]]
    # best first: nothing is there, and a hit
    assert [[percent, boxes['codes'][code], label] for percent, code, label, _ in records(
        boxes['images'][0]['found']).tolist()] == [[75, 'background', 5], [50, 'hit', 2]]


def test_the_passport_of_a_test_says_what_and_where(tmp_path, monkeypatch):
    run = drawn.submission(str(tmp_path))
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path / 'elsewhere'))  # where no data lie: the passport knows better
    passport.Passport(run + '/passport-test.json', 'test', {'submission': 'dotav1'}, {}, 0, 1)
    said = passport.read(run + '/passport-test.json')
    files.write_json(run + '/passport-test.json', sealed.seal(dict(said, roots=dict(said['roots'], data='../data'))))
    collection, = runs.find(run)
    assert os.path.samefile(collection.images['a'], str(tmp_path / 'data/dotav1/test/images/a.png'))
    assert collection.boxes.known.tolist() == [True]


def test_masks_and_their_truth(tmp_path):
    run = drawn.masks(str(tmp_path))
    browse(run, '--dataset', 'whu')
    collection, = content(run)['collections']
    image, = collection['images']
    assert collection['kind'] == 'masks' and collection['background'] == 0
    assert sorted(map(tuple, image['pixels'])) == [(1, 1, 600 * 600 - 300 * 300 - 400), (1, 2, 45000), (2, 1, 400),
                                                   (2, 2, 45000)]
    assert image['regions'] == [[150, 0, 150, 300, 45000, 1, 2], [400, 400, 20, 20, 400, 2, 1]]
    assert os.path.isfile('{}/browse/masks/{}/10/1_1.js'.format(run, image['key']))


def test_what_cannot_be_shown(tmp_path):
    with pytest.raises(MTPError, match='there is no folder'):
        runs.find(str(tmp_path / 'none'))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(MTPError, match='holds no results to walk through'):
        runs.find(str(tmp_path / 'empty'))
    run = drawn.submission(str(tmp_path))
    with pytest.raises(MTPError, match='nothing says of which data set'):
        runs.find(run)
    with pytest.raises(MTPError, match='images of .* are not there: no folder .*/nowhere'):
        runs.find(run, runs.Named(images=str(tmp_path / 'nowhere'), dataset='dotav1'))
    drawn.write(run + '/submit/Task1_plane.txt', 'other 0.5 1 1 2 1 2 2 1 2\n')
    with pytest.raises(MTPError, match='for example other'):
        runs.find(run, runs.Named(dataset='dotav1'))


def test_a_folder_of_others_is_left_alone(tmp_path):
    run = drawn.submission(str(tmp_path))
    drawn.write(run + '/browse/thesis.txt', 'years of work')
    with pytest.raises(MTPError, match='was not made by browse'):
        browse(run, '--dataset', 'dotav1')


def test_too_small_a_disk_is_said_before_anything_is_cut(tmp_path, monkeypatch):
    run = drawn.submission(str(tmp_path))
    monkeypatch.setattr(command.shutil, 'disk_usage', lambda _: type('Usage', (), dict(free=1000)))
    with pytest.raises(MTPError, match='has 0.0 GiB left'):
        browse(run, '--dataset', 'dotav1')


def test_the_viewer_is_the_published_one():
    with open(APP + '/vendor.json', encoding='utf-8') as stream:
        said = json.load(stream)['openseadragon']
    for name, entry in said['files'].items():
        assert sha256(os.path.join(APP, name)) == entry['sha256'], name
    with open(os.path.join(os.path.dirname(APP), '..', '..', 'NOTICE'), encoding='utf-8') as stream:
        assert 'OpenSeadragon ' + said['version'] in stream.read()


def test_every_script_of_ours_is_loaded_and_every_text_said_in_both_languages():
    ours = {name for name in os.listdir(APP) if name.endswith('.js')}
    assert ours == set(site.SCRIPTS)
    with open(APP + '/texts.js', encoding='utf-8') as stream:
        text = stream.read()
    english, korean = (set(re.findall(r'^    (\w+):', part, re.M)) for part in text.split('  ko: {'))
    assert english - {'en'} == korean and len(korean) > 40
