"""``make setup``: the native environments, from the locks, in steps that a killed run does not lose.

A finished step leaves a stamp (see ``venvs``). A step that a kill cut short is not trusted: pip may have left half a
package, so the environment is made anew, from pip's cache of downloads. The compiled operators lie in a cache of their
own and go on where they stopped.
"""
import contextlib
import glob
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from types import FrameType
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, TextIO, Tuple

from mtp import locks, terminal
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.files import write_text
from mtp.launch import cards, choice, execute, ledger, lock, pythons, toolkit, venvs
from mtp.launch.settings import Settings, from_environ
from mtp.progress import Progress, clock

VENV_BYTES = 4 << 30  # one environment with what pip unpacks on the way
CARDS_BYTES = 12 << 30  # the same with NVIDIA's libraries, which the index's torch for processors may bring too
COMPILE_BYTES = 3 << 30

Step = NamedTuple('Step', [
    ('name', str),
    ('what', str),  # shown to the user
    ('words', Tuple[str, ...]),
    ('key', str),  # of this step and all before it
    ('fragile', bool),  # killed in the middle, it leaves something that must not be trusted
    ('quiet', bool),  # its output goes to the log; otherwise it speaks for itself
    ('environment', Dict[str, str]),
])


def folder(settings: Settings, root: str, env: str) -> str:
    """Where the native environment ``env`` lies."""
    return os.path.join(root, settings.venv_root, env)


def steps(settings: Settings, root: str, env: str, python: str, version: str) -> List[Step]:
    """The steps that make ``env``, in order. Pure but for reading the locks.

    Args:
        python: interpreter to make it of.
        version: its version, part of the key.
    """
    variant, place = settings.variant or ledger.plain(env), folder(settings, root, env)
    own = os.path.join(place, 'bin', 'python')
    pip = (own, '-m', 'pip', 'install', '--no-deps')
    hashed = pip + ('--require-hashes', '--only-binary', ':all:')
    ops, index = ledger.environment(env)['ops'], ledger.variant(env, variant)['index']
    further = ('--extra-index-url', index) if index else ()
    wheels = os.path.join(place, venvs.FOLDER, 'wheels')
    table = [
        ('venv', 'an empty environment of Python ' + version, (python, '-m', 'venv', place), True, True),
        ('pip', 'the installer', hashed + ('-r', lock.path(env + '-pip')), True, True),
        ('packages', 'packages of the lock',
         hashed + further + ('--progress-bar', 'raw', '-r', _lock(env, variant)), True, True),
        ('sources', 'packages that come as source archives',
         pip + ('--require-hashes', '--no-build-isolation', '--no-binary', ':all:', '-r', lock.path(env + '-sources')),
         True, True),
        ('tests', 'what the tests need', hashed + ('-r', lock.path(env + '-dev')), True, True),
        ('compile', '{} {} compiled, or from the cache'.format(ops['package'], ops['version']),
         (own, 'docker/build_ops.py', '--env', env, '--variant', variant, '--python', own, '--out', wheels, '--cache',
          os.path.join(settings.cache_root, 'wheels')) + _wheelhouse(root), False, False),
        ('ops', 'install the compiled operators',
         pip + ('--no-index', '--force-reinstall', '--find-links', wheels, '{package}=={version}'.format(**ops)), True,
         True),
        ('selfcheck', 'imports, versions and operators',
         (own, 'docker/selfcheck.py', '--env', env, '--variant', variant), False, True),
    ]
    first = venvs.digest(['', 'venv', version])
    keys, found, alone = dict(venvs.keys(first, env, variant), venv=first), [], wheels_alone(root)
    for name, what, words, fragile, quiet in table:
        if name not in keys:
            continue
        # A folder of wheels that the user gave pip must not stand in for the operators compiled here.
        environment = {'PIP_FIND_LINKS': ''} if name == 'ops' else alone
        environment = dict(environment, PYTHONNOUSERSITE='1', PYTHONPATH='')
        found.append(Step(name, what, tuple(words), keys[name], fragile, quiet, environment))
    return found


