"""A passport holds what a replay needs, keeps earlier starts, and tells equal weights from unequal ones."""
import json
import os

import pytest

from mtp.errors import MTPError
from mtp.report import identity, passport


def start(path, **facts):
    return passport.Passport(path, kind='test', config={'lr': 1}, data={}, seed=3, processes=1, **facts)


def content(path):
    with open(str(path), encoding='utf-8') as stream:
        return json.load(stream)


def test_it_is_whole_at_the_start_and_completed_at_the_end(tmp_path):
    path = tmp_path / 'passport.json'
    record = start(path, device='cpu')
    begun = content(path)
    assert set(passport.KEYS) <= set(begun) and begun['status'] == 'running' and begun['finished'] is None
    assert begun['environment']['versions']['numpy'] and len(begun['environment']['ledger']) == 64
    record.complete('complete', metrics={'mAP': 0.5}, weights='ab', submission='x.zip')
    ended = passport.read(str(path))
    assert (ended['status'], ended['metrics'], ended['submission']) == ('complete', {'mAP': 0.5}, 'x.zip')
    assert ended['finished'] >= ended['started'] == begun['started']
    with pytest.raises(ValueError):
        record.complete('done')


def test_a_run_started_again_keeps_its_earlier_starts(tmp_path):
    path = tmp_path / 'passport.json'
    start(path)
    start(path).complete('stopped')
    start(path)
    assert [entry['status'] for entry in content(path)['earlier']] == ['running', 'stopped']


@pytest.mark.parametrize('text', ['', '[]', '{"schema": 1}', '{"schema": 2}'])
def test_what_is_no_passport_is_refused(tmp_path, text):
    (tmp_path / 'p.json').write_text(text)
    with pytest.raises(MTPError, match='passport'):
        passport.read(str(tmp_path / 'p.json'))


def test_a_manifest_tells_files_of_one_name_apart(tmp_path):
    for folder, text in (('train', 'one'), ('valid', 'two')):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'labels.json').write_text(text)
    found = passport.manifest([str(tmp_path / folder / 'labels.json') for folder in ('train', 'valid')])
    assert set(found['each']) == {'train/labels.json', 'valid/labels.json'} and found['bytes'] == 6
    assert passport.manifest([])['files'] == 0
    before = passport.listing(str(tmp_path))
    (tmp_path / 'train' / 'labels.json').rename(tmp_path / 'train' / 'other.json')
    after = passport.listing(str(tmp_path))
    assert before['files'] == after['files'] == 2 and before['names_and_sizes'] != after['names_and_sizes']


def test_the_stamp_of_a_converter_is_no_part_of_the_data(tmp_path):
    def digest(stamp, labels):
        text = f'{{"info":{{"fingerprint":"{stamp * 64}"}},"annotations":[{labels}]}}'
        (tmp_path / 'a.json').write_text(text)
        return passport.manifest([str(tmp_path / 'a.json')])['sha256']

    assert digest('a', 1) == digest('b', 1) != digest('a', 2)
    (tmp_path / 'plain').write_bytes(b'x' * 9000)
    assert passport.unstamped(str(tmp_path / 'plain')) == passport.files.sha256(str(tmp_path / 'plain'))


def test_a_fingerprint_sees_one_bit_one_name_and_one_shape():
    torch = pytest.importorskip('torch')
    state = {'b': torch.arange(4.), 'a': torch.ones(2, 2)}
    same = passport.fingerprint({'a': torch.ones(2, 2), 'b': torch.arange(4.)})
    assert passport.fingerprint(state) == same
    for other in ({'a': torch.ones(2, 2), 'b': torch.tensor([0, 1, 2,
                                                             3.0000002])}, {'a': torch.ones(2, 2), 'c': state['b']},
                  {'a': torch.ones(4), 'b': state['b']}, {'a': torch.ones(2, 2).double(), 'b': state['b']}):
        assert passport.fingerprint(other) != same


def test_an_image_says_what_the_launcher_told_it(monkeypatch):
    monkeypatch.setenv('MTP_IMAGE', 'left-over@sha256:1')
    assert identity.image() == {'runtime': 'native', 'name': None, 'digest': None}
    monkeypatch.setattr(identity.sys, 'prefix', identity.IMAGE_PREFIX)
    monkeypatch.setenv('MTP_IMAGE', 'mtp/mmrotate1:cpu@sha256:12')
    assert identity.image() == {'runtime': 'docker', 'name': 'mtp/mmrotate1:cpu', 'digest': 'sha256:12'}
    monkeypatch.delenv('MTP_IMAGE')
    monkeypatch.setenv('APPTAINER_CONTAINER', '/shared/a.sif')
    assert identity.image() == {'runtime': 'apptainer', 'name': 'a.sif', 'digest': None}
    monkeypatch.setenv('MTP_REVISION', 'abc-dirty')
    assert identity.code() == {'commit': 'abc', 'dirty': True, 'sha256': identity.content()}
    monkeypatch.setenv('MTP_REVISION', 'unknown')
    assert identity.code()['commit'] is None and not identity.code()['dirty']


def test_the_hash_of_the_code_sees_every_file_and_no_other(monkeypatch, tmp_path):
    (tmp_path / 'mtp' / 'nn').mkdir(parents=True)
    (tmp_path / 'mtp' / 'nn' / 'a.py').write_text('1')
    (tmp_path / 'work_dirs').mkdir()
    monkeypatch.setattr(identity.ledger, 'ROOT', str(tmp_path))
    before = identity.content()
    (tmp_path / 'work_dirs' / 'b.py').write_text('2')
    assert identity.content() == before
    (tmp_path / 'mtp' / 'nn' / 'a.py').write_text('2')
    assert identity.content() != before


def test_nodes_come_from_slurm_or_are_this_machine(monkeypatch):
    for name in ('SLURM_STEP_NODELIST', 'SLURM_JOB_NODELIST'):
        monkeypatch.delenv(name, raising=False)
    assert identity.nodes() == [os.uname().nodename]
    monkeypatch.setenv('SLURM_JOB_NODELIST', 'gpu[01-03]')
    assert identity.nodes() == ['gpu01', 'gpu02', 'gpu03']
