import os
import subprocess

import pytest

from mtp.launch import ledger, makeflags

ENVIRONMENT = {name: os.environ[name] for name in ('PATH', 'HOME') if name in os.environ}


@pytest.mark.parametrize('flags, found', [
    ('', {}), ('s', {}), ('s -- X=1 Y=', {'X': '1', 'Y': ''}), (' -- A=a\\ b', {'A': 'a b'}),
    ('ks -j2 -- P=x\\\\y Q="q"\\ it\'s', {'P': 'x\\y', 'Q': '"q" it\'s'}), ('-- X=a$$b', {'X': 'a$b'}),
    ('s -- X:=1 Y+=2', {'X': '1', 'Y': '2'})])
def test_what_stood_behind_the_verb(flags, found):
    assert makeflags.typed(flags) == found


@pytest.mark.parametrize('value, kept', [('a$b.tif', True), ('$HOME/x', True), ('a$', True), ('plain', False),
                                         ('$(HOME)/x', False), ('${HOME}/x', False), ('a$$b', False)])
def test_a_dollar_is_the_users_unless_it_speaks_to_make(value, kept):
    assert (makeflags.literal({'X': value}) == {'X': value}) is kept


def made(*words, **environment):
    done = subprocess.run(['make', '-s', '-C', ledger.ROOT] + list(words), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE,
                          universal_newlines=True, env=dict(ENVIRONMENT, **environment), timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_a_dollar_in_a_path_arrives_through_make(tmp_path):
    folder = tmp_path / 'a$b c'
    folder.mkdir()
    code, text, errors = made('pretrain', f'MTP_DATA_ROOT={folder}', 'RUNTIME=docker', 'ACCEL=none', 'DRYRUN=1')
    assert code == 0, errors
    assert 'a$b c,target=/data' in text


def test_a_variable_of_make_is_still_one(tmp_path):
    code, text, _ = made('pretrain', 'MTP_WORK_ROOT=$(HOME)/mtp', 'RUNTIME=native', 'DRYRUN=1', HOME=str(tmp_path))
    assert code == 0 and f'MTP_WORK_ROOT={tmp_path}/mtp' in text


def test_what_runs_below_is_not_told_what_was_typed_above():
    code, text, errors = made('samples', 'ACCEL=none', 'DRYRUN=1', MTP_BY_MAKE='', MAKEFLAGS=' -- GPU=4')
    assert code == 2 and 'there is no setting GPU\n  next: did you mean GPUS' in errors  # make reads its own variable
    words = ['python3', '-m', 'mtp.launch', 'samples', 'DRYRUN=1', 'RUNTIME=native']
    done = subprocess.run(words, cwd=ledger.ROOT, env=dict(ENVIRONMENT, MAKEFLAGS=' -- GPU=4'), stdout=subprocess.PIPE)
    assert done.returncode == 0


@pytest.mark.parametrize('name', ['tests', 'docs', 'configs', 'README.md', 'Makefile', 'mtp'])
def test_a_folder_or_file_is_never_up_to_date(name):
    code, text, errors = made(name)
    assert code == 2 and f"there is no target '{name}'" in errors and 'up to date' not in text + errors
