"""Base images made on this machine, for where no registry answers: Debian by debootstrap, Python from the host."""
import os
import shutil
import subprocess
import tempfile

from mtp.errors import FAILED, MTPError
from mtp.files import write_text
from mtp.launch import ledger, pythons

import engine

# What a copy of Python needs none of; site-packages is the host's own affair, and _tkinter wants half of X11.
LEFT_OUT = ('site-packages', 'test', 'idlelib', 'tkinter', 'turtledemo', '__pycache__', '_tkinter*', 'config-3.*')
NOT_NEEDED = ('var/cache/apt/archives/*.deb', 'var/lib/apt/lists/*', 'usr/share/man/*',
              'usr/share/locale/*', 'usr/share/info/*')
MADE = 3  # goes up with each change of what is made here, for an image of that name is kept
DOCKERFILE = """FROM {base}
COPY local /usr/local
RUN ldconfig && {name} -c 'import ssl, ctypes, sqlite3, ensurepip'
"""


def suite():
    """Code name of the host's Debian or Ubuntu, which is where its Python runs.

    Raises:
        MTPError: with code 4, on another system.
    """
    release = {}
    if os.path.exists('/etc/os-release'):
        with open('/etc/os-release', encoding='utf-8') as stream:
            release = dict(line.rstrip().replace('"', '').split('=', 1) for line in stream if '=' in line)
    if 'debian' not in (release.get('ID', '') + release.get('ID_LIKE', '')):
        raise MTPError('a local base image can be made on Debian and Ubuntu alone, this is {}'.format(
            release.get('PRETTY_NAME', 'unknown')), hint='make images, which takes base images from a registry',
            code=engine.NO_ENGINE)
    return release['VERSION_CODENAME']


def exists(client, tag):
    """Whether the engine has an image of that name."""
    return engine.said([client, 'image', 'inspect', tag])[0] == 0


def debian(client, say=print, release=None):
    """Name of a minimal image of a Debian ``release``, by default the host's; made when it is not there."""
    release = release or suite()
    tag = f'mtp-local/base:{release}-{MADE}'
    if exists(client, tag):
        return tag
    if not shutil.which('debootstrap'):
        say('installing debootstrap')
        engine.install('debootstrap')
    say(f'making {tag} with debootstrap')
    with tempfile.TemporaryDirectory(prefix='mtp-base-') as root:
        code, output = engine.said_long(['debootstrap', '--variant=minbase', release, root])
        if code:
            raise MTPError('debootstrap failed:\n' + output[-1500:], hint='is its mirror reachable?', code=FAILED)
        # Of the pages that packages bring only the licences stay, as in Debian's own slim image.
        subprocess.run(['find', os.path.join(root, 'usr/share/doc'), '!', '-type', 'd', '!', '-name', 'copyright',
                        '-delete'], check=True)
        left_out = ['--exclude=./' + path for path in NOT_NEEDED]
        tar = subprocess.Popen(['tar', '-C', root] + left_out + ['-c', '.'], stdout=subprocess.PIPE)
        subprocess.run([client, 'import', '-', tag], stdin=tar.stdout, stdout=subprocess.DEVNULL, check=True)
        if tar.wait():
            raise MTPError(f'packing {root} failed', code=FAILED)
    return tag


def python(client, base, minor, say=print):
    """Name of an image that holds the host's Python ``minor`` below /usr/local; made when it is not there."""
    path, version = pythons.find(os.environ, minor)
    tag = f'mtp-local/python:{version}-{suite()}-{MADE}'
    if exists(client, tag):
        return tag
    say(f'making {tag} from {path}')
    prefix = subprocess.check_output([path, '-c', 'import sys; print(sys.base_prefix)']).decode().strip()
    with tempfile.TemporaryDirectory(prefix='mtp-python-') as context:
        copy_python(prefix, 'python' + minor, os.path.join(context, 'local'))
        write_text(os.path.join(context, 'Dockerfile'), DOCKERFILE.format(base=base, name='python' + minor))
        subprocess.run([client, 'build', '--quiet', '--tag', tag, context], check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, DOCKER_BUILDKIT='1'))
    return tag


def copy_python(prefix, name, target):
    """Copy the interpreter ``name`` (``python3.8``), its library, its headers and the shared libraries that they need
    from ``prefix`` to ``target``."""
    for part in ('lib/' + name, 'include/' + name):
        shutil.copytree(os.path.join(prefix, part), os.path.join(target, part), symlinks=True,
                        ignore=shutil.ignore_patterns(*LEFT_OUT))
    os.makedirs(os.path.join(target, 'lib', name, 'site-packages'))
    os.makedirs(os.path.join(target, 'bin'))
    shutil.copy2(os.path.join(prefix, 'bin', name), os.path.join(target, 'bin'))
    libraries = os.path.join(target, 'lib')
    # ldd asks the host, so a libpython that lies beside the interpreter is found and comes along.
    subprocess.run(['sh', os.path.join(ledger.ROOT, 'docker', 'image.sh'), 'collect', libraries,
                    os.path.join(prefix, 'bin', name), os.path.join(target, 'lib', name, 'lib-dynload')],
                   check=True)
