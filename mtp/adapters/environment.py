"""Which environment this Python is, told by the mmcv that is installed, and the adapter that speaks its dialect."""
import datetime
import importlib
import os
import sys
from types import ModuleType
from typing import Optional

from mtp import paths, processes, talk
from mtp.errors import MTPError
from mtp.launch import ledger

#: Processes that share windows meet only at the end, where the slowest may be hours behind.
SLOWEST = datetime.timedelta(days=7)
#: Processes that meet in every step.
IN_STEP = datetime.timedelta(minutes=30)


def name() -> str:
    """Name of the environment: what an image says, else the one whose package holds mmcv, else one of its generation.

    Raises:
        MTPError: mmcv is not installed, or of a generation that no environment has.
    """
    try:
        version = importlib.import_module('mmcv').__version__
    except ImportError as error:
        raise MTPError(f'this Python has no mmcv ({error}); the tools run inside one of the environments',
                       hint='make setup, then .venv/<environment>/bin/python tools/train.py CONFIG')
    said = os.environ.get('MTP_ENV')
    own = [env for env in ledger.names() if _installed(ledger.environment(env)['ops']['package'])]
    same = [env for env in ledger.names() if ledger.environment(env)['ops']['version'][:1] == version[:1]]
    if not same:
        raise MTPError('mmcv {} belongs to none of the environments {}'.format(version, ', '.join(ledger.names())),
                       hint='make doctor')
    return said if said in ledger.names() else [env for env in own + same if env in same][0]


def _installed(package: str) -> Optional[str]:
    from importlib.metadata import PackageNotFoundError, version
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def adapter(module: str) -> ModuleType:
    """The module ``module`` of the adapter that the environment of this Python runs with."""
    return importlib.import_module('mtp.adapters.{}.{}'.format(ledger.environment(name())['adapter'], module))


def command_line() -> ModuleType:
    """Module with ``train`` and ``test`` of the environment this Python is."""
    return adapter('cli')


def run(verb: str) -> None:
    """Run ``train`` or ``test`` of this environment, then part from the other processes in good order."""
    paths.add_hooks()
    getattr(command_line(), verb)()
    tell_standing()
    part()


def tell_standing() -> None:
    """Say, in the first process, below its numbers, where those of this environment are not for the record."""
    said = ledger.standing(name())
    if said and os.environ.get('RANK', '0') == '0':
        print(said, flush=True)


def join(world: int, backend: str = 'gloo', timeout: datetime.timedelta = SLOWEST) -> None:
    """Find the other processes, and say over what they talk; one process has nothing to do.

    Args:
        world: number of processes.
        backend: of torch.distributed.
        timeout: how long one may wait for the others, a ``datetime.timedelta``.
    """
    if world > 1:
        distributed = importlib.import_module('torch.distributed')
        log = talk.listen() if backend == 'nccl' else ''
        distributed.init_process_group(backend, init_method='env://', timeout=timeout)
        talk.begun(distributed, log)


def part() -> None:
    """Wait for the other processes and close what they talk through; one process has nothing to do.

    At its end torch 1.10 aborts a process in which threads of gloo still wait for those that went first, and even then
    one now and then: :func:`mtp.processes.leave` spares it that.
    """
    distributed = sys.modules.get('torch.distributed')
    if distributed and distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
        processes.parted()
