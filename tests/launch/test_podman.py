"""podman beside docker. What it says and takes was seen with podman 4.3.1 as an ordinary user."""
import os

import pytest

from mtp.launch import containers, engines, host, runtimes, verbs
from mtp.launch.jobs import Job
from tests.launch import fakes
from tests.launch.fakes import ask, changed, machine
from tests.launch.test_containers import pairs

JOB = Job('mmrotate1', ('x.py',), ('data',), ('work_dirs',), True, 2)
INFO = '{"host": {"security": {"rootless": true}, "idMappings": {"uidmap": %s}}, "store": {"graphRoot": "/store"}}'
RANGE = '[{"container_id": 0, "host_id": 7, "size": 1}, {"container_id": 1, "host_id": 200000, "size": 65536}]'
ALONE = '[{"container_id": 0, "host_id": 7, "size": 1}]'


def words(found=None, job=JOB, alone=True, **settings):
    return containers.wrap('podman', ask(RUNTIME='podman', **settings), found or machine('/repo'), job, ('x.py',),
                           alone).words


def problem(found, **settings):
    return containers.choose(ask(RUNTIME='podman', **settings), found, 'mmrotate1')[2][0]


def podman(folder, uidmap=RANGE, image=''):
    """A made-up podman at the head of a PATH."""
    path = folder / 'podman'
    path.write_text('#!/bin/sh\ncase "$*" in\n*Rootless*) echo true;;\ninfo*) echo \'{}\';;\n*inspect*) {};;\n'
                    'esac\n'.format(INFO % uidmap, image or 'exit 125'))
    path.chmod(0o755)
    return str(path)


def test_files_stay_those_of_the_user_and_folders_keep_their_labels():
    found = words()
    assert found[:2] == ('podman', 'run') and pairs(found, '--userns') == ['keep-id']
    assert pairs(found, '--user') == ['1000:100'] and pairs(found, '--security-opt') == ['label=disable']
    assert pairs(found, '--pull') == ['never']  # a registry is not asked for what is missing
    assert 'type=bind,source=/repo/data,target=/data,readonly' in found


def test_root_itself_needs_no_other_names():
    assert '--userns' not in words(machine('/repo', uid=0, gid=0))


def test_the_engine_of_a_compute_node_is_not_asked_and_still_keeps_the_user():
    found = words(machine('/repo', engines={}), LAUNCHER='slurm', alone=False)
    assert found[:2] == ('bash', 'mtp/launch/task.sh') and pairs(found, '--userns') == ['keep-id']


@pytest.mark.parametrize('accel, expected', [('nv', '--device nvidia.com/gpu=all'),
                                             ('rocm', '--group-add keep-groups')])
def test_cards(accel, expected):
    text = ' '.join(words(ACCEL=accel, VARIANT='cpu'))
    assert expected in text and '--gpus' not in text


def test_who_is_not_root_cannot_have_more_locked_memory_than_the_shell():
    assert '--device /dev/infiniband --ulimit host' in ' '.join(words(machine('/repo', infiniband=True)))


def test_its_own_further_words():
    found = words(PODMAN_ARGS='--cpuset-cpus 0-3')
    assert found[found.index('--cpuset-cpus') + 2] == 'mtp/mmrotate1:cu117'


@pytest.mark.parametrize('changes, message, hint', [
    (dict(tools={}), 'podman is not installed', 'sudo apt-get install podman catatonit'),
    (dict(refusal='ada has no range'), 'podman cannot work here: ada has no range', 'sudo'),
    (dict(images={}), 'no image mtp/mmrotate1:cu117', 'make images RUNTIME=podman ENV=mmrotate1 VARIANT=cu117'),
    (dict(images={}), 'no image mtp/mmrotate1:cu117', 'docker save mtp/mmrotate1:cu117 | podman load'),
    (dict(images={'mtp/mmrotate1:cu117': 'abc'}), 'other inputs: its label is abc', 'make images RUNTIME=podman'),
    (dict(free=1 << 20), 'the disk of the engine', 'podman system prune')])
def test_what_is_missing_comes_with_the_next_command(changes, message, hint):
    found = problem(changed(machine('/repo'), engine='podman', **changes))
    assert message in found.message and hint in found.hint


def test_no_docker_no_word_of_it():
    alone = machine('/repo', tools={'podman': '/usr/bin/podman'}, engines={
        'podman': machine('/repo').engines['podman']._replace(images={})})
    assert 'docker save' not in problem(alone).hint
    wanted = containers.choose(ask(RUNTIME='docker'), alone, 'mmrotate1')[2][0]
    assert 'docker is not installed' in wanted.message and 'RUNTIME=podman' in wanted.hint
    assert containers.choose(ask(), machine('/repo', tools={'podman': '/usr/bin/podman'}), 'mmrotate1')[0] == 'podman'


@pytest.mark.parametrize('uidmap, refusal', [(RANGE, ''), (ALONE, 'has no range of user ids')])
def test_a_user_without_a_range_of_ids_hears_of_it_before_a_run(tmp_path, uidmap, refusal):
    found = host.engine_facts(runtimes.get('podman'), podman(tmp_path, uidmap), [])
    assert refusal in found.refusal and bool(found.refusal) == bool(refusal)
    assert 'usermod --add-subuids' in found.following or not refusal
    assert found.about.root == ('' if refusal else '/store')


def test_a_podman_that_does_not_work_is_not_told_to_start_docker(tmp_path):
    (tmp_path / 'podman').write_text('#!/bin/sh\necho odd >&2; exit 125\n')
    (tmp_path / 'podman').chmod(0o755)
    found = host.engine_facts(runtimes.get('podman'), str(tmp_path / 'podman'), [])
    assert found.refusal == 'odd' and found.following == 'podman info, or RUNTIME=native'


def test_its_ids_have_the_form_of_dockers(tmp_path):
    found = host.engine_facts(runtimes.get('podman'), podman(tmp_path, image='printf "abc\\n77\\n"'), ['mtp/x:cpu'])
    assert found.images == {'mtp/x:cpu': 'abc'} and found.ids == {'mtp/x:cpu': 'sha256:77'}


def test_images_are_built_from_the_same_recipe(tmp_path):
    found = machine(fakes.checkout(tmp_path), builder='')
    plan = verbs.plan('images', ask(RUNTIME='podman', VARIANT='cpu', ENV='mmrotate1', PODMAN_ARGS='--jobs 2'), found)
    build = plan.commands[1]
    assert build.words[:6] == ('podman', 'build', '--format', 'docker', '--file', 'docker/Dockerfile')
    assert '--jobs' in build.words and 'DOCKER_BUILDKIT' not in build.environment and plan.problems == ()
    assert plan.commands[2].words[:4] == ('python3', 'docker/sbom.py', '--docker', 'podman')


@pytest.mark.parametrize('tools, client', [(('docker', 'podman'), 'docker'), (('podman',), 'podman'), ((), 'docker')])
def test_the_engine_that_is_here_builds(tmp_path, tools, client):
    found = machine(fakes.checkout(tmp_path), tools={name: '/usr/bin/' + name for name in tools})
    plan = verbs.plan('images', ask(VARIANT='cpu', ENV='mmrotate1'), found)
    assert (os.path.basename(plan.commands[1].words[0]), plan.commands[1].words[1]) == (client, 'build')
    assert [each.message for each in plan.problems] == ([] if tools else ['docker is not installed'])


def test_an_engine_that_was_not_asked_is_no_engine_without_ids():
    assert engines.UNASKED.about.ids
