"""Which of the two environments this Python is, told by the generation of mmcv that is installed."""
import importlib

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
