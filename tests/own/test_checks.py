"""What is wrong with data is a sentence with file, place and value, before anything is written."""
import json
import os
import shutil
import subprocess

import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.own import __main__ as own
from mtp.own import checks, cutting, examine
from mtp.own.records import Asked
from tests.own import drawn

rasterio = pytest.importorskip('rasterio')
pytestmark = pytest.mark.filterwarnings('ignore:Dataset has no geotransform')

STEM = 'scene_1'


def examined(root, task, **asked):
    return examine.examine(str(root), Asked(task, problems=[], **asked))


def change(*path):
    """A function that puts a text into a file, ``{}`` standing for what is there."""
    def changed(root, text):
        name = os.path.join(str(root), *path)
        with open(name) as stream:
            before = stream.read()
        with open(name, 'w') as stream:
            stream.write(text.replace('{}', before))
    return changed


DOTA = change('labelTxt', STEM + '.txt')
OBB = change('labels', STEM + '.txt')
FAULTS = [
    ('dota', 'rotated', DOTA, '{}1 2 3\n', r'scene_1.txt: line 5: 3 fields'),
    ('dota', 'rotated', DOTA, '{}1 1 9 1 9 9 1 x plane 0\n', r'scene_1.txt: line 5: field y4: .x. is not a number'),
    ('dota', 'rotated', DOTA, '{}500 500 520 500 520 520 500 520 ship 0\n',
     r'scene_1.txt: line 5: ship lies outside of its image of 96 x 96: 500, 500 to 520, 520'),
    ('dota', 'rotated', DOTA, '{}5 5 5 5 5 5 5 5 ship 0\n', r'scene_1.txt: line 5: ship has no area'),
    ('yolo-obb', 'rotated', OBB, '{}7 .1 .1 .2 .1 .2 .2 .1 .2\n',
     r'scene_1.txt: line 4: field class: 7 is a class that .*data.yaml does not know; it has 0 to 1'),
    ('yolo-obb', 'rotated', OBB, '{}1 .1 .1 12 .1 .2 .2 .1 .2\n', r'scene_1.txt: line 4: number 4 is 12; YOLO writes'),
    ('yolo-obb', 'rotated', OBB, '{}1 .1 .1 .2 .1\n', r'scene_1.txt: line 4: 5 fields'),
    ('yolo-obb', 'rotated', change('data.yaml'), 'names:\n  0: plane\n  2: ship\n',
     r'data.yaml: line 3: the class number is 2, and 1 is expected: the table has a hole'),
    ('yolo-obb', 'rotated', change('data.yaml'), 'nc: 3\nnames: [plane, ship]\n',
     r'data.yaml: line 1: nc is 3, and names has 2'),
    ('voc', 'horizontal', change('Annotations', STEM + '.xml'), '<annotation><object><name>ship</name></object>'
     '</annotation>', r'scene_1.xml: line 1: <object> has no box'),
    ('voc', 'horizontal', change('Annotations', STEM + '.xml'), '{}<', r'scene_1.xml: line .*not well-formed'),
    ('masks', 'segmentation', change('classes.txt'), 'background\nplane\n',
     r'scene_\d_mask.png: 2 at row \d+, column \d+: classes are numbered from 0 to 1'),
    ('masks', 'segmentation', change('classes.txt'), '0 background\n1 plane\n3 ship\n',
     r'classes.txt: line 3: .*a hole'),
    ('masks', 'segmentation', change('classes.txt'), 'background\n\nplane\nship\n\n',
     r'classes.txt: line 2 is empty, and its place is a class number: the table has a hole'),
    ('masks', 'segmentation', change('classes.txt'), 'background,0,0,0\nplane,30,20,10\nship,30,20,10\n',
     r"classes.txt: line 3: the colour 30, 20, 10 of 'ship' is that of 'plane' already"),
    ('masks', 'segmentation', change('classes.txt'), 'background,0,0,0\nplane,300,20,10\n',
     r"classes.txt: line 2: the colour of 'plane' is 300, 20, 10; red, green and blue go from 0 to 255"),
    ('masks', 'segmentation', change('classes.txt'), 'background,0,0,0\nplane,30,20\n',
     r"classes.txt: line 2: .* has no colour, and others have one"),
]