class Maker(object):
    """Makes one native environment.

    Args:
        settings: a :class:`Settings`.
        root: the checkout.
        env: name of the environment.
        environ: the user's variables.
        say: takes one line for the user; by default it goes to standard output at once.
    """

    def __init__(self, settings: Settings, root: str, env: str, environ: Mapping[str, str],
                 say: Optional[Callable[[str], object]] = None) -> None:
        self.settings, self.root, self.env, self.environ = settings, root, env, environ
        self.say = say or terminal.say
        self.folder = folder(settings, root, env)
        self.log = self.folder + '.log'
        self.variant = settings.variant or ledger.plain(env)
        self.start = time.monotonic()

    def make(self) -> bool:
        """Do what is left to do; returns whether anything was done."""
        todo = self.todo()
        self.check(todo)
        with locks.hold_file(self.folder, 'setup'):
            self._keep_or_clear(todo)
            left = self._left(todo)
            ready = not left and venvs.state(self.folder, self.env) == venvs.READY
            if not ready:
                self._drop('ready')
                self._write('variant', self.variant)
                for step in left:
                    self._do(step, todo.index(step) + 1, len(todo))
                self._write('ready', todo[-1].key)
        self.say('{}: {} in {} ({})'.format(self.env, 'is ready' if ready else 'made', self.folder, self._clock()))
        return not ready

    def todo(self) -> List[Step]:
        """All steps, those that are done too."""
        python, version = pythons.find(self.environ, ledger.minor(self.env),
                                       ledger.environment(self.env)['python']['shipped'])
        return steps(self.settings, self.root, self.env, python, version)

    def check(self, todo: Sequence[Step]) -> None:
        """Refuse what cannot come to an end, before anything is made, and before what is there is taken away.

        Raises:
            MTPError: a foreign folder, no compiler, an unresolved hash, a disk that is too small.
        """
        if venvs.state(self.folder, self.env) == venvs.FOREIGN:
            raise MTPError(f'{self.folder} is there, but make setup did not make it',
                           hint='mv {0} {0}.mine, or MTP_VENV_ROOT=folder'.format(shlex.quote(self.folder)))
        left = todo if self._why_anew(todo) else self._left(todo)
        if left:
            self._check_machine(left)

    def _left(self, todo: Iterable[Step]) -> List[Step]:
        return [step for step in todo if self._stamp(step.name) != step.key]

    def _why_anew(self, todo: Iterable[Step]) -> str:
        """Why what is there must not be trusted: a half-made step, or steps of another Python or other locks; or ''."""
        started = self._stamp('started')
        if started:
            return f'the step "{started}" was cut short'
        other = [step.name for step in todo if self._stamp(step.name) not in ('', step.key)]
        return 'its Python or its locks have changed' if other or self._stamp('variant') not in (
            '', self.variant) else ''

    def _do(self, step: Step, number: int, count: int) -> None:
        self.say(f'[{self.env} {number}/{count}, {self._clock()}] {step.name}: {step.what}')
        if step.fragile:
            self._write('started', step.name)
        with open(self.log, 'a', encoding='utf-8') as log:
            log.write('\n$ {}\n'.format(' '.join(step.words)))
            code = run(step, self.root, log, self._progress(step))
        if code:
            raise MTPError('{}: the step "{}" failed{}'.format(self.env, step.name, self._tail() if step.quiet else ''),
                           hint=f'make setup ENV={self.env} again; the whole log: {self.log}', code=FAILED)
        if step.name == 'selfcheck':
            self.say(self._tail(heading=''))
        self._write(step.name, step.key)
        self._drop('started')

    def _progress(self, step: Step) -> Optional[Progress]:
        if step.name != 'packages':
            return None
        pins = lock.pins(lock.read(f'{self.env}-{self.variant}'))
        return Progress(f'{self.env} packages', len(pins))

    def _keep_or_clear(self, todo: Iterable[Step]) -> None:
        """Remove what must not be trusted."""
        prefix = f'.old-{self.env}-'
        for name in os.listdir(os.path.dirname(self.folder)):
            if name.startswith(prefix):  # an earlier run was killed while removing it
                shutil.rmtree(os.path.join(os.path.dirname(self.folder), name), ignore_errors=True)
        why = self._why_anew(todo)
        if os.path.exists(self.folder) and why:
            self.say(f'{self.env}: made anew, since {why}')
            aside = os.path.join(os.path.dirname(self.folder), prefix + uuid.uuid4().hex[:8])
            os.rename(self.folder, aside)  # whole or not at all; what is left of it is removed by the next run
            shutil.rmtree(aside, ignore_errors=True)
        os.makedirs(os.path.join(self.folder, venvs.FOLDER), exist_ok=True)

    def _check_machine(self, left: Iterable[Step]) -> None:
        names = [step.name for step in left]
        ops = ledger.environment(self.env)['ops']
        compiles = 'compile' in names and not cached(self.settings, ops, self.variant)
        cuda = ledger.variant(self.env, self.variant)['cuda']
        if compiles and not shutil.which(os.environ.get('CXX', 'c++').split()[0], path=self.environ.get('PATH')):
            raise MTPError('there is no C++ compiler, and {} has to be compiled'.format(ops['package']),
                           hint='sudo apt-get install g++ (or: sudo dnf install gcc-c++), then make setup')
        lock.require_resolved(f'{self.env}-{self.variant}')
        if compiles and cuda:
            toolkit.require(self.environ, self.env, self.variant, cuda)
        heavy = cuda or 'nvidia-' in lock.read(f'{self.env}-{self.variant}')
        for path, needed in ((self.folder, (CARDS_BYTES if heavy else VENV_BYTES) if 'packages' in names else 0),
                             (self.settings.cache_root, COMPILE_BYTES if compiles else 0)):
            check_disk(path, needed)

    def _tail(self, heading: str = '\n', lines: int = 12) -> str:
        """Last lines that the last command wrote into the log."""
        with open(self.log, encoding='utf-8', errors='replace') as stream:
            said = stream.read().rpartition('\n$ ')[2].splitlines()[1:]
        return heading + '\n'.join(said[-lines:])

    def _stamp(self, name: str) -> str:
        return venvs.stamp(self.folder, name)

    def _write(self, name: str, text: str) -> None:
        write_text(os.path.join(self.folder, venvs.FOLDER, name), text + '\n')

    def _drop(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, venvs.FOLDER, name))

    def _clock(self) -> str:
        return clock(time.monotonic() - self.start)


