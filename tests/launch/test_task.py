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
             'MTP_DATA_ROOT': '/scratch', 'MTP_SEED': '1', 'PYTHONPATH': '/x', 'XNCCL_A': '1'}
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
    done = subprocess.run(['bash', SCRIPT] + [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, env=dict(environment, PATH=os.environ['PATH']))
    return done.returncode, done.stdout, done.stderr


def image(tmp_path, content=b'image'):
    path = tmp_path / 'x.sif'
    path.write_bytes(content)
    return path, 'x.sif@sha256:' + hashlib.sha256(content).hexdigest()


def seen(path, **environment):
    return task('--image', path, 'env', **environment)[1].split('APPTAINERENV_MTP_IMAGE=')[1].splitlines()[0]


def test_the_container_hears_the_hash_of_its_image(tmp_path):
    path, name = image(tmp_path)
    assert seen(path) == name
    assert (tmp_path / 'x.sif.digest').read_text().split()[0] == name.split(':')[1]


def test_the_hash_is_kept_as_long_as_the_image_is_the_same(tmp_path):
    path, name = image(tmp_path)
    seen(path)
    state = os.stat(str(path))
    (tmp_path / 'x.sif.digest').write_text('kept {} {}\n'.format(state.st_size, int(state.st_mtime)))
    assert seen(path) == 'x.sif@sha256:kept'
    path, name = image(tmp_path, b'another')
    assert seen(path) == name


def test_an_image_in_a_folder_that_cannot_be_written_is_hashed_each_time(tmp_path):
    path, name = image(tmp_path)
    (tmp_path / 'x.sif.digest').mkdir()  # root may write everywhere; this no one can replace by a file
    (tmp_path / 'x.sif.digest' / 'full').write_text('')
    assert seen(path).startswith('x.sif@sha256:')


def test_an_image_that_is_a_folder_has_no_hash(tmp_path):
    assert seen(tmp_path) == tmp_path.name


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
    hook.write_text('false; echo $UNSET\nmodule() { export LOADED=$2; }; module load apptainer; NCCL_SOCKET_IFNAME=ib7; '
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
    stand_in.write_text(text.replace('PATH=/usr/local/bin', 'PATH={}'.format(tmp_path)))
    found = subprocess.run(['bash', str(stand_in), 'an image'], stdout=subprocess.PIPE, universal_newlines=True, env={})
    assert (found.returncode, found.stdout) == (0, 'served an image\n')


def test_the_stand_in_comes_first_only_before_a_real_one():
    path = subprocess.check_output(['bash', SCRIPT, 'env'], universal_newlines=True).split('\nPATH=')[1].splitlines()[0]
    there = any(os.access(os.path.join(folder, name), os.X_OK) for name in ('squashfuse_ll', 'squashfuse')
                for folder in ('/usr/local/bin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/sbin', '/sbin'))
    assert ('mtp/launch/fuse' in path.split(':')[0]) == there
