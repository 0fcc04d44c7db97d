"""Every layout gives the same objects of the same drawn images."""
import json
import os
import shutil

import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.own import examine, folder, layouts, tables
from mtp.own.records import Asked
from tests.own import drawn

EXACT = {'dota': 0.01, 'yolo-obb': 0.01, 'coco': 0.01, 'geojson': 0.01, 'geopackage': 1e-6}


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    top = tmp_path_factory.mktemp('drawn')
    for name, (writer, _) in drawn.ALL.items():
        writer(str(top / name), count=5)
    return top


def examined(root, task, layout='', **asked):
    return examine.examine(str(root), Asked(task, problems=[], **asked), layout)


@pytest.mark.parametrize('name, task', [(name, task) for name, (_, tasks) in drawn.ALL.items() for task in tasks])
def test_every_layout_is_recognised_with_its_classes_and_images(written, name, task):
    plan = examined(written / name, task)
    assert plan.layout.name == {'geojson': 'vector', 'geopackage': 'vector'}.get(name, name)
    wanted = {'change': ('unchanged', 'changed'), 'segmentation': ('background',) + drawn.CLASSES}
    assert plan.classes.names == wanted.get(task, drawn.CLASSES)
    count = 4 if name == 'classes' else 5
    assert len(plan.records) == count and plan.count('train') + plan.count('val') == count and plan.count('val')
    assert not plan.notes, plan.notes


@pytest.mark.parametrize('name', EXACT)
def test_corners_are_those_that_were_drawn(written, name):
    records = {folder.stem(record.image): record for record in examined(written / name, 'rotated').records}
    for stem, _, objects in drawn.scenes(5):
        assert [shape.name for shape in records[stem].shapes] == [drawn.CLASSES[kind] for kind, _ in objects]
        for shape, (_, corners) in zip(records[stem].shapes, objects):
            assert np.abs(shape.rings[0] - corners).max() < EXACT[name]


@pytest.mark.parametrize('name', ['yolo', 'voc', 'coco'])
def test_bounds_are_those_that_were_drawn(written, name):
    records = {folder.stem(record.image): record for record in examined(written / name, 'horizontal').records}
    for stem, pixels, objects in drawn.scenes(5):
        for shape, (_, corners) in zip(records[stem].shapes, objects):
            wanted = drawn.bounds(corners).clip(0, len(pixels)) if name == 'yolo' else drawn.bounds(corners)
            assert np.abs(shape.bounds() - wanted).max() < 0.06


def test_corners_of_dior_r_are_read(tmp_path):
    drawn.voc(str(tmp_path), rotated=True, count=5)
    for record, (_, _, objects) in zip(sorted(examined(tmp_path, 'rotated').records), drawn.scenes(5)):
        assert np.abs(record.shapes[0].rings[0] - objects[0][1]).max() < 0.06


def test_a_mixture_of_layouts_is_named_and_the_one_asked_for_is_read(tmp_path, written):
    shutil.copytree(str(written / 'dota'), str(tmp_path / 'both'))
    shutil.copytree(str(written / 'voc' / 'Annotations'), str(tmp_path / 'both' / 'Annotations'))
    with pytest.raises(MTPError, match='mixes two layouts.*DOTA text.*Pascal VOC') as error:
        examined(tmp_path / 'both', 'rotated')
    assert 'LAYOUT=dota or LAYOUT=voc' in error.value.hint
    assert examined(tmp_path / 'both', 'rotated', 'dota').layout.name == 'dota'


def test_a_task_that_a_layout_does_not_serve_is_refused_with_those_it_does(written):
    with pytest.raises(MTPError, match='YOLO text.*from which rotated cannot be learnt') as error:
        examined(written / 'yolo', 'rotated')
    assert error.value.hint.startswith('TASK=horizontal')


def test_a_folder_of_something_else_is_told(tmp_path):
    (tmp_path / 'notes.odt').write_text('x')
    with pytest.raises(MTPError, match='no layout that is known.*1 files'):
        examined(tmp_path, 'rotated')


@pytest.mark.parametrize('name, text, wanted', [
    ('classes.txt', 'plane\nsmall ship\n', ('plane', 'small ship')),
    ('classes.txt', '0 plane\n1 ship\n', drawn.CLASSES),
    ('classes.csv', 'number,name\n0,plane\n1,ship\n', drawn.CLASSES),
    ('class_dict.csv', 'name,r,g,b\nplane,255,0,0\nship,0,0,255\n', drawn.CLASSES),
    ('classes.json', '["plane", "ship"]', drawn.CLASSES),
    ('classes.json', '{"1": "ship", "0": "plane"}', drawn.CLASSES),
    ('data.yaml', 'nc: 2\nnames: ["plane", \'ship\']\n', drawn.CLASSES),
    ('data.yaml', 'names:\n  - plane\n  - ship # big\n', drawn.CLASSES),
    ('data.yaml', 'names:\n  0: plane\n  1: ship\nnc: 2\n', drawn.CLASSES)])
def test_tables_of_classes(tmp_path, name, text, wanted):
    (tmp_path / name).write_text(text)
    assert tables.find(folder.look(tmp_path)).classes == wanted


def test_colours_of_a_table(tmp_path):
    (tmp_path / 'class_dict.csv').write_text('name,r,g,b\nplane,255,0,0\nship,0,0,255\n')
    assert tables.find(folder.look(tmp_path)).colours == ((255, 0, 0), (0, 0, 255))


def test_the_order_of_classes_is_that_of_the_table_and_not_of_a_listing(tmp_path):
    drawn.yolo_obb(str(tmp_path), count=5)
    with open(os.path.join(str(tmp_path), 'data.yaml'), 'w') as stream:
        stream.write('names: [zebra, ant]\n')
    assert examined(tmp_path, 'rotated').classes.names == ('zebra', 'ant')


def test_ids_of_categories_decide_and_not_their_order_in_the_file(tmp_path):
    drawn.coco(str(tmp_path), count=5)
    path = tmp_path / 'annotations' / 'instances.json'
    content = json.loads(path.read_text())
    content['categories'].reverse()
    path.write_text(json.dumps(content))
    assert examined(tmp_path, 'horizontal').classes.names == drawn.CLASSES


def test_every_layout_has_a_name_a_task_and_words(written):
    assert len(set(layouts.names())) == len(layouts.LAYOUTS)
    assert all(layout.tasks and layout.title for layout in layouts.LAYOUTS)


def test_names_that_differ_in_the_form_of_their_letters_go_together(tmp_path):
    """macOS writes é as e and an accent; the labels may come from elsewhere."""
    composed, parted = 'caf\u00e9', 'cafe\u0301'
    matcher = folder.Matcher([f'images/{parted}.png'])
    assert matcher.find(f'labels/{composed}.txt') == f'images/{parted}.png'
    assert matcher.find('x', composed) == matcher.find('x', parted) == f'images/{parted}.png'
    (tmp_path / 'train.txt').write_text(composed + '.png\n', encoding='utf-8')
    (tmp_path / (parted + '.png')).write_bytes(b'')
    parts, _ = folder.listed_parts(folder.look(tmp_path))
    assert parts == {folder.stem(parted + '.png'): 'train'}
    both = folder.Matcher([f'{name}.png' for name in (composed, parted)])
    with pytest.raises(MTPError, match='differ in the form of their letters alone'):
        both.find(composed + '.txt')
