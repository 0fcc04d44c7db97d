"""``make bundle``: one folder that builds and runs where there is no network.

A bundle is a checkout with everything in its place, so nothing in it has to be told where to look:

* ``docker/wheels``: every wheel of the locks, and the sources of the compiled operators and of what has no wheel;
* ``docker/wheelhouse``: those operators, compiled;
* ``images``: the docker images that were there, and in ``bases.tar`` what building them anew starts from, with all
  system packages;
* ``apptainer/*.sif``: those that were there;
* ``bundle.json``: what is in it and what was left out; ``SHA256SUMS``: of every file, written last.

Started again it goes on: what is there and still has the hash that was noted is kept.
"""
import filecmp
import glob
import os
import shutil
import subprocess
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from mtp import files, locks
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.files import atomic_path, sha256, write_json, write_text
from mtp.launch import choice, clients, engines, host, ledger, lock, setup, sums
from mtp.launch.runtimes import apptainer, native
from mtp.launch.settings import Settings, from_environ
from mtp.progress import Progress
from mtp.terminal import say

NAME, IMAGES = 'bundle.json', 'images'
WHEELS, WHEELHOUSE = 'docker/wheels', 'docker/wheelhouse'
BASES = IMAGES + '/bases.tar'
FETCHED = ('.whl', '.whl.sha256', '.tar.gz', 'key.json')  # files of the two
PARTS = ('wheels', 'bases', 'images', 'sif')  # beside the source, which is always there
# Which images a build starts from: argument of the Dockerfile -> name in a bundle.
BASE_NAMES = {'PYTHON_IMAGE': 'mtp-bundle/python-{env}:{kind}', 'BUILD_IMAGE': 'mtp-bundle/build:{kind}',
              'BASE_IMAGE': 'mtp-bundle/base:{kind}'}


def read(root: str) -> Dict[str, Any]:
    """``bundle.json`` of the checkout at ``root``; {} where it is no bundle, or nothing can be read of it."""
    try:
        found = files.read_json(os.path.join(root, NAME))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def archive(env: str, kind: str) -> str:
    """Where the docker image lies in a bundle."""
    return f'{IMAGES}/{env}-{kind}.tar'


def sums_of(folder: str) -> Optional[Dict[str, str]]:
    """``{name: SHA-256}`` that the bundle at ``folder`` lists; None where it was not finished.

    Raises:
        MTPError: the list cannot be read.
    """
    try:
        return sums.listed(folder)
    except (OSError, ValueError) as error:
        raise MTPError(f'the checksums cannot be read: {error}', hint='copy the bundle again')


def lock_names(envs: Iterable[str], kind: str) -> List[str]:
    """Locks whose wheels a bundle holds: those of the environments, the installer's, the tests', the compiler's."""
    return [f'{env}-{part}' for env in envs for part in ['pip', 'dev', 'build', kind] + (
        ['sources'] if ledger.sources(env) else []) + (
        [ledger.headers(kind)] if ledger.variant(env, kind)['cuda'] else [])]


def lacking(name: str, held: Iterable[str]) -> List[str]:
    """Packages of the lock ``name`` of which no admitted file is among the hashes ``held``."""
    return sorted(package for package, (_, each) in lock.pins(lock.read(name)).items() if not set(each) & set(held))


def hashes(folder: str) -> Dict[str, str]:
    """``{SHA-256: path}`` of every file in ``folder``."""
    return {sha256(path): path for path in glob.glob(os.path.join(folder, '*')) if os.path.isfile(path)}


