"""The image's recipe takes the ledger's arguments, copies only what exists, and its shell steps refuse bad input."""
import os
import re
import shutil
import subprocess

import pytest

from mtp.launch import host, ledger

FOLDER = os.path.join(ledger.ROOT, 'docker')


def read(name, folder=FOLDER):
    with open(os.path.join(folder, name), encoding='utf-8') as stream:
        return stream.read()


DOCKERFILE = read('Dockerfile')
STEPS = os.path.join(FOLDER, 'image.sh')


@pytest.mark.parametrize('name', sorted(ledger.build_args('mmrotate1')))
def test_every_argument_that_we_give_is_declared(name):
    assert re.search(r'^ARG {}$'.format(name), DOCKERFILE, re.M)


def test_no_version_stands_in_the_recipe():
    for env in ledger.names():
        for version in ledger.shipped(env).values():
            assert version not in DOCKERFILE and version not in read('image.sh')


def test_the_recipe_fetches_no_frontend():
    assert not re.search(r'^#\s*syntax\s*=', DOCKERFILE, re.M)


def test_the_label_is_the_one_the_launcher_reads():
    assert '{}="${{LEDGER_DIGEST}}"'.format(host.DIGEST_LABEL) in DOCKERFILE


def copied():
    """Paths that the recipe copies from the checkout; a pattern stands for a file that may be missing."""
    for words in re.findall(r'^COPY ([^-\n].*)$', DOCKERFILE, re.M):
        for path in words.split()[:-1]:
            for env in ledger.names() if '${' in path else [None]:
                yield path.replace('${ENV}', env or '').replace('${VARIANT}', 'cpu')


def test_what_is_copied_exists_and_reaches_the_build():
    sent = [line[1:] for line in read('.dockerignore', ledger.ROOT).splitlines() if line.startswith('!')]
    for path in copied():
        assert '*' in path or os.path.exists(os.path.join(ledger.ROOT, path)), path
        plain = path.rstrip('*')
        assert any(plain == name or plain.startswith(name + '/') for name in sent), path


def test_tests_data_and_history_never_reach_the_build():
    lines = read('.dockerignore', ledger.ROOT).splitlines()
    assert '*' in lines[:2]
    for name in ('tests', '.git', 'data', 'weights', 'work_dirs', 'ci', '.venv'):
        assert '!' + name not in lines


def test_the_last_stage_installs_nothing():
    last = DOCKERFILE.rpartition('\nFROM ')[2]
    assert 'apt' not in last and 'pip' not in last and 'selfcheck.py' in last


def test_the_shell_steps_parse():
    assert subprocess.call(['sh', '-n', STEPS]) == 0


def test_installing_an_unresolved_lock_is_refused_before_anything_is_made(tmp_path):
    lock = tmp_path / 'lock.txt'
    lock.write_text('# unresolved: torch==1.10.0+cu113\nthe hash ...\n')
    done = subprocess.run(['sh', STEPS, 'install', str(lock)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    assert done.returncode == 2
    assert 'unresolved: torch==1.10.0+cu113' in done.stdout and 'next: ' in done.stdout
    assert not os.path.exists('/opt/venv') or shutil.which('python3.8') != '/opt/venv/bin/python3.8'


def test_collect_takes_the_libraries_of_a_program_but_not_the_c_library(tmp_path):
    tree = tmp_path / 'tree'
    tree.mkdir()
    shutil.copy(shutil.which('bash'), str(tree / 'python3.8'))  # linked with more than the C library
    subprocess.check_call(['sh', STEPS, 'collect', str(tmp_path / 'libraries'), str(tree)])
    found = os.listdir(str(tmp_path / 'libraries'))
    assert any(name.startswith('libtinfo') for name in found)
    assert not any(name.startswith(('libc.', 'ld-linux', 'libm.', 'libdl.')) for name in found)


@pytest.mark.parametrize('word,expected', [('tools/train.py', 'code'), ('main_pretrain.py', 'code'), ('-c', 'here'),
                                           ('own.py', 'here'), ('scripts/mine.py', 'here'), ('', 'here')])
def test_python_goes_to_the_code_for_published_scripts_alone(tmp_path, word, expected):
    (tmp_path / 'here' / 'scripts').mkdir(parents=True)
    (tmp_path / 'here' / 'scripts' / 'mine.py').write_text('')  # a script of that name here is the one that is meant
    (tmp_path / 'code').mkdir()
    (tmp_path / 'python').write_text('#!/bin/sh\npwd\n')
    (tmp_path / 'python').chmod(0o755)
    shim = tmp_path / 'shim'
    shim.write_text(read('python').replace('/opt/mtp', str(tmp_path / 'code'))
                    .replace('/opt/venv/bin/python', str(tmp_path / 'python')))
    said = subprocess.check_output(['sh', str(shim)] + ([word] if word else []), cwd=str(tmp_path / 'here'))
    assert os.path.basename(said.decode().strip()) == expected