def run(step: Step, root: str, log: TextIO, progress: Optional[Progress]) -> int:
    """Run one step; its output goes to ``log`` when it is quiet. An interrupt reaches it once, and is waited for."""
    output, errors = (subprocess.PIPE, subprocess.STDOUT) if step.quiet else (None, None)
    child = subprocess.Popen(step.words, cwd=root, env=dict(os.environ, **step.environment), stdin=subprocess.DEVNULL,
                             preexec_fn=execute.tied(signal.SIGTERM), encoding='utf-8', errors='replace',
                             stdout=output, stderr=errors)
    try:
        for line in child.stdout or ():
            if not follow(line, progress):
                log.write(line)
        code = child.wait()
    except BaseException:
        child.send_signal(signal.SIGTERM)  # a program started in the background ignores SIGINT
        child.wait()
        raise
    if progress:
        progress.close()
    return code


def follow(line: str, progress: Optional[Progress]) -> bool:
    """Show a line of pip as progress; returns whether it was only about bytes and is not worth keeping."""
    size = re.match(r'Progress (\d+) of (\d+)', line)
    if size:
        if progress:
            progress.update(0, 'this one {} of {} MB'.format(*(int(value) >> 20 for value in size.groups())))
        return True
    if progress and line.startswith('Collecting '):
        progress.update(1, line.split()[1].rstrip(';'))
    elif progress and line.startswith('Installing collected packages'):
        progress.update(0, 'unpacking')
    return False


