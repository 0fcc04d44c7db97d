"""Each fault that a server rejects is named with file and line; a good submission passes."""
import io
import json
import os
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.submit import __main__ as command
from mtp.submit import package
from mtp.submit.validate import validate
from mtp.tiles.detections import Detections


@pytest.fixture
def images(tmp_path):
    (tmp_path / 'images').mkdir()
    for name in ('1', '2'):
        Image.new('RGB', (400, 300)).save(str(tmp_path / 'images' / (name + '.tif')))
    return str(tmp_path / 'images')


def submission(tmp_path, dataset, images):
    classes = catalogue.get(dataset).classes
    rng = np.random.default_rng(0)
    box = np.column_stack([rng.uniform(50, 250, (90, 2)), rng.uniform(5, 40, (90, 2)), rng.uniform(-1.5, 1.5, 90)])
    found = Detections(classes, ('1', '2'), rng.integers(0, 2, 90), rng.integers(0, len(classes), 90),
                       rng.random(90).astype(np.float32), box)
    return package(found, dataset, str(tmp_path / dataset), images)[0]


def rewrite(path, change):
    """The zip with ``change(members)`` applied; members is a list of [name, bytes]."""
    with zipfile.ZipFile(path) as archive:
        members = [[name, archive.read(name)] for name in archive.namelist()]
    members = change(members) or members
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in members:
            archive.writestr(name, data)


@pytest.mark.parametrize('dataset', ['dotav1', 'dotav15', 'dotav2', 'fair1m'])
def test_what_we_write_is_valid(tmp_path, images, dataset, capsys):
    path = submission(tmp_path, dataset, images)
    report = validate(path, dataset, images)
    assert report.problems == [] and report.detections == 90 and report.images == 2
    assert command.main(['validate', path, '--dataset', dataset, '--images', images]) == 0
    assert '0 problems' in capsys.readouterr().out


@pytest.mark.parametrize('dataset', ['dotav1', 'fair1m'])
def test_the_folder_of_a_submission_stands_for_its_zip(tmp_path, images, dataset):
    path = submission(tmp_path, dataset, images)
    assert validate(str(tmp_path / dataset), dataset, images).problems == []
    with open(path, 'wb') as stream:
        stream.write(b'PK')
    with pytest.raises(MTPError, match='zip'):
        validate(str(tmp_path / dataset), dataset, images)


@pytest.mark.parametrize('line, message', [
    ('1__1024__0___0 0.5 1 1 9 1 9 9 1 9', 'the tiles were not merged'),
    ('7 0.5 1 1 9 1 9 9 1 9', 'not an image of the test set'),
    ('1 1.5 1 1 9 1 9 9 1 9', 'score 1.5'),
    ('1 -0.1 1 1 9 1 9 9 1 9', 'score -0.1'),
    ('1 nan 1 1 9 1 9 9 1 9', 'not finite'),
    ('1 0.5 1 1 inf 1 9 9 1 9', 'not finite'),
    ('1 0.5 1 1 9 1 9 9 1', 'has 9 fields'),
    ('1 0.5 1 1 9 1 9 9 1 9 plane', 'has 11 fields'),
    ('1 0.5 1 1 9 x 9 9 1 9', "field y2: 'x'"),
    ('', 'is blank'),
    ('1 0.5 1 1 1 1 1 1 1 1', 'no area'),
    ('1 0.5 0 0 9 9 9 0 0 7', 'cross'),
])
def test_dota_lines(tmp_path, images, line, message):
    path = submission(tmp_path, 'dotav1', images)

    def change(members):
        members[0][1] = members[0][1] + line.encode() + b'\n'
    rewrite(path, change)
    with zipfile.ZipFile(path) as archive:
        name = archive.namelist()[0]
        number = archive.read(name).count(b'\n')
    (problem,) = validate(path, 'dotav1', images).problems
    assert (problem.file, problem.line) == (name, number) and message in problem.message


@pytest.mark.parametrize('name, data, message', [
    ('out/Task1_ship.txt', b'1 0.5 1 1 9 1 9 9 1 9\n', 'must be flat'),
    ('readme.md', b'hello', 'is not called'),
    ('Task1_tank.txt', b'1 0.5 1 1 9 1 9 9 1 9\n', 'not a class'),
    ('Task1_airport.txt', b'1 0.5 1 1 9 1 9 9 1 9\n', 'not a class'),  # of v2.0
    ('Task1_ship.txt', b'', 'is empty'),
    ('Task1_ship.txt', b'\xef\xbb\xbf1 0.5 1 1 9 1 9 9 1 9\n', 'byte order mark'),
    ('Task1_ship.txt', '1 0.5 1 1 9 1 9 9 1 9\n'.encode('utf-16'), 'not UTF-8'),
])
def test_dota_members(tmp_path, images, name, data, message):
    path = submission(tmp_path, 'dotav1', images)
    rewrite(path, lambda members: [member for member in members if member[0] != name] + [[name, data]])
    problems = validate(path, 'dotav1', images).problems
    assert any(problem.file == name and message in problem.message for problem in problems)


