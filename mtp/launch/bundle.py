"""``make bundle``: one folder that builds and runs where there is no network.

A bundle is a checkout with everything in its place, so nothing in it has to be told where to look:

* ``docker/wheels``: every wheel of the locks, and the sources of the compiled operators;
* ``docker/wheelhouse``: those operators, compiled;
* ``images``: the docker images that were there, and in ``bases.tar`` what building them anew starts from, with all
  system packages;
* ``apptainer/*.sif``: those that were there;
* ``bundle.json``: what is in it and what was left out; ``SHA256SUMS``: of every file, written last.

Started again it goes on: what is there and whole is kept.
"""
import glob
import json
import os
import shutil
import subprocess
import sys

from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.files import atomic_path, sha256, write_json, write_text
from mtp.launch import clients, containers, host, ledger, lock, setup
from mtp.launch.settings import from_environ
from mtp.progress import Progress

NAME, SUMS, IMAGES = 'bundle.json', 'SHA256SUMS', 'images'
WHEELS, WHEELHOUSE = 'docker/wheels', 'docker/wheelhouse'
BASES = IMAGES + '/bases.tar'
PARTS = ('wheels', 'bases', 'images', 'sif')  # beside the source, which is always there
# What somebody who works in a bundle leaves there.
OWN = ('.venv', 'work_dirs', 'data', '.git', '__pycache__', '.pytest_cache', '.hypothesis')
# Which images a build starts from: argument of the Dockerfile -> name in a bundle.
BASE_NAMES = {'PYTHON_IMAGE': 'mtp-bundle/python-{env}:{kind}', 'BUILD_IMAGE': 'mtp-bundle/build:{kind}',
              'BASE_IMAGE': 'mtp-bundle/base:{kind}'}


def read(root):
    """``bundle.json`` of the checkout at ``root``; {} where it is no bundle."""
    try:
        with open(os.path.join(root, NAME), encoding='utf-8') as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}


def archive(env, kind):
    """Where the docker image lies in a bundle."""
    return '{}/{}-{}.tar'.format(IMAGES, env, kind)


def contents(folder):
    """Every file of a bundle, relative, sorted; what its users left there is not part of it."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in OWN)
        found += [os.path.relpath(os.path.join(place, name), folder).replace(os.sep, '/') for name in names]
    return sorted(name for name in found if name != SUMS and not name.endswith(('.tmp', '.sif.digest')))


def lock_names(envs, kind):
    """Locks whose wheels a bundle holds: those of the environments, the installer's, the tests', the compiler's."""
    return ['pip', 'dev', 'build'] + ['{}-{}'.format(env, kind) for env in envs]


def lacking(name, held):
    """Packages of the lock ``name`` of which no admitted file is among the hashes ``held``."""
    return sorted(package for package, (_, each) in lock.pins(lock.read(name)).items() if not set(each) & set(held))


def hashes(folder):
    """``{SHA-256: path}`` of every file in ``folder``."""
    return {sha256(path): path for path in glob.glob(os.path.join(folder, '*')) if os.path.isfile(path)}


