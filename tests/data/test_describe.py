import subprocess
import sys

import pytest

from mtp.data import __main__ as command
from mtp.data import catalogue, describe
from mtp.data.samples import writing
from mtp.errors import MTPError


@pytest.mark.parametrize('name', catalogue.names())
def test_every_dataset_can_be_described(name, capsys):
    assert command.main(['describe', name]) == 0
    printed = capsys.readouterr().out
    assert catalogue.get(name).published[0] in printed and ', '.join(catalogue.get(name).classes) in printed


def test_list_names_them_all(capsys):
    assert command.main(['list']) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(catalogue.names())


@pytest.mark.parametrize('command_line', sorted({line for name in catalogue.names()
                                                 for line in catalogue.get(name).prepare}))
def test_every_preparation_command_exists_and_takes_its_options(command_line):
    """The commands are typed with an added --help: an unknown module, script or option would fail."""
    done = subprocess.run(describe._words(command_line) + ['--help'], cwd=describe.ROOT, stdout=subprocess.PIPE)
    assert done.returncode == 0 and done.stdout


def test_check_and_prepare(sample, data_root, capsys):
    sample('samrs')
    assert command.main(['check', 'sota']) == 1
    assert 'sota_rbb_train' in capsys.readouterr().out
    assert command.main(['prepare', 'sota', '--dry-run']) == 0
    assert 'convert_pkl_json.py' in capsys.readouterr().out
    assert command.main(['prepare', 'sota', '--any-count']) == 0
    assert command.main(['check', 'sota', '--any-count']) == 0
    assert 'fail' not in capsys.readouterr().out


def test_other_numbers_than_the_official_ones(sample, data_root, capsys):
    """They fail and name the word that takes them; a drawn sample set is known by its mark."""
    folder = sample('samrs')
    assert command.main(['check', 'diorr']) == 1
    said = capsys.readouterr().out
    assert 'fail  prepared  train          3 images, officially 5862' in said
    assert '3 of the numbers of diorr differ from the official ones' in said and 'check diorr --any-count' in said
    assert command.main(['check', 'diorr', '--any-count']) == 0
    said = capsys.readouterr().out
    assert 'note  prepared  train' in said and 'taken as they are' in said and 'fail' not in said
    (data_root / 'samrs' / writing.MARK).write_text('{}')
    assert command.main(['check', 'diorr']) == 0
    assert f'diorr is a sample set (see {folder}' in capsys.readouterr().out


def test_numbers_of_several_splits_together(data_root, monkeypatch, capsys):
    """LoveDA counts urban and rural together; a missing part leaves the total unsaid."""
    for part, area, count in (('Train', 'Urban', 3), ('Train', 'Rural', 2), ('Val', 'Urban', 1)):
        for kind in ('images_png', 'masks_png'):
            folder = data_root / 'loveda_dataset' / part / area / kind
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f'{area[0]}{number}.png').write_bytes(b'')
    assert command.main(['check', 'loveda']) == 1
    said = capsys.readouterr().out
    assert 'fail  total     train          5 images, officially 2522' in said and 'total     val' not in said


def test_a_failing_preparation_stops(data_root):
    with pytest.raises(MTPError, match='ended with code 2'):
        command.main(['prepare', 'sota'])


def test_a_missing_image_or_label_is_found(sample, data_root, capsys):
    import os
    root = sample('samrs')
    os.unlink(os.path.join(root, 'dior', 'JPEGImages-test', '11726.jpg'))
    os.unlink(os.path.join(root, 'dior', 'Annotations', 'Oriented Bounding Boxes', '00001.xml'))
    assert command.main(['check', 'diorr']) == 1
    printed = capsys.readouterr().out
    assert 'first 11726' in printed and 'no label file, first 00001' in printed


def test_the_module_runs():
    done = subprocess.run([sys.executable, '-m', 'mtp.data', 'describe', 'dotav'], cwd=describe.ROOT,
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 2 and 'dotav1' in done.stderr
