"""A cut folder knows what it was cut from, whether it is whole, and what in it is ours."""
import os
import shutil

import pytest

from mtp import ownership
from mtp.errors import MTPError
from mtp.tiles import cut, journal
from tests.tiles.test_cut import contents, make_image, make_labels


@pytest.fixture
def folder(tmp_path):
    for name in ('images', 'labelTxt'):
        (tmp_path / name).mkdir()
    for seed, name in enumerate(['P1', 'P2', 'P3']):
        make_image(tmp_path / 'images' / (name + '.png'), 300, 200, seed)
        make_labels(tmp_path / 'labelTxt' / (name + '.txt'), 300, 200, 10, seed)
    run(tmp_path)
    return tmp_path


def run(folder, out='out', **options):
    return cut.cut_folder('demo_ss', str(folder / 'images'), str(folder / out), str(folder / 'labelTxt'), **options)


@pytest.fixture
def was_cut(monkeypatch):
    """Ids of the images that are cut from here on."""
    seen, real = [], cut.cut_image
    monkeypatch.setattr(cut, 'cut_image', lambda task: (seen.append(task.stem), real(task))[1])
    return seen


def change_label(folder):
    path = folder / 'labelTxt/P2.txt'
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b'plane', b'plate'))
    os.utime(str(path), ns=(status.st_atime_ns, status.st_mtime_ns))  # as a copy with -p: same size, same time


def change_image(folder):
    make_image(folder / 'images/P2.png', 900, 200, 9)  # more tiles than before


def delete_tile(folder):
    os.unlink(str(folder / 'out/images/P2__256__0___0.png'))


def delete_text(folder):
    os.unlink(str(folder / 'out/annfiles/P2__256__0___0.txt'))


def truncate_tile(folder):
    os.truncate(str(folder / 'out/images/P2__256__0___0.png'), 100)


def damage_line(folder):
    path = folder / 'out' / journal.NAME
    path.write_bytes(path.read_bytes().replace(b'"image": "P2"', b'"image": "\xff2"'))


@pytest.mark.parametrize('spoil', [change_label, change_image, delete_tile, delete_text, truncate_tile, damage_line])
def test_what_is_not_as_it_was_is_cut_again_and_nothing_else(folder, spoil, was_cut):
    assert 'P2__256__0___0.png' in os.listdir(str(folder / 'out/images'))
    spoil(folder)
    run(folder)
    assert was_cut == ['P2']
    run(folder, 'fresh')
    assert contents(folder / 'out') == contents(folder / 'fresh')


def test_an_image_that_became_smaller_leaves_no_tiles(folder):
    change_image(folder)
    run(folder)
    make_image(folder / 'images/P2.png', 300, 200, 1)
    run(folder)
    run(folder, 'fresh')
    assert contents(folder / 'out') == contents(folder / 'fresh')


def test_an_image_that_has_gone_is_told_and_overwrite_works(folder):
    os.unlink(str(folder / 'images/P2.png'))
    with pytest.raises(MTPError, match='tiles of 1 images that are not there any more: P2') as told:
        run(folder)
    assert told.value.hint.startswith('add --overwrite')
    assert run(folder, overwrite=True)['images'] == 2
    assert not [name for name in contents(folder / 'out') if 'P2' in name]


def test_overwrite_removes_our_tiles_and_nothing_that_others_put_there(folder):
    theirs = ['notes.md', 'images/README.txt', 'images/other__256__0___0.png', 'annfiles/mine.txt']
    for name in theirs:
        (folder / 'out' / name).write_text('mine')
    first = contents(folder / 'out')
    assert cut.main(['--preset', 'dotav1_ss', '--images',
                     str(folder / 'images'), '--out', str(folder / 'out'), '--overwrite', '--jobs', '1']) == 0
    after = contents(folder / 'out')
    assert all((folder / 'out' / name).read_text() == 'mine' for name in theirs)
    assert not [name for name in set(first) & set(after) if name not in theirs]


@pytest.mark.parametrize('options', [dict(), dict(overwrite=True)])
def test_a_folder_without_our_mark_is_never_touched(folder, options):
    os.unlink(str(folder / 'out' / ownership.NAME))  # as an earlier version left it
    before = contents(folder / 'out')
    with pytest.raises(MTPError, match='no mark') as told:
        run(folder, **options)
    assert told.value.hint == 'give another folder: --out {}'.format(folder / 'out_2')
    assert contents(folder / 'out') == before


@pytest.mark.parametrize('out', ['images', 'labelTxt', '.'])
def test_tiles_do_not_go_where_the_images_are(folder, out):
    shutil.rmtree(str(folder / 'out'))
    before = sorted(str(path) for path in folder.rglob('*'))
    with pytest.raises(MTPError, match='no mark'):
        run(folder, out)
    assert sorted(str(path) for path in folder.rglob('*')) == before


def test_an_unfinished_image_that_has_gone_leaves_no_tiles(folder, monkeypatch):
    def dies(task):
        real(task)
        raise KeyboardInterrupt

    real = cut.cut_image
    monkeypatch.setattr(cut, 'cut_image', dies)
    with pytest.raises(KeyboardInterrupt):
        run(folder, 'new')
    monkeypatch.setattr(cut, 'cut_image', real)
    os.unlink(str(folder / 'images/P1.png'))
    run(folder, 'new')
    assert not [name for name in contents(folder / 'new') if 'P1' in name]
