"""Which of the two environments this Python is, told by the generation of mmcv that is installed."""
import importlib
import sys

from mtp.errors import MTPError

GENERATIONS = {'1': 'mmrotate03', '2': 'mmrotate1'}


def name():
    """``'mmrotate1'`` or ``'mmrotate03'``.

    Raises:
        MTPError: mmcv is not installed, or of a generation that no environment has.
    """
    try:
        version = importlib.import_module('mmcv').__version__
    except ImportError as error:
        raise MTPError('this Python has no mmcv ({}); the tools run inside one of the environments'.format(error),
                       hint='make setup, then .venv/<environment>/bin/python tools/…')
    if version[:1] not in GENERATIONS:
        raise MTPError('mmcv {} belongs to neither environment'.format(version), hint='make doctor')
    return GENERATIONS[version[:1]]


def command_line():
    """Module with ``train`` and ``test`` of the environment this Python is."""
    return importlib.import_module('mtp.adapters.{}.cli'.format(name()))


def run(verb):
    """Run ``train`` or ``test`` of this environment, then part from the other processes in good order."""
    getattr(command_line(), verb)()
    part()


def part():
    """Wait for the other processes and close what they talk through; one process has nothing to do.

    At its end torch 1.10 aborts a process in which threads of gloo still wait for those that went first.
    """
    distributed = sys.modules.get('torch.distributed')
    if distributed and distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
