"""Compile the one package with compiled operators (mmcv or mmcv-full) into a wheel, once for everybody.

    python3 docker/build_ops.py --env mmrotate1 --variant cpu --python .venv/mmrotate1/bin/python --out wheels

The source archive is the one of the ledger, checked by its hash; the compiler's settings are those of the variant. The
finished wheel lies in a cache, keyed by everything that decides what is in it, so that the next clone, and the image of
the same kind, take it from there. A compile that was killed goes on where it stopped: each object file is finished or
compiled again. A graphics card is neither needed nor looked at.

Runs on the host and in the image build. Standard library only, Python >= 3.6.
"""
import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp import fatbin  # noqa: E402
from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.files import atomic_path, sha256, write_json, write_text  # noqa: E402
from mtp.launch import ledger, lock, toolkit  # noqa: E402
from mtp.progress import Progress  # noqa: E402

NINJA = re.compile(r'^\[(\d+)/(\d+)\] ')  # what ninja says behind every finished object
NEEDED_BYTES = 3 << 30  # objects, sources and tools of one compile, with room
BYTES_PER_JOB = 3 << 29  # the largest source file takes about 1.5 GB to compile
FACTS = """
import json, platform, sysconfig
try:
    from importlib.metadata import PackageNotFoundError, version
    torch = version('torch')
except PackageNotFoundError:
    torch = ''
print(json.dumps({'python': platform.python_version(), 'abi': sysconfig.get_config_var('SOABI'),
                  'platform': sysconfig.get_platform(), 'libc': ' '.join(platform.libc_ver()), 'torch': torch}))
"""


def facts(python, minor):
    """What the interpreter ``python`` is: ``python``, ``abi``, ``platform``, ``libc``, ``torch``.

    Raises:
        MTPError: it does not run, is another Python than ``minor`` (``3.8``), or has no torch.
    """
    try:
        found = json.loads(subprocess.check_output([python, '-c', FACTS]).decode())
    except (OSError, subprocess.CalledProcessError) as error:
        raise MTPError('{} does not run: {}'.format(python, error), hint='make setup')
    if not found['python'].startswith(minor + '.'):
        raise MTPError('{} is Python {}, the operators are built for {}'.format(python, found['python'], minor),
                       hint='make setup')
    if not found['torch']:
        raise MTPError('{} has no torch, against which the operators are compiled'.format(python), hint='make setup')
    return found


def recipe(env, variant, about):
    """Everything that decides what is in the wheel, and is its key in the cache.

    Raises:
        MTPError: the torch that is installed is not the one of the ledger.
    """
    wanted = ledger.shipped(env, variant)['torch']
    if about['torch'] != wanted:
        raise MTPError('torch {} is installed, {} {} wants {}'.format(about['torch'], env, variant, wanted),
                       hint='make setup ENV={} VARIANT={}'.format(env, variant))
    ops, chosen = ledger.environment(env)['ops'], ledger.variant(env, variant)
    found = {'package': ops['package'], 'version': ops['version'], 'sha256': ops['sha256'], 'torch': about['torch'],
             'abi': about['abi'], 'platform': about['platform'], 'libc': about['libc'], 'variant': variant,
             'flags': ledger.ops_flags(env, variant)}
    patches = [[patch['file'], patch['before'], patch['after']] for patch in chosen['ops_patches']]
    found.update({'patches': patches} if patches else {})
    found.update({'united': united(env, variant)} if united(env, variant) else {})
    found.update({'nvcc': chosen['nvcc']['version']} if chosen['cuda'] else {})
    return found


def key(wanted):
    """Name of the cache's folder for a recipe: readable in front, exact at the end."""
    canonical = json.dumps(wanted, sort_keys=True, separators=(',', ':')).encode()
    return '{package}-{version}-{variant}-{}'.format(hashlib.sha256(canonical).hexdigest()[:16], **wanted)


def default_cache():
    """``$XDG_CACHE_HOME/mtp/wheels``, by default below ``~/.cache``."""
    base = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    return os.path.join(base, 'mtp', 'wheels')


def finished(folder):
    """Path of the finished wheel in ``folder``, or None. A wheel that is not what was written is not trusted."""
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        if name.endswith('.whl') and os.path.exists(path + '.sha256'):
            with open(path + '.sha256', encoding='ascii') as stream:
                if stream.read().strip() == sha256(path):
                    return path
            sys.stderr.write('{} is damaged and not used\n'.format(path))
    return None


def place(wheel, folder):
    """Copy a finished wheel into ``folder``, its hash last; returns the copy's path."""
    target = os.path.join(folder, os.path.basename(wheel))
    with atomic_path(target) as temporary:
        shutil.copyfile(wheel, temporary)
    write_text(target + '.sha256', sha256(target) + '\n')
    return target


