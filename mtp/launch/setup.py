"""``make setup``: the native environments, from the locks, in steps that a killed run does not lose.

A finished step leaves a stamp (see ``venvs``). A step that a kill cut short is not trusted: pip may have left half a
package, so the environment is made anew, from pip's cache of downloads. The compiled operators lie in a cache of their
own and go on where they stopped.
"""
import contextlib
import fcntl
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Dict, NamedTuple, Tuple

from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.files import write_text
from mtp.launch import execute, gitsource, ledger, lock, pythons, venvs
from mtp.launch.settings import from_environ
from mtp.progress import Progress, clock

VENV_BYTES = 4 << 30  # one environment with what pip unpacks on the way
COMPILE_BYTES = 3 << 30
ANSWER_SECONDS = 8  # a Git host that says nothing for so long counts as unreachable

Step = NamedTuple('Step', [
    ('name', str),
    ('what', str),  # shown to the user
    ('words', Tuple[str, ...]),
    ('key', str),  # of this step and all before it
    ('fragile', bool),  # killed in the middle, it leaves something that must not be trusted
    ('quiet', bool),  # its output goes to the log; otherwise it speaks for itself
    ('environment', Dict[str, str]),
])


def folder(settings, root, env):
    """Where the native environment ``env`` lies."""
    return os.path.join(root, settings.venv_root, env)


