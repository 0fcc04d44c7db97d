"""``make fetch-DATASET``: from archives that are somewhere to the layout of the catalogue."""
import hashlib
import os
import re
import zipfile

import pytest

from mtp.data import archives, catalogue, fetching
from mtp.errors import MTPError

NAMES = catalogue.names()


def test_every_data_set_says_where_its_archives_are_and_what_is_taken_out():
    for name in NAMES:
        found = archives.of(name)
        assert found, name
        for archive in found:
            assert bool(archive.address) != bool(archive.page), archive.name
            assert (archive.address or archive.page).startswith('https://')
            assert archive.md5 is None or re.fullmatch('[0-9a-f]{32}', archive.md5)
            assert archive.md5 or not archive.address, 'what is fetched is known by its hash'
        assert len({archive.name for archive in found}) == len(found)


@pytest.mark.parametrize('name', NAMES)
def test_what_is_unpacked_lies_where_the_catalogue_reads_it(name):
    dataset = catalogue.get(name)
    goals = {rule.into for archive in archives.of(name) for rule in archive.unpack}
    for split in (dataset.source or dataset.splits).values():
        for place in filter(None, (split.images, split.labels)):
            if split.name == 'test-challenge' or 'hbox_segs' in place or name in ('sior', 'fast', 'sota'):
                continue
            assert any(place == goal or place.startswith(goal + '/') for goal in goals), place


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path / 'data'))
    for name in ('ARCHIVES', 'OUT', 'ACCEPT_LICENCE', 'MTP_MIRROR'):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def loveda(folder, monkeypatch):
    """The three archives of LoveDA as the publisher packs them, a picture in each, with hashes that fit."""
    folder.mkdir()
    found = []
    for archive in archives.of('loveda'):
        part = archive.name[:-len('.zip')]
        with zipfile.ZipFile(str(folder / archive.name), 'w') as packed:
            for kind in ('Rural', 'Urban'):
                for folder_name in ('images_png', 'masks_png'):
                    packed.writestr(f'{part}/{kind}/{folder_name}/7.png', part + kind)
        found.append(archive._replace(md5=hashlib.md5((folder / archive.name).read_bytes()).hexdigest()))
    monkeypatch.setattr(archives, 'of', lambda name: tuple(found))
    return found


def test_the_terms_of_the_publisher_are_for_a_person_to_accept(place, capsys):
    with pytest.raises(MTPError, match='CC BY-NC-SA 4.0.*\n.*make fetch-loveda ACCEPT_LICENCE=1'):
        fetching.main(['loveda'])
    assert not os.path.exists(str(place / 'data'))


@pytest.mark.parametrize('way', ['--archives', '--mirror'])
def test_from_archives_to_the_layout_of_the_catalogue(place, monkeypatch, way):
    loveda(place / 'here', monkeypatch)
    source = str(place / 'here') if way == '--archives' else 'file://' + str(place / 'here')
    for _ in range(2):  # the second time nothing is left to do
        assert fetching.main(['loveda', '--accept-licence', way, source]) == 0
    assert (place / 'data/loveda_dataset/Train/Urban/images_png/7.png').read_text() == 'TrainUrban'
    assert (place / 'data/loveda_dataset/Test/Rural/images_png/7.png').read_text() == 'TestRural'


def test_archives_for_a_cluster_without_network(place, monkeypatch):
    loveda(place / 'here', monkeypatch)
    assert fetching.main(['loveda', '--accept-licence', '--mirror', 'file://' + str(place / 'here'), '--out',
                          str(place / 'stick')]) == 0
    assert {'Train.zip', 'Val.zip', 'Test.zip'} == set(os.listdir(str(place / 'stick'))) and not (place
                                                                                                  / 'data').exists()
    assert fetching.main(['loveda', '--accept-licence', '--archives', str(place / 'stick')]) == 0
    assert (place / 'data/loveda_dataset/Val/Urban/masks_png/7.png').exists()


def test_the_wrong_archive_is_not_unpacked(place, monkeypatch):
    loveda(place / 'here', monkeypatch)
    (place / 'here' / 'Val.zip').write_bytes(b'PK other')
    with pytest.raises(MTPError, match='Val.zip: md5 is'):
        fetching.main(['loveda', '--accept-licence', '--archives', str(place / 'here')])
    with pytest.raises(MTPError, match='not the file that is wanted: md5'):
        fetching.main(['loveda', '--accept-licence', '--mirror', 'file://' + str(place / 'here')])
    assert not (place / 'data' / 'loveda_dataset').exists()


def test_what_a_person_has_to_get_is_said_by_name(place, capsys):
    assert fetching.main(['xview', '--accept-licence']) == 1
    said = capsys.readouterr().out
    assert 'train_images.tgz  from https://xviewdataset.org: a registration' in said
    assert 'ARCHIVES=<that folder>' in said


def test_a_killed_unpacking_goes_on(place, monkeypatch):
    loveda(place / 'here', monkeypatch)
    real, calls = fetching.unpacking.unpack, []

    def dying(path, rules, root):
        calls.append(os.path.basename(path))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(path, rules, root)

    monkeypatch.setattr(fetching.unpacking, 'unpack', dying)
    with pytest.raises(KeyboardInterrupt):
        fetching.main(['loveda', '--accept-licence', '--archives', str(place / 'here')])
    assert fetching.main(['loveda', '--accept-licence', '--archives', str(place / 'here')]) == 0
    assert calls == ['Train.zip', 'Val.zip', 'Val.zip', 'Test.zip']


def test_the_page_has_the_table_of_all_data_sets():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(root, 'docs', 'data.md'), encoding='utf-8') as stream:
        page = stream.read()
    assert '\n'.join(archives.table()) + '\n<!-- end of generated table -->' in page
