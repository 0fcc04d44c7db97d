"""What is written is what the servers take."""
import os
import subprocess
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from mtp.data import catalogue, fair1m
from mtp.errors import MTPError
from mtp.submit import check_ids, check_out, package, score
from mtp.submit import validate as checks
from mtp.submit.fair1m import official_names
from mtp.submit.package import LEAVES, WRITERS, format_of
from mtp.submit.validate import validate
from mtp.tiles.detections import Detections
from mtp.tiles.pixels import list_images


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for name, size, mode in [('1', (900, 700), 'RGB'), ('2', (640, 480), 'L'), ('10', (300, 300), 'RGB')]:
        Image.new(mode, size).save(str(folder / (name + '.tif')))
    return str(folder)


def detections(classes, n=40, seed=0, images=('1', '2', '10')):
    rng = np.random.default_rng(seed)
    box = np.column_stack([rng.uniform(50, 250, (n, 2)), rng.uniform(5, 60, (n, 2)), rng.uniform(-1.5, 1.5, n)])
    return Detections(tuple(classes), tuple(images), rng.integers(0, 2, n), rng.integers(0, len(classes), n),
                      rng.random(n).astype(np.float32), box)


def test_golden_lines(tmp_path, images):
    found = Detections(('plane',), ('1', '2', '10'), np.zeros(2, int), np.zeros(2, int),
                       np.float32([0.987654321, 0.123456789]),
                       np.float64([[100, 200, 60, 20, 0], np.float32([100, 200, 60, 20, -np.pi / 2])]))
    package(found, 'dotav1', str(tmp_path / 'out'), images)
    assert (tmp_path / 'out/Task1_plane.txt').read_text().splitlines() == [
        '1 0.9876543283462524 70.00 190.00 130.00 190.00 130.00 210.00 70.00 210.00',
        '1 0.12345679104328156 90.00 170.00 110.00 170.00 110.00 230.00 90.00 230.00']


def test_dota_zip_is_flat_and_has_no_empty_text(tmp_path, images):
    paths = package(detections(('ship', 'plane')), 'dotav1', str(tmp_path / 'out') + '/', images)
    assert os.path.basename(paths[0]) == 'out.zip'
    with zipfile.ZipFile(paths[0]) as archive:
        assert sorted(archive.namelist()) == ['Task1_plane.txt', 'Task1_ship.txt']
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / 'out' / name).read_bytes() != b''
    assert sorted(os.listdir(str(tmp_path / 'out'))) == ['Task1_plane.txt', 'Task1_ship.txt', 'out.zip']


@pytest.mark.parametrize('dataset, package_name', [('dotav1', 'out.zip'), ('fair1m', 'test.zip')])
def test_boxes_without_area_are_left_out_and_counted(tmp_path, images, capsys, dataset, package_name):
    names = catalogue.get(dataset).classes[:2]
    given = detections(names)
    thin = given.rbox.copy()
    thin[:3, 3] = 0
    package(given._replace(rbox=thin), dataset, str(tmp_path / 'out'), images)
    lines = [line for name in names for line in (tmp_path / f'out/Task1_{name}.txt').read_text().splitlines()]
    assert len(lines) == len(thin) - 3
    assert '3 of 40 detections have no area and are left out' in capsys.readouterr().err
    assert validate(str(tmp_path / 'out' / package_name), dataset, images).problems == []


def test_classes_are_mapped_by_name(tmp_path, images):
    given = detections(('ship', 'plane'))
    package(given, 'dotav1', str(tmp_path / 'out'), images)
    lines = (tmp_path / 'out/Task1_ship.txt').read_text().splitlines()
    assert len(lines) == (given.label == 0).sum()


def test_fair1m_zip_has_one_xml_for_every_image(tmp_path, images):
    classes = catalogue.get('fair1m').classes
    given = detections(classes, n=120)
    paths = package(given, 'fair1m', str(tmp_path / 'out'), images)
    with zipfile.ZipFile(paths[0]) as archive:
        assert archive.namelist() == ['test/1.xml', 'test/2.xml', 'test/10.xml']
        archive.extractall(str(tmp_path / 'x'))
    total = 0
    for index, (image, size) in enumerate([('1', (900, 700)), ('2', (640, 480)), ('10', (300, 300))]):
        read = fair1m.read(str(tmp_path / 'x/test' / (image + '.xml')), classes)
        mine = given.select(given.image == index)
        assert (read.meta['width'], read.meta['height'], read.meta['filename']) == size + (image + '.tif',)
        assert sorted(read.names) == sorted(classes[label] for label in mine.label)
        if len(read.names):
            assert sorted(read.meta['scores']) == sorted(mine.score.astype(float))
        total += len(read.names)
    assert total == 120
    text = (tmp_path / 'x/test/2.xml').read_text()
    assert '<depth>1</depth>' in text
    assert text.startswith('<?xml version="1.0" encoding="utf-8"?>\n<annotation>\n\t<source>')


