"""Gather a bundle, build both cpu images from it with no network, then prove each one: ``ci/images``.

The base images are made here. Proof, each time as uid 12345 with a read-only root and no network: the self-check, the
versions against the ledger, the bill of materials against what is installed, no compiler inside, the published command
lines answer, and two steps of pretraining on a sample. A repeat takes everything unchanged from the caches.
"""
import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.launch import host, ledger  # noqa: E402
from mtp.launch.lock import normal  # noqa: E402
from mtp.launch.settings import from_environ  # noqa: E402

import engine  # noqa: E402
import localbase  # noqa: E402

UID = 12345
COMPILERS = 'cc c++ gcc g++ cc1plus clang nvcc make ninja'
DATASETS = ['sota', 'fast', 'sior']
CODE = ('ci', 'configs', 'docs', 'mtp', 'scripts', 'tests', 'tools')  # folders of the code, put there anew each time
PRETRAIN = ('--backbone vit_t_rvsa --init_backbone none --image_size 64 --batch_size 3 --end_iter 2 --interval 2 '
            '--save_path work_dirs/pretrain --datasets').split() + DATASETS
# Prints what is installed beside Python, as pip would; an image has no pip.
DISTRIBUTIONS = ('import importlib.metadata as found; print("\\n".join('
                 '"{}=={}".format(each.metadata["Name"], each.version) for each in found.distributions()))')


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
        return '\n'.join(f'{seconds:7.0f} s  {name}' for name, seconds in self.seconds)


def gather(client, envs):
    """Folder of a bundle with every wheel and base image of ``envs``; it stays in the cache, so a repeat is quick."""
    base, (minor,) = localbase.debian(client), {ledger.minor(env) for env in envs}
    bases = {'BUILD_IMAGE': base, 'BASE_IMAGE': base, 'PYTHON_IMAGE': localbase.python(client, base, minor)}
    given = ' '.join('--build-arg {}={}'.format(*item) for item in bases.items())
    folder = os.path.join(from_environ(os.environ).cache_root, 'ci-bundle')
    for name in CODE:  # what an unfinished run left here is in no list, and would go into the images
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    call(make('bundle', OUT=folder, PARTS='wheels bases', DOCKER_ARGS=given, **of_cpu(envs)), 'gathering the bundle')
    return folder


def verify(folder):
    """``make verify-bundle`` of the bundle at ``folder``."""
    call(make('verify-bundle', BUNDLE=folder), 'verifying the bundle')


def build(folder, env, **words):
    """``make images`` inside the bundle at ``folder``."""
    plain = '' if sys.stderr.isatty() else '--progress plain'
    call(make('images', '-C', folder, DOCKER_ARGS=plain, **words, **of_cpu([env])), 'building ' + env)


def of_cpu(envs):
    """Settings that choose the cpu images of ``envs``."""
    return dict(VARIANT='cpu', ENV=envs[0] if len(envs) == 1 else '')


def make(verb, *options, **words):
    """Words of ``make verb``."""
    return ['make', *options, verb, *('{}={}'.format(*item) for item in words.items())]


def run_words(client, env, work, data, *inner):
    """A container as the launcher starts one, and stricter: a uid that nobody has, nothing to write to but its work."""
    return [client, 'run', '--rm', '--user', f'{UID}:{UID}', '--read-only', '--network', 'none',
            '--cap-drop', 'ALL', '--tmpfs', '/tmp', '--shm-size', '1g',
            '--mount', f'type=bind,source={work},target=/work',
            '--mount', f'type=bind,source={data},target=/data,readonly',
            '--env', 'OMP_NUM_THREADS=1', ledger.image_tag(env)] + list(inner)


def call(words, what):
    """Run ``words``, output shown.

    Raises:
        MTPError: it failed.
    """
    if subprocess.run(words, cwd=ROOT, env=dict(os.environ, DOCKER_BUILDKIT='1')).returncode:
        raise MTPError(f'{what} failed', hint='repeat it: ' + ' '.join(words[:14]) + ' ...', code=FAILED)


