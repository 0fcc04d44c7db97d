"""The locks: every package of every environment with its hashes, resolved from the ledger.

``python3 -m mtp.launch.lock`` resolves anew (it fetches a pinned ``uv`` into a throw-away virtual environment and needs
the package index); ``--check`` tells without network whether the locks still fit the ledger. What lies in
``docker/locks``:

* ``<env>-<variant>.txt``: all wheels of an environment but the one we compile;
* ``<env>-ops.txt``: the source archive of that one (mmcv, mmcv-full);
* ``<env>-sources.txt``: packages of which the index has no wheel, where the ledger names some;
* ``<env>-dev.txt``: what only the tests need; ``<env>-pip.txt``: the installer; ``<env>-build.txt``: what compiling
  needs beside them; ``<env>-nvcc_<variant>.txt``: headers that the compiler for cards includes.

Standard library only, Python >= 3.6; resolving needs Python >= 3.8.
"""
import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.files import write_text
from mtp.launch import generated, ledger

FOLDER = os.path.join(ledger.ROOT, 'docker', 'locks')
UV = 'uv==0.13.9'
PLATFORM = 'x86_64-manylinux_2_28'
HASH = re.compile(r'--hash=sha256:([0-9a-f]{64})(?=\s|$)')
PIN = re.compile(r'^([A-Za-z0-9._-]+)==([^\s\\;]+)')
HINT = 'make lock'
PARTS = {'dev': 'development', 'pip': 'installer', 'build': 'build'}  # lock -> requirements of the ledger


def normal(name: str) -> str:
    """Package name as the index compares it (PEP 503)."""
    return re.sub(r'[-_.]+', '-', name).lower()


def blocks(text: str) -> Dict[str, str]:
    """A lock cut into requirements: ``{package: its lines, comments left out}`` in the order of the file."""
    found, current = {}, None
    for line in text.splitlines(True):
        pin = PIN.match(line)
        if pin:
            current = normal(pin.group(1))
            found[current] = ''
        elif line.startswith('#') or not line.startswith((' ', '\t')):
            current = None
        if current is not None:
            found[current] += line
    return found


def pins(text: str) -> Dict[str, Tuple[str, List[str]]]:
    """What a lock installs: ``{package: (version, [sha256, ...])}``."""
    found = {}
    for name, block in blocks(text).items():
        pin = PIN.match(block)
        assert pin is not None  # a block begins with one
        found[name] = (pin.group(2), HASH.findall(block))
    return found


def path(name: str) -> str:
    """Path of the lock ``name``: an environment, a minus, and a variant, ``ops``, ``sources`` or one of PARTS."""
    return os.path.join(FOLDER, name + '.txt')


def read(name: str) -> str:
    """Text of the lock ``name``.

    Raises:
        MTPError: there is no such lock.
    """
    try:
        with open(path(name), encoding='utf-8') as stream:
            return stream.read()
    except OSError as error:
        raise MTPError(f'cannot read the lock {path(name)}: {error.strerror}', hint=HINT)


def require_resolved(name: str) -> None:
    """Refuse, before anything is installed, a lock that is not of this ledger, or has a hash that nobody has resolved.

    Raises:
        MTPError: there is none, it is stale, or it lists the packages; the hint says how to resolve them.
    """
    missing = re.findall(r'^# unresolved: (\S+)', read(name), re.M)
    if missing:
        raise MTPError('{}.txt cannot be installed: the hash of {} is unresolved'.format(name, ' and '.join(missing)),
                       hint='python3 -m mtp.launch.ledger --unresolved; put the hash into the ledger; make lock')
    old = stale(name)
    if old:
        raise MTPError('the lock does not fit the ledger: ' + old, hint=HINT)


def _header(source: str) -> str:
    """First lines of a lock: how it was made, and from what, so that a stale one is noticed."""
    return ('# Made by make lock; do not edit. Every package has a hash.\n'
            f'# ledger: {ledger.digest()}\n{_made_from(source)}')


def _made_from(source: str) -> str:
    text = generated.lock_inputs()[f'docker/locks/{source}.in']
    return f'# input: {source}.in {_digest(text)}\n'


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode('utf-8')).hexdigest()


def accelerated(text: str, name: str, variant: str) -> str:
    """The lock of ``variant`` made from the plain lock ``text``: wheels that are on no package index are exchanged.

    A wheel without a known hash becomes a line that no installer accepts and that says why.
    """
    versions, wheels = ledger.shipped(name, variant), ledger.variant(name, variant)['wheels']
    for package, wheel in wheels.items():
        requirement = f'{package}=={versions[package]}'
        if wheel['sha256'] == ledger.UNRESOLVED:
            block = (f'# unresolved: {requirement}\n'
                     f'the hash of {requirement} is unresolved; see python3 -m mtp.launch.ledger --unresolved\n')
        else:
            block = '{} \\\n    --hash=sha256:{}\n'.format(requirement, wheel['sha256'])
        text = text.replace(blocks(text)[package], block)
    return text


