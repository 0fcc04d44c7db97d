"""Collects what belongs to this environment, and says how much it leaves to the other one."""
import os

from tests import environments

ENVIRONMENT = environments.current()


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