class Bundler(object):
    """Makes a bundle.

    Args:
        settings: a :class:`Settings`; OUT, PARTS, ENV, VARIANT and DOCKER_ARGS of it.
        machine: a :class:`Host`.
    """

    def __init__(self, settings, machine):
        self.settings, self.machine, self.root = settings, machine, machine.root
        self.out = os.path.abspath(os.path.join(self.root, settings.words['OUT'] or
                                                os.path.join(settings.work_root, 'bundle')))
        self.parts = settings.words['PARTS'].split() or list(PARTS)
        self.kind = settings.variant or 'cpu'
        self.envs = [settings.env] if settings.env else ledger.names()
        self.left_out, self.images, self.bases = [], {}, {}

    def make(self):
        """Gather every part; the checksums come last, so a bundle without them is not finished."""
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown:
            raise MTPError('PARTS names {}; there are {}'.format(', '.join(unknown), ', '.join(PARTS)))
        for env in self.envs:
            ledger.environment(env)
            lock.require_resolved('{}-{}'.format(env, self.kind))
        if os.path.isdir(self.out) and os.listdir(self.out) and not os.path.exists(os.path.join(self.out, NAME)):
            raise MTPError('{} is there and is no bundle'.format(self.out), hint='OUT=folder that is new')
        before = read(self.out)
        self._drop(SUMS)
        self._note(before.get('images', {}))
        self._source()
        for part in PARTS:
            if part in self.parts:
                getattr(self, '_' + part)(before)
            else:
                self.left_out.append('{}: not asked for (PARTS={})'.format(part, ' '.join(self.parts)))
        self._note(self.images)
        self._sums()

    def _note(self, images):
        write_json(
            os.path.join(self.out, NAME), {
                'schema': 1, 'revision': self.machine.revision, 'ledger': ledger.digest(), 'environments': self.envs,
                'variant': self.kind, 'parts': self.parts, 'images': images, 'bases': self.bases,
                'left_out': self.left_out
            })

    def _source(self):
        tracked = tracked_files(self.root)
        say('source: {} files of {}'.format(len(tracked), self.machine.revision))
        kept = ('{}/'.format(WHEELS), WHEELHOUSE + '/', IMAGES + '/', NAME)
        for name in contents(self.out):
            if name not in tracked and not name.startswith(kept) and not name.endswith('.sif'):
                self._drop(name)  # of an earlier revision
        for name in tracked:
            place(os.path.join(self.root, name), os.path.join(self.out, name))

    def _wheels(self, before):
        folder = os.path.join(self.out, WHEELS)
        python = os.path.join(self.root, host.venv_python(self.settings, self.envs[0]))
        if self.machine.venvs[self.envs[0]] != 'ready':
            raise MTPError(
                'the wheels are fetched by the native environment {}, which is not ready'.format(self.envs[0]),
                hint='make setup ENV=' + self.envs[0])
        held = hashes(folder)
        for name in lock_names(self.envs, self.kind):
            missing = lacking(name, held)
            if missing:
                self._download(python, name, folder, len(lock.pins(lock.read(name))))
                held = hashes(folder)
        command = [python, 'docker/build_ops.py', '--export', os.path.join(self.out, WHEELHOUSE), '--cache',
                   os.path.join(self.settings.cache_root, 'wheels')]
        call(command, self.root, 'copying the compiled operators')
        for env in self.envs:
            ops = ledger.environment(env)['ops']
            if ops['sha256'] not in held:
                say('{}: the source {}'.format(env, ops['sdist']))
                own = os.path.join(self.root, host.venv_python(self.settings, env))
                call([own, 'docker/build_ops.py', '--env', env, '--python', own, '--source', folder], self.root,
                     'getting ' + ops['sdist'])
            if not operators(self.out, env, self.kind):
                raise MTPError('there is no compiled {package} {version} to put in'.format(**ops),
                               hint='make setup ENV={} VARIANT={}'.format(env, self.kind), code=FAILED)
        self._drop_others(folder)

    def _drop_others(self, folder):
        """Remove wheels of earlier locks."""
        names = lock_names(self.envs, self.kind) + [env + '-ops' for env in self.envs]
        admitted = {value for name in names for _, each in lock.pins(lock.read(name)).values() for value in each}
        for digest, path in hashes(folder).items():
            if digest not in admitted and not path.endswith('README.md'):
                os.unlink(path)

    def _download(self, python, name, folder, count):
        index = ledger.variant(self.kind)['index'] if name.endswith(self.kind) else ''
        words = (python, '-m', 'pip', 'download', '--no-deps', '--require-hashes', '--only-binary', ':all:', '--dest',
                 folder, '--find-links', folder, '--progress-bar', 'raw', '--disable-pip-version-check', '-r',
                 lock.path(name))
        step = setup.Step('packages', '', words + (('--extra-index-url', index) if index else ()), '', True, True,
                          {'PYTHONNOUSERSITE': '1'})
        log = self.out + '.log'
        with open(log, 'w', encoding='utf-8') as stream:
            code = setup.run(step, self.root, stream, Progress('wheels of ' + name, count))
        if code:
            with open(log, encoding='utf-8') as stream:
                said = stream.read().splitlines()[-5:]
            raise MTPError('fetching the wheels of {} failed:\n{}'.format(name, '\n'.join(said)),
                           hint='make bundle again; the whole log: ' + log, code=FAILED)

    def _images(self, before):
        docker = self._engine('docker images')
        for env in self.envs if docker else ():
            tag = self.settings.image or ledger.image_tag(env, self.kind)
            if self.machine.images.get(tag) != ledger.digest(env):
                self.left_out.append('{}: there is none of this ledger here (make images)'.format(tag))
                continue
            self._save(docker, archive(env, self.kind), [tag], self.machine.image_ids[tag], before)

    def _bases(self, before):
        docker = self._engine('base images')
        tags, given = [], given_arguments(self.settings.docker_args)
        for env in self.envs if docker else ():
            self.bases[env] = {name: each.format(env=env, kind=self.kind) for name, each in BASE_NAMES.items()}
            for name, tag in sorted(self.bases[env].items()):
                self._base(docker, env, name, tag, given)
                tags.append(tag)
        if not docker:
            return
        ids = [
            clients.said([docker, 'image', 'inspect', '--format', '{{.Id}}', tag])[1].strip()
            for tag in sorted(set(tags))
        ]
        self._save(docker, BASES, sorted(set(tags)), ' '.join(ids), before)

    def _engine(self, what):
        """A docker client that can build and whose daemon answers; None, and a note, without one."""
        if self.machine.builder and not self.machine.daemon:
            return self.machine.builder
        self.left_out.append('{}: no engine that can build answers here'.format(what))
        return None

    def _base(self, docker, env, name, tag, given):
        """Give one base image its name in a bundle; the one to compile in gets its system packages first."""
        arguments = dict(ledger.build_args(env, self.kind), **given)
        if name == 'BUILD_IMAGE':
            words = [docker, 'build', '--quiet', '--file', 'docker/Dockerfile', '--target', 'system', '--tag', tag]
            for each in BASE_NAMES:
                words += ['--build-arg', '{}={}'.format(each, arguments[each])]
            call(words + ['.'], self.root, 'making ' + tag, DOCKER_BUILDKIT='1')
            return
        if clients.said([docker, 'image', 'inspect', arguments[name]])[0]:
            call([docker, 'pull', '--quiet', arguments[name]], self.root, 'getting ' + arguments[name])
        call([docker, 'tag', arguments[name], tag], self.root, 'naming ' + tag)

    def _save(self, docker, name, tags, what, before):
        path = os.path.join(self.out, name)
        self.images[name] = {'tags': tags, 'id': what}
        if os.path.exists(path) and before.get('images', {}).get(name) == self.images[name]:
            say('{}: kept'.format(name))
            return
        say('{}: {}'.format(name, ', '.join(tags)))
        with atomic_path(path) as temporary:
            call([docker, 'save', '--output', temporary] + tags, self.root, 'saving ' + name)
            os.chmod(temporary, 0o644)  # docker keeps it to whoever saved it; a bundle is for others

    def _sif(self, before):
        for env in self.envs:
            name = host.sif_path(self.settings, env, self.kind)
            if os.path.exists(os.path.join(self.root, name)):
                say(name)
                place(os.path.join(self.root, name), os.path.join(self.out, 'apptainer', os.path.basename(name)))
            else:
                self.left_out.append('{}: there is none here (make sif)'.format(name))

    def _sums(self):
        names = contents(self.out)
        total = sum(os.path.getsize(os.path.join(self.out, name)) for name in names)
        progress, lines = Progress('checksums', len(names)), []
        for name in names:
            lines.append('{}  {}\n'.format(sha256(os.path.join(self.out, name)), name))
            progress.update(1, name[-40:])
        progress.close()
        write_text(os.path.join(self.out, SUMS), ''.join(lines))
        say('{}: {} files, {:.2f} GB'.format(self.out, len(names), total / 1e9))
        for note in self.left_out:
            say('left out: ' + note)
        say('next: make verify-bundle BUNDLE={}'.format(self.out))

    def _drop(self, name):
        path = os.path.join(self.out, name)
        if os.path.lexists(path):
            os.unlink(path)