@pytest.mark.parametrize('name, task, where, text, message', FAULTS)
def test_a_fault_is_named(tmp_path, name, task, where, text, message):
    drawn.ALL[name][0](str(tmp_path), count=5)
    examined(tmp_path, task)
    where(tmp_path, text)
    with pytest.raises(MTPError, match=message) as error:
        examined(tmp_path, task)
    assert error.value.hint


def test_lenient_leaves_the_image_out_and_says_so(tmp_path):
    drawn.dota(str(tmp_path), count=6)
    DOTA(tmp_path, '{}500 500 520 500 520 520 500 520 ship 0\n')
    plan = examined(tmp_path, 'rotated', lenient=True)
    assert len(plan.records) == 5 and any('left out' in note and 'outside' in note for note in plan.notes)


def test_labels_of_no_class(tmp_path):
    drawn.dota(str(tmp_path), count=5)
    with pytest.raises(MTPError, match="scene_0.txt: line 3: the class 'ship' is none of plane") as error:
        examined(tmp_path, 'rotated', classes=('plane',))
    assert 'CLASSES=plane,ship' in error.value.hint


def test_images_without_labels_are_said_and_labels_without_images_refused(tmp_path):
    drawn.dota(str(tmp_path), count=6)
    os.unlink(str(tmp_path / 'labelTxt' / 'scene_2.txt'))
    assert '1 of 6 images have no labels and are left out: images/scene_2.png' in examined(tmp_path, 'rotated').notes
    os.unlink(str(tmp_path / 'images' / 'scene_3.png'))
    with pytest.raises(MTPError, match='labelTxt/scene_3.txt has no image'):
        examined(tmp_path, 'rotated')


def test_run_lengths_where_polygons_are_expected(tmp_path):
    drawn.coco(str(tmp_path), rle=True, count=5)
    with pytest.raises(MTPError, match=r'instances.json: annotation 0: its segmentation is run lengths \(RLE\)'):
        examined(tmp_path, 'segmentation')
    assert len(examined(tmp_path, 'horizontal').records) == 5


def test_a_box_of_no_numbers(tmp_path):
    drawn.coco(str(tmp_path), count=5)
    path = tmp_path / 'annotations' / 'instances.json'
    content = json.loads(path.read_text())
    content['annotations'][1]['bbox'] = [1, 1, float('nan'), 5]
    path.write_text(json.dumps(content))
    with pytest.raises(MTPError, match='instances.json: annotation 1: .* has no area: nan, 1 to nan, 6'):
        examined(tmp_path, 'horizontal')


def _reimage(root, name, values, **options):
    """Another image in the place of ``name``.png, as GeoTIFF unless ``suffix`` says otherwise."""
    suffix = options.pop('suffix', '.tif')
    os.unlink(str(root / (name + '.png')))
    driver = {'.tif': 'GTiff', '.jp2': 'JP2OpenJPEG'}[suffix]
    if suffix == '.jp2':
        options.update(quality='100', reversible='YES')
    with rasterio.open(str(root / (name + suffix)), 'w', driver=driver, count=len(values), height=values.shape[1],
                       width=values.shape[2], dtype=str(values.dtype), **options) as stream:
        stream.write(values)


def _with_nothing(values):
    values = values.astype(np.float32)
    values[:, :20, :20] = np.nan
    return values


@pytest.mark.parametrize('layout, task, name', [('dota', 'rotated', 'images/scene_1'), ('masks', 'segmentation',
                                                'images/scene_1'), ('pairs', 'change', 'after/scene_1')])
@pytest.mark.parametrize('change, options, note', [
    (lambda pixels: pixels[:1], {}, ''), (lambda pixels: pixels[:3], dict(suffix='.jp2'), ''),
    (lambda pixels: pixels[:2], {}, 'of its 2 bands 1 is taken for gray'),
    (lambda pixels: pixels, {}, 'of its 16 bands 1, 2, 3 are taken for red, green and blue'),
    (lambda pixels: _with_nothing(pixels[:3]), {}, 'float32 is stretched from the 0.5th to the 99.5th percentile')])
def test_rasters_of_every_kind_are_taken_and_what_is_done_to_them_is_said(tmp_path, layout, task, name, change, options,
                                                                          note):
    drawn.ALL[layout][0](str(tmp_path), count=5)
    pixels = np.repeat(np.moveaxis(drawn.scene(1)[0], -1, 0), 6, 0)[:16]
    _reimage(tmp_path, name, change(pixels), **options)
    plan = examined(tmp_path, task)
    assert len(plan.records) == 5
    said = [each for each in plan.notes if 'taken for' in each or 'stretched' in each]
    # of a pair the earlier image speaks for both
    assert [each.split('scene_1.tif: ')[-1] for each in said] == ([note] if note and task != 'change' else [])