def test_official_names_keep_the_hyphens_that_belong_there():
    names = official_names(catalogue.get('fair1m').classes)
    assert [name for name in names if '-' in name] == ['other-airplane', 'other-ship', 'other-vehicle']
    assert 'Small Car' in names and 'Dry Cargo Ship' in names and len(set(names)) == 37


def test_xml_repeats_the_first_point_and_matches_the_text(tmp_path, images):
    given = detections(('Small-Car',), n=1)
    package(given, 'fair1m', str(tmp_path / 'out'), images)
    _, score, *corners = (tmp_path / 'out/Task1_Small-Car.txt').read_text().split()
    with zipfile.ZipFile(str(tmp_path / 'out/test.zip')) as archive:
        text = archive.read(f'test/{given.images[given.image[0]]}.xml').decode()
    points = [line.strip() for line in text.splitlines() if '<point>' in line]
    assert points == [f'<point>{corners[k]}0000,{corners[k + 1]}0000</point>' for k in (0, 2, 4, 6, 0)]
    assert '<name>Small Car</name>' in text and f'<probability>{score}</probability>' in text


def test_refusals_leave_nothing_behind(tmp_path, images):
    out = tmp_path / 'out'
    cases = [
        (detections(('plane', 'tank')), 'dotav1', "'tank'"),
        (detections(('plane',), images=('1', '2', '11')), 'dotav1', "'11'"),
        (detections(('plane',), images=('1', '2')), 'dotav1', 'not tested, for example 10'),
        (detections(('plane',)), 'dior', 'dior'),
    ]
    for given, dataset, message in cases:
        with pytest.raises(MTPError, match=message):
            package(given, dataset, str(out), images)
        assert not out.exists()
    with pytest.raises(MTPError, match='no detection'):
        package(detections(('plane',), n=0), 'dotav1', str(out), images)
    assert not out.exists() or not os.listdir(str(out))


def test_check_out(tmp_path):
    (tmp_path / 'file').write_text('')
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full/x').write_text('')
    (tmp_path / 'empty').mkdir()
    for name in ('file', 'full'):
        with pytest.raises(MTPError, match=name):
            check_out(str(tmp_path / name))
    for name in ('empty', 'new', 'new/deeper'):
        check_out(str(tmp_path / name))
    assert sorted(os.listdir(str(tmp_path))) == ['empty', 'file', 'full']


@pytest.mark.parametrize('name', ['harbour 1', 'a\tb', 'tail ', 'a\u00a0b'])
def test_an_image_whose_name_has_blanks_is_refused_with_a_command_that_renames_it(tmp_path, images, name):
    path = os.path.join(images, name + '.tif')
    Image.new('RGB', (300, 300)).save(path)
    with pytest.raises(MTPError, match='has blanks') as raised:
        check_ids(list_images(images))
    subprocess.check_call(raised.value.hint, shell=True)
    check_ids(list_images(images))
    assert not os.path.exists(path) and len(os.listdir(images)) == 4


def test_every_format_of_the_catalogue_has_its_functions_and_none_is_idle():
    entries = [catalogue.get(name) for name in catalogue.names()]
    assert {entry.submission for entry in entries} - {''} == set(checks.CHECKS) == set(checks.ARCHIVES)
    assert {entry.truth for entry in entries} - {''} == set(score.READERS)
    assert set(WRITERS) == set(LEAVES)
    assert set(WRITERS) <= set(checks.CHECKS) and set(checks.UNPACKED) <= set(checks.CHECKS)


def test_a_data_set_without_a_server_is_named():
    with pytest.raises(MTPError, match=r"for data set 'dior'\n.*dotav1, dotav15"):
        format_of('dior', WRITERS)


@pytest.mark.parametrize('dataset', ['dotav1', 'fair1m'])
def test_a_clock_that_was_never_set_is_no_reason_to_lose_a_submission(tmp_path, images, monkeypatch, dataset):
    """A zip cannot hold a date before 1980."""
    monkeypatch.setattr(time, 'localtime', lambda *_: time.gmtime(0))
    path = package(detections(catalogue.get(dataset).classes), dataset, str(tmp_path / 'out'), images)[0]
    with zipfile.ZipFile(path) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980} and archive.testzip() is None
