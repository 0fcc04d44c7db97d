import pytest

from mtp.data import catalogue
from mtp.errors import MTPError

NAMES = ('eurosat resisc45 xview dior diorr fair1m dotav1 dotav15 dotav2 spacenetv1 loveda oscd whu levir cdd '
         'sota sior fast').split()
NUMBER_OF_CLASSES = dict(eurosat=10, resisc45=45, xview=60, dior=20, diorr=20, fair1m=37, dotav1=15, dotav15=16,
                         dotav2=18, spacenetv1=2, loveda=7, oscd=2, whu=2, levir=2, cdd=2, sota=18, sior=20, fast=37)


def test_every_dataset_of_the_paper_is_there():
    assert sorted(catalogue.names()) == sorted(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_entry_is_complete(name):
    dataset = catalogue.get(name)
    assert len(dataset.classes) == NUMBER_OF_CLASSES[name]
    assert len(set(dataset.classes)) == len(dataset.classes)
    assert len(set(dataset.palette)) == len(dataset.palette) == len(dataset.classes)
    assert dataset.splits and dataset.published and dataset.licence and dataset.download
    for split in list(dataset.splits.values()) + list(dataset.source.values()):
        for path in (split.images, split.labels, split.listing):
            assert not path.startswith('/') and '..' not in path
        assert split.image_suffix.startswith('.')


def test_sota_and_dota_have_the_same_names_in_another_order():
    sota, dota = catalogue.get('sota').classes, catalogue.get('dotav2').classes
    assert sorted(sota) == sorted(dota) and sota != dota
    assert (sota[0], sota[4], dota[0]) == ('large-vehicle', 'plane', 'plane')


def test_dota_versions_extend_each_other():
    v1, v15, v2 = (catalogue.get(name).classes for name in ('dotav1', 'dotav15', 'dotav2'))
    assert v15[:15] == v1 and v2[:16] == v15 and v15[15] == 'container-crane' and v2[16:] == ('airport', 'helipad')


def test_official_spelling_of_fair1m_keeps_the_hyphen_of_other():
    spelling = catalogue.get('fair1m').spelling
    assert spelling['Dry-Cargo-Ship'] == 'Dry Cargo Ship'
    assert not set(spelling) & {'other-airplane', 'other-ship', 'other-vehicle', 'Boeing737'}


def test_a_wrong_name_lists_the_near_ones():
    with pytest.raises(MTPError, match='dotav1'):
        catalogue.get('DOTA-v1')


def test_locate_follows_the_data_root(monkeypatch):
    monkeypatch.setenv('MTP_DATA_ROOT', 'somewhere')
    sota = catalogue.get('sota')
    assert catalogue.locate(sota.files['coco'], split='train') == (
        'somewhere/samrs/dotav2_1024_rbb/trainval/sota_rbb_train_ins_segmentation.json')


def test_super_categories_of_fair1m_hold_every_class_once():
    fair1m = catalogue.get('fair1m')
    assert {name: len(members) for name, members in fair1m.groups.items()} == {
        'Airplane': 11, 'Ship': 9, 'Vehicle': 10, 'Court': 4, 'Road': 3}
    assert sorted(sum(fair1m.groups.values(), ())) == sorted(fair1m.classes)
    assert catalogue.get('dotav1').groups == {}