def cached(settings: Settings, ops: Mapping[str, Any], variant: str) -> bool:
    """Whether the cache holds a finished wheel that may be the one (only its own Python can say for sure)."""
    start = '{}-{}-{}-'.format(ops['package'], ops['version'], variant)
    cache = os.path.join(settings.cache_root, 'wheels')
    folders = [name for name in os.listdir(cache) if name.startswith(start)] if os.path.isdir(cache) else []
    return any(name.endswith('.whl.sha256') for each in folders for name in os.listdir(os.path.join(cache, each)))


def check_disk(path: str, needed: int) -> None:
    """Raise an :class:`MTPError` when the disk of ``path``, which need not exist, has not ``needed`` bytes left."""
    while not os.path.exists(path):
        path = os.path.dirname(os.path.abspath(path))
    free = shutil.disk_usage(path).free
    if free < needed:
        raise MTPError(f'{path} has {free / 1e9:.1f} GB left, {needed / 1e9:.1f} GB are needed',
                       hint='MTP_VENV_ROOT=folder and MTP_CACHE_ROOT=folder on a larger disk')


def wheels_alone(root: str) -> Dict[str, str]:
    """Variables that make pip take what lies in ``docker/wheels`` and ask no index, where anything lies there."""
    place = os.path.join(root, 'docker', 'wheels')
    return {'PIP_NO_INDEX': '1', 'PIP_FIND_LINKS': place} if glob.glob(os.path.join(place, '*.whl')) else {}


def _lock(env: str, variant: str) -> str:
    return lock.path(f'{env}-{variant}')


def _wheelhouse(root: str) -> Tuple[str, ...]:
    place = os.path.join(root, 'docker', 'wheelhouse')
    return ('--wheelhouse', place) if os.path.isdir(place) else ()


def _stop(number: int, frame: Optional[FrameType]) -> None:
    raise KeyboardInterrupt


def wanted(settings: Settings, environ: Mapping[str, str],
           seen: Sequence[cards.Card]) -> Tuple[List[Tuple[str, str]], str]:
    """(pairs, note): the environments to make and their variants, and one line on why; '' where nothing was chosen.

    With ACCEL=nv those for the cards here. By itself they are taken only where an nvcc is at hand to compile for them:
    else every verb still runs, on processors.

    Args:
        settings: a :class:`Settings`.
        environ: the user's variables.
        seen: the cards of this machine.
    """
    plain = choice.asked(settings)
    if settings.variant or settings.accel not in ('auto', 'nv') or not (seen or settings.accel == 'nv'):
        return plain, choice.unseen(plain)
    pairs = [(env, choice.for_cards(env, seen)) for env, _ in choice.asked(settings, seen)]
    cuda = [ledger.variant(*pair)['cuda'] for pair in pairs]
    if settings.accel == 'nv' and not any(cuda):
        raise MTPError('no variant of {} serves the cards here: {}'.format(
            ' or '.join(env for env, _ in pairs), ', '.join(card.name for card in seen)), hint='make doctor')
    release = toolkit.find(environ)[1]
    if settings.accel == 'auto' and not all(not each or toolkit.fits(each, release) for each in cuda):
        return plain, 'made for processors: {} is for the cards here, and needs {}'.format(
            ' and '.join('{} {}'.format(*pair) for pair in pairs), 'another nvcc than that of CUDA ' + release
            if release else f'nvcc; make images VARIANT={pairs[0][1]} brings its own')
    return pairs, '; '.join(choice.why(env, kind, seen) for env, kind in pairs)


def main() -> int:
    """Make the native environments, or the one that ENV names."""
    signal.signal(signal.SIGTERM, _stop)
    settings = from_environ(os.environ)
    pairs, note = wanted(settings, os.environ, cards.look(shutil.which('nvidia-smi')))
    if note:
        terminal.say(note)
    makers = [Maker(settings._replace(variant=kind), ledger.ROOT, env, os.environ) for env, kind in pairs]
    for maker in makers:  # the second one's fault is said before the first one's half hour
        maker.check(maker.todo())
    for maker in makers:
        maker.make()
    sys.stdout.write('next: make check, or make demo\n')
    return OK


if __name__ == '__main__':
    run_main(main)