def split(text: str, package: str) -> Tuple[str, str]:
    """Cut the block of ``package`` out of a lock: (the rest, the block)."""
    block = blocks(text)[package]
    return text.replace(block, ''), block


class Resolver:
    """``uv pip compile`` in a folder of its own.

    Args:
        folder: throw-away folder for the tool and its inputs.
        upgrade: take the newest versions instead of keeping those of the present locks.
    """

    def __init__(self, folder: str, upgrade: bool = False) -> None:
        if sys.version_info < (3, 8):
            raise MTPError('resolving needs Python 3.8 or later, this is {}.{}'.format(*sys.version_info),
                           hint='run make lock on a workstation')
        self.folder, self.upgrade = folder, upgrade
        venv = os.path.join(folder, 'venv')
        self._run([sys.executable, '-m', 'venv', venv])
        self._run([os.path.join(venv, 'bin', 'python'), '-m', 'pip', 'install', '--quiet', UV])
        self.uv = os.path.join(venv, 'bin', 'uv')

    def _run(self, command: Sequence[str]) -> None:
        environment = dict(os.environ)
        # uv does not read pip's settings; a site that has its own index or certificate has told pip already.
        for ours, theirs in (('UV_DEFAULT_INDEX', 'PIP_INDEX_URL'), ('SSL_CERT_FILE', 'PIP_CERT')):
            if theirs in os.environ:
                environment.setdefault(ours, os.environ[theirs])
        done = subprocess.run(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding='utf-8', errors='replace')
        if done.returncode:
            raise MTPError('{} failed:\n{}'.format(' '.join(command[:4]), done.stdout[-3000:]),
                           hint='is the package index reachable? then ' + HINT, code=FAILED)

    def resolve(self, env: str, part: str, constraints: str = '', present: str = '') -> str:
        """Resolved requirements with hashes for one part of an environment (a variant, or one of PARTS).

        Args:
            constraints: lines that limit what is chosen.
            present: the lock of last time: its versions are kept where they still fit.
        """
        name, setuptools = f'{env}-{part}', ledger.shipped(env).get('setuptools')
        text = generated.lock_inputs()[f'docker/locks/{name}.in']
        # the pinned mmcv imports pkg_resources while it tells its dependencies
        tools = f'setuptools=={setuptools}\n' if setuptools else ''
        for suffix, content in (('.in', text), ('.constraints', constraints), ('.build', tools)):
            write_text(os.path.join(self.folder, name + suffix), content)
        output = os.path.join(self.folder, name + '.txt')
        if present and not self.upgrade:
            write_text(output, ''.join(blocks(present).values()))
        # Headers are all that is wanted of those: what they need to run is of no use.
        alone = ['--no-deps'] if part.startswith(ledger.headers('')) else []
        words = [self.uv, 'pip', 'compile', '--quiet', '--generate-hashes', '--no-header', '--no-annotate'] + alone
        self._run(words + [
            # the oldest patch level: what it can install, a later one can
            '--no-emit-index-url', '--python-version', ledger.minor(env) + '.0', '--python-platform', PLATFORM,
            '--build-constraints', name + '.build', '--constraints', name + '.constraints',
            '--output-file', output, name + '.in'])
        with open(output, encoding='utf-8') as stream:
            return stream.read()


def _present(*names: str) -> str:
    return ''.join(read(name) for name in names if os.path.exists(path(name)))


def _agreed(texts: Iterable[str]) -> str:
    """Constraint lines for every package that the locks ``texts`` pin alike (OpenMMLab differs between them)."""
    versions = {}
    for text in texts:
        for name, (version, _) in pins(text).items():
            versions.setdefault(name, set()).add(version)
    return ''.join('{}=={}\n'.format(name, *found) for name, found in versions.items() if len(found) == 1)


def resolve_all(resolver: Resolver, say: Callable[[str], object] = print) -> Dict[str, str]:
    """All locks anew, ``{name: text}``."""
    locks = {}
    for env in ledger.names():
        locks.update(_resolve(resolver, env, say))
    return locks


def apart(env: str) -> List[str]:
    """Locks of an environment that hold packages of the plain variant's ``.in`` which come as source archives."""
    return [env + '-ops'] + ([env + '-sources'] if ledger.sources(env) else [])


