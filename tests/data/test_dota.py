import numpy as np
import pytest

from mtp.data import catalogue, dota, records
from mtp.errors import MTPError


def _write(tmp_path, data):
    path = tmp_path / 'P0.txt'
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


LINE = '1 2 3 2 3 4.5 1 4 plane 1'


@pytest.mark.parametrize('data', [
    LINE, LINE + '\n', 'imagesource:GoogleEarth\r\ngsd:0.1\r\n' + LINE + '\r\n', 'gsd:\n\n' + LINE,
    b'\xef\xbb\xbf' + LINE.encode(), LINE.encode('utf-16'), LINE.replace(' ', '\t')])
def test_every_form_gives_the_same(tmp_path, data):
    labels = dota.read(_write(tmp_path, data), catalogue.get('dotav1').classes)
    assert labels.names == ('plane',) and labels.difficult.tolist() == [1]
    np.testing.assert_array_equal(labels.polygons, [[[1, 2], [3, 2], [3, 4.5], [1, 4]]])


def test_a_missing_difficulty_is_0_and_an_empty_file_is_empty(tmp_path):
    assert dota.read(_write(tmp_path, LINE[:-2])).difficult.tolist() == [0]
    assert dota.read(_write(tmp_path, '')).polygons.shape == (0, 4, 2)


@pytest.mark.parametrize('line, message', [
    ('1 2 3 2 3 4.5 1 x plane 1', 'field y4'), ('1 2 nan 2 3 4.5 1 4 plane 1', 'field x2'),
    ('1 2 3 2 3 4.5 1 4 plane 1 7', '11 fields'), ('1 2 3 2 3', '5 fields'), ('1 2 3 2 3 4 1 4 plain 1', 'field name'),
    ('1 2 3 2 3 4 1 4 plane -1', 'field difficult'), ('1 2 3 2 3 4 1 4 plane 0.5', 'field difficult'),
    ('1 2 3 2 3 4 1 1e300 plane 0', 'field y4'), ('1_0 2 3 2 3 4 1 4 plane 0', 'field x1')])
def test_a_bad_line_is_named(tmp_path, line, message):
    with pytest.raises(MTPError, match='P0.txt: line 2: .*' + message):
        dota.read(_write(tmp_path, LINE + '\n' + line), catalogue.get('dotav1').classes)


@pytest.mark.parametrize('data', [b'\xff\x00\x81', b'1 2\x00 3', b'\xfe\xff\x00'])
def test_what_is_no_text_is_refused(tmp_path, data):
    with pytest.raises(MTPError, match='P0.txt'):
        dota.read(_write(tmp_path, data))


def test_lines_come_back(tmp_path):
    labels = records.polygons([('ship', [0.1, 0, 1, 0, 1, 1, 0, 1], 0), ('plane', list(range(8)), 2)], {})
    back = dota.read(_write(tmp_path, dota.lines(labels)))
    np.testing.assert_array_equal(back.polygons, labels.polygons)
    assert back.names == labels.names and back.difficult.tolist() == [0, 2]
    assert dota.lines(labels, decimals=2).startswith('0.10 0.00 1.00')


@pytest.mark.parametrize('parts, objects, difficult', [
    (('DOTA_devkit', 'labelTxt', 'P0706.txt'), 536, 6), (('DOTA_devkit', 'labelTxt', 'P0770.txt'), 22, 0),
    (('DOTA_devkit', 'labelTxt', 'P1088.txt'), 34, 0), (('DOTA_devkit', 'labelTxt', 'P1234.txt'), 144, 44),
    (('DOTA_devkit', 'labelTxt', 'P2598.txt'), 26, 0), (('label_only', 'P0032.txt'), 56, 37),
    (('mmrotate_patches', 'labelTxt', 'P0004__1__0___0.txt'), 4, 1),
    (('mmrotate_patches', 'labelTxt', 'P0004__1__0___1024.txt'), 0, 0)])
def test_real_files(real, parts, objects, difficult):
    labels = dota.read(real('dota', *parts), catalogue.get('dotav1').classes)
    assert (len(labels.names), (labels.difficult == 1).sum()) == (objects, difficult)


def test_real_p0706_is_harbors_and_ships_with_a_vertex_outside(real):
    labels = dota.read(real('dota', 'DOTA_devkit', 'labelTxt', 'P0706.txt'))
    assert labels.names.count('harbor') == 5 and labels.names.count('ship') == 531
    assert labels.polygons[..., 0].max() == 1112 and labels.meta['imagesource'] == 'GoogleEarth'


@pytest.mark.parametrize('name, dataset, hint', [
    ('small vehicle', 'dotav1', 'write small-vehicle'), ('Small Car', 'fair1m', 'write Small-Car'),
    ('Small_Car', 'fair1m', 'write Small-Car'), ('PLANE', 'dotav1', 'write plane'), ('boat', 'dotav1', 'plane, ')])
def test_a_name_in_another_spelling_is_answered_with_the_right_one(tmp_path, name, dataset, hint):
    for line in (LINE.replace('plane', name), LINE[:-2].replace('plane', name)):
        with pytest.raises(MTPError, match='P0.txt: line 1: ') as raised:
            dota.read(_write(tmp_path, line), catalogue.get(dataset).classes)
        assert hint in raised.value.hint