def check_inside(client, env, work, data):
    """Self-check as a stranger, versions and labels against the ledger, nothing inside that has no business there."""
    done = subprocess.run(run_words(client, env, work, data, 'python', 'docker/selfcheck.py', '--json'),
                          stdout=subprocess.PIPE)
    if done.returncode not in (OK, FAILED) or not done.stdout.strip().startswith(b'{'):
        raise MTPError(f'the self-check of {env} does not run: exit code {done.returncode}', code=FAILED)
    result = json.loads(done.stdout.decode())
    bad = [found for found in result['findings'] if found['status'] == 'fail']
    # Of a package the first finding is its version; a call of it may follow under the same name.
    seen = {found['what']: found['says'] for found in reversed(result['findings'])}
    wrong = ['{what}: {says}'.format(**found) for found in bad]
    wrong += [f'{package} is {seen.get(package)} inside, the ledger ships {version}'
              for package, version in ledger.shipped(env).items() if seen.get(package) != version]
    for found in result['findings']:
        if found['status'] == 'declared':
            print('declared: {what}: {says}'.format(**found))
    label = host.image_facts(client, [ledger.image_tag(env)])[ledger.image_tag(env)][0]
    if label != ledger.inputs(env):
        wrong.append(f'the label {host.DIGEST_LABEL} says {label}, it was made from {ledger.inputs(env)}')
    wrong += bill(client, env, work, data)
    wrong += [f'there is {name} inside' for name in unwanted(client, env, work, data)]
    if wrong:
        raise MTPError('{} is not what it should be:\n  {}'.format(env, '\n  '.join(wrong)), code=FAILED)
    print(
        '{}: {} findings, versions and label as in the ledger, all of it in the bill of materials, no compiler'.format(
            env, len(result['findings'])))


def bill(client, env, work, data):
    """Sentences about distributions and Debian packages that the image holds and its bill of materials does not."""
    script = ('cat /opt/sbom/sbom.cdx.json; echo; echo ---; /opt/venv/bin/python -c "$1"; echo ---; '
              'dpkg-query -W -f \'${Package}==${Version}\\n\'')
    said = subprocess.check_output(run_words(client, env, work, data, 'sh', '-c', script, 'sh', DISTRIBUTIONS)).decode()
    text, python, debian = said.split('\n---\n')
    listed = {(item['purl'].split('/')[0], normal(item['name']), item.get('version'))
              for item in json.loads(text)['components'] if 'purl' in item and item['type'] != 'file'}
    there = {('pkg:' + kind, normal(name), version) for kind, lines in (('pypi', python), ('deb', debian))
             for name, version in (line.split('==', 1) for line in lines.splitlines())}
    return [
        '{1} {2} ({0}) is on one side of the bill of materials alone'.format(*each) for each in sorted(listed ^ there)
    ]


def unwanted(client, env, work, data):
    """Compilers, package caches and test data that the image holds; should be nothing."""
    script = (f'for name in {COMPILERS}; do command -v $name; done; '
              'for path in /root/.cache /cache /src /opt/mtp/tests /opt/mtp/docker/wheelhouse /run/secrets/ca; do '
              '[ ! -e $path ] || echo $path; done; find /tmp -mindepth 1; true')
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
        raise MTPError(f'pretraining left no checkpoint, but {made}', code=FAILED)


def by_hand(client, env):
    """What somebody gets who says no user and brings no /tmp: not root, a working self-check, an image with a name."""
    words = [client, 'run', '--rm', '--read-only', '--network', 'none', ledger.image_tag(env)]
    asked = 'import os; from mtp.report import identity; print(os.getuid(), identity.image()["name"])'
    said = subprocess.check_output(words + ['python', '-c', asked]).decode().split()
    if said[0] == '0' or said[1] != ledger.image_tag(env):
        raise MTPError('{} started by hand runs as uid {} and calls itself {}'.format(env, *said), code=FAILED)
    call(words, 'the self-check by hand')  # it draws with matplotlib and writes a log


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
        with steps(env + f': self-check as uid {UID}, read-only, no network'):
            check_inside(client, env, work, data)
        with steps(env + ': started by hand, as nobody in particular, with no place of its own to write to'):
            by_hand(client, env)
        with steps(env + ': published command lines'):
            for tool in ('tools/train.py', 'tools/test.py'):
                # From another folder, as apptainer starts it.
                asked = f'cd /tmp && python {tool} --help >help && head -2 help'
                call(run_words(client, env, work, data, 'sh', '-c', asked), tool)
        if env == 'mmrotate1':
            with steps(env + ': two steps of pretraining'):
                pretrain(client, work, data)


def main(argv=None):
    """Build the cpu images from a bundle, with no network, and prove that they work."""
    parser = argparse.ArgumentParser(prog='ci/images', description=main.__doc__)
    parser.add_argument('env', nargs='*', help='only these environments (default: those of the record)')
    chosen = parser.parse_args(argv).env or ledger.recorded()
    if len({ledger.minor(env) for env in chosen}) > 1:
        raise MTPError('{} are made of different Pythons'.format(', '.join(chosen)), hint='ci/images ' + chosen[0])
    steps = Steps()
    with steps('docker engine'):
        client = engine.ready()
        print(f'{client}')
    with steps('bundle: wheels and base images'):
        folder = gather(client, chosen)
    with steps('bundle: verified'):
        verify(folder)
    for env in chosen:
        with steps(env + ': built from the bundle with no network'):
            build(folder, env)
        prove(client, env, steps)
    print(f'\nseconds:\n{steps.summary()}\n\nsizes:')
    for env in chosen:
        print(f'{size(client, env) / 1e9:10.2f} GB  {ledger.image_tag(env)}')
    return OK


if __name__ == '__main__':
    run_main(main)
