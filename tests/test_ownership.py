import json
import os

import pytest

from mtp import locks, ownership
from mtp.errors import MTPError

MADE = ('dota/Task1_*.txt', 'coco.json', '*.geojson')


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def test_an_empty_and_an_absent_folder_become_ours(tmp_path):
    for folder in (tmp_path, tmp_path / 'a' / 'new'):
        assert ownership.check(folder, 'predict') == {}
        assert ownership.claim(folder, 'predict', MADE, 'abc') == {}
        assert ownership.check(folder, 'predict')['fingerprint'] == 'abc'


def test_a_folder_with_anything_in_it_is_not_ours_and_the_hint_names_a_free_one(tmp_path):
    (tmp_path / 'out' / 'dota').mkdir(parents=True)
    (tmp_path / 'out_2').mkdir()
    for act in (lambda: ownership.check(tmp_path / 'out', 'predict'),
                lambda: ownership.claim(tmp_path / 'out', 'predict', MADE)):
        with pytest.raises(MTPError, match='was not made by predict: it holds dota') as refused:
            act()
        assert refused.value.hint == 'give another folder: --out {}'.format(tmp_path / 'out_3')
    assert os.listdir(str(tmp_path / 'out')) == ['dota']


def test_a_folder_of_another_verb_is_refused(tmp_path):
    ownership.claim(tmp_path / 'out', 'cut', ())
    with pytest.raises(MTPError, match='was made by cut, not by predict'):
        ownership.check(tmp_path / 'out', 'predict')


@pytest.mark.parametrize('text', ['', '[', '[]', '{"verb": 1}', '{"verb": "x", "fingerprint": "", "made": "abc"}',
                                  '{"verb": "x", "fingerprint": "", "made": {"a": 1}}'])
def test_a_damaged_mark_makes_nothing_ours(tmp_path, text):
    (tmp_path / ownership.NAME).write_text(text)
    with pytest.raises(MTPError, match='is damaged'):
        ownership.check(tmp_path, 'predict')


def test_clearing_removes_what_the_mark_names_and_nothing_else(tmp_path):
    out, elsewhere = tmp_path / 'out', tmp_path / 'elsewhere'
    ownership.claim(out, 'predict', MADE)
    for name in ('dota/Task1_ship.txt', 'dota/notes.txt', 'coco.json', 'a.geojson', 'deep/a.geojson', 'photo.jpg'):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(name)
    (out / 'empty' / 'inner').mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / 'b.geojson').write_text('theirs')
    os.symlink(str(elsewhere), str(out / 'link'))
    assert sorted(ownership.clear(out)) == ['deep/a.geojson', 'dota/notes.txt', 'link', 'photo.jpg']
    assert names(out) == [ownership.NAME, 'deep/a.geojson', 'dota/notes.txt', 'photo.jpg']
    assert names(elsewhere) == ['b.geojson']


def test_what_earlier_calls_made_stays_known(tmp_path):
    ownership.claim(tmp_path, 'predict', ['a.jpg'])
    ownership.claim(tmp_path, 'predict', ['b.jpg'])
    assert json.loads((tmp_path / ownership.NAME).read_text())['made'] == ['a.jpg', 'b.jpg']


def test_a_name_that_somebody_else_has_taken_is_refused_and_kept(tmp_path):
    ownership.claim(tmp_path, 'predict', ['a.jpg'])
    for name in ('a.jpg', 'b.jpg'):
        (tmp_path / name).write_text(name)
    ownership.claim(tmp_path, 'predict', ['a.jpg'])
    with pytest.raises(MTPError, match='holds b.jpg, where predict writes a file and has written none'):
        ownership.claim(tmp_path, 'predict', ['a.jpg', 'b.jpg'])


@pytest.mark.parametrize('pattern, path, fits', [
    ('a/*.png', 'a/b.png', True), ('a/*.png', 'a/b/c.png', False), ('*.png', 'a/b.png', False),
    ('a_[0-9]*.txt', 'a_1x.txt', True), ('a_[0-9]*.txt', 'a_x.txt', False), ('a+?.txt', 'a+b.txt', True),
    ('*.png', 'new\nline.png', True), ('a.png', 'a.png\n', False), ('*.png', 'a.png\n', False)])
def test_a_pattern_is_that_of_a_shell(pattern, path, fits):
    assert (path in ownership.Made([pattern])) is fits


@pytest.mark.parametrize('name', ['plain', 'we[i]rd*?', '[x', 'a]b'])
def test_any_name_can_be_given_exactly(name):
    made = ownership.Made(ownership.exactly([name]))
    assert made.names == {name} and name in made and name + 'x' not in made


def test_a_lock_does_not_fill_a_folder(tmp_path):
    with locks.hold(tmp_path, 'predict'):
        assert ownership.check(tmp_path, 'predict') == {}


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    (tmp_path / 'out').write_text('')
    for folder in ('out', 'out/deeper'):
        with pytest.raises(MTPError, match='is there, and no folder'):
            ownership.check(tmp_path / folder, 'predict')


def test_an_output_that_is_an_input_is_refused_by_any_name(tmp_path):
    (tmp_path / 'a.jpg').write_text('x')
    os.symlink('a.jpg', str(tmp_path / 'b.jpg'))
    with pytest.raises(MTPError, match='a.jpg would be replaced'):
        ownership.refuse_inputs([str(tmp_path / 'b.jpg')], [str(tmp_path / 'a.jpg')])
    ownership.refuse_inputs([str(tmp_path / 'c.jpg')], [str(tmp_path / 'a.jpg'), str(tmp_path / 'none')])


@pytest.mark.parametrize('text, ours', [('{"counts": {}, "problems": []}', True), ('{"images": []}', False),
                                        ('[1]', False),
                                        ('', False), ('{"counts": 1', False), ('[' * 100000, False)])
def test_a_report_replaces_a_report_and_nothing_else(tmp_path, text, ours):
    (tmp_path / 'labels.json').write_text(text)
    checked = ownership.json_file('counts', 'problems')
    assert checked(str(tmp_path / 'new.json')) == str(tmp_path / 'new.json')
    if ours:
        assert checked(str(tmp_path / 'labels.json'))
    else:
        with pytest.raises(MTPError, match='labels.json exists already, and is no file that this command has written'):
            checked(str(tmp_path / 'labels.json'))


@pytest.mark.parametrize('option, hint', [('--out', 'say which: --out FOLDER'), ('OUT=', 'say which: OUT=FOLDER')])
def test_an_empty_name_is_no_folder(option, hint):
    """What a variable leaves that was never set."""
    with pytest.raises(MTPError, match='name of the folder to write to is empty') as refused:
        ownership.check('', 'cut', option)
    assert refused.value.hint == hint
