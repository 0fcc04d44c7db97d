"""``python -m mtp.own convert``: what is written is read again as it was, to a hundredth of a pixel."""
import json
import os

import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.own import __main__ as own
from mtp.own import convert, layouts
from mtp.own import folder as folders
from mtp.own.records import Asked
from tests.own import drawn

pytest.importorskip('rasterio')
SOURCES = ('dota', 'yolo-obb', 'yolo', 'coco', 'voc', 'geojson', 'geopackage')
CLOSE = 0.01


def objects(root, layout=''):
    """{stem of an image: (part, [(class, rings, difficult)])}."""
    folder = folders.look(str(root))
    chosen, files = layouts.choose(folder, '', layout)
    found = chosen.read(folder, files, Asked('rotated' if 'rotated' in chosen.tasks else 'horizontal', (), False, []))
    return {folders.stem(record.image): (record.part, [(shape.name, shape.rings, shape.difficult)
                                                       for shape in record.shapes]) for record in found.records}


def bounds(rings):
    points = np.concatenate(rings)
    return np.concatenate([points.min(0), points.max(0)])


def converted(tmp_path, source, target):
    """What was drawn in one layout, and what is read after it was converted to another."""
    drawn.ALL[source][0](str(tmp_path / 'from'), count=3)
    assert own.main(['convert', str(tmp_path / 'from'), '--to', target, str(tmp_path / 'to')]) == 0
    return objects(tmp_path / 'from'), objects(tmp_path / 'to')


@pytest.mark.parametrize('target', convert.targets())
@pytest.mark.parametrize('source', SOURCES)
def test_there_and_read_again(tmp_path, source, target):
    if target == 'vector' and not source.startswith('geo'):
        pytest.skip('images without a place on the ground')
    before, after = converted(tmp_path, source, target)
    assert set(before) == set(after) and len(before) == 3
    for stem, (part, shapes) in before.items():
        assert after[stem][0] == part
        assert [name for name, _, _ in shapes] == [name for name, _, _ in after[stem][1]]
        for (_, rings, _), (_, again, _) in zip(shapes, after[stem][1]):
            upright = target == 'yolo'
            expected, found = (np.concatenate([bounds(each)]) if upright else np.concatenate(each) for each in (
                rings, again))
            clip = (lambda points: np.clip(points, 0, drawn.SIDE)) if target.startswith('yolo') else np.asarray
            assert np.abs(clip(expected) - found).max() < CLOSE, (stem, expected, found)


def test_difficulty_parts_and_several_rings_are_kept(tmp_path):
    drawn.yolo(str(tmp_path / 'yolo'), count=5)
    own.main(['convert', str(tmp_path / 'yolo'), '--to', 'dota', str(tmp_path / 'dota')])
    path = tmp_path / 'dota' / 'train' / 'labelTxt' / 'scene_1.txt'
    path.write_text(path.read_text().replace(' 0\n', ' 1\n'))
    for target in ('voc', 'coco'):
        own.main(['convert', str(tmp_path / 'dota'), '--to', target, str(tmp_path / target)])
        found = objects(tmp_path / target)
        assert [found[f'scene_{number}'][0] for number in range(5)] == ['train'] * 4 + ['val']
        assert {each[2] for each in found['scene_1'][1]} == {1} and {each[2] for each in found['scene_2'][1]} == {0}
    content = json.loads((tmp_path / 'coco' / 'annotations' / 'train.json').read_text())
    hole = [[10, 10, 60, 10, 60, 60, 10, 60], [20, 20, 30, 20, 30, 30, 20, 30]]
    content['annotations'][0]['segmentation'] = hole
    (tmp_path / 'coco' / 'annotations' / 'train.json').write_text(json.dumps(content))
    own.main(['convert', str(tmp_path / 'coco'), '--to', 'coco', str(tmp_path / 'again')])
    again = json.loads((tmp_path / 'again' / 'annotations' / 'train.json').read_text())['annotations'][0]
    assert again['segmentation'] == hole and again['area'] == 50 * 50 - 10 * 10
    with pytest.raises(MTPError, match='has 2 outlines, and a line of YOLO holds one') as told:
        own.main(['convert', str(tmp_path / 'coco'), '--to', 'yolo-seg', str(tmp_path / 'seg')])
    assert told.value.hint.startswith('--to coco')


def test_images_are_the_same_files_and_a_second_call_does_nothing(tmp_path, capsys):
    drawn.dota(str(tmp_path / 'from'), count=2)
    words = ['convert', str(tmp_path / 'from'), '--to', 'yolo-obb', str(tmp_path / 'to')]
    own.main(words)
    assert 'to: 6 objects in 2 images, from DOTA text' in capsys.readouterr().out
    assert (tmp_path / 'to' / 'data.yaml').read_text() == 'train: images\nnc: 2\nnames:\n  0: plane\n  1: ship\n'
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / 'to').rglob('*') if path.is_file()}
    assert os.path.samefile(str(tmp_path / 'from/images/scene_0.png'), str(tmp_path / 'to/images/scene_0.png'))
    own.main(words)
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / 'to').rglob('*') if path.is_file()}
    (tmp_path / 'from' / 'labelTxt' / 'scene_0.txt').write_text('1 1 9 1 9 9 1 9 plane 0\n')
    with pytest.raises(MTPError, match='was made from other files'):
        own.main(words)


def test_what_reaches_over_the_border_is_said(tmp_path, capsys):
    drawn.dota(str(tmp_path / 'from'), count=2)
    (tmp_path / 'from' / 'labelTxt' / 'scene_0.txt').write_text('-9 1 9 1 9 9 -9 9 plane 0\n')
    own.main(['convert', str(tmp_path / 'from'), '--to', 'yolo', str(tmp_path / 'to')])
    assert '1 objects reach over the border of their image, where YOLO has no numbers: they are cut' in \
        capsys.readouterr().out


@pytest.mark.parametrize('source, target, out, said', [
    ('masks', 'dota', 'to', 'images and masks holds no objects'), ('dota', 'vector', 'to', 'is no GeoTIFF'),
    ('dota', 'yolo', 'from/to', 'lies in .*from, which is read')])
def test_what_cannot_be_written(tmp_path, source, target, out, said):
    drawn.ALL[source][0](str(tmp_path / 'from'), count=2)
    with pytest.raises(MTPError, match=said) as told:
        own.main(['convert', str(tmp_path / 'from'), '--to', target, str(tmp_path / out)])
    assert told.value.hint and not list((tmp_path / 'to').rglob('*.txt'))


def test_every_layout_with_objects_can_be_written():
    assert set(convert.targets()) == {each.name for each in layouts.LAYOUTS if 'horizontal' in each.tasks}
