import os

import pytest

from mtp.errors import MTPError
from mtp.launch import gitsource
from tests.launch.fakes import touch

PIN = {'shipped': '1.1.0', 'url': 'https://host/x.git', 'commit': '0123abc'}


def wanted(root, **environ):
    return gitsource.requirement('opencd', PIN, environ, str(root))


def test_the_host_when_nothing_is_here(tmp_path):
    assert wanted(tmp_path) == ('git+https://host/x.git@0123abc', False)


@pytest.mark.parametrize('mark', ['.git/HEAD', 'HEAD'])
def test_the_pinned_commit_of_a_clone(tmp_path, mark):
    touch(str(tmp_path / 'clone' / mark))
    assert wanted(tmp_path, OPENCD='clone') == ('git+file://{}/clone@0123abc'.format(tmp_path), True)


@pytest.mark.parametrize('file, given', [('src/setup.py', 'src'), ('opencd-1.1.0-py3-none-any.whl',) * 2])
def test_a_source_folder_or_a_wheel_as_it_is(tmp_path, file, given):
    touch(str(tmp_path / file))
    assert wanted(tmp_path, OPENCD=given) == (str(tmp_path / given), True)


@pytest.mark.parametrize('place', gitsource.WHEELHOUSES)
def test_a_wheel_beside_the_checkout_and_of_the_right_version(tmp_path, place):
    for version in ('1.0.0', '1.1.0'):
        touch(str(tmp_path / place / 'opencd-{}-py3-none-any.whl'.format(version)))
    found, here = wanted(tmp_path)
    assert here and os.path.basename(found) == 'opencd-1.1.0-py3-none-any.whl'


def test_a_copy_that_is_none_is_said(tmp_path):
    with pytest.raises(MTPError, match='no clone, no source folder and no wheel.*\n.*git clone https'):
        wanted(tmp_path, OPENCD='nothing')
