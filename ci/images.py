"""Build both cpu images from the locks on bases made here, then prove each one: ``ci/images``.

Proof, each time as uid 12345 with a read-only root and no network: the self-check, the versions against the ledger, no
compiler inside, the published command lines answer, and two steps of pretraining on a sample. A repeat takes everything
unchanged from the caches.
"""
import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.launch import host, ledger  # noqa: E402

import engine  # noqa: E402
import localbase  # noqa: E402

UID = 12345
WHEELHOUSE = os.path.join('docker', 'wheelhouse')
COMPILERS = 'cc c++ gcc g++ cc1plus clang nvcc make ninja'
DATASETS = ['sota', 'fast', 'sior']
PRETRAIN = ('--backbone vit_t_rvsa --init_backbone none --image_size 64 --batch_size 3 --end_iter 2 --interval 2 '
            '--save_path work_dirs/pretrain --datasets').split() + DATASETS


class Steps:
    """Runs named steps and remembers how long each took."""

    def __init__(self):
        self.seconds = []

    @contextlib.contextmanager
    def __call__(self, name):
        print('--- ' + name, flush=True)
        start = time.monotonic()
        yield
        self.seconds.append((name, time.monotonic() - start))

    def summary(self):
        """One line a step."""
        return '\n'.join('{:7.0f} s  {}'.format(seconds, name) for name, seconds in self.seconds)


def build_words(client, env, bases):
    """The ``docker build`` command of ``make images``, with bases made here in place of the ledger's."""
    words = [client, 'build', '--file', 'docker/Dockerfile', '--tag', ledger.image_tag(env)]
    arguments = ledger.build_args(env, revision=host.revision(ROOT))
    arguments.update(bases)
    arguments['PIP_INDEX_URL'] = os.environ.get('PIP_INDEX_URL', '')
    for name, value in arguments.items():
        words += ['--build-arg', '{}={}'.format(name, value)]
    certificate = os.environ.get('PIP_CERT') or os.environ.get('SSL_CERT_FILE')
    if certificate and os.path.isfile(certificate):
        words += ['--secret', 'id=ca,src=' + certificate]
    return words + (['--progress', 'plain'] if not sys.stderr.isatty() else []) + ['.']


def run_words(client, env, work, data, *inner):
    """A container as the launcher starts one, and stricter: a uid that nobody has, nothing to write to but its work."""
    return [client, 'run', '--rm', '--user', '{0}:{0}'.format(UID), '--read-only', '--network', 'none',
            '--cap-drop', 'ALL', '--tmpfs', '/tmp', '--shm-size', '1g',
            '--mount', 'type=bind,source={},target=/work'.format(work),
            '--mount', 'type=bind,source={},target=/data,readonly'.format(data),
            '--env', 'OMP_NUM_THREADS=1', ledger.image_tag(env)] + list(inner)


def call(words, what):
    """Run ``words``, output shown.

    Raises:
        MTPError: it failed.
    """
    if subprocess.run(words, cwd=ROOT, env=dict(os.environ, DOCKER_BUILDKIT='1')).returncode:
        raise MTPError('{} failed'.format(what), hint='repeat it: ' + ' '.join(words[:14]) + ' ...', code=FAILED)


def check_inside(client, env, work, data):
    """Self-check as a stranger, versions and labels against the ledger, nothing inside that has no business there."""
    done = subprocess.run(run_words(client, env, work, data, 'python', 'docker/selfcheck.py', '--json'),
                          stdout=subprocess.PIPE)
    if done.returncode not in (OK, FAILED) or not done.stdout.strip().startswith(b'{'):
        raise MTPError('the self-check of {} does not run: exit code {}'.format(env, done.returncode), code=FAILED)
    result = json.loads(done.stdout.decode())
    bad = [found for found in result['findings'] if found['status'] == 'fail']
    seen = {found['what']: found['says'] for found in result['findings']}
    wrong = ['{what}: {says}'.format(**found) for found in bad]
    wrong += ['{} is {} inside, the ledger ships {}'.format(package, seen.get(package), version)
              for package, version in ledger.shipped(env).items() if seen.get(package) != version]
    for found in result['findings']:
        if found['status'] == 'declared':
            print('declared: {what}: {says}'.format(**found))
    label = host.image_facts(client, [ledger.image_tag(env)])[ledger.image_tag(env)][0]
    if label != ledger.digest(env):
        wrong.append('the label {} says {}, the ledger is {}'.format(host.DIGEST_LABEL, label, ledger.digest(env)))
    wrong += ['there is {} inside'.format(name) for name in unwanted(client, env, work, data)]
    if wrong:
        raise MTPError('{} is not what it should be:\n  {}'.format(env, '\n  '.join(wrong)), code=FAILED)
    print('{}: {} findings, versions and label as in the ledger, no compiler'.format(env, len(result['findings'])))


