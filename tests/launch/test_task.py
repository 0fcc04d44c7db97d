"""task.sh: which variables of a SLURM task enter an apptainer container."""
import hashlib
import os
import subprocess

import pytest

from mtp.launch import ledger, settings

SCRIPT = os.path.join(ledger.ROOT, 'mtp', 'launch', 'task.sh')


def entered(**environment):
    """Variables that apptainer would let in, when the task has these."""
    found = subprocess.check_output(['bash', SCRIPT, 'env', '-0'], env=dict(environment, PATH=os.environ['PATH']))
    pairs = [item.split('=', 1) for item in found.decode().split('\0') if item]
    return {name[len('APPTAINERENV_'):]: value for name, value in pairs if name.startswith('APPTAINERENV_')}


def test_the_allow_list_and_nothing_else():
    given = {'SLURM_PROCID': '3', 'NCCL_SOCKET_IFNAME': 'ib0', 'MASTER_PORT': '1', 'HOME': '/home/me', 'SECRET': 'x',
             'MTP_DATA_ROOT': '/scratch', 'MTP_SEED': '1', 'PYTHONPATH': '/x', 'XNCCL_A': '1', 'SLURM_JWT': 'key'}
    assert entered(**given) == {'SLURM_PROCID': '3', 'NCCL_SOCKET_IFNAME': 'ib0', 'MASTER_PORT': '1', 'MTP_SEED': '1'}


def test_it_agrees_with_the_launcher():
    names = ['SLURM_JOB_ID', 'UCX_TLS', 'GLOO_A', 'MTP_WORK_ROOT', 'MTP_CACHE_ROOT', 'OMP_NUM_THREADS', 'HOME', 'USER',
             'CUDA_VISIBLE_DEVICES', 'LD_PRELOAD', 'TORCH_DISTRIBUTED_DEBUG', 'HSA_X', 'MTP_', 'MASTER_ADDRESS']
    assert set(entered(**{name: '1' for name in names})) == set(filter(settings.passes, names))


def test_values_with_blanks_quotes_and_line_ends_arrive():
    value = 'a "b" $c `d`\n*'
    assert entered(MTP_NOTE=value)['MTP_NOTE'] == value


def test_the_exit_code_is_that_of_the_program():
    assert subprocess.call(['bash', SCRIPT, 'bash', '-c', 'exit 7']) == 7


