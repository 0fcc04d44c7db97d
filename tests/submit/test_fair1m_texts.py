"""Result texts become the same XML as the published script's, in one pass."""
import os
import shlex
import zipfile

import pytest
from PIL import Image

from mtp.errors import MTPError
from mtp.submit.__main__ import main as submit_main
from mtp.submit.fair1m_texts import convert, main

SAMPLE = os.path.join(os.path.dirname(__file__), '../../../shared/data/fair1m/mmrotate_results')


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'images').mkdir()
    for name in ('0', '3'):
        Image.new('RGB', (1000, 800)).save(str(tmp_path / 'images' / (name + '.tif')))
    (tmp_path / 'txt').mkdir()
    (tmp_path / 'txt/Task1_other-ship.txt').write_text('3 0.5 1 2 30 2 30 40.123456789 1 40\n')
    (tmp_path / 'txt/Task1_Small-Car.txt').write_text('3 0.25 1 2 30 2 30 40 1 40\n3 1e-05 1 2 30 2 30 40 1 40\n')
    return tmp_path


def test_one_pass(folder):
    target = str(folder / 'txt/test.zip')
    assert convert(str(folder / 'txt'), str(folder / 'images'), target) == (2, 3)
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == ['test/0.xml', 'test/3.xml']
        empty, text = (archive.read(name).decode() for name in archive.namelist())
    assert '<objects/>' in empty and '<object>' not in empty
    values = [line.strip() for line in text.splitlines() if '<name>' in line or '<probability>' in line]
    assert values == ['<name>other-ship</name>', '<probability>0.5</probability>', '<name>Small Car</name>',
                      '<probability>0.25</probability>', '<name>Small Car</name>', '<probability>1e-05</probability>']
    assert '<point>30.000000,40.123457</point>' in text


@pytest.mark.parametrize("name", ["Task1_Dump_Truck.txt", "Task1_Dump Truck.txt", "Task1_dump-truck.txt",
                                  "Task1_DUMPTRUCK.txt"])
def test_other_spellings_of_a_class_are_taken_for_it_and_said(folder, name, capsys):
    (folder / 'txt' / name).write_text('3 0.5 1 2 30 2 30 40 1 40\n')
    assert convert(str(folder / 'txt'), str(folder / 'images'), str(folder / 'out.zip')) == (2, 4)
    with zipfile.ZipFile(str(folder / 'out.zip')) as archive:
        assert b'<name>Dump Truck</name>' in archive.read('test/3.xml')
    assert f'{name} is taken for the class Dump-Truck' in capsys.readouterr().err


def test_empty_files_are_classes_of_which_nothing_was_found(folder):
    """MMRotate writes a file for every class."""
    for name in ('A220', 'Van', 'Dump-Truck'):
        (folder / 'txt' / f'Task1_{name}.txt').write_text('')
    assert convert(str(folder / 'txt'), str(folder / 'images'), str(folder / 'out.zip')) == (2, 3)


def test_the_command_that_lists_all_faults_works_as_it_stands(folder, capsys):
    spaced = folder / 'my results'
    (folder / 'txt').rename(spaced)
    (spaced / 'Task1_Van.txt').write_text('3 0.5\n9 0.5 1 2 30 2 30 40 1 40\n')
    with pytest.raises(MTPError) as raised:
        convert(str(spaced), str(folder / 'images'), str(folder / 'out.zip'))
    words = shlex.split(raised.value.hint)
    assert words[:3] == ['python', '-m', 'mtp.submit'] and submit_main(words[3:]) == 1
    said = capsys.readouterr().out
    assert '2 problems' in said and "Task1_Van.txt:1: has 2 fields" in said and "Task1_Van.txt:2: '9' is not" in said
    (spaced / 'Task1_Van.txt').write_text('')
    assert submit_main(words[3:]) == 0
    packed = [line for line in capsys.readouterr().out.splitlines() if 'not packed yet: ' in line]
    assert main(shlex.split(packed[0].split('not packed yet: ')[1])[2:]) == 0
    assert submit_main(words[3:]) == 0 and 'not packed' not in capsys.readouterr().out


def test_command_line(folder, capsys):
    arguments = ['--txt_dir', str(folder / 'txt'), '--images', str(folder / 'images')]
    assert main(arguments) == 0
    assert '2 images, 3 detections' in capsys.readouterr().out
    with pytest.raises(MTPError, match='exists already'):
        main(arguments)


@pytest.mark.parametrize('name, line, message', [
    ('Task1_Ship.txt', '3 0.5 1 2 30 2 30 40 1 40', "'Ship' is not a class"),
    ('Task1_Van.txt', '3 0.5 1 2 30 2 30 40 1', 'Task1_Van.txt:1: has 9 fields'),
    ('Task1_Van.txt', '3 0.5 1 2 30 2 30 4O 1 40', 'field y3'),
    ('Task1_Van.txt', '3 nan 1 2 30 2 30 40 1 40', 'not finite'),
    ('Task1_Van.txt', '7 0.5 1 2 30 2 30 40 1 40', 'line 1: there is no image 7'),
    ('Task1_Van.txt', '3__800__0___0 0.5 1 2 30 2 30 40 1 40', 'mtp.submit.merge'),
    ('Task1_Van.txt', '3 0.5 1 2 30 2 1 2 1 2', 'no area'),
    ('Task1_small_car.txt', '3 0.5 1 2 30 2 30 40 1 40', 'a second file of the class Small-Car'),
])
def test_faults_name_file_and_line_and_write_nothing(folder, name, line, message):
    (folder / 'txt' / name).write_text(line)
    with pytest.raises(MTPError, match=message):
        convert(str(folder / 'txt'), str(folder / 'images'), str(folder / 'out.zip'))
    assert sorted(os.listdir(str(folder))) == ['images', 'txt']


@pytest.mark.skipif(not os.path.isdir(SAMPLE), reason='the real samples are not here')
def test_real_results_of_tiles_of_one_class(tmp_path):
    (tmp_path / 'images').mkdir()
    with open(os.path.join(SAMPLE, 'imagesetfile.txt')) as stream:
        names = stream.read().split()
    for name in names:
        Image.new('L', (1000, 1000)).save(str(tmp_path / 'images' / (name + '.tif')))
    with pytest.raises(MTPError, match='Airplane'):
        convert(SAMPLE, str(tmp_path / 'images'), str(tmp_path / 'out.zip'))
    counts = convert(SAMPLE, str(tmp_path / 'images'), str(tmp_path / 'out.zip'), any_class=True)
    assert counts == (161, 468)
    with zipfile.ZipFile(str(tmp_path / 'out.zip')) as archive:
        assert sum(archive.read(name).count(b'<object>') for name in archive.namelist()) == 468
