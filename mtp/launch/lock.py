"""The locks: every package of both environments with its hashes, resolved from the ledger.

``python3 -m mtp.launch.lock`` resolves anew (it fetches a pinned ``uv`` into a throw-away virtual environment and needs
the package index); ``--check`` tells without network whether the locks still fit the ledger. What lies in
``docker/locks``:

* ``<env>-cpu.txt``, ``<env>-cu113.txt``: all wheels of an environment but the one we compile;
* ``<env>-ops.txt``: the source archive of that one (mmcv, mmcv-full);
* ``dev.txt``: what only the tests need; ``pip.txt``: the installer; ``build.txt``: what compiling needs beside them.

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

from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.files import write_text
from mtp.launch import generated, ledger

FOLDER = os.path.join(ledger.ROOT, 'docker', 'locks')
UV = 'uv==0.13.9'
PYTHON_VERSION = '3.8.0'  # the older of the two: what it can install, 3.8.17 can
PLATFORM = 'x86_64-manylinux_2_28'
HASH = re.compile(r'--hash=sha256:([0-9a-f]{64})(?=\s|$)')
PIN = re.compile(r'^([A-Za-z0-9._-]+)==([^\s\\;]+)')
HINT = 'make lock'


def normal(name):
    """Package name as the index compares it (PEP 503)."""
    return re.sub(r'[-_.]+', '-', name).lower()


def blocks(text):
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


def pins(text):
    """What a lock installs: ``{package: (version, [sha256, ...])}``."""
    return {name: (PIN.match(block).group(2), HASH.findall(block)) for name, block in blocks(text).items()}


def path(name):
    """Path of the lock ``name`` (``mmrotate1-cpu``, ``mmrotate1-ops``, ``dev``, ``pip``, ``build``)."""
    return os.path.join(FOLDER, name + '.txt')


def read(name):
    """Text of the lock ``name``.

    Raises:
        MTPError: there is no such lock.
    """
    try:
        with open(path(name), encoding='utf-8') as stream:
            return stream.read()
    except OSError as error:
        raise MTPError('cannot read the lock {}: {}'.format(path(name), error.strerror), hint=HINT)


def require_resolved(name):
    """Refuse, before anything is installed, a lock with a hash that nobody has resolved.

    Raises:
        MTPError: lists the packages; the hint says how to resolve them.
    """
    missing = re.findall(r'^# unresolved: (\S+)', read(name), re.M)
    if missing:
        raise MTPError('{}.txt cannot be installed: the hash of {} is unresolved'.format(name, ' and '.join(missing)),
                       hint='python3 -m mtp.launch.ledger --unresolved; put the hash into the ledger; make lock')


def _header(source):
    """First lines of a lock: how it was made, and from what, so that a stale one is noticed."""
    text = generated.lock_inputs()['docker/locks/' + source]
    return ('# Made by make lock; do not edit. Every package has a hash.\n'
            '# ledger: {}\n# input: {} {}\n'.format(ledger.digest(), source, _digest(text)))


def _digest(text):
    return hashlib.sha256(text.encode('utf-8')).hexdigest()


def accelerated(text, name, variant):
    """The lock of ``variant`` made from the cpu lock ``text``: torch's wheels are exchanged, the rest stays.

    A wheel without a known hash becomes a line that no installer accepts and that says why.
    """
    versions, wheels = ledger.shipped(name, variant), ledger.variant(variant)['wheels']
    for package, wheel in wheels.items():
        requirement = '{}=={}'.format(package, versions[package])
        if wheel['sha256'] == ledger.UNRESOLVED:
            block = ('# unresolved: {0}\n'
                     'the hash of {0} is unresolved; see python3 -m mtp.launch.ledger --unresolved\n'
                     ).format(requirement)
        else:
            block = '{} \\\n    --hash=sha256:{}\n'.format(requirement, wheel['sha256'])
        text = text.replace(blocks(text)[package], block)
    return text


def split(text, package):
    """Cut the block of ``package`` out of a lock: (the rest, the block)."""
    block = blocks(text)[package]
    return text.replace(block, ''), block


class Resolver:
    """``uv pip compile`` in a folder of its own.

    Args:
        folder: throw-away folder for the tool and its inputs.
        upgrade: take the newest versions instead of keeping those of the present locks.
    """

    def __init__(self, folder, upgrade=False):
        if sys.version_info < (3, 8):
            raise MTPError('resolving needs Python 3.8 or later, this is {}.{}'.format(*sys.version_info),
                           hint='run make lock on a workstation')
        self.folder, self.upgrade = folder, upgrade
        venv = os.path.join(folder, 'venv')
        self._run([sys.executable, '-m', 'venv', venv])
        self._run([os.path.join(venv, 'bin', 'python'), '-m', 'pip', 'install', '--quiet', UV])
        self.uv = os.path.join(venv, 'bin', 'uv')

    def _run(self, command):
        environment = dict(os.environ)
        # uv does not read pip's settings; a site that has its own index or certificate has told pip already.
        for ours, theirs in (('UV_DEFAULT_INDEX', 'PIP_INDEX_URL'), ('SSL_CERT_FILE', 'PIP_CERT')):
            if theirs in os.environ:
                environment.setdefault(ours, os.environ[theirs])
        done = subprocess.run(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True)
        if done.returncode:
            raise MTPError('{} failed:\n{}'.format(' '.join(command[:4]), done.stdout[-3000:]),
                           hint='is the package index reachable? then ' + HINT, code=FAILED)

    def resolve(self, name, text, constraints='', present=''):
        """Resolved requirements with hashes for the input ``text``, limited by ``constraints``.

        ``present`` is the lock of last time: its versions are kept where they still fit.
        """
        for suffix, content in (('.in', text), ('.constraints', constraints), ('.build', 'setuptools<60\n')):
            write_text(os.path.join(self.folder, name + suffix), content)
        output = os.path.join(self.folder, name + '.txt')
        if present and not self.upgrade:
            write_text(output, ''.join(blocks(present).values()))
        self._run([self.uv, 'pip', 'compile', '--quiet', '--generate-hashes', '--no-header', '--no-annotate',
                   '--no-emit-index-url', '--python-version', PYTHON_VERSION, '--python-platform', PLATFORM,
                   # the pinned mmcv imports pkg_resources while it tells its dependencies
                   '--build-constraints', name + '.build', '--constraints', name + '.constraints',
                   '--output-file', output, name + '.in'])
        with open(output, encoding='utf-8') as stream:
            return stream.read()


def _present(*names):
    return ''.join(read(name) for name in names if os.path.exists(path(name)))


def _agreed(texts):
    """Constraint lines for every package that the locks ``texts`` pin alike (OpenMMLab differs between them)."""
    versions = {}
    for text in texts:
        for name, (version, _) in pins(text).items():
            versions.setdefault(name, set()).add(version)
    return ''.join('{}=={}\n'.format(name, *found) for name, found in versions.items() if len(found) == 1)


def resolve_all(resolver, say=print):
    """All locks anew, ``{name: text}``."""
    inputs = {os.path.basename(name): text for name, text in generated.lock_inputs().items()}
    locks = {}
    for name in ledger.names():
        say('resolving {}'.format(name))
        source, ops = name + '.in', normal(ledger.environment(name)['ops']['package'])
        text = resolver.resolve(name, inputs[source], present=_present(name + '-cpu', name + '-ops'))
        text, block = split(text, ops)
        locks[name + '-ops'] = _header(source) + block
        for variant in ledger.variants():
            locks['{}-{}'.format(name, variant)] = _header(source) + accelerated(text, name, variant)
    shared = _agreed([locks[name + '-cpu'] for name in ledger.names()])
    for name in ('dev', 'pip', 'build'):
        say('resolving {}'.format(name))
        locks[name] = _header(name + '.in') + resolver.resolve(name, inputs[name + '.in'], shared, _present(name))
    return locks


def problems():
    """What is wrong with the locks as they lie in the tree, one sentence each; empty when they fit the ledger."""
    inputs, found = generated.lock_inputs(), []
    expected = {name + '-' + kind: name + '.in' for name in ledger.names() for kind in ['ops'] + ledger.variants()}
    expected.update({name: name + '.in' for name in ('dev', 'pip', 'build')})
    for name, source in expected.items():
        text = _present(name)
        if not text:
            found.append('{}.txt is missing'.format(name))
            continue
        if '# input: {} {}\n'.format(source, _digest(inputs['docker/locks/' + source])) not in text:
            found.append('{}.txt was made from another {}'.format(name, source))
        found += ['{}.txt: {} has no hash'.format(name, package) for package, pin in pins(text).items() if not pin[1]]
        if '://' in text:
            found.append('{}.txt names a host'.format(name))
    for name in ledger.names():
        for variant in ledger.variants():
            found += _missing_pins(name, variant)
    return found


def _missing_pins(name, variant):
    entry, locked = ledger.environment(name), '{}-{}'.format(name, variant)
    text, held = _present(locked), pins(_present(locked, name + '-ops'))
    for package, version in ledger.shipped(name, variant).items():
        if '# unresolved: {}=={}\n'.format(package, version) in text:
            continue
        if held.get(normal(package), ('',))[0] != version:
            yield '{}.txt does not hold {}=={}'.format(locked, package, version)
    if entry['ops']['sha256'] not in held.get(normal(entry['ops']['package']), ('', []))[1]:
        yield '{}-ops.txt does not hold the hash of {}'.format(name, entry['ops']['sdist'])


def main(argv=None):
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
            print('wrote docker/locks/{}.txt: {} packages'.format(name, len(pins(text))))
    wrong = problems()
    if wrong:
        raise MTPError('the locks do not fit the ledger:\n  ' + '\n  '.join(wrong), hint=HINT, code=FAILED)
    return OK


if __name__ == '__main__':
    run_main(main)
