"""The token with which the processes of one run sign their meeting. Standard library only, Python >= 3.6.

The verbs draw one for each run under SLURM (MTP_JOB_TOKEN). Behind an ``srun`` by hand process 0 draws it and leaves it
in the work folder, in a file that its user alone reads. Servers without SLURM have nothing in common that others have
not: there the user says it.
"""
import os
import stat
import uuid
from typing import Callable, Mapping

from mtp import paths
from mtp.errors import FAILED, MTPError
from mtp.files import atomic_path

TOKEN = 'MTP_JOB_TOKEN'
LONGEST = 1 << 10
SAY = f'on every server: export {TOKEN}=word, with one word that nobody guesses (openssl rand -hex 16 draws one)'


def loopback(address: str) -> bool:
    """Whether ``address`` is this machine by its own name for itself, which no other machine reaches."""
    return address in ('localhost', '::1') or address.startswith('127.')


def source(environ: Mapping[str, str], rank: int, address: str) -> Callable[[], str]:
    """Function that gives the token of this run; '' on a machine by itself.

    Args:
        environ: mapping; MTP_JOB_TOKEN in it, or the numbers of a job step.
        rank: process 0 draws the token of a step where nobody has said one.
        address: where the processes meet.

    Raises:
        MTPError: there is none, and whoever reaches ``address`` could take part.
    """
    said = environ.get(TOKEN, '')
    if said or loopback(address):
        return lambda: said
    if 'SLURM_JOB_ID' not in environ or 'SLURM_STEP_ID' not in environ:
        raise MTPError('the processes meet at {}, which others reach too, and {} is not set here: nobody could tell '
                       'them from strangers'.format(address, TOKEN), hint=SAY)
    path = place(environ)
    if rank == 0:
        drawn = _draw(path)
        return lambda: drawn
    return lambda: _read(path)


def place(environ: Mapping[str, str]) -> str:
    """The file of a job step below the work folder."""
    name = '.token-{SLURM_JOB_ID}.{SLURM_STEP_ID}'.format(**environ)
    return os.path.join(paths.root('work_dirs'), 'slurm', os.path.basename(name))


def remove(path: str) -> None:
    """Take the file away; all have met, or will not."""
    try:
        os.unlink(path)
    except OSError:
        pass


def _draw(path: str) -> str:
    token = uuid.uuid4().hex
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with atomic_path(path) as temporary:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'w', encoding='ascii') as stream:
                stream.write(token)
    except OSError as error:
        raise MTPError(f'process 0 cannot leave the token of this job step in {path}: {error.strerror}',
                       hint=f'before srun: export {TOKEN}=$(openssl rand -hex 16)', code=FAILED)
    return token


def _read(path: str) -> str:
    """The token of process 0.

    Raises:
        OSError: it is not there yet.
        ValueError: others may have read or written it.
    """
    with open(path, encoding='ascii') as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
            raise ValueError(f'{path} can be read by others, or is not ours')
        return stream.read(LONGEST)
