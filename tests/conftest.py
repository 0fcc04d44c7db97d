"""Collects what belongs to this environment, and says how much it leaves to the other one."""
import os
import signal
import sys

import pytest

from tests import environments

ENVIRONMENT = environments.current()

# What the Makefile exports to every verb, ``make check`` among them.
SETTINGS = ('RUNTIME', 'LAUNCHER', 'NODES', 'GPUS', 'ACCEL', 'ENV', 'VARIANT', 'GRES', 'PARTITION', 'CONFIG', 'CHECKPOINT',
            'ARGS', 'MTP_DATA_ROOT', 'MTP_WEIGHTS_ROOT', 'MTP_WORK_ROOT')


def pytest_configure():
    """The settings of who started the tests are not those of the tests, nor that they run in the background of a shell.

    There interrupts are ignored, by every process that a test starts too: one that is to be interrupted would go on.
    """
    for name in SETTINGS:
        os.environ.pop(name, None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_scope_of_an_earlier_test():
    """Registries of OpenMMLab look a name up in the scope that was last made the default one."""
    if 'mmengine.registry' in sys.modules and ENVIRONMENT == 'mmrotate1':
        sys.modules['mmengine.registry'].DefaultScope._instance_dict.clear()


def pytest_ignore_collect(collection_path):
    path = os.path.relpath(str(collection_path), environments.ROOT).replace(os.sep, '/')
    if path.endswith('.py') and not environments.wanted(path, ENVIRONMENT):
        return True
    return None


def pytest_report_header():
    files = environments.test_files()
    count = sum(environments.wanted(path, ENVIRONMENT) for path in files)
    left = [name for name in environments.NAMES if name != ENVIRONMENT]
    return 'environment: {}; {} of {} test files belong to it, {} run in {} only'.format(
        ENVIRONMENT or 'none of the two', count, len(files), len(files) - count, ' or '.join(left))
