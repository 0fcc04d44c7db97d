import os

import numpy as np
import pytest

from mtp.data import catalogue, dota, fair1m
from mtp.data.samples import annotations
from mtp.errors import MTPError

CLASSES = catalogue.get('fair1m').classes
SQUARE = np.array([[10., 20], [30.25, 20], [30, 50], [10, 50]])


def _write(tmp_path, text):
    path = tmp_path / '0.xml'
    path.write_text(text)
    return str(path)


def _text(*names):
    return annotations.fair1m('0.tif', 80, 60, [SQUARE] * len(names), names)


def test_names_come_with_hyphens_and_four_points(tmp_path):
    labels = fair1m.read(_write(tmp_path, _text('Dry Cargo Ship', 'other-ship', 'A220')), CLASSES)
    assert labels.names == ('Dry-Cargo-Ship', 'other-ship', 'A220')
    np.testing.assert_array_equal(labels.polygons, [SQUARE] * 3)
    assert labels.meta == {'width': 80, 'height': 60, 'filename': '0.tif'}


@pytest.mark.parametrize('name', ['dry cargo ship', 'Dry_Cargo_Ship', 'DRY-CARGO-SHIP', 'Dry  Cargo Ship'])
def test_other_spellings_are_taken_for_the_class(tmp_path, name):
    assert fair1m.read(_write(tmp_path, _text(name)), CLASSES).names == ('Dry-Cargo-Ship',)


def test_blanks_around_the_comma_and_scores_of_a_submission(tmp_path):
    text = _text('Van').replace(',', ' , ').replace('</name>', '</name><probability>0.25</probability>')
    labels = fair1m.read(_write(tmp_path, text))
    assert labels.polygons[0, 1].tolist() == [30.25, 20] and labels.meta['scores'].tolist() == [0.25]


@pytest.mark.parametrize('old, new, message', [
    ('>Van<', '>Vans<', 'field name'), ('10.000000,20.000000', '10.000000', 'field point'),
    ('10.000000,20.000000', '10,nan', 'field point'), ('<objects>', '<things>', 'not well-formed'),
    ('objects>', 'things>', 'no <objects>'), ('<point>10.000000,50.000000</point>', '', None),
    ('possibleresult', 'result', 'no <possibleresult>')])
def test_a_bad_file_is_named(tmp_path, old, new, message):
    path = _write(tmp_path, _text('Van').replace(old, new))
    if message is None:  # four points are enough
        assert len(fair1m.read(path).names) == 1
        return
    with pytest.raises(MTPError, match='0.xml: line [0-9]+: .*' + message):
        fair1m.read(path, CLASSES)


def test_conversion_keeps_train_and_validation_apart(sample, data_root, capsys):
    root = sample('fair1m')
    assert fair1m.main([]) == 0
    out = os.path.join(root, 'dota', 'trainval')
    assert sorted(os.listdir(os.path.join(out, 'labelTxt'))) == ['train_0.txt', 'valid_0.txt']
    assert sorted(os.listdir(os.path.join(out, 'images'))) == ['train_0.tif', 'valid_0.tif']
    for part, prefix in (('train/part1', 'train_'), ('validation', 'valid_')):
        source = fair1m.read(os.path.join(root, part, 'labelXml', '0.xml'))
        target = dota.read(os.path.join(out, 'labelTxt', prefix + '0.txt'), CLASSES)
        assert source.names == target.names and set(target.difficult) == {0}
        np.testing.assert_array_equal(source.polygons, target.polygons)
        assert os.path.samefile(os.path.join(root, part, 'images', '0.tif'),
                                os.path.join(out, 'images', prefix + '0.tif'))
    assert fair1m.main([]) == 0 and 'already' in capsys.readouterr().out


def test_options_of_the_published_variants(sample, data_root):
    root = sample('fair1m')
    fair1m.main(['--blank', '_', '--last-column', 'class-index'])
    with open(os.path.join(root, 'dota', 'trainval', 'labelTxt', 'train_0.txt')) as stream:
        last = [line.split()[8:] for line in stream]
    assert ['Small_Car', '29'] in last and ['Boeing737', '7'] in last
    with pytest.raises(MTPError, match='other settings'):
        fair1m.main([])
    assert fair1m.main(['--overwrite']) == 0


def test_a_foreign_folder_is_left_alone(sample, data_root, tmp_path_factory):
    sample('fair1m')
    out = tmp_path_factory.mktemp('mine')
    (out / 'thesis.txt').write_text('years of work')
    with pytest.raises(MTPError, match='not made by'):
        fair1m.main(['--out', str(out), '--overwrite'])
    assert (out / 'thesis.txt').exists()


def test_part2_is_read_too_and_a_collision_is_an_error(sample, data_root):
    root = sample('fair1m')
    os.rename(os.path.join(root, 'train', 'part1'), os.path.join(root, 'train', 'part2'))
    assert fair1m.main([]) == 0
    for kind in ('images', 'labelXml'):
        os.makedirs(os.path.join(root, 'train', 'part1', kind))
        for name in os.listdir(os.path.join(root, 'train', 'part2', kind)):
            os.link(os.path.join(root, 'train', 'part2', kind, name), os.path.join(root, 'train', 'part1', kind, name))
    with pytest.raises(MTPError, match='two annotations want the name train_0'):
        fair1m.main(['--overwrite'])


def test_nothing_there(data_root):
    with pytest.raises(MTPError, match='looked for'):
        fair1m.main([])
