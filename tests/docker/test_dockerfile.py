"""The image's recipe takes the ledger's arguments, copies only what exists, and its shell steps refuse bad input."""
import os
import re
import shutil
import subprocess
import sys

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
    assert re.search(rf'^ARG {name}$', DOCKERFILE, re.M)


def test_no_version_stands_in_the_recipe():
    for env in ledger.names():
        for version in ledger.shipped(env).values():
            assert version not in DOCKERFILE and version not in read('image.sh')


def test_the_recipe_fetches_no_frontend():
    assert not re.search(r'^#\s*syntax\s*=', DOCKERFILE, re.M)


def test_the_label_is_the_one_the_launcher_reads():
    assert f'{host.DIGEST_LABEL}="${{LEDGER_DIGEST}}"' in DOCKERFILE


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


def test_a_checkpoint_is_looked_up_with_what_an_image_holds(tmp_path):
    """The list of published files lay in weights/, which is the user's folder and in no image."""
    shutil.copytree(os.path.join(ledger.ROOT, 'mtp'), str(tmp_path / 'mtp'))
    code = 'from mtp.checkpoints import check; from mtp.weights import manifest; print(len(check.manifest()))'
    done = subprocess.run([sys.executable, '-c', code], cwd=str(tmp_path), stdout=subprocess.PIPE, check=True)
    assert int(done.stdout) >= 45


def test_tests_data_and_history_never_reach_the_build():
    lines = read('.dockerignore', ledger.ROOT).splitlines()
    assert '*' in lines[:2]
    for name in ('tests', '.git', 'data', 'weights', 'work_dirs', 'ci', '.venv'):
        assert '!' + name not in lines


def test_the_last_stage_installs_nothing():
    last = DOCKERFILE.rpartition('\nFROM ')[2]
    assert 'apt' not in last and 'pip' not in last and 'selfcheck.py' in last


def test_nobody_is_root_by_accident_and_tmp_can_be_written_under_a_read_only_root():
    last = DOCKERFILE.rpartition('\nFROM ')[2]
    assert re.search(r'^USER [1-9]\d*:[1-9]\d*$', last, re.M) and 'VOLUME /tmp' in last
    assert last.index(' finish ') < last.index('USER ')


def test_a_run_by_hand_names_its_image_in_its_passport():
    assert 'MTP_IMAGE=mtp/${ENV}:${VARIANT}' in DOCKERFILE


def test_every_program_that_makes_the_environment_is_part_of_what_goes_into_an_image():
    makes = DOCKERFILE.partition('\nFROM python AS code')[0]
    programs = {word for words in re.findall(r'^COPY ([^-\n].*)$', makes, re.M) for word in words.split()
                if word.startswith('docker/') and word.endswith(('.py', '.sh'))}
    assert programs <= set(ledger.RECIPE) and len(programs) >= 3


def test_what_the_environment_is_made_by_depends_on_no_other_code_of_ours():
    stage = DOCKERFILE.partition('AS build\n')[2].partition('\nFROM ')[0]
    assert 'mtp/' not in stage and 'environments.json' not in stage
    assert 'mtp' not in re.findall(r'^(?:import|from) (\S+)', read('slim.py'), re.M)


def test_libraries_that_were_added_as_files_are_recorded_where_scanners_look():
    step = read('image.sh')
    assert '/var/lib/dpkg/status.d' in step and 'Version: %s' in step


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
    with open(str(tmp_path / 'libraries' / 'owners')) as stream:
        rows = [line.rstrip('\n').split('\t') for line in stream]
    row, = [each for each in rows if each[0].startswith('libtinfo')]
    if shutil.which('dpkg-query'):
        assert row[1].startswith('libtinfo') and row[2] and row[3] and '-' in row[4] and '@' in row[5]
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