@pytest.mark.parametrize('layout, task, name', [
    ('dota', 'rotated', 'images/scene_1.png'), ('masks', 'segmentation', 'masks/scene_1_mask.png'),
    ('pairs', 'change', 'after/scene_1.png'), ('classes', 'classification', 'ship/ship_1.jpg')])
def test_an_image_of_no_bytes_and_a_link_to_nothing(tmp_path, layout, task, name):
    drawn.ALL[layout][0](str(tmp_path), count=5)
    (tmp_path / name).write_bytes(b'')
    with pytest.raises(MTPError) as told:
        examined(tmp_path, task)
    assert told.value.args[0].endswith(name + ': it is empty (0 bytes)') and '\n' not in told.value.args[0]
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to('/nowhere/a.png')
    with pytest.raises(MTPError, match=name + ': it is a link to /nowhere/a.png, where there is nothing'):
        examined(tmp_path, task)


def test_names_with_blanks_in_korean_and_links(tmp_path):
    root = tmp_path / '내 데이터'
    drawn.dota(str(root), count=5)
    for folder, suffix in (('images', '.png'), ('labelTxt', '.txt')):
        (root / folder / ('scene_1' + suffix)).rename(root / folder / ('서울 항구' + suffix))
    (root / 'images').rename(tmp_path / 'elsewhere')
    (root / 'images').symlink_to(tmp_path / 'elsewhere')
    plan = examined(root, 'rotated')
    assert len(plan.records) == 5 and 'images/서울 항구.png' in plan.size
    own.main(['prepare', str(root), '--task', 'rotated', '--out', str(tmp_path / 'out'), '--jobs', '1'])
    made = [path.name for path in (tmp_path / 'out' / 'data').rglob('서울*')]
    assert sorted(name.rsplit('.')[-1] for name in made) == ['png', 'txt']


@pytest.mark.parametrize('system, shift, said', [('EPSG:32634', 0, 'their coordinate systems are EPSG:32633 and'),
                                                 ('EPSG:32633', 50, 'their corners are up to 50.00 pixels apart')])
def test_pairs_on_two_grids(tmp_path, system, shift, said):
    drawn.pairs(str(tmp_path), count=5)
    pixels = np.moveaxis(drawn.scene(1)[0], -1, 0)
    for folder, crs, x in (('before', 'EPSG:32633', 0), ('after', system, shift)):
        _reimage(tmp_path, folder + '/scene_1', pixels, crs=crs, transform=rasterio.Affine(1, 0, 5e5 + x, 0, -1, 4e6))
    with pytest.raises(MTPError, match='scene_1.tif do not lie on one grid: ' + said) as told:
        examined(tmp_path, 'change')
    assert told.value.hint.startswith("gdalwarp -t_srs 'EPSG:32633' -te 500000.0 3999904.0 500096.0 4000000.0 ")


def test_pairs_in_the_wrong_order_are_said(tmp_path):
    drawn.pairs(str(tmp_path), count=5)
    pixels = np.moveaxis(drawn.scene(1)[0], -1, 0)
    for folder, year in (('before', 2021), ('after', 2019)):
        _reimage(tmp_path, folder + '/scene_1', pixels)
        with rasterio.open(str(tmp_path / folder / 'scene_1.tif'), 'r+') as stream:
            stream.update_tags(TIFFTAG_DATETIME=f'{year}:06:01 12:00:00')
    assert any('the two dates may be exchanged' in note for note in examined(tmp_path, 'change').notes)


@pytest.mark.parametrize('text, said', [('배경\n비행기\n배\n'.encode('cp949'), 'line 1: not UTF-8 text'),
                                        (b'background\nplane\nplane\n', "line 3: 'plane' is class 1 already")])
def test_tables_that_cannot_be_read(tmp_path, text, said):
    drawn.masks(str(tmp_path), count=5)
    (tmp_path / 'classes.txt').write_bytes(text)
    with pytest.raises(MTPError, match='classes.txt: ' + said) as told:
        examined(tmp_path, 'segmentation')
    assert told.value.hint


