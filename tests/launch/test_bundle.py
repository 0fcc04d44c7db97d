"""A bundle holds the source and what the locks ask for, and every kind of damage to it is named."""
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile

import pytest

from mtp.errors import MTPError
from mtp.launch import bundle, ledger, lock, setup, sums, verify_bundle
from tests.launch import fakes

TAG = 'mtp/mmrotate1:cpu'


def git(root, *words):
    subprocess.check_call(('git', '-C', str(root), '-c', 'user.name=t', '-c', 'user.email=t@t') + words,
                          stdout=subprocess.DEVNULL)


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / 'checkout'
    for name in ('Makefile', 'docker/wheels/README.md', 'mtp/a.py', 'mtp/data/b.py'):
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


def names(folder):
    return sums.walk(str(folder))[0]


def test_it_holds_what_git_tracks_and_says_what_it_lacks(made):
    assert names(made) == ['Makefile', 'SHA256SUMS', 'bundle.json', 'docker/wheels/README.md', 'mtp/a.py',
                           'mtp/data/b.py']
    about = bundle.read(str(made))
    assert about['revision'] == '0123456789abcdef' and about['environments'] == ['mmrotate1'
                                                                                 ] and about['variant'] == 'cpu'
    assert len(about['left_out']) == 4 and 'make sif' in about['left_out'][-1]
    assert verify_bundle.check_sums(str(made)) == []


def test_a_second_run_drops_what_is_no_longer_tracked_and_keeps_the_rest(made, checkout):
    git(checkout, 'rm', '-q', 'mtp/a.py')
    fakes.touch(str(made / '.venv/x'))
    bundler(checkout).make()
    assert names(made) == ['.venv/x', 'Makefile', 'SHA256SUMS', 'bundle.json', 'docker/wheels/README.md',
                           'mtp/data/b.py']
    assert '.venv/x' not in bundle.sums_of(str(made))


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
    (made / 'SHA256SUMS').write_text('no sum\n')
    with pytest.raises(MTPError, match='SHA256SUMS, line 1'):
        verify_bundle.check_sums(str(made))
    (made / 'SHA256SUMS').unlink()
    with pytest.raises(MTPError, match='was not finished'):
        verify_bundle.check_sums(str(made))


@pytest.mark.parametrize('name', ['mtp/__pycache__/a.cpython-38.pyc', '.venv/mmrotate1/bin/python', 'json.py',
                                  'mtp/.a.py.tmp', 'docker/wheels/torch-9-py3-none-any.whl',
                                  '.git/hooks/post-checkout'])
def test_what_was_planted_is_named(made, name):
    fakes.touch(str(made / name))
    found, = verify_bundle.check_sums(str(made))
    assert found.startswith(name) and 'no part of the bundle' in found
    said = sums.hint([found], str(made))
    assert 'remove what you did not put there' in said or '__pycache__' in name and said.startswith('find ')


@pytest.mark.parametrize('name', ['mtp/link.py', 'docker/wheelhouse', 'data'])
def test_a_link_is_named_and_not_followed(made, name):
    (made / name).symlink_to('/etc')
    found, = verify_bundle.check_sums(str(made))
    assert found == name + ' is a link or a special file; a bundle holds plain files alone'


def test_a_listed_file_that_became_a_link_or_a_pipe_is_named(made):
    (made / 'mtp/a.py').unlink()
    (made / 'mtp/a.py').symlink_to(made / 'Makefile')
    (made / 'Makefile').unlink()
    os.mkfifo(str(made / 'Makefile'))  # reading it would wait for ever
    assert [line.split(' ', 1)[0] for line in verify_bundle.check_sums(str(made))] == ['Makefile', 'mtp/a.py']


@pytest.mark.parametrize('change', ['delete', 'poison'])
def test_a_folder_of_the_source_called_data_is_looked_at(made, change):
    path = made / 'mtp/data/b.py'
    path.unlink() if change == 'delete' else path.write_text('poison')
    found, = verify_bundle.check_sums(str(made))
    assert found.startswith('mtp/data/b.py ')


