"""A file is known by what is in it, whatever it is called."""
import pytest

from mtp.errors import MTPError
from mtp.weights import importing, manifest, recognise
from tests.weights.small import checkpoint

ENTRIES = manifest.entries()


ALONE = [entry for entry in ENTRIES.values() if entry.task != 'change detection' and not entry.sha256]


@pytest.mark.parametrize('entry', ALONE, ids=[entry.name for entry in ALONE])
def test_each_published_file_is_known_by_its_tensors(tmp_path, entry):
    path = checkpoint(tmp_path / 'epoch_12.pth', entry)
    found, digest, how = recognise.recognise(path)
    assert (found.name, how, len(digest)) == (entry.name, 'content', 64)


def test_a_file_whose_published_hash_is_another_is_not_taken_for_it(tmp_path, monkeypatch):
    entry = ENTRIES['internimage_xl_22kto1k_384.pth']
    path = checkpoint(tmp_path / 'x.pth', entry)
    assert recognise.recognise(path)[0].name == 'last_internimage_xl_ss_is_rd_pretrn_model_encoder.pth'
    monkeypatch.setattr(manifest, 'entries', lambda: {entry.name: entry})
    with pytest.raises(MTPError, match='has the tensors of internimage_xl.*, but its sha256 is [0-9a-f]{64}, published '
                                       'is'):
        recognise.recognise(path)


CHANGE = [entry for entry in ENTRIES.values() if entry.task == 'change detection']
TYPES = {'cdd': 'SVCD_Dataset', 'levir': 'LEVIR_CD_Dataset', 'oscd': 'OSCD_RGB_CD_Dataset', 'whu': 'WHU_CD_Dataset'}


@pytest.mark.parametrize('entry', CHANGE, ids=[entry.name for entry in CHANGE])
def test_runs_with_equal_tensors_are_told_by_the_description_of_the_training(tmp_path, entry):
    dataset = entry.config.split('/')[2]
    path = checkpoint(tmp_path / 'best.pth', entry, {'cfg': f"dataset=dict(type='{TYPES[dataset]}')"})
    assert recognise.recognise(path)[::2] == (entry, 'description')
    path = checkpoint(tmp_path / dataset / 'best.pth', entry)
    assert recognise.recognise(path)[::2] == (entry, 'name')
    path = checkpoint(tmp_path / 'x' / 'best.pth', entry)
    with pytest.raises(MTPError, match='may be .* or .*they have the same tensors.*\n.*CONFIG='):
        recognise.recognise(path)
    assert recognise.recognise(path, entry.config)[::2] == (entry, 'user')


def test_a_file_that_is_another_network_is_refused_with_both_named(tmp_path):
    entry = ENTRIES['faster_rcnn_rvsa_l_800_mae_mtp_dior.pth']
    path = checkpoint(tmp_path / 'x.pth', entry)
    with pytest.raises(MTPError, match='is not .*oriented_rcnn_.*: its tensors are those of faster_rcnn_rvsa_l'):
        recognise.recognise(path, 'configs/mtp/diorr/oriented_rcnn_rvsa_l_800_mae_mtp_diorr.py')


@pytest.mark.parametrize('rows', [{'head.fc.weight': 11}, {'backbone.patch_embed.proj.weight': 64}])
def test_a_file_that_none_of_them_is_is_said(tmp_path, rows):
    path = checkpoint(tmp_path / 'x.pth', ENTRIES['vit-rvsa-b-224-mae-mtp_eurosat.pth'], **rows)
    with pytest.raises(MTPError, match='none of the published files: layout openmmlab2, with .*weight'):
        recognise.recognise(path)


def test_an_import_puts_the_file_in_its_place_and_records_its_hash(tmp_path, monkeypatch, capsys):
    root = tmp_path / 'weights'
    monkeypatch.setenv('MTP_WEIGHTS_ROOT', str(root))
    entry = ENTRIES['rvsa-l-upernet-384-mae-mtp-spacenetv1.pth']
    source = checkpoint(tmp_path / 'got' / 'iter_80000.pth', entry)
    assert importing.main([source]) == 0
    assert (root / entry.name).read_bytes() == open(source, 'rb').read()
    assert set(manifest.recorded(str(root))) == {entry.name} and 'told by its content' in capsys.readouterr().out
    assert importing.main([source]) == 0  # again: nothing changes
    other = checkpoint(tmp_path / 'other.pth', entry, {'epoch': 3})
    with pytest.raises(MTPError, match='another file lies at .*spacenetv1.pth'):
        importing.main([other])
    assert (root / entry.name).read_bytes() == open(source, 'rb').read()


def test_a_folder_is_imported_as_far_as_it_can_be(tmp_path, monkeypatch, capsys):
    root = tmp_path / 'weights'
    monkeypatch.setenv('MTP_WEIGHTS_ROOT', str(root))
    for name in ('vit-l-mae-checkpoint-1599.pth', 'last_vit_l_rvsa_ss_is_rd_pretrn_model_encoder.pth'):
        checkpoint(tmp_path / 'got' / ('x' + name), ENTRIES[name])
    (tmp_path / 'got' / 'broken.pth').write_bytes(b'PK\x03\x04 and nothing')
    assert importing.main([str(tmp_path / 'got')]) == 1
    assert len(manifest.recorded(str(root))) == 2 and 'not taken: ' in capsys.readouterr().out
    (tmp_path / 'empty').mkdir()
    with pytest.raises(MTPError, match='holds no checkpoint'):
        importing.main([str(tmp_path / 'empty')])


def test_weights_that_lie_in_their_place_are_recorded_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_WEIGHTS_ROOT', str(tmp_path))
    entry = ENTRIES['vit-l-mae-checkpoint-1599.pth']
    checkpoint(tmp_path / entry.name, entry)
    assert importing.main([str(tmp_path)]) == 0 and list(manifest.recorded(str(tmp_path))) == [entry.name]