class Bundler(object):
    """Makes a bundle.

    Args:
        settings: a :class:`Settings`; OUT, PARTS, ENV, VARIANT and DOCKER_ARGS of it.
        machine: a :class:`Host`.
    """

    def __init__(self, settings: Settings, machine: host.Host) -> None:
        self.settings, self.machine, self.root = settings, machine, machine.root
        self.out = os.path.abspath(os.path.join(self.root, settings.words['OUT'] or
                                                os.path.join(settings.work_root, 'bundle')))
        self.parts = settings.words['PARTS'].split() or list(PARTS)
        pairs = choice.asked(settings)
        self.envs, self.kind = [env for env, _ in pairs], pairs[0][1]
        self.seen = machine.engines.get('docker', engines.UNASKED)
        self.left_out, self.images, self.bases, self.source, self.sifs = [], {}, {}, [], []

    def make(self) -> None:
        """Gather every part; the checksums come last, so a bundle without them is not finished."""
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown:
            raise MTPError('PARTS names {}; there are {}'.format(', '.join(unknown), ', '.join(PARTS)))
        for env in self.envs:
            ledger.variant(env, self.kind)
            lock.require_resolved(f'{env}-{self.kind}')
        if os.path.isdir(self.out) and os.listdir(self.out) and not os.path.exists(os.path.join(self.out, NAME)):
            raise MTPError(f'{self.out} is there and is no bundle', hint='OUT=folder that is new')
        with locks.hold_file(self.out, 'bundle'):
            self._fill()

    def _fill(self) -> None:
        before = read(self.out)
        self.listed = (sums_of(self.out) or {}) if before else {}
        self._drop(sums.SUMS)
        self._source(before)
        self._note(before.get('images', {}))
        for part in PARTS:
            if part in self.parts:
                getattr(self, '_' + part)(before)
            else:
                self.left_out.append('{}: not asked for (PARTS={})'.format(part, ' '.join(self.parts)))
        self._note(self.images)
        self._sums()

    def _note(self, images: Mapping[str, Any]) -> None:
        write_json(
            os.path.join(self.out, NAME), {
                'schema': 1, 'revision': self.machine.revision, 'ledger': ledger.digest(), 'environments': self.envs,
                'variant': self.kind, 'parts': self.parts, 'images': images, 'bases': self.bases,
                'left_out': self.left_out, 'source': self.source
            })

    def _source(self, before: Mapping[str, Any]) -> None:
        self.source = tracked_files(self.root)
        say(f'source: {len(self.source)} files of {self.machine.revision}')
        for name in sorted(set(before.get('source', [])) - set(self.source)):
            self._drop(name)  # of an earlier revision; what others put there is not ours to remove
        for name in self.source:
            place(os.path.join(self.root, name), os.path.join(self.out, name))

    def _wheels(self, before: Mapping[str, Any]) -> None:
        folder = os.path.join(self.out, WHEELS)
        python = os.path.join(self.root, native.python(self.settings, self.envs[0]))
        if self.machine.venvs[self.envs[0]] != 'ready':
            raise MTPError(
                f'the wheels are fetched by the native environment {self.envs[0]}, which is not ready',
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
                own = os.path.join(self.root, native.python(self.settings, env))
                call([own, 'docker/build_ops.py', '--env', env, '--python', own, '--source', folder], self.root,
                     'getting ' + ops['sdist'])
            if not operators(self.out, env, self.kind):
                raise MTPError('there is no compiled {package} {version} to put in'.format(**ops),
                               hint=f'make setup ENV={env} VARIANT={self.kind}', code=FAILED)
        self._drop_others(folder)

    def _drop_others(self, folder: str) -> None:
        """Remove wheels of earlier locks."""
        names = lock_names(self.envs, self.kind) + [env + '-ops' for env in self.envs]
        admitted = {value for name in names for _, each in lock.pins(lock.read(name)).values() for value in each}
        for digest, path in hashes(folder).items():
            if digest not in admitted and path.endswith(('.whl', '.tar.gz')):  # nothing that others put there
                os.unlink(path)

    def _download(self, python: str, name: str, folder: str, count: int) -> None:
        env, _, part = name.rpartition('-')
        index = ledger.variant(env, self.kind)['index'] if part == self.kind else ''
        form = ('--no-build-isolation', '--no-binary') if part == 'sources' else ('--only-binary',)
        words = (python, '-m', 'pip', 'download', '--no-deps', '--require-hashes') + form + (
            ':all:', '--dest', folder, '--find-links', folder, '--progress-bar', 'raw', '--disable-pip-version-check',
            '-r', lock.path(name))
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

    def _images(self, before: Mapping[str, Any]) -> None:
        docker = self._engine('docker images')
        if not docker:
            return
        for env in self.envs:
            tag = self.settings.image or ledger.image_tag(env, self.kind)
            if self.seen.images.get(tag) != ledger.inputs(env, self.kind):
                self.left_out.append(f'{tag}: there is none of these inputs here (make images)')
                continue
            self._save(docker, archive(env, self.kind), [tag], self.seen.ids[tag], before)

    def _bases(self, before: Mapping[str, Any]) -> None:
        docker = self._engine('base images')
        if not docker:
            return
        tags, given = [], given_arguments(self.settings.further['DOCKER_ARGS'])
        for env in self.envs:
            self.bases[env] = {name: each.format(env=env, kind=self.kind) for name, each in BASE_NAMES.items()}
            for name, tag in sorted(self.bases[env].items()):
                self._base(docker, env, name, tag, given)
                tags.append(tag)
        ids = [
            clients.said([docker, 'image', 'inspect', '--format', '{{.Id}}', tag])[1].strip()
            for tag in sorted(set(tags))
        ]
        self._save(docker, BASES, sorted(set(tags)), ' '.join(ids), before)

    def _engine(self, what: str) -> Optional[str]:
        """A docker client that can build and whose daemon answers; None, and a note, without one."""
        if self.machine.builder and not self.seen.refusal:
            return self.machine.builder
        self.left_out.append(f'{what}: no engine that can build answers here')
        return None

    def _base(self, docker: str, env: str, name: str, tag: str, given: Mapping[str, str]) -> None:
        """Give one base image its name in a bundle; the one to compile in gets its system packages first."""
        arguments = dict(ledger.build_args(env, self.kind), **given)
        if name == 'BUILD_IMAGE':
            words = [docker, 'build', '--quiet', '--file', 'docker/Dockerfile', '--target', 'system', '--tag', tag]
            for each in list(BASE_NAMES) + [name for name in arguments if name.startswith('NVCC')]:
                words += ['--build-arg', f'{each}={arguments[each]}']
            call(words + ['.'], self.root, 'making ' + tag, DOCKER_BUILDKIT='1')
            return
        if clients.said([docker, 'image', 'inspect', arguments[name]])[0]:
            call([docker, 'pull', '--quiet', arguments[name]], self.root, 'getting ' + arguments[name])
        call([docker, 'tag', arguments[name], tag], self.root, 'naming ' + tag)

    def _save(self, docker: str, name: str, tags: List[str], what: str, before: Mapping[str, Any]) -> None:
        path, old = os.path.join(self.out, name), before.get('images', {}).get(name, {})
        if os.path.exists(path) and (old.get('tags'), old.get('id')) == (tags, what) and sha256(path) == old['sha256']:
            say(f'{name}: kept')
            self.images[name] = old
            return
        say('{}: {}'.format(name, ', '.join(tags)))
        with atomic_path(path) as temporary:
            call([docker, 'save', '--output', temporary] + tags, self.root, 'saving ' + name)
            os.chmod(temporary, 0o644)  # docker keeps it to whoever saved it; a bundle is for others
        self.images[name] = {'tags': tags, 'id': what, 'sha256': sha256(path)}
        self._note(dict(before.get('images', {}), **self.images))

    def _sif(self, before: Mapping[str, Any]) -> None:
        for env in self.envs:
            name = apptainer.sif_path(self.settings, env, self.kind)
            if os.path.exists(os.path.join(self.root, name)):
                say(name)
                self.sifs.append('apptainer/' + os.path.basename(name))
                place(os.path.join(self.root, name), os.path.join(self.out, self.sifs[-1]))
            else:
                self.left_out.append(f'{name}: there is none here (make sif)')

    def _sums(self) -> None:
        names, others = self._parts()
        total = sum(os.path.getsize(os.path.join(self.out, name)) for name in names)
        progress, lines = Progress('checksums', len(names)), []
        for name in names:
            lines.append(f'{sha256(os.path.join(self.out, name))}  {name}\n')
            progress.update(1, name[-40:])
        progress.close()
        write_text(os.path.join(self.out, sums.SUMS), ''.join(lines))
        say('{}: {} files, {:.2f} GB; its {} is sha256:{}'.format(
            self.out, len(names), total / 1e9, sums.SUMS, sha256(os.path.join(self.out, sums.SUMS))))
        for name in sums.gathered(others):
            say('not ours, left alone and not listed: ' + name)
        for note in self.left_out:
            say('left out: ' + note)
        say(f'next: make verify-bundle BUNDLE={self.out}')

    def _parts(self) -> Tuple[List[str], List[str]]:
        """(files that this run gathered, other files that lie in the folder), relative, sorted."""
        files, strange = sums.walk(self.out)
        known = set(self.source) | set(self.images) | set(self.sifs) | {NAME}
        held = tuple(f'{name}/' for name in (WHEELS, WHEELHOUSE))
        names = [name for name in files if name in known or (name.startswith(held) and name.endswith(FETCHED) and (
            'wheels' in self.parts or self.listed.get(name) == sha256(os.path.join(self.out, name))))]
        return names, [name for name in files + strange if name not in names and not name.endswith(sums.CACHED)]

    def _drop(self, name: str) -> None:
        path = os.path.join(self.out, name)
        if os.path.lexists(path):
            os.unlink(path)


def operators(root: str, env: str, kind: str) -> List[str]:
    """Finished wheels of the operators of ``env`` in the checkout at ``root``."""
    ops = ledger.environment(env)['ops']
    start = '{}-{}-{}-'.format(ops['package'], ops['version'], kind)
    return [
        path for path in glob.glob(os.path.join(root, WHEELHOUSE, start + '*', '*.whl'))
        if os.path.exists(path + '.sha256')
    ]


def given_arguments(words: Sequence[str]) -> Dict[str, str]:
    """Base images that the user gave by DOCKER_ARGS, ``{argument: image}``."""
    pairs = [value.split('=', 1) for flag, value in zip(words, words[1:]) if flag == '--build-arg' and '=' in value]
    return {name: value for name, value in pairs if name in BASE_NAMES}


def tracked_files(root: str) -> List[str]:
    """Files of the source: what git tracks, or what a bundle lists of it.

    Raises:
        MTPError: it is no checkout; or a bundle that was not finished.
    """
    if read(root):
        names = sums_of(root)
        if names is None:
            raise MTPError(f'{root} is a bundle without {sums.SUMS}: it was not finished',
                           hint='make it again where it comes from')
        kept = (WHEELS + '/', WHEELHOUSE + '/', IMAGES + '/', NAME)
        return sorted([name for name in names if not name.endswith('.sif') and not name.startswith(kept)] +
                      [WHEELS + '/README.md'])
    try:
        said = subprocess.check_output(['git', '-C', root, 'ls-files', '-z']).decode('utf-8')
    except (OSError, subprocess.CalledProcessError):
        raise MTPError(f'{root} is neither a git checkout nor a bundle', hint='clone the repository')
    return sorted(name for name in said.split('\0') if name and os.path.exists(os.path.join(root, name)))


def place(source: str, target: str) -> None:
    """Copy a file with its rights, unless the same bytes are there already; in the place of a link comes the file."""
    if os.path.isfile(target) and not os.path.islink(target) and filecmp.cmp(source, target, shallow=False):
        return
    with atomic_path(target) as temporary:
        shutil.copy2(source, temporary)


def call(words: Sequence[str], folder: str, what: str, **variables: str) -> None:
    """Run ``words``; what they said is shown when they fail.

    Raises:
        MTPError: they failed.
    """
    done = subprocess.run(words, cwd=folder, env=dict(os.environ, **variables), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8', errors='replace')
    if done.returncode:
        raise MTPError(f'{what} failed:\n{done.stdout[-1500:]}', code=FAILED,
                       hint='mend that, then the same command again')


def main() -> int:
    """Gather a bundle in OUT."""
    settings = from_environ(os.environ)
    Bundler(settings, host.look(settings, builds=True)).make()
    return OK


if __name__ == '__main__':
    run_main(main)