@contextlib.contextmanager
def locked(folder):
    """Hold ``folder`` alone; a second build of the same wheel waits for the first. Gives the lock's file."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, '.lock'), 'wb') as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.stderr.write('waiting for another build in {}\n'.format(folder))
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield stream


def check_machine(folder, env, variant):
    """Refuse at once what would fail after minutes: no compiler, no nvcc or another one, no disk.

    Raises:
        MTPError: names what is missing and the command that brings it.
    """
    compiler = os.environ.get('CXX', 'c++').split()[0]
    if not shutil.which(compiler):
        raise MTPError('there is no C++ compiler ({})'.format(compiler), hint='sudo apt-get install g++')
    cuda = ledger.variant(env, variant)['cuda']
    if cuda:
        toolkit.require(os.environ, env, variant, cuda)
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise MTPError('{} has {:.1f} GB left, compiling needs {:.1f}'.format(folder, free / 1e9, NEEDED_BYTES / 1e9),
                       hint='--cache folder, or XDG_CACHE_HOME=folder')


def jobs():
    """How many files to compile at once: one a core, as far as memory goes."""
    cores = len(os.sched_getaffinity(0))
    try:
        with open('/proc/meminfo', encoding='ascii') as stream:
            available = int(re.search(r'MemAvailable:\s+(\d+) kB', stream.read()).group(1)) * 1024
    except (OSError, AttributeError):
        return cores
    return max(1, min(cores, available // BYTES_PER_JOB))


def environment(env, variant, tools):
    """Variables of the compile. A card in this machine is hidden: it must not decide what is compiled."""
    result = dict(os.environ)
    result.update(ledger.ops_flags(env, variant))
    entry = ledger.variant(env, variant)
    compiler = entry['nvcc']['compiler'] if entry['cuda'] else ''
    if compiler and shutil.which(compiler) and 'CXX' not in os.environ:  # nvcc takes no later one
        result.update(CC=compiler, CXX=compiler)
    result.setdefault('MAX_JOBS', str(jobs()))
    result.update({'CUDA_VISIBLE_DEVICES': '', 'PYTHONPATH': tools, 'PYTHONNOUSERSITE': '1',
                   'PATH': os.path.join(tools, 'bin') + os.pathsep + os.environ.get('PATH', os.defpath)})
    return result


def pip(python, words, what, variables=None):
    """Run pip quietly; what it said is shown only when it fails."""
    done = subprocess.run([python, '-m', 'pip'] + words, env=variables, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding='utf-8', errors='replace')
    if done.returncode:
        raise MTPError('{} failed:\n{}'.format(what, done.stdout[-2000:]),
                       hint='is the package index reachable? then start the same command again', code=FAILED)


def get_tools(python, env, folder):
    """What compiling needs beside the environment (ninja ...), from its lock, in a folder of its own."""
    tools = os.path.join(folder, 'tools')
    if not os.path.isdir(tools):
        fresh = tools + '.tmp'
        shutil.rmtree(fresh, ignore_errors=True)
        pip(python, ['install', '--quiet', '--no-deps', '--require-hashes', '--only-binary', ':all:', '--target', fresh,
                     '--requirement', lock.path(env + '-build')], 'getting the build tools')
        os.rename(fresh, tools)
    return tools


def get_archive(python, env, folder, variables):
    """Path of the ledger's source archive in ``folder``, fetched when it is not there.

    Raises:
        MTPError: the index does not answer, or what came is another file.
    """
    ops = ledger.environment(env)['ops']
    archive = os.path.join(folder, ops['sdist'])
    if not os.path.exists(archive):
        pip(python, ['download', '--quiet', '--no-deps', '--no-build-isolation', '--no-binary', ':all:',
                     '--require-hashes', '--dest', folder, '--requirement', lock.path(env + '-ops')],
            'getting ' + ops['sdist'], variables)
    if sha256(archive) != ops['sha256']:
        raise MTPError('{} has the hash {}, the ledger says {}'.format(ops['sdist'], sha256(archive), ops['sha256']))
    return archive


def patch(source, patches):
    """Do what the ledger's ``ops_patches`` say in the folder ``source``.

    Raises:
        MTPError: a text that is to be replaced is not there: then the ledger speaks of another source.
    """
    for each in patches:
        path = os.path.join(source, each['file'])
        with open(path, encoding='utf-8') as stream:
            text = stream.read()
        if each['before'] not in text:
            raise MTPError('{} holds no {!r}, which the ledger replaces by {!r}'.format(
                path, each['before'], each['after']), hint='correct "ops_patches" in docker/environments.json')
        write_text(path, text.replace(each['before'], each['after']))


def united(env, variant):
    """What of the source is compiled together: {folder: {"into": number of units, "alone": names}}; {} with CUDA.

    Most of the time that a file of the operators takes goes into the headers of torch, and each includes them anew.
    Machine code of a function stays what it was: flags are the same, and no arithmetic is merged over functions.
    """
    return {} if ledger.variant(env, variant)['cuda'] else ledger.environment(env)['ops'].get('united', {})


def unite(source, folders):
    """Let a few files include those that a folder of the source has, as :func:`united` says.

    Raises:
        MTPError: a file that is to stay alone is not there: then the ledger speaks of another source.
    """
    for folder, how in sorted(folders.items()):
        place = os.path.join(source, folder)
        names = sorted(name for name in os.listdir(place) if name.endswith('.cpp')) if os.path.isdir(place) else []
        if not names or set(how['alone']) - set(names):
            lacking = ', '.join(sorted(set(how['alone']) - set(names))) or '*.cpp'
            raise MTPError('{} has no file {}'.format(place, lacking),
                           hint='correct "united" in docker/environments.json')
        names = [name for name in names if name not in how['alone']]
        for name in names:  # beside its headers; no longer one of the files that setup.py lists
            os.rename(os.path.join(place, name), os.path.join(place, name + '.part'))
        for unit in range(how['into']):
            write_text(os.path.join(place, 'united_{}.cpp'.format(unit)), ''.join(
                '#include "{}.part"\n'.format(name) for name in names[unit::how['into']]))


def get_source(python, env, folder, variables, patches=(), together=None):
    """The unpacked source archive of the ledger, patched; a folder of that name is whole, for it was renamed last."""
    source = os.path.join(folder, 'source')
    if os.path.isdir(source):
        return source
    fresh = source + '.tmp'
    shutil.rmtree(fresh, ignore_errors=True)
    archive = get_archive(python, env, fresh, variables)
    with tarfile.open(archive) as stream:
        stream.extractall(fresh)
    patch(archive[:-len('.tar.gz')], patches)
    unite(archive[:-len('.tar.gz')], together or {})
    os.rename(archive[:-len('.tar.gz')], source)
    shutil.rmtree(fresh)
    return source


def _count(lines, progress):
    """Show what ninja has said since the last call."""
    for line in lines:
        counted = NINJA.match(line.strip())
        if counted:
            progress.total = int(counted.group(2))
            progress.update(max(0, int(counted.group(1)) - progress.done), 'objects')


def compile_wheel(python, source, folder, variables, lock_stream, label):
    """Run the compile in ``source`` and show how many objects are done; returns the new wheel's path."""
    fresh, log = os.path.join(folder, 'wheel.tmp'), os.path.join(folder, 'build.log')
    shutil.rmtree(fresh, ignore_errors=True)
    command = [python, '-m', 'pip', 'wheel', '-v', '--no-deps', '--no-build-isolation', '--no-index', '--wheel-dir',
               fresh, source]
    progress = Progress(label)
    with open(log, 'wb') as record, open(log, encoding='utf-8', errors='replace') as follow:
        # A group of its own: an interrupt reaches pip, ninja and every compiler at once, through us. It holds the lock
        # too: where we are killed outright it goes on alone, and the next build waits for it and takes its objects.
        child = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stdout=record,
                                 stderr=subprocess.STDOUT, start_new_session=True, pass_fds=[lock_stream.fileno()])
        try:
            code = None
            while code is None:
                code = child.poll()
                _count(follow, progress)
                time.sleep(0 if code is not None else 0.2)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
            child.wait()
            raise
    progress.close('objects')
    if code:
        with open(log, encoding='utf-8', errors='replace') as stream:
            said = stream.read()
        errors = [line for line in said.splitlines() if re.search(r'\b(error|fatal):? ', line)] or said.splitlines()
        raise MTPError('compiling failed:\n' + '\n'.join(errors[-8:]), hint='the whole log: ' + log, code=FAILED)
    wheels = [name for name in os.listdir(fresh) if name.endswith('.whl')]
    return os.path.join(fresh, wheels[0])