def steps(settings, root, env, python, version):
    """The steps that make ``env``, in order. Pure but for reading the locks.

    Args:
        python: interpreter to make it of.
        version: its version, part of the key.
    """
    variant, place = settings.variant or 'cpu', folder(settings, root, env)
    own = os.path.join(place, 'bin', 'python')
    pip = (own, '-m', 'pip', 'install', '--no-deps')
    hashed = pip + ('--require-hashes', '--only-binary', ':all:')
    ops, kind = ledger.environment(env)['ops'], ledger.variant(variant)
    index = ('--extra-index-url', kind['index']) if kind['index'] else ()
    wheels = os.path.join(place, venvs.FOLDER, 'wheels')
    table = [
        ('venv', 'an empty environment of Python ' + version, (python, '-m', 'venv', place), version, True, True),
        ('pip', 'the installer', hashed + ('-r', lock.path('pip')), venvs.lock_key('pip'), True, True),
        ('packages', 'packages of the lock', hashed + index + ('--progress-bar', 'raw', '-r', _lock(env, variant)),
         venvs.lock_key('{}-{}'.format(env, variant)), True, True),
        ('tests', 'what the tests need', hashed + ('-r', lock.path('dev')), venvs.lock_key('dev'), True, True),
        ('compile', '{} {} compiled, or from the cache'.format(ops['package'], ops['version']),
         (own, 'docker/build_ops.py', '--env', env, '--variant', variant, '--python', own, '--out', wheels, '--cache',
          os.path.join(settings.cache_root, 'wheels')) + _wheelhouse(root), venvs.lock_key(env + '-ops'), False, False),
        ('ops', 'install the compiled operators',
         pip + ('--no-index', '--force-reinstall', '--find-links', wheels, '{package}=={version}'.format(**ops)), '',
         True, True),
        ('selfcheck', 'imports, versions and operators',
         (own, 'docker/selfcheck.py', '--env', env, '--variant', variant), '', False, True),
    ]
    found, key, alone = [], '', wheels_alone(root)
    for name, what, words, part, fragile, quiet in table:
        key = venvs.digest([key, name, part])
        # A folder of wheels that the user gave pip must not stand in for the operators compiled here.
        environment = {'PIP_FIND_LINKS': ''} if name == 'ops' else alone
        found.append(Step(name, what, tuple(words), key, fragile, quiet, dict(environment, PYTHONNOUSERSITE='1')))
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

    def __init__(self, settings, root, env, environ, say=None):
        self.settings, self.root, self.env, self.environ = settings, root, env, environ
        self.say = say or _say
        self.folder = folder(settings, root, env)
        self.log = self.folder + '.log'
        self.variant = settings.variant or 'cpu'
        self.start = time.monotonic()

    def make(self):
        """Do what is left to do; returns whether anything was done."""
        python, version = pythons.find(self.environ, ledger.environment(self.env)['python']['shipped'])
        todo = steps(self.settings, self.root, self.env, python, version)
        for name, pin in ledger.environment(self.env)['git'].items():
            gitsource.requirement(name, pin, self.environ, self.root)  # a copy that is none is said at once
        with self._alone():
            self._keep_or_clear(todo)
            left = [step for step in todo if self._stamp(step.name) != step.key]
            ready = not left and venvs.state(self.folder, self.env) == venvs.READY
            if not ready:
                self._check_machine(left)
                self._drop('ready')
                self._write('variant', self.variant)
                for step in left:
                    self._do(step, todo.index(step) + 1, len(todo))
                self._write('ready', venvs.key(self.env, self.variant))
            missing = [note for note in map(self._git, ledger.environment(self.env)['git'].items()) if note]
        for note in missing:
            self.say(note)
        self.say('{}: {} in {} ({})'.format(self.env, 'is ready' if ready else 'made', self.folder, self._clock()))
        return not ready

    def _do(self, step, number, count):
        self.say('[{} {}/{}, {}] {}: {}'.format(self.env, number, count, self._clock(), step.name, step.what))
        if step.fragile:
            self._write('started', step.name)
        with open(self.log, 'a', encoding='utf-8') as log:
            log.write('\n$ {}\n'.format(' '.join(step.words)))
            code = run(step, self.root, log, self._progress(step))
        if code:
            raise MTPError('{}: the step "{}" failed{}'.format(self.env, step.name, self._tail() if step.quiet else ''),
                           hint='make setup ENV={} again; the whole log: {}'.format(self.env, self.log), code=FAILED)
        if step.name == 'selfcheck':
            self.say(self._tail(heading=''))
        self._write(step.name, step.key)
        self._drop('started')

    def _progress(self, step):
        if step.name != 'packages':
            return None
        pins = lock.pins(lock.read('{}-{}'.format(self.env, self.variant)))
        return Progress('{} packages'.format(self.env), len(pins))

    def _keep_or_clear(self, todo):
        """Remove what must not be trusted: a half-made step, or steps of another Python or other locks."""
        prefix = '.old-{}-'.format(self.env)
        for name in os.listdir(os.path.dirname(self.folder)):
            if name.startswith(prefix):  # an earlier run was killed while removing it
                shutil.rmtree(os.path.join(os.path.dirname(self.folder), name), ignore_errors=True)
        if venvs.state(self.folder, self.env) == venvs.FOREIGN:
            raise MTPError('{} is there, but make setup did not make it'.format(self.folder),
                           hint='mv {0} {0}.mine, or MTP_VENV_ROOT=folder'.format(self.folder))
        started = self._stamp('started')
        other = [step.name for step in todo if self._stamp(step.name) not in ('', step.key)]
        if os.path.exists(self.folder) and (started or other or self._stamp('variant') not in ('', self.variant)):
            self.say('{}: made anew, since {}'.format(self.env, 'the step "{}" was cut short'.format(started) if started
                                                      else 'its Python or its locks have changed'))
            aside = os.path.join(os.path.dirname(self.folder), prefix + str(os.getpid()))
            os.rename(self.folder, aside)  # whole or not at all; what is left of it is removed by the next run
            shutil.rmtree(aside, ignore_errors=True)
        os.makedirs(os.path.join(self.folder, venvs.FOLDER), exist_ok=True)

    def _check_machine(self, left):
        names = [step.name for step in left]
        ops = ledger.environment(self.env)['ops']
        compiles = 'compile' in names and not cached(self.settings, ops, self.variant)
        if compiles and not shutil.which(os.environ.get('CXX', 'c++').split()[0], path=self.environ.get('PATH')):
            raise MTPError('there is no C++ compiler, and {} has to be compiled'.format(ops['package']),
                           hint='sudo apt-get install g++ (or: sudo dnf install gcc-c++), then make setup')
        lock.require_resolved('{}-{}'.format(self.env, self.variant))
        for path, needed in ((self.folder, VENV_BYTES if 'packages' in names else 0),
                             (self.settings.cache_root, COMPILE_BYTES if compiles else 0)):
            check_disk(path, needed)

    def _git(self, item):
        """Install one package from Git where its host answers; returns a sentence when it does not.

        Raises:
            MTPError: the user's own copy cannot be installed.
        """
        name, pin = item
        wanted, here = gitsource.requirement(name, pin, self.environ, self.root)
        words = (os.path.join(self.folder, 'bin', 'python'), '-m', 'pip', 'install', '--no-deps',
                 '--no-build-isolation', wanted)
        step = Step('git-' + name, '', words, venvs.digest(pin), True, True, {'PYTHONNOUSERSITE': '1'})
        if self._stamp(step.name) == step.key:
            return ''
        if not here and (wheels_alone(self.root) or not answers(pin['url'])):
            return ('{}: {} {} is missing, because {} does not answer; everything else works. With a copy: make setup '
                    '{}=folder'.format(self.env, name, pin['shipped'], pin['url'], name.upper()))
        self.say('[{}, {}] {} {} from {}'.format(self.env, self._clock(), name, pin['shipped'],
                                                 wanted if here else pin['url']))
        with open(self.log, 'a', encoding='utf-8') as log:
            log.write('\n$ {}\n'.format(' '.join(words)))
            code = run(step, self.root, log, None)
        if code and here:
            raise MTPError('{}: {} {} could not be installed from {}{}'.format(
                self.env, name, pin['shipped'], wanted, self._tail()), code=FAILED, hint=(
                    'a clone has to hold the commit {}; everything else is installed'.format(pin['commit'])))
        if code:
            return '{}: {} {} is missing, because pip could not install it; see {}'.format(
                self.env, name, pin['shipped'], self.log)
        self._write(step.name, step.key)
        return ''

    @contextlib.contextmanager
    def _alone(self):
        os.makedirs(os.path.dirname(self.folder), exist_ok=True)
        with open(os.path.join(os.path.dirname(self.folder), '.{}.lock'.format(self.env)), 'w') as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise MTPError('another make setup is at work on {}'.format(self.env), hint='wait for it to end')
            yield

    def _tail(self, heading='\n', lines=12):
        """Last lines that the last command wrote into the log."""
        with open(self.log, encoding='utf-8', errors='replace') as stream:
            said = stream.read().rpartition('\n$ ')[2].splitlines()[1:]
        return heading + '\n'.join(said[-lines:])

    def _stamp(self, name):
        return venvs.stamp(self.folder, name)

    def _write(self, name, text):
        write_text(os.path.join(self.folder, venvs.FOLDER, name), text + '\n')

    def _drop(self, name):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, venvs.FOLDER, name))

    def _clock(self):
        return clock(time.monotonic() - self.start)