def test_suspicions_are_warnings(tmp_path, images):
    (tmp_path / 'txt').mkdir()
    rows = [f'1 {k % 100 / 100:.2f} 1 1 9 1 9 9 1 9\n' for k in range(1100)]
    (tmp_path / 'txt/Task1_plane.txt').write_text(''.join(rows) + '1 0.5 900 1 990 1 990 9 900 9\n')
    report = validate(str(tmp_path / 'txt'), 'dotav1', images)
    assert not report.problems
    said = ' '.join(report.warnings)
    for words in ('no text for class ship', 'Task1_plane.txt:1101', 'were they rounded', '1 of 2 images'):
        assert words in said


@pytest.mark.parametrize('old, new, line, message', [
    (b'<name>', b'<name>Tank ', True, 'not a class'),
    (b'<name>Dump Truck', b'<name>Dump-Truck', True, 'not a class'),
    (b'<probability>', b'<probability>1', True, 'between 0 and 1'),
    (b'<probability>', b'<probability>x', True, 'between 0 and 1'),
    (b'<probability>', b'<probability>nan</probability><probability>', True, 'between 0 and 1'),
    (b'</point>\n\t\t\t</points>', b'1</point>\n\t\t\t</points>', True, 'points'),
    (b'<filename>', b'<filename>x', False, 'filename'),
    (b'<width>', b'<width>1', False, 'the image is 400 x 300'),
    (b'</annotation>', b'', True, 'not XML'),
    (b'<annotation>', b'<!DOCTYPE a [<!ENTITY b "c">]><annotation>', False, 'document type'),
    (b'objects>', b'things>', False, 'annotation with objects'),
])
def test_fair1m_xml(tmp_path, images, old, new, line, message):
    path = submission(tmp_path, 'fair1m', images)
    where = []

    def change(members):
        data = members[1][1]
        assert old in data
        if line:
            start = data.rfind(b'<object>', 0, data.index(old)) if b'annotation' not in old else len(data)
            where.append(data.count(b'\n', 0, start) + 1)
        members[1][1] = data.replace(old, new, 1 if old != b'objects>' else -1)
    rewrite(path, change)
    (problem,) = validate(path, 'fair1m', images).problems
    assert problem.file == 'test/2.xml' and message in problem.message
    assert problem.line == (where[0] if line else 0)


def test_boxes_of_fair1m_that_cross_or_lie_outside(tmp_path, images):
    path, found = submission(tmp_path, 'fair1m', images), []

    def points(text):
        rows = text.split() + text.split()[:1]
        return ''.join(f'\t\t\t\t<point>{row}</point>\n' for row in rows).encode()

    def change(members):
        boxes = re.findall(rb'(?:\t*<point>.*</point>\n){5}', members[0][1])
        found.append(members[0][1].count(b'\n', 0, members[0][1].index(boxes[1])) - 8)
        for old, new in zip(boxes, ('900,1 990,1 990,9 900,9', '0,0 9,9 9,0 0,7', '-9,-9 -1,-9 -1,-1 -9,-1')):
            members[0][1] = members[0][1].replace(old, points(new))
    rewrite(path, change)
    report = validate(path, 'fair1m', images)
    (problem,) = report.problems
    assert (problem.file, problem.line, problem.message) == ('test/1.xml', found[0], 'the sides of the box cross')
    assert report.warnings == ['2 detections lie wholly outside their image, the first in test/1.xml']
    assert report.detections == 90


def test_fair1m_members(tmp_path, images):
    path = submission(tmp_path, 'fair1m', images)
    rewrite(path, lambda members: [members[0], ['test/3.xml', members[1][1]], ['2.xml', members[1][1]]])
    said = ' '.join(map(str, validate(path, 'fair1m', images).problems))
    for words in ('test/3.xml: is not an image', '2.xml: is not test/<image>.xml', 'test/2.xml: is missing'):
        assert words in said


def test_damaged_zips(tmp_path, images):
    path = submission(tmp_path, 'fair1m', images)
    with open(path, 'rb') as stream:
        whole = stream.read()
    rng = np.random.default_rng(0)
    for size in [0, 1, 30] + rng.integers(31, len(whole), 20).tolist():
        with open(path, 'wb') as stream:
            stream.write(whole[:size])
        with pytest.raises(MTPError, match='zip'):
            validate(path, 'fair1m', images)
    for position in rng.integers(0, len(whole), 40):
        with open(path, 'wb') as stream:
            stream.write(whole[:position] + bytes([whole[position] ^ 0xff]) + whole[position + 1:])
        try:
            validate(path, 'fair1m', images)  # a changed time stamp harms nobody
        except MTPError:
            pass
    with pytest.raises(MTPError, match='no file'):
        validate(str(tmp_path / 'none.zip'), 'fair1m', images)