def task(*words, **environment):
    """Exit code, output and errors of task.sh."""
    done = subprocess.run(['bash', SCRIPT] + [str(word) for word in words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE,
                          universal_newlines=True, env=dict(environment, PATH=os.environ['PATH']))
    return done.returncode, done.stdout, done.stderr


def image(tmp_path, content=b'image'):
    path = tmp_path / 'x.sif'
    path.write_bytes(content)
    return path, 'x.sif@sha256:' + hashlib.sha256(content).hexdigest()


@pytest.fixture
def node(tmp_path):
    """Variables of a task on a node whose clock is a minute ahead of its files, and that counts what is hashed."""
    tools = tmp_path / 'tools'
    tools.mkdir()
    for name, text in (('date', 'echo $(($(/bin/date +%s) + 60))'),
                       ('sha256sum', f'echo >>{tmp_path}/hashed; exec /usr/bin/sha256sum')):
        (tools / name).write_text(f'#!/bin/sh\n{text}\n')
        (tools / name).chmod(0o755)
    return {'PATH': '{}:{}'.format(tools, os.environ['PATH']), 'MTP_WORK_ROOT': str(tmp_path / 'work')}


def seen(path, node):
    done = subprocess.run(['bash', SCRIPT, '--image', str(path), 'env'], env=node, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0 and done.stderr == ''
    return done.stdout.split('APPTAINERENV_MTP_IMAGE=')[1].splitlines()[0]


def hashed(tmp_path):
    """How often since the last time."""
    path = tmp_path / 'hashed'
    count = len(path.read_text().splitlines()) if path.exists() else 0
    path.write_text('')
    return count


def on_a_share(tmp_path, **words):
    """An image beside which no note can be written, for root neither: a folder that is not empty is in its place."""
    path, name = image(tmp_path, **words)
    (tmp_path / 'x.sif.digest').mkdir()
    (tmp_path / 'x.sif.digest' / 'full').write_text('')
    return path, name


@pytest.mark.parametrize('make', [image, on_a_share])
def test_an_image_is_hashed_once(tmp_path, node, make):
    path, name = make(tmp_path)
    assert [seen(path, node) for _ in range(2)] == [name] * 2 and hashed(tmp_path) == 1
    assert (tmp_path / 'work' / '.images').exists() and ((tmp_path / 'x.sif.digest').is_file() == (make is image))


@pytest.mark.parametrize('make', [image, on_a_share])
@pytest.mark.parametrize('replaced', [True, False])
def test_an_image_that_has_changed_is_hashed_anew(tmp_path, node, make, replaced):
    path, name = make(tmp_path)
    before = os.stat(str(path))
    assert seen(path, node) == name
    if replaced:
        path.unlink()
    path.write_bytes(b'IMAGE')  # as long as the first
    os.utime(str(path), ns=(before.st_atime_ns, before.st_mtime_ns))  # and as old
    assert seen(path, node) == 'x.sif@sha256:' + hashlib.sha256(b'IMAGE').hexdigest() and hashed(tmp_path) == 2


def test_what_was_written_this_second_is_not_noted(tmp_path, node):
    path, name = image(tmp_path)
    (tmp_path / 'tools' / 'date').write_text(f'#!/bin/sh\necho $(($(stat -c %Z {path}) + 1))\n')
    assert [seen(path, node) for _ in range(2)] == [name] * 2 and hashed(tmp_path) == 2


@pytest.mark.parametrize('note', ['', 'kept', 'f' * 64, '{digest} 5'])
def test_a_note_that_is_not_ours_is_not_believed(tmp_path, node, note):
    path, name = image(tmp_path)
    (tmp_path / 'x.sif.digest').write_text(note.format(digest='f' * 64) + '\n')
    assert seen(path, node) == name


def test_tasks_that_start_together_hash_once(tmp_path, node):
    path, name = on_a_share(tmp_path)
    (tmp_path / 'tools' / 'sha256sum').write_text(
        f'#!/bin/sh\necho >>{tmp_path}/hashed; sleep 0.3; exec /usr/bin/sha256sum\n')
    words = ['bash', SCRIPT, '--image', str(path), 'env']
    tasks = [subprocess.Popen(words, env=node, stdout=subprocess.PIPE) for _ in range(4)]
    assert all(name.encode() in task.communicate()[0] for task in tasks) and hashed(tmp_path) == 1


def test_a_first_node_that_the_network_does_not_know_is_found_by_slurm(tmp_path):
    for name, text in (('scontrol', 'case "$*" in *hostnames*) echo n-x; sleep 0.2; echo n-y;; *) echo "NodeName=n-x '
                                    'NodeAddr=10.1.2.3 '
                                    'Port=6818";; esac'), ('getent', '[ "$2" = known ]')):
        (tmp_path / name).write_text('#!/bin/sh\n' + text)
        (tmp_path / name).chmod(0o755)
    given = {'PATH': '{}:{}'.format(tmp_path, os.environ['PATH']), 'SLURM_STEP_NODELIST': 'n-[x,y]'}

    def master(**environment):
        said = subprocess.check_output(['bash', SCRIPT, 'env'], env=dict(given, **environment), universal_newlines=True)
        return [line.split('=')[1] for line in said.splitlines() if line.startswith('APPTAINERENV_MASTER_ADDR=')]

    assert master() == ['10.1.2.3'] and master(MASTER_ADDR='mine') == ['mine']
    (tmp_path / 'scontrol').write_text('#!/bin/sh\necho known\n')
    assert master() == []


def test_where_nothing_can_be_noted_it_is_hashed_each_time(tmp_path, node):
    path, name = on_a_share(tmp_path)
    (tmp_path / 'work').write_text('')  # no folder can be made there
    assert [seen(path, node) for _ in range(2)] == [name] * 2 and hashed(tmp_path) == 2


def test_an_image_that_is_a_folder_has_no_hash(tmp_path, node):
    assert seen(tmp_path, node) == tmp_path.name


def test_a_node_without_the_image_says_which_and_where():
    code, _, errors = task('--image', 'gone.sif', 'env', SLURMD_NODENAME='gpu07')
    assert code == 2 and errors.startswith('error: gpu07: there is no image gone.sif in ') and '  next: ' in errors


def test_one_task_of_a_node_speaks():
    code, _, errors = task('--image', 'gone.sif', 'env', SLURM_LOCALID='1')
    assert code == 2 and errors == ''


def test_a_node_without_apptainer_says_so(tmp_path):
    code, _, errors = task('--image', image(tmp_path)[0], 'no-such-apptainer', 'exec')
    assert code == 2 and 'no-such-apptainer is not installed' in errors and 'MTP_SITE_SETUP' in errors


def test_the_hook_of_the_site(tmp_path):
    hook = tmp_path / 'site.sh'
    hook.write_text('false; echo $UNSET\nmodule() { export LOADED=$2; }; module load apptainer; '
                    'NCCL_SOCKET_IFNAME=ib7; '
                    'export NCCL_SOCKET_IFNAME\n')  # what sites write stops at no error
    code, said, _ = task('env', MTP_SITE_SETUP=str(hook))
    assert code == 0 and 'LOADED=apptainer\n' in said and 'APPTAINERENV_NCCL_SOCKET_IFNAME=ib7\n' in said
    done = subprocess.run(['bash', SCRIPT, 'env'], cwd=str(tmp_path), stdout=subprocess.PIPE, universal_newlines=True,
                          env={'PATH': os.environ['PATH'], 'MTP_SITE_SETUP': 'site.sh'})
    assert 'LOADED=apptainer\n' in done.stdout
    code, _, errors = task('env', MTP_SITE_SETUP=str(tmp_path / 'gone'))
    assert code == 2 and 'MTP_SITE_SETUP' in errors


@pytest.mark.parametrize('installed, asked', [('squashfuse_ll', 'squashfuse_ll'), ('squashfuse', 'squashfuse'),
                                              ('squashfuse', 'squashfuse_ll')])
def test_the_signals_of_slurm_do_not_take_the_image_away(tmp_path, installed, asked):
    real = tmp_path / installed
    real.write_text('#!/bin/bash\nkill -TERM $$; kill -USR1 $$; echo served "$@"\n')
    real.chmod(0o755)
    with open(os.path.join(os.path.dirname(SCRIPT), 'fuse', asked)) as stream:
        text = stream.read()
    stand_in = tmp_path / 'fuse' / asked
    stand_in.parent.mkdir()
    stand_in.write_text(text.replace('PATH=/usr/local/bin', f'PATH={tmp_path}'))
    found = subprocess.run(['bash', str(stand_in), 'an image'], stdout=subprocess.PIPE, universal_newlines=True, env={})
    assert (found.returncode, found.stdout) == (0, 'served an image\n')


def test_the_stand_in_comes_first_only_before_a_real_one():
    path = subprocess.check_output(['bash', SCRIPT, 'env'], universal_newlines=True).split('\nPATH=')[1].splitlines()[0]
    there = any(os.access(os.path.join(folder, name), os.X_OK) for name in ('squashfuse_ll', 'squashfuse')
                for folder in ('/usr/local/bin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/sbin', '/sbin'))
    assert ('mtp/launch/fuse' in path.split(':')[0]) == there


def test_infiniband_enters_apptainer_and_docker_where_the_node_has_it(tmp_path):
    (tmp_path / 'docker').write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / 'apptainer').write_text('#!/bin/sh\necho "$@" "$APPTAINER_BIND"\n')
    for name in ('docker', 'apptainer'):
        (tmp_path / name).chmod(0o755)

    def said(devices, *words, **more):
        found = dict(more, MTP_INFINIBAND=str(devices), PATH='{}:{}'.format(tmp_path, os.environ['PATH']))
        return subprocess.check_output(['bash', SCRIPT] + list(words), env=found, universal_newlines=True).strip()

    there, away = tmp_path, tmp_path / 'none'
    assert said(there, 'docker', 'run', '--rm', 'x') == f'run --device {there} --ulimit memlock=-1:-1 --rm x'
    assert said(away, 'docker', 'run', '--rm', 'x') == 'run --rm x'
    assert said(there, 'apptainer', 'exec', APPTAINER_BIND='/a') == f'exec /a,{there}'
    assert said(away, 'apptainer', 'exec') == 'exec'