def _resolve(resolver: Resolver, env: str, say: Callable[[str], object]) -> Dict[str, str]:
    """The locks of one environment."""
    ops, plain = normal(ledger.environment(env)['ops']['package']), ledger.plain(env)
    whole, locks = '', {}
    for kind in sorted(ledger.variants(env), key=lambda each: each != plain):  # the others keep its versions
        name = f'{env}-{kind}'
        if ledger.variant(env, kind)['wheels']:
            locks[name] = _header(name) + accelerated(split(whole, ops)[0], env, kind)
            continue
        say('resolving ' + name)
        before = _present(name, *apart(env)) if os.path.exists(path(name)) else whole
        text = resolver.resolve(env, kind, present=before)
        whole = whole or text
        rest, block = split(text, ops)
        built = {package: blocks(rest)[normal(package)] for package in ledger.sources(env)}
        for each in built.values():
            rest = rest.replace(each, '')
        locks[name] = _header(name) + rest
        locks.setdefault(env + '-ops', _header(f'{env}-{plain}') + block)
        if built:
            locks.setdefault(env + '-sources', _header(f'{env}-{plain}') + ''.join(built.values()))
    agreed = _agreed(list(locks.values()))
    for part in list(PARTS) + [ledger.headers(kind) for kind in ledger.with_cuda(env)]:
        name = f'{env}-{part}'
        say('resolving ' + name)
        locks[name] = _header(name) + resolver.resolve(env, part, agreed, _present(name))
    return locks


def problems() -> List[str]:
    """What is wrong with the locks as they lie in the tree, one sentence each; empty when they fit the ledger."""
    return [problem for env in ledger.names() for problem in _problems(env)]


def _problems(env: str) -> Iterator[str]:
    kinds = ledger.variants(env)
    expected = {f'{env}-{part}': f'{env}-{part}'
                for part in kinds + list(PARTS) + [ledger.headers(kind) for kind in ledger.with_cuda(env)]}
    expected.update(dict.fromkeys(apart(env), f'{env}-{ledger.plain(env)}'))
    for name, source in expected.items():
        text = _present(name)
        if not text:
            yield f'{name}.txt is missing'
            continue
        if _made_from(source) not in text:
            yield f'{name}.txt was made from another {source}.in'
        for package, pin in pins(text).items():
            if not pin[1]:
                yield f'{name}.txt: {package} has no hash'
        if '://' in text:
            yield f'{name}.txt names a host'
    for kind in kinds:
        yield from _missing_pins(env, kind)


def stale(name: str) -> str:
    """Why the lock ``name`` does not fit the ledger: missing, or made from other pins; '' where it fits."""
    env, part = name.rsplit('-', 1)
    text = _present(name)
    if not text:
        return f'{name}.txt is missing'
    source = f'{env}-{ledger.plain(env)}' if part in ('ops', 'sources') else name
    return '' if _made_from(source) in text else f'{name}.txt was made from other pins than those of the ledger'


def _missing_pins(name: str, variant: str) -> Iterator[str]:
    entry, locked = ledger.environment(name), f'{name}-{variant}'
    text, held = _present(locked), pins(_present(locked, *apart(name)))
    for package, version in ledger.shipped(name, variant).items():
        if f'# unresolved: {package}=={version}\n' in text:
            continue
        if held.get(normal(package), ('',))[0] != version:
            yield f'{locked}.txt does not hold {package}=={version}'
    if entry['ops']['sha256'] not in held.get(normal(entry['ops']['package']), ('', []))[1]:
        yield '{}-ops.txt does not hold the hash of {}'.format(name, entry['ops']['sdist'])


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Resolve every lock anew, or ``--check`` that they fit the ledger (no network)."""
    parser = argparse.ArgumentParser(prog='python3 -m mtp.launch.lock', description=main.__doc__)
    parser.add_argument('--check', action='store_true', help='only tell whether the locks fit the ledger')
    parser.add_argument('--upgrade', action='store_true', help='newest versions of what the ledger does not pin')
    options = parser.parse_args(argv)
    if not options.check:
        for name in generated.write():
            print('wrote ' + name)
        folder = tempfile.mkdtemp(prefix='mtp-lock-')
        try:
            locks = resolve_all(Resolver(folder, options.upgrade))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        for name, text in locks.items():
            write_text(path(name), text)
            print(f'wrote docker/locks/{name}.txt: {len(pins(text))} packages')
    wrong = problems()
    if wrong:
        raise MTPError('the locks do not fit the ledger:\n  ' + '\n  '.join(wrong), hint=HINT, code=FAILED)
    return OK


if __name__ == '__main__':
    run_main(main)