def test_what_its_users_keep_there_is_theirs(made):
    for name in ('data/dior/1.jpg', 'weights/a.pth', 'work_dirs/run/log.jsonl', 'apptainer/a.sif.digest'):
        fakes.touch(str(made / name))
    assert verify_bundle.check_sums(str(made)) == []


def test_the_first_look_runs_nothing_of_the_bundle(made):
    shutil.copy(sums.__file__, str(made / 'mtp' / 'a.py'))
    planted = 'open({!r}, "w")\n'.format(str(made.parent / 'ran'))
    for name in ('hashlib.py', 'mtp/hashlib.py', 'mtp/stat.py'):  # names that the script imports
        (made / name).write_text(planted)
    done = subprocess.run([sys.executable, '-I', str(made / 'mtp' / 'a.py'), str(made)], cwd=str(made),
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 1 and 'hashlib.py is not in SHA256SUMS' in done.stderr and 'next: ' in done.stderr
    assert not (made.parent / 'ran').exists()


def test_in_a_bundle_the_first_look_comes_before_any_of_its_code_and_python_leaves_no_files(made):
    shutil.copy(os.path.join(ledger.ROOT, 'Makefile'), str(made / 'Makefile'))
    said = subprocess.check_output(['make', '-n', '-C', str(made), 'verify-bundle', 'PYTHON=python3'],
                                   universal_newlines=True)
    assert said.index('python3 -I mtp/launch/sums.py .') < said.index('python3 -m mtp.launch ')
    with open(str(made / 'Makefile')) as stream:
        assert 'export PYTHONDONTWRITEBYTECODE' in stream.read()


def test_a_bundle_of_a_bundle_holds_the_same_source_and_no_strangers(made, tmp_path):
    fakes.touch(str(made / 'mtp/__pycache__/a.cpython-38.pyc'))
    fakes.touch(str(made / 'data/x'))
    bundle.Bundler(fakes.ask(OUT=str(tmp_path / 'second'), ENV='mmrotate1', PARTS='sif'), fakes.machine(made)).make()
    assert names(tmp_path / 'second') == names(made)[:3] + ['docker/wheels/README.md', 'mtp/a.py', 'mtp/data/b.py']
    assert verify_bundle.check_sums(str(tmp_path / 'second')) == []


def test_a_flipped_byte_is_mended_and_never_hashed_anew(checkout, monkeypatch):
    def save(words, folder, what, **variables):
        with open(words[words.index('--output') + 1], 'wb') as stream:
            stream.write(b'image')

    tag = 'mtp/mmrotate1:cpu'
    machine = fakes.machine(checkout)
    monkeypatch.setattr(bundle, 'call', save)
    out = checkout.parent / 'bundle'
    for path in (None, out / 'images/mmrotate1-cpu.tar', out / 'mtp/a.py'):
        if path:
            before = path.stat()
            path.write_bytes(b'x' * before.st_size or b'x')
            os.utime(str(path), ns=(before.st_atime_ns, before.st_mtime_ns))
        bundle.Bundler(fakes.ask(OUT=str(out), ENV='mmrotate1', VARIANT='cpu', PARTS='images'), machine).make()
        assert (out / 'images/mmrotate1-cpu.tar').read_bytes() == b'image' and (out / 'mtp/a.py').read_bytes() == b''
    assert bundle.read(str(out))['images']['images/mmrotate1-cpu.tar']['tags'] == [tag]


def test_an_archive_that_is_whole_is_kept(checkout, monkeypatch, capsys):
    (checkout.parent / 'bundle/images').mkdir(parents=True)
    path = checkout.parent / 'bundle/images/mmrotate1-cpu.tar'
    path.write_bytes(b'image')
    entry = {'tags': [TAG], 'id': 'sha256:' + 'ab' * 32, 'sha256': hashlib.sha256(b'image').hexdigest()}
    (checkout.parent / 'bundle/bundle.json').write_text(json.dumps({'images': {'images/mmrotate1-cpu.tar': entry}}))
    monkeypatch.setattr(bundle, 'call', lambda *words, **more: pytest.fail('it was saved once more'))
    bundler(checkout, PARTS='images', VARIANT='cpu').make()
    assert 'mmrotate1-cpu.tar: kept' in capsys.readouterr().out


def test_a_wheel_that_the_lock_does_not_admit_does_not_count(tmp_path, monkeypatch):
    (tmp_path / 'a-1-py3-none-any.whl').write_bytes(b'a')
    admitted = hashlib.sha256(b'a').hexdigest()
    monkeypatch.setattr(
        lock, 'read',
        lambda name: 'a==1 \\\n    --hash=sha256:{}\nb==2 \\\n    --hash=sha256:{}\n'.format(admitted, 'f' * 64))
    assert bundle.lacking('x', bundle.hashes(str(tmp_path))) == ['b']


def test_wheels_of_earlier_locks_are_dropped(checkout, monkeypatch):
    admitted = hashlib.sha256(b'a').hexdigest()
    monkeypatch.setattr(lock, 'read', lambda name: f'a==1 \\\n    --hash=sha256:{admitted}\n')
    folder = checkout / 'docker' / 'wheels'
    for name in ('a', 'b'):
        (folder / (name + '-1-py3-none-any.whl')).write_bytes(name.encode())
    bundler(checkout)._drop_others(str(folder))
    assert sorted(os.listdir(str(folder))) == ['README.md', 'a-1-py3-none-any.whl']


def archive(path, tags, digest):
    config = json.dumps({'config': {'Labels': {'org.mtp.environment': 'mmrotate1', 'org.mtp.variant': 'cpu',
                                               'org.mtp.ledger': digest}}}).encode()
    manifest = json.dumps([{'Config': 'c.json', 'RepoTags': tags}]).encode()
    with tarfile.open(str(path), 'w') as stream:
        for name, content in (('c.json', config), ('manifest.json', manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            stream.addfile(info, io.BytesIO(content))


def test_an_archive_holds_the_images_that_it_should(tmp_path):
    path = tmp_path / 'x.tar'
    archive(path, [TAG], ledger.inputs('mmrotate1', 'cpu'))
    assert verify_bundle.check_archive(str(path), [TAG], 'x.tar') == []
    assert 'holds mtp/mmrotate1:cpu, not other' in verify_bundle.check_archive(str(path), ['other'], 'x.tar')[0]
    archive(path, [TAG], 'f' * 64)
    assert 'from other inputs' in verify_bundle.check_archive(str(path), [TAG], 'x.tar')[0]
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


@pytest.mark.parametrize('manifest', [b'[]', b'[1]', b'{"Config": 1}', b'[{"Config": "x"}]', b'[' * 100000, b'\xff',
                                      b'[{"Config": "manifest.json", "RepoTags": 3}]'])
def test_an_archive_of_a_stranger_is_named_as_none(tmp_path, manifest):
    """Its tables may say anything."""
    path = str(tmp_path / 'a.tar')
    with tarfile.open(path, 'w') as archive:
        member = tarfile.TarInfo('manifest.json')
        member.size = len(manifest)
        archive.addfile(member, io.BytesIO(manifest))
    said = verify_bundle.check_archive(path, ['mtp/mmrotate1:cpu'], 'a.tar')
    assert said and said[0].startswith(('a.tar is no docker archive', 'a.tar holds'))


@pytest.mark.parametrize('about', ['[]', '3', '{}', '{"ledger": 1}', '[' * 100000])
def test_a_list_of_a_stranger_makes_no_bundle(tmp_path, monkeypatch, about):
    (tmp_path / 'bundle.json').write_text(about)
    monkeypatch.setenv('BUNDLE', str(tmp_path))
    with pytest.raises(MTPError, match='is no bundle'):
        verify_bundle.main()


@pytest.mark.parametrize('change', [
    {'environments': [3]}, {'environments': [[]]}, {'environments': ['mmrotate9']}, {'left_out': [{}]},
    {'parts': [None]}, {'images': {'../x.tar': {}}}, {'images': {'/dev/zero': {}}}, {'images': {'': 3}},
    {'variant': 'none'}])
def test_what_bundle_json_says_is_looked_at_before_it_is_followed(made, monkeypatch, change):
    path = made / 'bundle.json'
    path.write_text(json.dumps(dict(json.loads(path.read_text()), **change)))
    monkeypatch.setenv('BUNDLE', str(made))
    with pytest.raises(MTPError, match='bundle.json: ') as told:
        verify_bundle.main()
    assert told.value.hint


def planted(made, *names):
    """Files that leave a sign when anybody runs them."""
    for name in names:
        fakes.touch(str(made / name))
        (made / name).write_text('open({!r}, "w")\n'.format(str(made.parent / 'ran')))


def doctor(made, **environ):
    """``make doctor`` in the bundle, whose code is one module that says so."""
    shutil.copy(os.path.join(ledger.ROOT, 'Makefile'), str(made / 'Makefile'))
    fakes.touch(str(made / 'mtp/launch/sums.py'))
    shutil.copy(sums.__file__, str(made / 'mtp/launch/sums.py'))
    (made / 'mtp/launch/__main__.py').write_text('import mtp.a\nprint("doctor says")\n')
    wanted = bundle.sums_of(str(made))
    wanted.update((name, sums.sha256(str(made / name))) for name in (
        'Makefile', 'mtp/launch/sums.py', 'mtp/launch/__main__.py'))
    (made / 'SHA256SUMS').write_text(''.join(f'{digest}  {name}\n' for name, digest in sorted(wanted.items())))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(('MTP_', 'MAKE', 'PYTHON'))}
    done = subprocess.run(['make', '-C', str(made), 'doctor', 'PYTHON=' + sys.executable], env=dict(clean, **environ),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return done.returncode, done.stdout


@pytest.mark.parametrize('name', [
    'mtp/a.py', 'mtp/__pycache__/a.cpython-38.pyc', 'hashlib.py', 'mtp/launch/argparse.py', 'runpy/__init__.py',
    'mtp/a.so'])
def test_no_verb_runs_what_was_planted_in_a_bundle(made, name):
    planted(made, name)
    code, said = doctor(made)
    assert code and name in said and 'MTP_BUNDLE=changed make doctor where it was you' in said
    assert 'doctor says' not in said and not (made.parent / 'ran').exists()


def test_a_verb_of_a_bundle_runs_beside_what_its_users_may_change(made):
    planted(made, '.venv/lib/python3.8/site-packages/x.py', 'configs/mmrotate1/mine.py', 'work_dirs/run/config.py',
            'apptainer/a.sif', 'docker/wheels/README.md', 'slurm-17.out', 'envs/lib/x.py')
    (made / 'data').symlink_to('/tmp')
    assert doctor(made, MTP_VENV_ROOT='envs') == (0, said_by_make(made, 'doctor says'))


def test_what_python_compiled_is_removed_by_the_command_that_is_named(made):
    planted(made, 'mtp/__pycache__/a.cpython-38.pyc', 'mtp/launch/__pycache__/b.cpython-38.pyc',
            '.venv/lib/__pycache__/c.pyc')
    code, said = doctor(made)
    assert code and 'doctor says' not in said
    subprocess.check_call(said.split('next: ')[1].split(';')[0], shell=True)
    assert doctor(made)[0] == 0 and (made / '.venv/lib/__pycache__/c.pyc').exists()


def test_a_user_says_that_the_change_is_theirs(made):
    planted(made, 'mtp/a.py')
    code, said = doctor(made, MTP_BUNDLE='changed')
    assert code == 0 and 'doctor says' in said and (made.parent / 'ran').exists()
    assert verify_bundle.check_sums(str(made))[0].startswith('mtp/a.py has changed')


def said_by_make(made, text):
    return f"make: Entering directory '{made}'\n{text}\nmake: Leaving directory '{made}'\n"
