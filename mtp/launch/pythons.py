"""Finding a Python of one minor version (``3.8``) on a machine, wherever its owner keeps it."""
import glob
import os
import shutil
import subprocess
from typing import List, Mapping, Optional, Tuple

from mtp.errors import MTPError

# Runs in the candidate: a Python whose owner forgot libffi, OpenSSL or ensurepip is found now and not after minutes.
PROBE = 'import ctypes, ssl, zlib, bz2, venv, ensurepip, platform; print(platform.python_version())'
PLACES = (
    '{pyenv}/versions/{minor}*/bin/python{minor}',
    '{uv}/cpython-{minor}*/bin/python{minor}',
    '{home}/.conda/envs/*/bin/python{minor}',
    '{conda}/bin/python{minor}', '{conda}/envs/*/bin/python{minor}',
    '{home}/mini*3/bin/python{minor}', '{home}/mini*3/envs/*/bin/python{minor}',
    '{home}/anaconda3/bin/python{minor}', '{home}/anaconda3/envs/*/bin/python{minor}',
    '{home}/mamba*/envs/*/bin/python{minor}',
    '/opt/conda/envs/*/bin/python{minor}', '/opt/python/{minor}*/bin/python{minor}',
    '/usr/local/bin/python{minor}', '/usr/bin/python{minor}',
)


def variable(minor: str) -> str:
    """Name of the variable by which a user names the interpreter: ``PYTHON38``."""
    return 'PYTHON' + minor.replace('.', '')


def candidates(environ: Mapping[str, str], minor: str) -> List[str]:
    """Paths that may be a Python ``minor``, the user's own choice (PYTHON38) first, then PATH, pyenv, uv, conda."""
    home = environ.get('HOME') or os.path.expanduser('~')
    conda = environ.get('CONDA_EXE')
    roots = {'home': home, 'pyenv': environ.get('PYENV_ROOT') or home + '/.pyenv', 'minor': minor,
             'uv': environ.get('UV_PYTHON_INSTALL_DIR') or home + '/.local/share/uv/python',
             'conda': os.path.dirname(os.path.dirname(conda)) if conda else '/nonexistent'}
    found = [environ.get(variable(minor)), shutil.which('python' + minor, path=environ.get('PATH'))]
    for place in PLACES:
        found += sorted(glob.glob(place.format(**roots)), reverse=True)
    return list(dict.fromkeys(path for path in found if path))


def version(path: str) -> str:
    """Version of the interpreter at ``path``, or '' when it does not run or lacks a module that we need."""
    try:
        said = subprocess.check_output([path, '-c', PROBE], stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return ''
    return said.decode('ascii', 'replace').strip()


def find(environ: Mapping[str, str], minor: str, wanted: str = '') -> Tuple[str, str]:
    """(path, version) of a Python ``minor``: that of patch level ``wanted`` where there is one, else the first that
    works.

    Raises:
        MTPError: there is none; the hint is the one command that brings it with what this machine has.
    """
    working, named = [], environ.get(variable(minor))
    for path in candidates(environ, minor):
        seen = version(path)
        if path == named and not seen.startswith(minor + '.'):
            raise MTPError('{}={} is {}'.format(variable(minor), path,
                                                'Python ' + seen if seen else 'no Python that works'),
                           hint=f'leave {variable(minor)} away, or name a Python {minor}')
        if seen and (path == named or seen == wanted):
            return path, seen
        if seen.startswith(minor + '.'):
            working.append((path, seen))
    if working:
        return working[0]
    raise MTPError(f'there is no Python {minor} that works: neither on PATH nor from pyenv, uv or conda',
                   hint=advice(environ, minor))


def advice(environ: Mapping[str, str], minor: str) -> str:
    """The one command that brings a Python ``minor`` on this machine."""
    def has(name: str) -> Optional[str]:
        return shutil.which(name, path=environ.get('PATH'))

    if has('uv'):
        return 'uv python install ' + minor
    if has('conda') or environ.get('CONDA_EXE'):
        return 'conda create --yes --name python{} python={}'.format(minor.replace('.', ''), minor)
    if has('pyenv'):
        return 'pyenv install ' + minor
    return 'python3 -m pip install --user uv && python3 -m uv python install ' + minor
