"""What others put where a converter writes is never removed or replaced, with --overwrite neither."""
import json
import os
import subprocess
import sys

import pytest

from mtp.data import coco, converting, join
from mtp.data.samples import __main__ as samples
from mtp.errors import MTPError


def options(**changes):
    return type('Options', (), dict(dict(overwrite=False, dry_run=False), **changes))


@pytest.mark.parametrize('text', ['', '{"info":{},"images":[]}', '{"info":{"fingerprint":"a"},"images":[]}', '\udcff'])
def test_a_coco_file_of_others_is_not_replaced(tmp_path, text):
    path = tmp_path / 'instances.json'
    path.write_bytes(text.encode('utf-8', 'surrogateescape'))
    with pytest.raises(MTPError, match='was not written by this command') as told:
        converting.refuse_existing([str(path)], options(overwrite=True), coco.is_ours)
    assert told.value.hint.endswith(f'mv {path} {path}.mine')


@pytest.mark.parametrize('fingerprint', ['', '0' * 64])
def test_a_coco_file_of_ours_is_replaced_when_asked(tmp_path, fingerprint):
    path = str(tmp_path / 'instances.json')
    coco.write(path, ['ship'], [], fingerprint)
    assert json.load(open(path))['images'] == []
    converting.refuse_existing([path], options(overwrite=True), coco.is_ours)
    with pytest.raises(MTPError, match='exists already'):
        converting.refuse_existing([path], options(), coco.is_ours)


def test_pictures_that_a_user_added_to_a_joined_folder_stay(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path))
    samples.main(['dota', '--out', str(tmp_path), '--images', '2'])
    assert join.main(['dotav1']) == 0
    images = tmp_path / 'dotav1' / 'trainval' / 'images'
    (images / 'P9999.png').write_text('mine')
    assert join.main(['dotav1', '--overwrite']) == 0
    assert (images / 'P9999.png').read_text() == 'mine' and len(os.listdir(str(images))) > 1


def test_new_samples_replace_the_old_and_keep_what_was_made_of_them(tmp_path):
    words = ['eurosat', '--out', str(tmp_path), '--images', '2']
    samples.main(words)
    old = sorted(str(path) for path in tmp_path.rglob('*.*'))
    (tmp_path / 'eurosat' / 'notes.txt').write_text('mine')
    with pytest.raises(MTPError, match='made otherwise'):
        samples.main(words + ['--seed', '1'])
    samples.main(words + ['--seed', '1', '--overwrite'])
    assert (tmp_path / 'eurosat' / 'notes.txt').read_text() == 'mine'
    assert sorted(str(path) for path in tmp_path.rglob('*.*') if path.name != 'notes.txt') == old
    samples.main(words + ['--seed', '1'])  # is there already


def test_samples_do_not_replace_a_file_of_their_name(tmp_path):
    words = ['eurosat', '--out', str(tmp_path), '--images']
    samples.main(words + ['2'])
    fresh = tmp_path / 'other'
    samples.main(['eurosat', '--out', str(fresh), '--images', '3'])
    extra = sorted({str(path.relative_to(fresh)) for path in fresh.rglob('*.jpg')}
                   - {str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*.jpg')})[0]
    (tmp_path / extra).write_text('mine')
    with pytest.raises(MTPError, match='is none of the sample set'):
        samples.main(words + ['3', '--overwrite'])
    assert (tmp_path / extra).read_text() == 'mine'


def test_two_sets_of_samples_can_be_drawn_at_once(tmp_path):
    words = [sys.executable, '-m', 'mtp.data.samples', '--out', str(tmp_path), '--images', '1']
    both = [subprocess.Popen(words + [name], stderr=subprocess.PIPE) for name in ('eurosat', 'cdd')]
    assert [child.communicate()[1] for child in both] == [b'', b'']
    assert sorted(os.listdir(str(tmp_path))) == ['cdd', 'eurosat']
