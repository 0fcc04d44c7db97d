"""The docker client that can build is found among several."""
import os

import pytest

from mtp.launch import clients
from tests.launch.fakes import client


def test_clients_are_found_in_the_order_of_path_and_once(tmp_path):
    first, second = client(tmp_path / 'a', '28.2.2'), client(tmp_path / 'b', '20.10.24')
    (tmp_path / 'c').mkdir()
    search = os.pathsep.join(str(tmp_path / name) for name in 'abca')
    assert clients.every(search) == [first, second]


@pytest.mark.parametrize('version,buildx,expected', [('20.10.24', False, True), ('28.2.2', False, False),
                                                     ('28.2.2', True, True), ('1.13.1', False, False)])
def test_buildkit_is_built_in_before_23_and_a_plugin_since(tmp_path, version, buildx, expected):
    assert clients.has_buildkit(client(tmp_path / 'a', version, buildx)) is expected


def test_the_first_with_buildkit_builds(tmp_path):
    client(tmp_path / 'a', '28.2.2')
    good = client(tmp_path / 'b', '20.10.24')
    search = os.pathsep.join(str(tmp_path / name) for name in 'ab')
    assert clients.builder(search) == good and clients.builder(str(tmp_path / 'a')) is None
