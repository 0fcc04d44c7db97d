"""Annotations are parsed once and mapped by every process (published.md#annotations-per-rank)."""
import json
import os

import numpy as np
import pytest

from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.pretrain import recipe
from mtp.pretrain.data import annotation_cache, annotations, loader
from tests.pretrain.mapping import Alone


def mapped(folder, name='sota', split='train'):
    return annotation_cache.read(str(folder), name, split, True, Alone())


@pytest.mark.parametrize('name', ['sota', 'sior', 'fast'])
def test_nothing_changes(samrs, tmp_path, name):
    parsed = annotations.read(name)
    for found in (mapped(tmp_path, name), mapped(tmp_path, name)):  # made, and found again
        assert list(found.names) == list(
            parsed.names) and found.files == parsed.files and found.skipped == parsed.skipped
        assert [found.image(0), found.seg(1)] == [parsed.image(0), parsed.seg(1)]
        for array in annotation_cache.ARRAYS:
            assert np.array_equal(getattr(found, array), getattr(parsed, array))
            assert getattr(found, array).dtype == getattr(parsed, array).dtype
    assert len(os.listdir(str(tmp_path))) == 1
    with pytest.raises(IndexError):
        found.names[len(found)]
    steps = [loader.StepDataset({name: item}, {name: 2}, 64, recipe.get('paper'))[3][name] for item in (parsed, found)]
    assert (steps[0].images == steps[1].images).all()


def test_processes_map_the_same_file(samrs, tmp_path, zygote):
    """Two processes and a loader process of one of them say which file lies behind their masks."""
    mapped(tmp_path)
    told = []
    for number in range(2):
        out = tmp_path / f'{number}.txt'
        code, said = zygote.start(out, str(tmp_path), call='mapping:main', MTP_DATA_ROOT=str(samrs)).wait()
        assert code == 0, said
        told.append(said.split('\n')[:-1])
    assert told[0] == told[1] and len(set(told[0])) == 1 and len(told[0]) == 2
    place = [item for item in os.listdir(str(tmp_path)) if item.startswith('sota')][0]
    facts = os.stat(str(tmp_path / place / 'rle.npy'))
    assert told[0][0] == f'{facts.st_ino} r--s'


def test_a_changed_annotation_makes_another_folder(samrs, tmp_path, monkeypatch):
    import shutil
    shutil.copytree(str(samrs / 'samrs' / 'dotav2_1024_rbb'), str(tmp_path / 'samrs' / 'dotav2_1024_rbb'))
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path))
    first = mapped(tmp_path / 'cache')
    path = catalogue.locate(catalogue.get('sota').files['coco'], split='train')
    with open(path) as stream:
        content = json.load(stream)
    content['annotations'].pop()
    with open(path, 'w') as stream:
        json.dump(content, stream)
    assert len(mapped(tmp_path / 'cache').boxes) == len(first.boxes) - 1
    rotated = first.files[1]
    with open(rotated) as stream:
        lines = stream.readlines()
    with open(rotated, 'w') as stream:
        stream.writelines(lines[:-1])
    assert len(mapped(tmp_path / 'cache').rboxes) == len(first.rboxes) - 1
    os.unlink(first.image(0))
    with pytest.raises(MTPError, match='missing in'):
        mapped(tmp_path / 'cache')


@pytest.mark.parametrize('name, damage', [
    ('boxes.npy', lambda data: data[:-1] + bytes([data[-1] ^ 1])), ('labels.npy', lambda data: data[:40]),
    ('names.npy', lambda data: None), ('facts.json', lambda data: data.replace(b'skipped', b'skinned')),
    ('facts.json', lambda data: b''), ('sizes.npy', lambda data: b'\xff' + data[1:])])
def test_a_damaged_array_is_noticed_and_made_anew(samrs, tmp_path, capsys, name, damage):
    parsed = annotations.read('sota')
    mapped(tmp_path)
    place, = tmp_path.iterdir()
    changed = damage((place / name).read_bytes())
    if changed is None:
        (place / name).unlink()
    else:
        (place / name).write_bytes(changed)
    found = mapped(tmp_path)
    assert 'are damaged and are made anew' in capsys.readouterr().err
    for array in annotation_cache.ARRAYS:
        assert np.array_equal(getattr(found, array), getattr(parsed, array))
    assert annotation_cache.intact(str(place))
    assert list(found.names) == list(parsed.names) and found.skipped == parsed.skipped
