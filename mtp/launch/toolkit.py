"""The compiler for NVIDIA cards on this machine: where it is, and of which release. Standard library, Python >= 3.6."""
import os
import re
import shutil
import subprocess
from typing import Mapping, Tuple

from mtp.errors import MTPError


def find(environ: Mapping[str, str]) -> Tuple[str, str]:
    """(path, release) of the nvcc that a compile would take, ``('/usr/bin/nvcc', '11.8')``; ('', '') without one."""
    home = environ.get('CUDA_HOME') or '/usr/local/cuda'
    own = os.path.join(home, 'bin', 'nvcc')
    path = own if os.access(own, os.X_OK) else shutil.which('nvcc', path=environ.get('PATH')) or ''
    return (path, release(path)) if path else ('', '')


def release(path: str) -> str:
    """``11.8`` of the nvcc at ``path``; '' where it does not run."""
    try:
        said = subprocess.check_output([path, '--version'], stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return ''
    match = re.search(r'release (\d+\.\d+)', said.decode('utf-8', 'replace'))
    return match.group(1) if match else ''


def fits(cuda: str, seen: str) -> bool:
    """Whether an nvcc of release ``seen`` compiles for ``cuda``: torch asks for the same major number."""
    return bool(seen) and seen.split('.')[0] == cuda.split('.')[0]


def require(environ: Mapping[str, str], env: str, kind: str, cuda: str) -> str:
    """Path of an nvcc for CUDA ``cuda``.

    Raises:
        MTPError: there is none, or it is of another major release.
    """
    path, seen = find(environ)
    image = f'make images ENV={env} VARIANT={kind}, which brings its own'
    major = cuda.split('.')[0]
    if not path:
        raise MTPError('there is no nvcc on PATH nor below CUDA_HOME, and {} of {} needs that of CUDA {}'.format(
            kind, env, major), hint='{}; or CUDA_HOME=folder'.format(image))
    if not fits(cuda, seen):
        raise MTPError('{} is of CUDA {}, and {} of {} needs that of CUDA {}'.format(
            path, seen or '?', kind, env, major), hint=f'{image}; or CUDA_HOME=folder of CUDA {major}')
    return path
