"""What engines say, word for word, and what becomes of it."""
import pytest

from mtp.launch import containers, engines, runtimes
from mtp.launch.engines import PLAIN, Engine
from mtp.launch.jobs import Job
from tests.launch.fakes import ask, machine

docker = runtimes.get('docker')
NO_RIGHTS = ('permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: '
             'Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.50/version": dial unix /var/run/docker.sock: connect: '
             'permission '
             'denied')
NO_DAEMON = 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?'
NO_TOOLKIT = ('docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]]\n\n'
              "Run 'docker run --help' for more information\n")
NO_TOOLKIT_PODMAN = 'Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all\n'
SQUASHED = ('docker: Error response from daemon: error while creating mount source path \'/home/ada/mtp\': mkdir '
            '/home/ada: permission denied.\nSee \'docker run --help\'.\n')


@pytest.mark.parametrize('said, message, hint', [
    (NO_RIGHTS, 'it runs, but ada may not talk to it', 'sudo usermod -aG docker ada'),
    (NO_DAEMON, 'Is the docker daemon running?', 'sudo systemctl start docker'),
    (NO_TOOLKIT, 'no NVIDIA container toolkit', 'ACCEL=none VARIANT=cpu'),
    (NO_TOOLKIT_PODMAN, 'nobody has described the NVIDIA cards', 'nvidia-ctk cdi generate'),
    ('write /var/lib/docker/x: no space left on device', 'disk of the engine is full', 'docker system prune'),
    (SQUASHED, 'cannot see a folder of yours', 'RUNTIME=apptainer'),
    ('cannot set up namespace using newuidmap: exit status 1', 'no range of user ids', 'usermod --add-subuids'),
    ('Error: keep-id requires additional UIDs or GIDs defined in /etc/subuid and /etc/subgid to function correctly: '
     '%!w(<nil>)', 'no range of user ids', 'usermod --add-subuids'),
    ('Error: container-init binary not found on the host: stat /usr/libexec/podman/catatonit: no such file or '
     'directory', 'no catatonit', 'apt-get install catatonit'),
    ('odd', 'odd', 'systemctl'), ('', 'it says nothing', 'systemctl')])
def test_a_complaint_is_one_sentence_with_a_command(said, message, hint):
    found = engines.complaint(said, {'USER': 'ada'})
    assert message in found.message and hint in found.hint and '\n' not in found.message + found.hint


def test_a_daemon_that_the_user_chose_is_not_started_for_him():
    assert 'unset DOCKER_HOST (it is tcp://x)' in engines.complaint(NO_DAEMON, {'DOCKER_HOST': 'tcp://x'}).hint


@pytest.mark.parametrize('said, last', [(NO_TOOLKIT, 'capabilities: [[gpu]]'), (SQUASHED, 'permission denied.'),
                                        ("Run 'docker x'", "Run 'docker x'"), ('', '')])
def test_the_advice_of_docker_is_not_what_it_complains_of(said, last):
    assert engines.last_line(said).endswith(last)


# Fields as docker 20.10 and podman 4.3 print them with info --format '{{json .}}'.
DOCKER = {'DockerRootDir': '/var/lib/docker', 'SecurityOptions': ['name=seccomp,profile=default'],
          'Runtimes': {'runc': {'path': 'runc'}}, 'DiscoveredDevices': None}
PODMAN = {'host': {'security': {'rootless': True}}, 'store': {'graphRoot': '/home/ada/storage'}}


def test_what_an_engine_is(monkeypatch):
    monkeypatch.setattr(engines, 'toolkit', lambda: False)
    monkeypatch.setattr(engines, 'cdi', lambda: False)
    assert engines.read(DOCKER) == Engine('/var/lib/docker', False, False, False)
    assert engines.read(dict(DOCKER, SecurityOptions=['name=rootless'], Runtimes={'nvidia': {}})) == Engine(
        '/var/lib/docker', True, False, True)
    assert engines.read(PODMAN) == Engine('/home/ada/storage', True, True, False)


@pytest.mark.parametrize('script, expected', [
    ('echo WARNING; echo \'{"DockerRootDir": "/d"}\'', '/d'), ('echo nonsense', ''), ('exit 1', ''), ('echo "{]"', '')])
def test_an_engine_that_does_not_say_is_a_plain_one(tmp_path, script, expected):
    client = tmp_path / 'docker'
    client.write_text('#!/bin/sh\n' + script)
    client.chmod(0o755)
    assert engines.about(str(client)).root == expected


@pytest.mark.parametrize('engine, words', [
    (PLAIN, '--user 1000:100'), (PLAIN._replace(rootless=True), '--user 0:0'),
    (PLAIN._replace(podman=True), '--user 1000:100'),
    (PLAIN._replace(rootless=True, podman=True), '--userns keep-id --user 1000:100')])
def test_files_belong_to_the_user_in_every_engine(engine, words):
    assert ' '.join(engines.identity(engine, 1000, 100)) == words


def test_podman_under_the_name_of_docker_keeps_the_files_of_the_user():
    host = machine('/repo', about=PLAIN._replace(rootless=True, podman=True))
    job = Job('mmrotate1', ('x.py',), (), ('work_dirs',), False, 1)
    words = containers.wrap('docker', ask(RUNTIME='docker'), host, job, ('x.py',)).words
    assert words[:2] == ('docker', 'run') and 'keep-id' in words and 'nvidia.com/gpu=all' in words


def test_an_image_of_another_environment_is_refused_before_it_starts():
    host = machine('/repo', images={'mine': 'x'}, made_for={'mine': 'mmrotate03'})
    problem = containers.choose(ask(RUNTIME='docker', IMAGE='mine'), host, 'mmrotate1')[2][0]
    assert 'IMAGE=mine holds the environment mmrotate03, but this runs in mmrotate1' in problem.message
    assert containers.choose(ask(RUNTIME='docker', IMAGE='mine'), host, 'mmrotate03')[2] == ()
    host = machine('/repo', sifs={'my.sif': ''}, made_for={'my.sif': 'mmrotate03'})
    words = ask(RUNTIME='apptainer', SIF='my.sif')
    assert 'SIF=my.sif holds' in containers.choose(words, host, 'mmrotate1')[2][0].message
    unlabelled = machine('/repo', images={'mine': 'x'}, made_for={'mine': ''})
    assert containers.choose(ask(RUNTIME='docker', IMAGE='mine'), unlabelled, 'mmrotate1')[2] == ()


def test_an_engine_whose_disk_is_full_neither_runs_nor_builds():
    host = machine('/repo', about=PLAIN._replace(root='/var/lib/docker'), free=1 << 20)
    assert 'the disk of the engine, /var/lib/docker, is full' in containers.choose(
        ask(RUNTIME='docker'), host, 'mmrotate1')[2][0].message
    assert 'takes about 15 GB' in docker.unfit(host, True)[0].message
    assert docker.unfit(host, False) == ()


def test_a_user_without_rights_hears_of_them():
    host = machine('/repo', refusal='ada may not', following='sudo usermod')
    assert containers.choose(ask(RUNTIME='docker'), host, 'mmrotate1')[2][0].hint == 'sudo usermod'
    assert docker.unfit(host, True)[0].hint == 'sudo usermod'


def test_the_disk_of_an_engine_elsewhere_is_unknown():
    assert engines.free(PLAIN) == -1 and engines.free(PLAIN._replace(root='/nowhere/at/all')) == -1
    assert engines.free(PLAIN._replace(root='/')) >= 0
