import argparse

import pytest

from mtp.adapters import environment, words
from mtp.errors import MTPError


@pytest.fixture
def read():
    """Reads words as ``--cfg-options`` of the environment that the test runs in."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=words.action(environment.command_line().DictAction),
                        default={})
    return lambda *typed: parser.parse_args(['--cfg-options', *typed]).cfg_options


@pytest.mark.parametrize('path', ['/my runs/submit', './a b', '../a b/c', '/data/a,b/c', '/runs (old)/[1]/x', '~/a b'])
def test_a_path_stays_as_it_was_typed(read, path):
    assert read('submission_dir=' + path) == {'submission_dir': path}
    assert read(f'submission_dir="{path}"') == {'submission_dir': path}


@pytest.mark.parametrize('typed, value', [
    ('5', 5), ('1e-4', 1e-4), ('None', None), ('true', True), ('a,b', ['a', 'b']), ('[1, 2]', [1, 2]),
    ('(512, 512)', (512, 512)), ('[(1, 2), (3, 4)]', [(1, 2), (3, 4)]), ('/a,/b', ['/a', '/b']), ('1, 2', [1, 2]),
    ('a run of mine', 'a run of mine'), ('x=y', 'x=y')])
def test_numbers_lists_and_texts_are_read_as_published(read, typed, value):
    assert read('key=' + typed) == {'key': value}


def test_an_option_that_is_given_twice_adds(read):
    assert read('a=1', 'b=2', '--cfg-options', 'b=3') == {'a': 1, 'b': 3}


@pytest.mark.parametrize('typed', ['work_dir', '=5', ''])
def test_a_word_that_sets_nothing_is_named(read, typed):
    with pytest.raises(MTPError, match='KEY=VALUE is expected'):
        read('a=1', typed)


def test_brackets_that_do_not_match_are_named(read):
    with pytest.raises(MTPError, match=r'the brackets of \[1,2 do not match'):
        read('key=[1,2')
