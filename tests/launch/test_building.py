"""Images are built by a client that can, and in a bundle without any network."""
import json
import os

import pytest

from mtp.launch import building, bundle, ledger, verbs
from tests.launch import fakes

BASES = {env: {'PYTHON_IMAGE': 'p-' + env, 'BUILD_IMAGE': 'b', 'BASE_IMAGE': 'r'} for env in ledger.names()}


@pytest.fixture
def root(tmp_path):
    return fakes.checkout(tmp_path)


def planned(verb, root, host=None, **words):
    return verbs.plan(verb, fakes.ask(ENV='mmrotate1', VARIANT='cpu', **words), host or fakes.machine(root))


def bundled(root, **content):
    with open(os.path.join(root, 'bundle.json'), 'w') as stream:
        json.dump(content, stream)


def test_a_client_that_is_not_the_first_on_path_is_named_in_full(root):
    host = fakes.machine(root, builder='/opt/docker/bin/docker')
    assert planned('images', root, host).commands[1].words[:2] == ('/opt/docker/bin/docker', 'build')
    assert planned('images', root).commands[1].words[:2] == ('docker', 'build')
    assert 'BuildKit' in planned('images', root, fakes.machine(root, builder='')).problems[0].message


def test_a_bundle_loads_the_image_that_it_holds(root):
    bundled(root, images={'images/mmrotate1-cpu.tar': {}}, bases=BASES)
    commands = planned('images', root, fakes.machine(root, builder='')).commands
    assert commands[0].words == ('docker', 'load', '--input', 'images/mmrotate1-cpu.tar') and len(commands) == 2
    assert 'build' in planned('images', root, REBUILD='1').commands[2].words


def test_a_bundle_without_it_builds_it_with_no_network(root):
    bundled(root, images={}, bases=BASES)
    commands = planned('images', root).commands
    assert commands[0].words[-1] == 'images/bases.tar'
    words = commands[2].words
    assert words[words.index('--network') +
                 1] == 'none' and 'BUILD_IMAGE=b' in words and 'PYTHON_IMAGE=p-mmrotate1' in words
    os.unlink(os.path.join(root, 'bundle.json'))
    assert '--network' not in planned('images', root).commands[1].words


def test_what_is_not_pinned_is_said_before_anything_is_pulled(root):
    said = planned('images', root).reason
    assert 'debian:bookworm-slim' in said and 'imagetools inspect' in said and '\n' not in said
    given = ' '.join(f'--build-arg {name}=x' for name in bundle.BASE_NAMES)
    assert planned('images', root, DOCKER_ARGS=given).reason == ''
    bundled(root, images={}, bases=BASES)
    assert planned('images', root).reason == ''


def test_a_wheel_whose_hash_nobody_has_seen_is_said_before_anything_is_pulled(root, monkeypatch):
    assert planned('images', root).problems == ()
    monkeypatch.setattr(building.lock, 'read', lambda name: '# unresolved: torch==1.10.0+cu113\nthe hash ...\n')
    problem, = planned('images', root).problems
    assert 'the hash of torch==1.10.0+cu113 is unresolved' in problem.message and '--unresolved' in problem.hint


@pytest.mark.parametrize('asked, host, label', [
    ('', '', 'SOURCE=MTP reproducibility kit'), ('', 'https://host/x', 'SOURCE=https://host/x'),
    ('https://mine/y', 'https://host/x', 'SOURCE=https://mine/y')])
def test_an_image_says_where_its_source_is(root, asked, host, label):
    words = planned('images', root, fakes.machine(root, source=host), SOURCE=asked).commands[1].words
    assert label in words


def test_a_sif_is_made_of_the_archive_in_a_bundle(root):
    assert 'VARIANT=cpu' in planned('sif', root).commands[0].words
    bundled(root, images={'images/mmrotate1-cpu.tar': {}})
    words = planned('sif', root).commands[0].words
    assert 'BOOTSTRAP=docker-archive' in words and 'IMAGE=images/mmrotate1-cpu.tar' in words and 'VARIANT=' in words
