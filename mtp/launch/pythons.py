"""Finding a Python 3.8 on a machine, wherever its owner keeps it."""
import glob
import os
import shutil
import subprocess

from mtp.errors import MTPError

MINOR = '3.8'
# Runs in the candidate: a Python whose owner forgot libffi, OpenSSL or ensurepip is found now and not after minutes.
PROBE = 'import ctypes, ssl, zlib, bz2, venv, ensurepip, platform; print(platform.python_version())'
PLACES = (
    '{pyenv}/versions/3.8*/bin/python3.8',
    '{uv}/cpython-3.8*/bin/python3.8',
    '{home}/.conda/envs/*/bin/python3.8',
    '{conda}/bin/python3.8', '{conda}/envs/*/bin/python3.8',
    '{home}/mini*3/bin/python3.8', '{home}/mini*3/envs/*/bin/python3.8',
    '{home}/anaconda3/bin/python3.8', '{home}/anaconda3/envs/*/bin/python3.8',
    '{home}/mamba*/envs/*/bin/python3.8',
    '/opt/conda/envs/*/bin/python3.8', '/opt/python/3.8*/bin/python3.8',
    '/usr/local/bin/python3.8', '/usr/bin/python3.8',
)


def candidates(environ):
    """Paths that may be a Python 3.8, the user's own choice (PYTHON38) first, then PATH, pyenv, uv, conda."""
    home = environ.get('HOME') or os.path.expanduser('~')
    conda = environ.get('CONDA_EXE')
    roots = {'home': home, 'pyenv': environ.get('PYENV_ROOT') or home + '/.pyenv',
             'uv': environ.get('UV_PYTHON_INSTALL_DIR') or home + '/.local/share/uv/python',
             'conda': os.path.dirname(os.path.dirname(conda)) if conda else '/nonexistent'}
    found = [environ.get('PYTHON38'), shutil.which('python3.8', path=environ.get('PATH'))]
    for place in PLACES:
        found += sorted(glob.glob(place.format(**roots)), reverse=True)
    return list(dict.fromkeys(path for path in found if path))


def version(path):
    """Version of the interpreter at ``path``, or '' when it does not run or lacks a module that we need."""
    try:
        said = subprocess.check_output([path, '-c', PROBE], stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return ''
    return said.decode('ascii', 'replace').strip()


def find(environ, wanted=''):
    """(path, version) of a Python 3.8: that of patch level ``wanted`` where there is one, else the first that works.

    Raises:
        MTPError: there is none; the hint is the one command that brings it with what this machine has.
    """
    working = []
    for path in candidates(environ):
        seen = version(path)
        if path == environ.get('PYTHON38') and not seen.startswith(MINOR + '.'):
            raise MTPError('PYTHON38={} is {}'.format(path, 'Python ' + seen if seen else 'no Python that works'),
                           hint='leave PYTHON38 away, or name a Python 3.8')
        if seen and (path == environ.get('PYTHON38') or seen == wanted):
            return path, seen
        if seen.startswith(MINOR + '.'):
            working.append((path, seen))
    if working:
        return working[0]
    raise MTPError('there is no Python 3.8 that works: neither on PATH nor from pyenv, uv or conda',
                   hint=advice(environ))


def advice(environ):
    """The one command that brings a Python 3.8 on this machine."""
    def has(name):
        return shutil.which(name, path=environ.get('PATH'))

    if has('uv'):
        return 'uv python install 3.8'
    if has('conda') or environ.get('CONDA_EXE'):
        return 'conda create --yes --name python38 python=3.8'
    if has('pyenv'):
        return 'pyenv install 3.8.18'
    return 'python3 -m pip install --user uv && python3 -m uv python install 3.8'
