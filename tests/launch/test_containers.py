import pytest

from mtp import paths
from mtp.errors import MTPError
from mtp.launch import choice, containers, ledger
from mtp.launch.jobs import Job
from tests.launch.fakes import ask, changed, machine

JOB = Job('mmrotate1', ('x.py',), ('data', 'weights'), ('work_dirs',), True, 1)


def taken(host, **words):
    runtime, reason, problems = containers.choose(ask(**words), host, 'mmrotate1')
    assert '\n' not in reason
    return runtime, reason, [problem.message for problem in problems], [problem.hint for problem in problems]


def without(host, **changes):
    tools = {name: path for name, path in host.tools.items() if not changes.get(name)}
    return host._replace(tools=tools)


@pytest.fixture
def host():
    return machine('/repo')


def test_auto_takes_apptainer_with_an_image(host):
    assert taken(host)[:2] == ('apptainer', 'apptainer: apptainer/mmrotate1-cu117.sif is here')


def test_auto_takes_docker_without_apptainer(host):
    runtime, reason, problems, _ = taken(without(host, apptainer=True))
    assert (runtime, problems) == ('docker', [])
    assert reason == 'docker: image mtp/mmrotate1:cu117 is here, not apptainer (apptainer is not installed)'


def test_auto_takes_native_when_the_daemon_is_down(host):
    runtime, reason, problems, _ = taken(changed(without(host, apptainer=True, podman=True), refusal='Cannot connect'))
    assert (runtime, problems) == ('native', [])
    assert 'not docker (the docker daemon does not answer: Cannot connect)' in reason


def test_auto_takes_podman_where_docker_is_not(host):
    runtime, reason, problems, _ = taken(without(host, apptainer=True, docker=True))
    assert (runtime, problems) == ('podman', [])
    assert reason.startswith('podman: image mtp/mmrotate1:cu117 is here, not apptainer') and 'not docker (' in reason


def test_auto_passes_over_an_image_of_another_ledger(host):
    other = changed(without(host, apptainer=True, podman=True), images={'mtp/mmrotate1:cu117': 'f' * 64})
    assert taken(other)[0] == 'native'


def test_auto_on_a_bare_machine_says_make_setup(host):
    bare = host._replace(tools={}, sifs={}, venvs={'mmrotate1': 'absent'}, accel='none')
    assert taken(bare)[0] == 'native'
    assert taken(bare)[3] == ['make setup ENV=mmrotate1']


@pytest.mark.parametrize('changes, words, message, hint', [
    (dict(tools={}), dict(RUNTIME='docker'), 'docker is not installed', 'RUNTIME=native'),
    (dict(refusal='down'), dict(RUNTIME='docker'), 'does not answer: down', 'systemctl start docker'),
    (dict(images={}), dict(RUNTIME='docker'), 'no image mtp/mmrotate1:cu117',
     'make images ENV=mmrotate1 VARIANT=cu117'),
    (dict(images={'mtp/mmrotate1:cu117': 'abc'}), dict(RUNTIME='docker'), 'other inputs: its label is abc',
     'make images'),
    (dict(images={'mtp/mmrotate1:cu117': ''}), dict(RUNTIME='docker'), 'its label is empty', 'make images'),
    (dict(tools={}), dict(RUNTIME='apptainer'), 'apptainer is not installed', 'RUNTIME=docker'),
    (dict(sifs={}), dict(RUNTIME='apptainer'), 'apptainer/mmrotate1-cu117.sif is missing', 'make sif ENV=mmrotate1'),
    (dict(sifs={'apptainer/mmrotate1-cu117.sif': 'abc'}), dict(RUNTIME='apptainer'), 'other inputs: its label is abc',
     'make sif ENV=mmrotate1'),
    (dict(venvs={'mmrotate1': 'absent'}), dict(RUNTIME='native'), 'no native environment mmrotate1',
     'make setup ENV=mmrotate1'),
    (dict(venvs={'mmrotate1': 'half'}), dict(RUNTIME='native'), 'half made', 'make setup ENV=mmrotate1'),
    (dict(venvs={'mmrotate1': 'old'}), dict(RUNTIME='native'), 'made from other locks', 'make setup ENV=mmrotate1'),
    (dict(), dict(RUNTIME='docker', ACCEL='rocm'), 'no image mtp/mmrotate1:rocm', 'base image of your site'),
])
def test_what_is_missing_comes_with_the_next_command(host, changes, words, message, hint):
    _, _, problems, hints = taken(changed(host, **changes), **words)
    assert message in problems[0] and hint in hints[0]


def test_the_ledger_hash_of_the_label_is_this_environments(host):
    good = changed(host, images={'mtp/mmrotate1:cu117': ledger.inputs('mmrotate1', 'cu117')})
    assert taken(good, RUNTIME='docker')[2] == []


