"""A bundle holds the source and what the locks ask for, and every kind of damage to it is named."""
import hashlib
import io
import json
import os
import subprocess
import tarfile

import pytest

from mtp.errors import MTPError
from mtp.launch import bundle, ledger, lock, setup, verify_bundle
from tests.launch import fakes

TAG = 'mtp/mmrotate1:cpu'


def git(root, *words):
    subprocess.check_call(('git', '-C', str(root), '-c', 'user.name=t', '-c', 'user.email=t@t') + words,
                          stdout=subprocess.DEVNULL)


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / 'checkout'
    for name in ('Makefile', 'docker/wheels/README.md', 'mtp/a.py'):
        fakes.touch(str(root / name))
    git(root, 'init', '-q')
    git(root, 'add', '-A')
    git(root, 'commit', '-q', '-m', 'x')
    fakes.touch(str(root / 'untracked'))
    return root


def bundler(checkout, **words):
    words = dict({'OUT': str(checkout.parent / 'bundle'), 'ENV': 'mmrotate1', 'PARTS': 'sif'}, **words)
    return bundle.Bundler(fakes.ask(**words), fakes.machine(checkout))


@pytest.fixture
def made(checkout):
    bundler(checkout).make()
    return checkout.parent / 'bundle'


def test_it_holds_what_git_tracks_and_says_what_it_lacks(made):
    assert bundle.contents(str(made)) == ['Makefile', 'bundle.json', 'docker/wheels/README.md', 'mtp/a.py']
    about = bundle.read(str(made))
    assert about['revision'] == '0123456789abcdef' and about['environments'] == ['mmrotate1'
                                                                                 ] and about['variant'] == 'cpu'
    assert len(about['left_out']) == 4 and 'make sif' in about['left_out'][-1]
    assert verify_bundle.check_sums(str(made)) == []


def test_a_second_run_drops_what_is_no_longer_tracked_and_keeps_the_rest(made, checkout):
    git(checkout, 'rm', '-q', 'mtp/a.py')
    fakes.touch(str(made / '.venv/x'))
    bundler(checkout).make()
    assert bundle.contents(str(made)) == ['Makefile', 'bundle.json', 'docker/wheels/README.md']
    assert (made / '.venv/x').exists()


def test_a_folder_that_is_no_bundle_is_left_alone(checkout):
    fakes.touch(str(checkout.parent / 'bundle/thesis.tex'))
    with pytest.raises(MTPError, match='is there and is no bundle'):
        bundler(checkout).make()
    with pytest.raises(MTPError, match='PARTS names kitchen'):
        bundler(checkout, PARTS='kitchen').make()


def test_damage_is_named(made):
    (made / 'Makefile').write_text('x')
    (made / 'mtp/a.py').unlink()
    (made / 'mtp/b.py').write_text('')
    wrong = verify_bundle.check_sums(str(made))
    assert [line.split(' ', 1)[0]
            for line in wrong] == ['mtp/a.py', 'mtp/b.py', 'Makefile'] and 'has changed' in wrong[2]
    (made / 'SHA256SUMS').unlink()
    with pytest.raises(MTPError, match='was not finished'):
        verify_bundle.check_sums(str(made))


def test_a_wheel_that_the_lock_does_not_admit_does_not_count(tmp_path, monkeypatch):
    (tmp_path / 'a-1-py3-none-any.whl').write_bytes(b'a')
    admitted = hashlib.sha256(b'a').hexdigest()
    monkeypatch.setattr(
        lock, 'read',
        lambda name: 'a==1 \\\n    --hash=sha256:{}\nb==2 \\\n    --hash=sha256:{}\n'.format(admitted, 'f' * 64))
    assert bundle.lacking('x', bundle.hashes(str(tmp_path))) == ['b']


def test_wheels_of_earlier_locks_are_dropped(checkout, monkeypatch):
    admitted = hashlib.sha256(b'a').hexdigest()
    monkeypatch.setattr(lock, 'read', lambda name: 'a==1 \\\n    --hash=sha256:{}\n'.format(admitted))
    folder = checkout / 'docker' / 'wheels'
    for name in ('a', 'b'):
        (folder / (name + '-1-py3-none-any.whl')).write_bytes(name.encode())
    bundler(checkout)._drop_others(str(folder))
    assert sorted(os.listdir(str(folder))) == ['README.md', 'a-1-py3-none-any.whl']


def archive(path, tags, digest):
    config = json.dumps({'config': {'Labels': {'org.mtp.environment': 'mmrotate1', 'org.mtp.ledger': digest}}}).encode()
    manifest = json.dumps([{'Config': 'c.json', 'RepoTags': tags}]).encode()
    with tarfile.open(str(path), 'w') as stream:
        for name, content in (('c.json', config), ('manifest.json', manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            stream.addfile(info, io.BytesIO(content))


def test_an_archive_holds_the_images_that_it_should(tmp_path):
    path = tmp_path / 'x.tar'
    archive(path, [TAG], ledger.digest('mmrotate1'))
    assert verify_bundle.check_archive(str(path), [TAG], 'x.tar') == []
    assert 'holds mtp/mmrotate1:cpu, not other' in verify_bundle.check_archive(str(path), ['other'], 'x.tar')[0]
    archive(path, [TAG], 'f' * 64)
    assert 'not of this ledger' in verify_bundle.check_archive(str(path), [TAG], 'x.tar')[0]
    path.write_bytes(b'no tar')
    assert 'is no docker archive' in verify_bundle.check_archive(str(path), [TAG], 'x.tar')[0]


def test_base_images_that_the_site_gave_are_taken():
    words = ('--progress', 'plain', '--build-arg', 'BASE_IMAGE=site/base:1', '--build-arg', 'OTHER=1')
    assert bundle.given_arguments(words) == {'BASE_IMAGE': 'site/base:1'}


def test_a_checkout_with_wheels_asks_no_index(tmp_path):
    assert setup.wheels_alone(str(tmp_path)) == {}
    fakes.touch(str(tmp_path / 'docker/wheels/a.whl'))
    place = os.path.join(str(tmp_path), 'docker', 'wheels')
    steps = {step.name: step for step in setup.steps(fakes.ask(), str(tmp_path), 'mmrotate1', 'python3.8', '3.8.18')}
    assert steps['packages'].environment['PIP_FIND_LINKS'] == place and steps['packages'].environment[
        'PIP_NO_INDEX'] == '1'
    assert steps['ops'].environment['PIP_FIND_LINKS'] == ''