def check_cards(wheel, env, variant):
    """Refuse a wheel whose operators lack the code for a card that the variant is made for.

    Raises:
        MTPError: names the shared object and the architectures that it lacks.
    """
    entry = ledger.variant(env, variant)
    if not entry['cuda']:
        return
    wanted, seen = {tuple(map(int, each.split('.'))) for each in entry['architectures']}, False
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory(prefix='mtp-cards-') as folder:
        for name in archive.namelist():
            if not name.endswith('.so'):
                continue
            try:
                found = fatbin.architectures(archive.extract(name, folder))
            except fatbin.Unreadable as error:
                raise MTPError('{} in {}: {}'.format(name, wheel, error), code=FAILED)
            seen = True
            if wanted - set(found):
                raise MTPError('{} in {} has no code for {}, only for {}'.format(
                    name, wheel, ', '.join('sm_{}{}'.format(*each) for each in sorted(wanted - set(found))),
                    ', '.join('sm_{}{}'.format(*each) for each in found) or 'processors'), code=FAILED,
                    hint='rm -r {}, then the same command again'.format(os.path.dirname(os.path.abspath(wheel))))
    if not seen:
        raise MTPError('{} holds no compiled operators'.format(wheel), code=FAILED,
                       hint='rm -r {}, then the same command again'.format(os.path.dirname(os.path.abspath(wheel))))


