"""Collects what belongs to this environment, and says how much it leaves to the other one."""
import os
import signal
import subprocess
import sys

import pytest

from tests import environments

ENVIRONMENT = environments.current()

# What the Makefile exports to every verb, ``make check`` among them.
SETTINGS = ('RUNTIME', 'LAUNCHER', 'NODES', 'GPUS', 'ACCEL', 'ENV', 'VARIANT', 'GRES', 'PARTITION', 'CONFIG',
            'CHECKPOINT', 'ARGS', 'MTP_DATA_ROOT', 'MTP_WEIGHTS_ROOT', 'MTP_WORK_ROOT')


def pytest_configure():
    """The settings of who started the tests are not those of the tests, nor that they run in the background of a shell.

    There interrupts are ignored, and below nohup hang-ups, by every process that a test starts too: one that is to be
    stopped would go on.
    """
    for name in SETTINGS:
        os.environ.pop(name, None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def no_scope_of_an_earlier_test():
    """Registries of OpenMMLab look a name up in the scope that was last made the default one."""
    if 'mmengine.registry' in sys.modules and ENVIRONMENT and (
            environments.ledger.environment(ENVIRONMENT)['generation'] == 2):
        sys.modules['mmengine.registry'].DefaultScope._instance_dict.clear()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    place = tmp_path / 'disk'
    place.mkdir()
    mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', str(place)], stderr=subprocess.PIPE)
    if mounted.returncode:
        pytest.skip('no file system can be mounted here: ' + mounted.stderr.decode().strip())
    yield place
    subprocess.run(['umount', str(place)], check=True)


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
        ENVIRONMENT or 'none', count, len(files), len(files) - count, ' or '.join(left))