def test_command_prints_problems_and_writes_a_report(tmp_path, images, capsys):
    path = tmp_path / 'x.zip'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('Task1_plane.txt', '9 0.5 1 1 9 1 9 9 1 9\n' * 60)
    path.write_bytes(buffer.getvalue())
    assert command.main(['validate', str(path), '--dataset', 'dotav1', '--images', images, '--report',
                         str(tmp_path / 'report.json')]) == 1
    said = capsys.readouterr().out
    assert 'problem: Task1_plane.txt:1: ' in said and 'and 10 more' in said and '60 problems' in said
    assert len(json.loads((tmp_path / 'report.json').read_text())['problems']) == 60


def zeros(path, name, mebibytes):
    with zipfile.ZipFile(str(path), 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(name, 'w', force_zip64=True) as stream:
            for _ in range(mebibytes):
                stream.write(bytes(1 << 20))


@pytest.mark.parametrize('dataset, name', [('dotav1', 'Task1_plane.txt'), ('fair1m', 'test/1.xml'),
                                           ('loveda', '1.png')])
def test_a_member_that_unpacks_to_a_flood_is_named_and_not_kept(tmp_path, images, dataset, name):
    zeros(tmp_path / 'a.zip', name, 200)
    tracemalloc.start()
    try:
        problems = validate(str(tmp_path / 'a.zip'), dataset, images).problems
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert any(problem.file == name for problem in problems) and most < 64 << 20


def test_a_member_that_hides_its_size_is_damaged(tmp_path, images):
    zeros(tmp_path / 'a.zip', 'test/1.xml', 100)
    data = (tmp_path / 'a.zip').read_bytes().replace(struct.pack('<Q', 100 << 20), struct.pack('<Q', 1000))
    (tmp_path / 'a.zip').write_bytes(data.replace(struct.pack('<I', 100 << 20), struct.pack('<I', 1000)))
    tracemalloc.start()
    try:
        with pytest.raises(MTPError, match='damaged'):
            validate(str(tmp_path / 'a.zip'), 'fair1m', images)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_ways_of_packing_that_servers_do_not_read_are_named(tmp_path, images):
    for kind in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(str(tmp_path / 'a.zip'), 'w', kind) as archive:
            archive.writestr('Task1_plane.txt', '1 0.5 1 1 9 1 9 9 1 9\n')
            archive.writestr('test/1.xml', '<annotation/>')
        for dataset, name in (('dotav1', 'Task1_plane.txt'), ('fair1m', 'test/1.xml')):
            problems = validate(str(tmp_path / 'a.zip'), dataset, images).problems
            assert any(problem.file == name and 'packed' in problem.message for problem in problems)


@pytest.mark.parametrize('dataset, name, row', [('fair1m', 'test/1.xml', b'<object/>\n'),
                                                ('dotav1', 'Task1_plane.txt', b'9 2 1 1 9 1 9 9 1 9\n')])
def test_many_faults_are_counted_and_the_first_are_listed(tmp_path, images, dataset, name, row):
    data = row * 40000
    if dataset == 'fair1m':
        data = b'<annotation><objects>' + data + b'</objects></annotation>'
    with zipfile.ZipFile(str(tmp_path / 'a.zip'), 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    report = validate(str(tmp_path / 'a.zip'), dataset, images)
    listed = [problem for problem in report.problems if problem.file == name]
    assert 1000 <= len(listed) <= 1002 and report.unlisted >= 39000 and len(report.problems) < 1010
    assert [problem.line for problem in listed if 'class' in problem.message][:5] in ([1, 2, 3, 4, 5], [])


def test_names_cannot_write_to_the_terminal(tmp_path, images, capsys):
    with zipfile.ZipFile(str(tmp_path / 'a.zip'), 'w') as archive:
        archive.writestr('Task1_a\x1b[2J.txt', b'x')
    assert command.main(['validate', str(tmp_path / 'a.zip'), '--dataset', 'dotav1', '--images', images]) == 1
    assert '\x1b' not in capsys.readouterr().out


def test_the_folder_of_the_test_images_is_known(tmp_path, images, monkeypatch):
    path = submission(tmp_path, 'dotav1', images)
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path / 'data'))
    (tmp_path / 'data/dotav1/test').mkdir(parents=True)
    (tmp_path / 'images').rename(tmp_path / 'data/dotav1/test/images')
    assert command.main(['validate', path, '--dataset', 'dotav1']) == 0


@pytest.mark.parametrize('dataset', ['dotav1', 'fair1m'])
def test_an_image_is_known_whatever_the_unicode_form_of_its_name(tmp_path, images, dataset):
    """macOS gives images the one form, and whoever writes the results may give them the other."""
    path = submission(tmp_path, dataset, images)
    os.rename(os.path.join(images, '1.tif'), os.path.join(images, 'e\u0301.tif'))

    def renamed(members):
        return [[name.replace('/1.', '/\u00e9.'), re.sub(b'(^|\n)1 ', b'\\1\xc3\xa9 ', data).replace(
            b'>1.tif<', b'>\xc3\xa9.tif<')] for name, data in members]

    rewrite(path, renamed)
    report = validate(path, dataset, images)
    assert report.problems == [] and report.detections == 90