def test_under_slurm_the_compute_nodes_count(host):
    login = changed(host, tools={'srun': 'srun'}, refusal='not asked')
    assert taken(login, RUNTIME='apptainer', LAUNCHER='slurm')[2] == []
    assert taken(login, RUNTIME='docker', LAUNCHER='slurm')[2] == []


@pytest.mark.parametrize('words, local, expected', [
    ({}, 'nv', 'nv'), ({}, 'none', 'none'), ({}, 'rocm', 'rocm'), ({'ACCEL': 'none'}, 'nv', 'none'),
    ({'LAUNCHER': 'slurm'}, 'none', 'nv'), ({'LAUNCHER': 'slurm', 'GRES': 'dcu:4'}, 'none', 'rocm')])
def test_accelerator(host, words, local, expected):
    assert choice.accelerator(ask(**words), host._replace(accel=local)) == expected


def wrapped(runtime, host, alone=True, **words):
    return containers.wrap(runtime, ask(**words), host, JOB, ('-u', 'x.py'), alone)


def pairs(words, option):
    return [value for name, value in zip(words, words[1:]) if name == option]


def test_docker_keeps_the_contract(host):
    words = wrapped('docker', host, NCCL_DEBUG='INFO', SECRET='x').words
    assert pairs(words, '--mount') == ['type=bind,source=/repo/data,target=/data,readonly',
                                       'type=bind,source=/repo/weights,target=/weights,readonly',
                                       'type=bind,source=/repo/work_dirs,target=/work',
                                       'type=bind,source=/repo,target=/opt/mtp,readonly']
    assert pairs(words, '--user') == ['1000:100'] and '--read-only' in words
    assert pairs(words, '--network') == ['none'] and pairs(words, '--shm-size') == ['16g']
    assert pairs(words, '--hostname') == ['server7']  # what a passport calls the machine
    assert 'NCCL_DEBUG' in pairs(words, '--env') and 'SECRET' not in ' '.join(words)
    assert 'PYTHONNOUSERSITE=1' in pairs(words, '--env') and 'HOME=/tmp' in pairs(words, '--env')
    assert words[-4:] == ('mtp/mmrotate1:cu117', 'python', '-u', 'x.py')


def test_docker_with_others_shares_network_and_memory(host):
    words = wrapped('docker', host, alone=False).words
    assert pairs(words, '--network') == ['host'] and pairs(words, '--ipc') == ['host'] and '--shm-size' not in words
    assert '--hostname' not in words  # with the host's network comes its name


def test_under_slurm_the_name_of_the_login_node_stays_out(host):
    assert '--hostname' not in wrapped('docker', host, LAUNCHER='slurm').words


@pytest.mark.parametrize('accel, expected', [('nv', ['--gpus', 'all']), ('rocm', ['--device', '/dev/kfd']),
                                             ('none', [])])
def test_cards_in_docker(host, accel, expected):
    text = ' '.join(wrapped('docker', host, ACCEL=accel, VARIANT='cpu').words)
    assert ' '.join(expected) in text
    assert ('--gpus' in text, '/dev/kfd' in text) == (accel == 'nv', accel == 'rocm')


@pytest.mark.parametrize('accel, flag', [('nv', '--nv'), ('rocm', '--rocm'), ('none', None)])
def test_apptainer_keeps_the_contract(host, accel, flag):
    words = wrapped('apptainer', host, ACCEL=accel, VARIANT='cpu').words
    assert set(words) & {'--nv', '--rocm'} == ({flag} if flag else set())
    assert {'--containall', '--cleanenv', '--no-home'} <= set(words)
    assert pairs(words, '--bind') == ['/repo/data:/data:ro', '/repo/weights:/weights:ro', '/repo/work_dirs:/work',
                                      '/repo:/opt/mtp:ro']
    assert words[:5] == ('bash', 'mtp/launch/task.sh', '--image', 'apptainer/mmrotate1-cpu.sif', 'apptainer')


def test_code_of_the_image(host):
    assert '/opt/mtp,readonly' not in ' '.join(wrapped('docker', host, CODE='image').words)


def test_extra_words_and_names(host):
    words = wrapped('docker', host, IMAGE='site/mtp:1', DOCKER_ARGS='--cpuset-cpus 0-3').words
    assert words[words.index('--cpuset-cpus') + 2] == 'site/mtp:1'
    words = wrapped('apptainer', host, SIF='/sw/mtp.sif', APPTAINER_ARGS='--fakeroot').words
    assert words[words.index('--fakeroot') + 1] == '/sw/mtp.sif'