def build(env, variant, python, cache, wheelhouse=None, say=print):
    """Path of the wheel for ``env`` and ``variant``: from the wheelhouse, from the cache, or compiled now.

    Args:
        env, variant: names of the ledger.
        python: interpreter with the torch of the lock.
        cache: folder of finished wheels and of compiles under way.
        wheelhouse: folder of finished wheels that came from elsewhere, only read; or None.
        say: takes one line of what is being done.
    """
    wanted = recipe(env, variant, facts(python, ledger.minor(env)))
    name = key(wanted)
    for folder in ([wheelhouse] if wheelhouse else []) + [cache]:
        wheel = finished(os.path.join(folder, name))
        if wheel:
            check_cards(wheel, env, variant)
            say('{}: taken from {}'.format(os.path.basename(wheel), os.path.dirname(wheel)))
            return wheel
    folder = os.path.join(cache, name)
    with locked(folder) as held:
        wheel = finished(folder)  # another process may have built it while we waited
        if wheel:
            return wheel
        check_machine(folder, env, variant)
        write_json(os.path.join(folder, 'key.json'), wanted)
        tools = get_tools(python, env, folder)
        variables = environment(env, variant, tools)
        source = get_source(python, env, folder, variables, ledger.variant(env, variant)['ops_patches'],
                            united(env, variant))
        say('compiling {package} {version} for torch {torch} ({variant}), {} files at once'.format(
            variables['MAX_JOBS'], **wanted))
        wheel = compile_wheel(python, source, folder, variables, held, 'compiling ' + wanted['package'])
        check_cards(wheel, env, variant)
        wheel = place(wheel, folder)
        for leftover in ('source', 'tools', 'wheel.tmp'):
            shutil.rmtree(os.path.join(folder, leftover), ignore_errors=True)
        return wheel


def export(cache, target):
    """Copy every finished wheel of ``cache`` into ``target`` under its key; returns how many there are."""
    count = 0
    for name in sorted(os.listdir(cache)) if os.path.isdir(cache) else []:
        wheel = finished(os.path.join(cache, name))
        if wheel:
            count += 1
            if not finished(os.path.join(target, name)):
                place(wheel, os.path.join(target, name))
    return count


def _stop(number, frame):
    """Told to end, also by the death of make setup: end every compiler first, as for an interrupt."""
    raise KeyboardInterrupt


def main(argv=None):
    """Compile the pinned mmcv or mmcv-full into a wheel, or take it from the cache."""
    parser = argparse.ArgumentParser(prog='build_ops.py', description=main.__doc__)
    parser.add_argument('--env', help='environment of the ledger')
    parser.add_argument('--variant', help='variant of the ledger (default: that of processors)')
    parser.add_argument('--python', help='interpreter with the torch of the lock')
    parser.add_argument('--out', help='folder for a copy of the wheel')
    parser.add_argument('--cache', default=default_cache(), help='default: %(default)s')
    parser.add_argument('--wheelhouse', help='folder of finished wheels that came from elsewhere')
    parser.add_argument('--source', metavar='DIR', help='only fetch the source archive into DIR')
    parser.add_argument('--export', metavar='DIR', help='only copy the finished wheels of the cache into DIR')
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _stop)
    if options.export:
        count = export(options.cache, options.export)
        print('{} finished wheels of {} are in {}'.format(count, options.cache, options.export))
        return OK
    if options.source and options.env and options.python:
        with tempfile.TemporaryDirectory(prefix='mtp-tools-') as folder:
            kind = options.variant or ledger.plain(options.env)
            variables = environment(options.env, kind, get_tools(options.python, options.env, folder))
            print(get_archive(options.python, options.env, options.source, variables))
        return OK
    if not (options.env and options.python and options.out):
        parser.error('--env, --python and --out are needed')
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # stop the compilers too
    kind = options.variant or ledger.plain(options.env)
    wheel = build(options.env, kind, options.python, options.cache, options.wheelhouse)
    print(place(wheel, options.out))
    return OK


if __name__ == '__main__':
    run_main(main)
