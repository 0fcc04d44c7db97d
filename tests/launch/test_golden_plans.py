"""Every runtime x launcher x verb x size, word by word. Regenerate: ``python3 -m tests.launch.golden_plans``."""
import os

import pytest

from tests.launch import golden_plans

AGAIN = 'write them anew and read the difference: python3 -m tests.launch.golden_plans'
CASES = list(golden_plans.cases())


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return golden_plans.checkout(tmp_path_factory.mktemp('checkout'))


@pytest.mark.parametrize('name, verb, words', CASES, ids=[case[0][:-4] for case in CASES])
def test_plan_is_the_golden_one(name, verb, words, root):
    path = os.path.join(golden_plans.FOLDER, name)
    assert os.path.exists(path), f'there is no golden plan {name}; {AGAIN}'
    with open(path, encoding='utf-8') as stream:
        assert golden_plans.text(verb, words, root) == stream.read(), AGAIN


def test_no_golden_file_is_left_over():
    assert set(os.listdir(golden_plans.FOLDER)) == {case[0] for case in CASES}, AGAIN