@pytest.mark.parametrize('runtime', ['native', 'docker', 'apptainer'])
def test_the_users_own_settings_win(host, runtime):
    job = JOB._replace(processes=4)

    def text(**words):
        item = containers.wrap(runtime, ask(**words), host, job, ('x.py',))
        return ' '.join(item.words + tuple('{}={}'.format(*pair) for pair in item.environment.items()))

    assert 'OMP_NUM_THREADS=1' in text()
    assert 'OMP_NUM_THREADS=1' not in text(OMP_NUM_THREADS='4')
    assert 'MASTER_PORT=7' in text(PORT='7')
    assert 'MASTER_PORT=7' not in text(PORT='7', MASTER_PORT='8')


def test_without_accelerator_a_native_run_sees_no_card_that_is_there(host):
    def sees(**words):
        return containers.wrap('native', ask(**words), host, JOB, ('x.py',)).environment.get('CUDA_VISIBLE_DEVICES')

    assert sees(ACCEL='none') == sees(ACCEL='none', CUDA_VISIBLE_DEVICES='1') == '' and sees() is None


def test_native_adds_next_to_nothing(host):
    item = wrapped('native', host)
    assert item.words == ('.venv/mmrotate1/bin/python', '-u', 'x.py')
    assert item.environment == {'PYTHONNOUSERSITE': '1'}
    assert wrapped('native', host, MTP_DATA_ROOT='/d').environment == {'PYTHONNOUSERSITE': '1', 'MTP_DATA_ROOT': '/d'}


@pytest.mark.parametrize('path, inside, native', [
    ('work_dirs/a/b.pth', '/work/a/b.pth', '/scratch/me/a/b.pth'),
    ('data/x', '/data/x', 'data/x'),
    ('weights/x.pth', '/weights/x.pth', 'weights/x.pth'),
    ('/scratch/me/a.pth', '/work/a.pth', '/scratch/me/a.pth'),
    ('/repo/data/x', '/data/x', '/repo/data/x'),
    ('configs/mmrotate1/a/b.py', 'configs/mmrotate1/a/b.py', 'configs/mmrotate1/a/b.py'),
    ('/repo/configs/b.py', 'configs/b.py', '/repo/configs/b.py'),
])
def test_paths_are_those_the_program_sees(host, path, inside, native):
    settings = ask(MTP_WORK_ROOT='/scratch/me')
    for runtime in ('docker', 'apptainer'):
        assert containers.Places(runtime, settings, host).of(path) == inside
    assert containers.Places('native', settings, host).of(path) == native


def test_a_path_the_container_cannot_see_is_refused(host):
    with pytest.raises(MTPError, match='/home/me/x.pth lies in no folder that the container sees'):
        containers.Places('docker', ask(), host).of('/home/me/x.pth')


def test_a_root_below_a_short_prefix_is_taken_once(host, monkeypatch):
    settings = ask(MTP_WORK_ROOT='work_dirs/mine')
    path = containers.Places('native', settings, host).of('work_dirs/a/b.pth')
    monkeypatch.setenv('MTP_WORK_ROOT', 'work_dirs/mine')
    assert paths.resolve(path) == path == '/repo/work_dirs/mine/a/b.pth'
    assert containers.Places('native', settings, host).host('work_dirs/a/b.pth') == path


def test_the_users_python_path_comes_last_natively(host):
    settings = ask(RUNTIME='native', PYTHONPATH='/mine:/yours')
    found = containers.wrap('native', settings, host, JOB, ('x.py',)).environment
    assert (found['PYTHONPATH'], found['MTP_HOOKS_PATH']) == ('/repo', '/mine:/yours')
    assert 'PYTHONPATH' not in containers.wrap('native', ask(RUNTIME='native'), host, JOB, ('x.py',)).environment


@pytest.mark.parametrize('runtime', ['docker', 'apptainer'])
def test_a_container_hears_what_its_folders_are_called_outside(host, runtime):
    words = ' '.join(containers.wrap(runtime, ask(MTP_WORK_ROOT='/scratch/me'), host, JOB, ('x.py',)).words)
    assert '--env MTP_HOST_WORK_ROOT=/scratch/me' in words and '--env MTP_HOST_DATA_ROOT=data' in words
    assert '--env MTP_WORK_ROOT=/work' in words


def test_infiniband_of_this_machine_enters_docker_for_several_processes(host):
    def words(processes, **changes):
        job = JOB._replace(processes=processes)
        return ' '.join(containers.wrap('docker', ask(), host._replace(**changes), job, ('x.py',)).words)

    assert '--device /dev/infiniband --ulimit memlock=-1:-1' in words(2, infiniband=True)
    assert 'infiniband' not in words(1, infiniband=True) + words(2)