def unwanted(client, env, work, data):
    """Compilers, package caches and test data that the image holds; should be nothing."""
    script = ('for name in {}; do command -v $name; done; '
              'for path in /root/.cache /cache /src /opt/mtp/tests /opt/mtp/docker/wheelhouse /run/secrets/ca; do '
              '[ ! -e $path ] || echo $path; done; find /tmp -mindepth 1; true').format(COMPILERS)
    return subprocess.check_output(run_words(client, env, work, data, 'sh', '-c', script)).decode().split()


def pretrain(client, work, data):
    """Two steps of the real training loop, on a sample that the image itself draws."""
    sample = os.path.join(work, 'sample')
    call(run_words(client, 'mmrotate1', work, data, 'python', '-m', 'mtp.data.samples', 'samrs', '--images', '4',
                   '--out', '/work/sample'), 'drawing the sample')
    for name in DATASETS:
        call(run_words(client, 'mmrotate1', work, data, 'env', 'MTP_DATA_ROOT=/work/sample', 'python',
                       'scripts/convert_pkl_json.py', '--dataset', name), 'converting ' + name)
    call(run_words(client, 'mmrotate1', work, sample, 'python', 'main_pretrain.py', *PRETRAIN), 'pretraining')
    made = os.listdir(os.path.join(work, 'pretrain'))
    if not any(name.endswith('.pth') for name in made):
        raise MTPError('pretraining left no checkpoint, but {}'.format(made), code=FAILED)


def size(client, env):
    """Size of the image in bytes, as the engine counts it."""
    return int(subprocess.check_output([client, 'image', 'inspect', '--format', '{{.Size}}', ledger.image_tag(env)]))


def prove(client, env, steps):
    """Every proof of one image."""
    with tempfile.TemporaryDirectory(prefix='mtp-image-') as folder:
        work, data = os.path.join(folder, 'work'), os.path.join(folder, 'data')
        for path in (folder, work, data):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o777)  # uid 12345 is nobody on this machine
        with steps(env + ': self-check as uid {}, read-only, no network'.format(UID)):
            check_inside(client, env, work, data)
        with steps(env + ': published command lines'):
            for tool in ('tools/train.py', 'tools/test.py'):
                # From another folder, as apptainer starts it.
                asked = 'cd /tmp && python {} --help >help && head -2 help'.format(tool)
                call(run_words(client, env, work, data, 'sh', '-c', asked), tool)
        if env == 'mmrotate1':
            with steps(env + ': two steps of pretraining'):
                pretrain(client, work, data)


def main(argv=None):
    """Build both cpu images without a registry and prove that they work."""
    parser = argparse.ArgumentParser(prog='ci/images', description=main.__doc__)
    parser.add_argument('env', nargs='*', help='only these environments (default: both)')
    chosen = parser.parse_args(argv).env or ledger.names()
    for env in chosen:
        ledger.environment(env)
    steps = Steps()
    with steps('docker engine'):
        client = engine.ready()
        print('{}'.format(client))
    with steps('local base images'):
        base = localbase.debian(client)
        bases = {'BUILD_IMAGE': base, 'BASE_IMAGE': base, 'PYTHON_IMAGE': localbase.python(client, base)}
    with steps('finished wheels of this machine'):
        call([sys.executable, 'docker/build_ops.py', '--export', WHEELHOUSE], 'copying the wheels')
    for env in chosen:
        with steps(env + ': build'):
            call(build_words(client, env, bases), 'building ' + env)
        prove(client, env, steps)
    print('\nseconds:\n{}\n\nsizes:'.format(steps.summary()))
    for env in chosen:
        print('{:10.2f} GB  {}'.format(size(client, env) / 1e9, ledger.image_tag(env)))
    return OK


if __name__ == '__main__':
    run_main(main)
