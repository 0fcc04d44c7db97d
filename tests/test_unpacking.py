"""Archives of strangers: what is wanted comes out, and nothing goes anywhere else."""
import io
import os
import tarfile
import zipfile

import pytest

from mtp import unpacking
from mtp.errors import MTPError
from mtp.unpacking import Rule

FLAT = Rule(('*.png',), 'images', 0)


def zipped(path, members, **options):
    with zipfile.ZipFile(str(path), 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = options.get('attributes', 0)
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return str(path)


def tarred(path, members, mode='w:gz', kind=tarfile.REGTYPE, link=''):
    with tarfile.open(str(path), mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(data), kind, link
            archive.addfile(info, io.BytesIO(data))
    return str(path)


MEMBERS = {'set/a/x.png': b'1', 'set/b/y.PNG': b'22', 'set/readme.txt': b'no', '__MACOSX/set/._x.png': b'no',
           'set/._z.png': b'no'}


def tree(folder):
    return {os.path.relpath(os.path.join(place, name), str(folder)): open(os.path.join(place, name), 'rb').read()
            for place, _, names in os.walk(str(folder)) for name in names}


@pytest.mark.parametrize('keep, expected', [
    (0, {'images/x.png': b'1', 'images/y.PNG': b'22'}), (1, {'images/a/x.png': b'1', 'images/b/y.PNG': b'22'}),
    (9, {'images/set/a/x.png': b'1', 'images/set/b/y.PNG': b'22'})])
@pytest.mark.parametrize('make', [zipped, tarred])
def test_what_is_wanted_comes_out_with_as_many_folders_as_asked(tmp_path, make, keep, expected):
    path = make(tmp_path / 'a', MEMBERS)
    assert unpacking.unpack(path, [FLAT._replace(keep=keep)], str(tmp_path / 'root')) == 2
    assert tree(tmp_path / 'root') == expected


def test_the_first_rule_that_fits_decides(tmp_path):
    path = zipped(tmp_path / 'a.zip', {'x/train.txt': b'list', 'x/c/pair.png': b'1'})
    rules = [Rule(('*.png',), 'images', 1), Rule(('train.txt',), 'lists', 0), Rule(('*',), 'rest', 0)]
    unpacking.unpack(path, rules, str(tmp_path / 'root'))
    assert tree(tmp_path / 'root') == {'images/c/pair.png': b'1', 'lists/train.txt': b'list'}


@pytest.mark.parametrize('name', ['../x.png', 'a/../../x.png', '/etc/x.png', '..\\x.png', 'C:\\x.png', 'C:/x.png'])
@pytest.mark.parametrize('make', [zipped, tarred])
def test_a_member_that_climbs_out_is_refused(tmp_path, make, name):
    path = make(tmp_path / 'a', {name: b'1'})
    with pytest.raises(MTPError, match='leads out of its folder'):
        unpacking.unpack(path, [FLAT], str(tmp_path / 'root'))
    assert not tree(tmp_path / 'root') if (tmp_path / 'root').exists() else True


@pytest.mark.parametrize('kind', [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_left_in_the_archive(tmp_path, kind):
    path = tarred(tmp_path / 'a.tar', {'x.png': b''}, 'w', kind, '/etc/passwd')
    with pytest.raises(MTPError, match='holds nothing that is wanted'):
        unpacking.unpack(path, [FLAT], str(tmp_path / 'root'))
    path = zipped(tmp_path / 'a.zip', {'x.png': b'/etc/passwd'}, attributes=0o120777 << 16)
    with pytest.raises(MTPError, match='holds nothing that is wanted'):
        unpacking.unpack(path, [FLAT], str(tmp_path / 'root'))


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, 'ALLOWANCE', 1 << 20)
    path = zipped(tmp_path / 'a.zip', {f'{n}.png': b'\0' * (1 << 20) for n in range(8)})
    with pytest.raises(MTPError, match='unpacks to more than'):
        unpacking.unpack(path, [FLAT], str(tmp_path / 'root'))


def test_a_member_with_more_bytes_than_it_announces_is_said(tmp_path):
    path = zipped(tmp_path / 'a.zip', {'x.png': b'12345678'})
    data = bytearray(open(path, 'rb').read())
    where = data.index(b'PK\x01\x02') + 24
    data[where:where + 4] = (4).to_bytes(4, 'little')  # in the directory alone
    open(path, 'wb').write(data)
    with pytest.raises(MTPError, match='damaged'):
        unpacking.unpack(path, [FLAT], str(tmp_path / 'root'))
    assert not os.path.exists(str(tmp_path / 'root' / 'images' / 'x.png'))


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04', b'<html>', b'\x1f\x8b\x08\x00' + b'x' * 50,
                                     b'Rar!\x1a\x07\x00'])
def test_what_is_no_archive_is_said(tmp_path, content):
    (tmp_path / 'a').write_bytes(content)
    with pytest.raises(MTPError, match='damaged or no zip or tar'):
        unpacking.unpack(str(tmp_path / 'a'), [FLAT], str(tmp_path / 'root'))


@pytest.mark.parametrize('make', [zipped, tarred])
def test_cut_anywhere_it_is_said_and_no_half_file_lies_there(tmp_path, make):
    whole = open(make(tmp_path / 'a', {f'{n}.png': os.urandom(3000) for n in range(5)}), 'rb').read()
    for cut in range(0, len(whole) - 1, 1531):
        (tmp_path / 'b').write_bytes(whole[:cut])
        try:
            unpacking.unpack(str(tmp_path / 'b'), [FLAT], str(tmp_path / 'root'))
        except MTPError as error:
            assert 'damaged' in str(error) or 'nothing that is wanted' in str(error)
        assert all(len(data) == 3000 for data in tree(tmp_path / 'root').values()) if (tmp_path
                                                                                       / 'root').exists() else True


def test_what_is_there_already_is_not_written_again(tmp_path):
    path = zipped(tmp_path / 'a.zip', MEMBERS)
    unpacking.unpack(path, [FLAT], str(tmp_path / 'root'))
    before = os.stat(str(tmp_path / 'root' / 'images' / 'x.png')).st_ino
    (tmp_path / 'root' / 'images' / 'y.PNG').write_bytes(b'half of it')
    assert unpacking.unpack(path, [FLAT], str(tmp_path / 'root')) == 2
    assert os.stat(str(tmp_path / 'root' / 'images' / 'x.png')).st_ino == before
    assert (tmp_path / 'root' / 'images' / 'y.PNG').read_bytes() == b'22'


def twice(path, first, second):
    with zipfile.ZipFile(str(path), 'w') as archive:
        for name, data in (first, second):
            archive.writestr(zipfile.ZipInfo(name), data)
    return str(path)


@pytest.mark.filterwarnings('ignore:Duplicate name')
@pytest.mark.parametrize('names', [('x.png', 'x.png'), ('a/x.png', 'b/x.png')])
@pytest.mark.parametrize('data', [(b'1', b'22'), (b'11', b'22')])
def test_two_members_for_one_file_are_not_one_of_them(tmp_path, names, data):
    path = twice(tmp_path / 'a.zip', *zip(names, data))
    with pytest.raises(MTPError, match='two members for images/x.png, which differ'):
        unpacking.unpack(path, [FLAT], str(tmp_path / 'root'))


@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_the_same_member_again_is_no_other(tmp_path):
    path = twice(tmp_path / 'a.zip', ('a/x.png', b'1'), ('b/x.png', b'1'))
    unpacking.unpack(path, [FLAT], str(tmp_path / 'root'))
    assert tree(tmp_path / 'root') == {'images/x.png': b'1'}


def test_a_tar_with_holes_is_no_bomb_and_a_sparse_zip_neither(tmp_path):
    """What takes no room on this disk announces its bytes like any other."""
    with open(str(tmp_path / 'x.png'), 'wb') as stream:
        stream.truncate(3 << 20)
    with tarfile.open(str(tmp_path / 'a.tar.gz'), 'w:gz', format=tarfile.GNU_FORMAT) as archive:
        archive.add(str(tmp_path / 'x.png'), 'x.png')
    assert unpacking.unpack(str(tmp_path / 'a.tar.gz'), [FLAT], str(tmp_path / 'root')) == 1
    assert os.path.getsize(str(tmp_path / 'root' / 'images' / 'x.png')) == 3 << 20
    with open(str(tmp_path / 'b.zip'), 'wb') as stream:
        stream.truncate(1 << 30)
    with pytest.raises(MTPError, match='damaged or no zip or tar|holds nothing'):
        unpacking.unpack(str(tmp_path / 'b.zip'), [FLAT], str(tmp_path / 'root'))