def operators(root, env, kind):
    """Finished wheels of the operators of ``env`` in the checkout at ``root``."""
    ops = ledger.environment(env)['ops']
    start = '{}-{}-{}-'.format(ops['package'], ops['version'], kind)
    return [
        path for path in glob.glob(os.path.join(root, WHEELHOUSE, start + '*', '*.whl'))
        if os.path.exists(path + '.sha256')
    ]


def given_arguments(words):
    """Base images that the user gave by DOCKER_ARGS, ``{argument: image}``."""
    pairs = [value.split('=', 1) for flag, value in zip(words, words[1:]) if flag == '--build-arg' and '=' in value]
    return {name: value for name, value in pairs if name in BASE_NAMES}


def tracked_files(root):
    """Files of the source: what git tracks, or all of a bundle."""
    if read(root):
        kept = (WHEELS + '/', WHEELHOUSE + '/', IMAGES + '/', NAME)
        return [name for name in contents(root) if not name.endswith('.sif') and not name.startswith(kept)] + [
            WHEELS + '/README.md']
    try:
        said = subprocess.check_output(['git', '-C', root, 'ls-files', '-z']).decode('utf-8')
    except (OSError, subprocess.CalledProcessError):
        raise MTPError('{} is neither a git checkout nor a bundle'.format(root), hint='clone the repository')
    return sorted(name for name in said.split('\0') if name and os.path.exists(os.path.join(root, name)))


def place(source, target):
    """Copy a file with its rights, unless it is there already (same size, same time)."""
    new, old = os.stat(source), os.stat(target) if os.path.exists(target) else None
    if old and (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns):
        return
    with atomic_path(target) as temporary:
        shutil.copy2(source, temporary)


def call(words, folder, what, **variables):
    """Run ``words``; what they said is shown when they fail.

    Raises:
        MTPError: they failed.
    """
    done = subprocess.run(words, cwd=folder, env=dict(os.environ, **variables), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    if done.returncode:
        raise MTPError('{} failed:\n{}'.format(what, done.stdout[-1500:]), code=FAILED,
                       hint='mend that, then the same command again')


def say(line):
    """One line for the user, at once."""
    sys.stdout.write(line + '\n')
    sys.stdout.flush()


def main():
    """Gather a bundle in OUT."""
    settings = from_environ(os.environ)
    kind = settings.variant or containers.variant(settings, 'none')
    ledger.variant(kind)
    settings = settings._replace(variant=kind)
    Bundler(settings, host.look(settings, builds=True)).make()
    return OK


if __name__ == '__main__':
    run_main(main)
