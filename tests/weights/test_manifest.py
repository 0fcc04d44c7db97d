"""What is published, what each run wants, and what was found in a file."""
import collections
import json
import os

import pytest

from mtp.errors import MTPError
from mtp.launch import configs, ledger
from mtp.reproduce import results
from mtp.weights import manifest

ENTRIES, RUNS = manifest.entries(), results.all_of()


def test_the_manifest_holds_every_published_file():
    """The guide: three networks before and after pretraining, whole models for decoder reuse, 36 fine-tuned models."""
    names = {'vit-b-checkpoint-1599.pth', 'vit-l-mae-checkpoint-1599.pth', 'internimage_xl_22kto1k_384.pth'}
    for backbone in ('vit_b_rvsa', 'vit_l_rvsa', 'internimage_xl'):
        names.update(f'last_{backbone}_ss_is_rd_pretrn_model{part}.pth' for part in ('', '_encoder'))
    assert {name for name, entry in ENTRIES.items() if not entry.config} == names
    assert collections.Counter(entry.task for entry in ENTRIES.values() if entry.config) == {
        'classification': 6, 'horizontal detection': 6, 'rotated detection': 6, 'segmentation': 6,
        'change detection': 12}
    assert not [name for name in ENTRIES if 'dota' in name]  # no DOTA detector was released


def test_every_entry_says_where_it_lies_and_under_which_licence():
    for entry in ENTRIES.values():
        assert entry.licence and entry.what and entry.published
        for place in entry.published:
            assert place.address.startswith('https://')
            assert (place.place == 'Baidu folder') == bool(place.code) == ('pwd=' + (place.code
                                                                                     or '-') in place.address)
    assert ENTRIES['internimage_xl_22kto1k_384.pth'].sha256.startswith('ab4f9724') and (
        ENTRIES['internimage_xl_22kto1k_384.pth'].address.endswith('/internimage_xl_22kto1k_384.pth'))


def test_every_weight_that_a_config_names_is_in_the_manifest():
    wanted = set()
    for leaf in configs.leaves(ledger.ROOT):
        with open(os.path.join(ledger.ROOT, configs.leaf_path(leaf)), encoding='utf-8') as stream:
            wanted.update(word.split("'")[0] for word in stream.read().split("'weights/")[1:])
    assert wanted == {name for name, entry in ENTRIES.items() if entry.task == manifest.INITIAL}


def test_each_run_has_what_it_starts_from_and_half_of_them_a_released_result():
    found = [manifest.for_run(name, RUNS) for name in RUNS]
    assert all([entry.task for entry in each].count(manifest.INITIAL) == 1 for each in found)
    assert sum(len(each) == 2 for each in found) == 36
    with pytest.raises(MTPError, match='no published run'):
        manifest.for_run('mmrotate1/dior/other', RUNS)


def test_a_released_result_belongs_to_a_run_with_that_backbone_and_init():
    for entry in ENTRIES.values():
        for name in manifest.wanted_by(entry, RUNS):
            assert (RUNS[name]['backbone'], RUNS[name]['init']) == (entry.backbone, entry.init)
            assert os.path.exists(os.path.join(ledger.ROOT, 'configs', name + '.py'))


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_WEIGHTS_ROOT', str(tmp_path))
    return str(tmp_path)


def test_a_run_is_held_to_what_was_imported(root):
    manifest.record(root, 'a.pth', '1' * 64, 5, 'content')
    manifest.record(root, 'b.pth', '2' * 64, 6, 'user')
    manifest.hold(os.path.join(root, 'a.pth'), '1' * 64)
    with pytest.raises(MTPError, match='a.pth has sha256 2{64}, but 1{64} was .* imported'):
        manifest.hold(os.path.join(root, 'a.pth'), '2' * 64)
    manifest.hold(os.path.join(root, 'unknown.pth'), '3' * 64)
    manifest.hold(os.path.join(root, 'sub', 'a.pth'), '2' * 64)  # another folder: nothing is known of it
    with pytest.raises(MTPError, match='published or imported'):
        manifest.hold(os.path.join(root, 'internimage_xl_22kto1k_384.pth'), '2' * 64)


@pytest.mark.parametrize('content', [b'', b'\x00', b'[]', b'{"a.pth": 1}', b'{"a.pth": {"sha256": "x"}}'])
def test_a_damaged_record_is_said_and_not_believed(root, content):
    with open(os.path.join(root, manifest.RECORD), 'wb') as stream:
        stream.write(content)
    with pytest.raises(MTPError, match='cannot be read') if content != b'[]' else pytest.raises(MTPError):
        manifest.recorded(root)


def test_the_record_is_plain_json(root):
    manifest.record(root, 'a.pth', '1' * 64, 5, 'hash')
    with open(os.path.join(root, manifest.RECORD)) as stream:
        assert json.load(stream) == {'a.pth': {'sha256': '1' * 64, 'bytes': 5, 'told_by': 'hash'}}