def test_what_a_hint_says_mends_a_table_in_another_encoding(tmp_path):
    drawn.masks(str(tmp_path), count=5)
    (tmp_path / 'classes.txt').write_bytes('배경\n비행기\n배\n'.encode('cp949'))
    with pytest.raises(MTPError) as told:
        examined(tmp_path, 'segmentation')
    subprocess.check_call(told.value.hint.split(', where')[0], shell=True, cwd=str(tmp_path))
    assert examined(tmp_path, 'segmentation').classes.names == ('배경', '비행기', '배')


def test_a_mask_that_was_packed_as_jpeg(tmp_path):
    drawn.masks(str(tmp_path), suffix='.jpg', count=5)
    with pytest.raises(MTPError, match=r'mask.jpg: \d+ at row .* classes are numbered from 0 to 2') as told:
        examined(tmp_path, 'segmentation')
    assert told.value.hint == 'write it as PNG: packing as JPEG changes numbers'


@pytest.mark.parametrize('layout, name, task, said', [
    ('coco', 'annotations/instances.json', 'rotated', r'1 empty \(0 bytes\): annotations/instances.json'),
    ('geopackage', 'labels.gpkg', 'rotated', r'labels.gpkg is empty \(0 bytes\): no GeoPackage')])
def test_labels_of_no_bytes(tmp_path, layout, name, task, said):
    drawn.ALL[layout][0](str(tmp_path), count=5)
    (tmp_path / name).write_bytes(b'')
    with pytest.raises(MTPError, match=said):
        examined(tmp_path, task)


@pytest.mark.parametrize('other, said', [('coco', r"yolo .*coco"), ('voc', 'yolo .*voc')])
def test_two_layouts_in_one_folder(tmp_path, other, said):
    drawn.yolo(str(tmp_path), count=5)
    drawn.ALL[other][0](str(tmp_path / 'more'), count=5)
    with pytest.raises(MTPError, match='mixes two layouts: train/labels/scene_0.txt') as told:
        examined(tmp_path, 'horizontal')
    assert told.value.hint.startswith(f'LAYOUT=yolo or LAYOUT={other} ')


def test_a_folder_that_vanishes_leaves_nothing_half_written(tmp_path, monkeypatch):
    data, out, prepare = str(tmp_path / 'data'), str(tmp_path / 'out'), cutting.prepare
    drawn.dota(data, count=5)
    monkeypatch.setattr(cutting, 'prepare', lambda *words: (shutil.rmtree(data), prepare(*words))[1])
    with pytest.raises((MTPError, OSError), match='scene_'):
        own.main(['prepare', data, '--task', 'rotated', '--out', out, '--jobs', '1'])
    assert not (tmp_path / 'out' / 'config.py').exists() and not list(tmp_path.rglob('*.png'))


def test_an_image_on_both_sides(tmp_path):
    drawn.yolo(str(tmp_path), count=6)
    for place in ('images/scene_0.jpg', 'labels/scene_0.txt'):
        shutil.copy(str(tmp_path / 'train' / place), str(tmp_path / 'valid' / place.replace('scene_0', 'other')))
    with pytest.raises(MTPError, match='scene_0.jpg .train. and .*other.jpg .val. are the same image'):
        examined(tmp_path, 'horizontal')


def test_equal_images_stay_together_when_the_split_is_drawn(tmp_path):
    drawn.dota(str(tmp_path), count=8)
    for number in range(8):
        for folder, suffix in (('images', '.png'), ('labelTxt', '.txt')):
            shutil.copy(str(tmp_path / folder / f'scene_{number}{suffix}'),
                        str(tmp_path / folder / f'copy_{number}{suffix}'))
    plan = examined(tmp_path, 'rotated')
    part = {record.image: record.part for record in plan.records}
    assert len(part) == 16 and all(part['images/scene_{}.png'.format(number)] == part['images/copy_{}.png'.format(
        number)] for number in range(8))


def test_nothing_left_to_train_on(tmp_path):
    drawn.dota(str(tmp_path), count=5)
    for name in os.listdir(str(tmp_path / 'labelTxt')):
        (tmp_path / 'labelTxt' / name).write_text('imagesource:drawn\n' if name != 'scene_0.txt' else
                                                  (tmp_path / 'labelTxt' / name).read_text())
    with pytest.raises(MTPError, match='nothing is left in (train|val): its . images hold no object'):
        examined(tmp_path, 'rotated')