def run(step, root, log, progress):
    """Run one step; its output goes to ``log`` when it is quiet. An interrupt reaches it once, and is waited for."""
    streams = {'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT} if step.quiet else {}
    child = subprocess.Popen(step.words, cwd=root, env=dict(os.environ, **step.environment), stdin=subprocess.DEVNULL,
                             preexec_fn=execute.tied(signal.SIGTERM), universal_newlines=True, errors='replace',
                             **streams)
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


def follow(line, progress):
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


def cached(settings, ops, variant):
    """Whether the cache holds a finished wheel that may be the one (only its own Python can say for sure)."""
    start = '{}-{}-{}-'.format(ops['package'], ops['version'], variant)
    cache = os.path.join(settings.cache_root, 'wheels')
    folders = [name for name in os.listdir(cache) if name.startswith(start)] if os.path.isdir(cache) else []
    return any(name.endswith('.whl.sha256') for each in folders for name in os.listdir(os.path.join(cache, each)))


def check_disk(path, needed):
    """Raise an :class:`MTPError` when the disk of ``path``, which need not exist, has not ``needed`` bytes left."""
    while not os.path.exists(path):
        path = os.path.dirname(os.path.abspath(path))
    free = shutil.disk_usage(path).free
    if free < needed:
        raise MTPError('{} has {:.1f} GB left, {:.1f} GB are needed'.format(path, free / 1e9, needed / 1e9),
                       hint='MTP_VENV_ROOT=folder and MTP_CACHE_ROOT=folder on a larger disk')


def answers(url):
    """Whether a Git host can be asked, soon."""
    try:
        done = subprocess.run(['git', 'ls-remote', '--quiet', url, 'HEAD'], timeout=ANSWER_SECONDS,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=dict(os.environ, GIT_TERMINAL_PROMPT='0'))
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def wheels_alone(root):
    """Variables that make pip take what lies in ``docker/wheels`` and ask no index, where anything lies there."""
    place = os.path.join(root, 'docker', 'wheels')
    return {'PIP_NO_INDEX': '1', 'PIP_FIND_LINKS': place} if glob.glob(os.path.join(place, '*.whl')) else {}


def _lock(env, variant):
    return lock.path('{}-{}'.format(env, variant))


def _wheelhouse(root):
    place = os.path.join(root, 'docker', 'wheelhouse')
    return ('--wheelhouse', place) if os.path.isdir(place) else ()


def _say(line):
    sys.stdout.write(line + '\n')
    sys.stdout.flush()


def _stop(number, frame):
    raise KeyboardInterrupt


def main():
    """Make the native environments, or the one that ENV names."""
    signal.signal(signal.SIGTERM, _stop)
    settings = from_environ(os.environ)
    ledger.variant(settings.variant or 'cpu')
    names = [settings.env] if settings.env else ledger.names()
    for env in names:
        ledger.environment(env)
    for env in names:
        Maker(settings, ledger.ROOT, env, os.environ).make()
    sys.stdout.write('next: make check, or make demo\n')
    return OK


if __name__ == '__main__':
    run_main(main)