def test_pairs_of_different_size(tmp_path):
    drawn.pairs(str(tmp_path), count=5)
    drawn.save(str(tmp_path / 'after' / 'scene_2.png'), np.zeros((80, 96, 3), np.uint8))
    with pytest.raises(MTPError, match='after/scene_2.png has 96 x 80 pixels, and .*before/scene_2.png has 96 x 96'):
        examined(tmp_path, 'change')


def test_masks_without_a_table_say_their_values(tmp_path):
    drawn.masks(str(tmp_path), count=5)
    os.unlink(str(tmp_path / 'classes.txt'))
    with pytest.raises(MTPError, match='the masks hold the values 0, 1, 2, and no table says what these are') as error:
        examined(tmp_path, 'segmentation')
    assert error.value.hint.startswith('CLASSES=')
    assert examined(tmp_path, 'segmentation', classes=('none', 'a', 'b')).classes.names == ('none', 'a', 'b')


def test_masks_of_black_and_white_have_one_class(tmp_path):
    drawn.pairs(str(tmp_path), count=5)
    shutil.rmtree(str(tmp_path / 'before'))
    os.rename(str(tmp_path / 'after'), str(tmp_path / 'images'))
    plan = examined(tmp_path, 'segmentation')
    assert plan.classes.names == ('background', 'foreground') and plan.meaning.yes == 255


def test_odd_files_are_said(tmp_path):
    drawn.dota(str(tmp_path), count=5)
    (tmp_path / 'thumbs.db').write_text('x')
    assert '1 files are of no use here: thumbs.db' in examined(tmp_path, 'rotated').notes


def test_a_raster_without_a_coordinate_system(tmp_path):
    drawn.geojson(str(tmp_path), count=5)
    drawn.save(str(tmp_path / 'scene_1.tif'), np.zeros((96, 96, 3), np.uint8))
    with pytest.raises(MTPError, match='scene_1.tif'):
        examined(tmp_path, 'rotated')


def test_an_outline_of_half_a_point(tmp_path):
    drawn.coco(str(tmp_path), count=5)
    path = tmp_path / 'annotations' / 'instances.json'
    content = json.loads(path.read_text())
    content['annotations'][2]['segmentation'] = [[1, 2, 3, 4, 5, 6, 7]]
    path.write_text(json.dumps(content))
    with pytest.raises(MTPError, match='annotation 2: .*: an outline with an odd count of numbers'):
        examined(tmp_path, 'segmentation')


@pytest.mark.parametrize('place', ['', 'train/'])
def test_an_empty_folder_of_a_class_is_said(tmp_path, place):
    drawn.kinds(str(tmp_path / place), count=5)
    (tmp_path / place / 'tank').mkdir()
    plan = examined(tmp_path, 'classification') if not place else None
    if place:
        shutil.copytree(str(tmp_path / 'train' / 'ship'), str(tmp_path / 'val' / 'ship'))
        for number, name in enumerate(sorted(os.listdir(str(tmp_path / 'val' / 'ship')))):
            drawn.save(str(tmp_path / 'val' / 'ship' / name), drawn.scene(50 + number)[0])
        plan = examined(tmp_path, 'classification')
    assert plan.classes.names == ('plane', 'ship') and f'the folder {place}tank is empty, and no class' in plan.notes


def test_lines_without_a_name_at_the_ends_of_a_table_are_no_hole(tmp_path):
    drawn.masks(str(tmp_path), count=5)
    (tmp_path / 'classes.txt').write_text('# classes\n\nbackground\nplane\nship\n\n\n')
    assert examined(tmp_path, 'segmentation').classes.names == ('background', 'plane', 'ship')


def test_features_without_a_class(tmp_path):
    drawn.geojson(str(tmp_path), count=5)
    path = tmp_path / 'scene_1.geojson'
    content = json.loads(path.read_text())
    content['features'][0]['properties'] = {'height': 3}
    path.write_text(json.dumps(content))
    with pytest.raises(MTPError, match='scene_1.geojson: feature 0: its Class is empty'):
        examined(tmp_path, 'rotated')


def test_images_larger_than_memory(tmp_path):
    drawn.pairs(str(tmp_path), count=5)
    plan = examined(tmp_path, 'change')
    found = list(checks.of_memory(plan.folder, plan.records, plan.size, 'change', 1000))
    assert len(found) == 5 and 'GiB of memory' in found[0].text and found[0].hint.startswith('gdal_retile.py')
    assert not list(checks.of_memory(plan.folder, plan.records, plan.size, 'rotated', 1000))
