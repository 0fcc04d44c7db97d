"""Which tests run in which environment, by folder. ``make check`` runs in each, so every test runs somewhere."""
import glob
import os

from mtp.launch import ledger

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = tuple(ledger.names())
ADAPTERS = tuple(dict.fromkeys(ledger.environment(name)['adapter'] for name in NAMES))
# With which adapters: the longest folder that fits decides. All others run in one environment, or in any Python that
# has no toolbox.
FOLDERS = {
    'tests/adapters/mmrotate1': ('mmrotate1',),
    'tests/adapters/mmrotate03': ('mmrotate03',),
    'tests/pretrain': ('mmrotate1',),
    'tests/adapters': ADAPTERS,
    'tests/configs': ADAPTERS,
    'tests/nn': ADAPTERS,
    'tests/boxes': ADAPTERS,
    'tests/tiles': ADAPTERS,
    'tests/predict': ADAPTERS,
    'tests/checkpoints': ADAPTERS,
    'tests/pickled': ADAPTERS,
    'tests/docker': ADAPTERS,
}


def current():
    """Name of the environment this Python is, or '' where no toolbox is installed."""
    from importlib.metadata import distributions  # a Python of a login node has none, and runs no tests
    held = {each.metadata['Name'] for each in distributions()}
    return next((name for name in NAMES if ledger.environment(name)['ops']['package'] in held), '')


def of_the_record():
    """The environment whose published runs this Python computes; '' where no toolbox is installed."""
    return current() and ledger.published(current())


def adapter(environment):
    """Name of the adapter that ``environment`` runs with; '' for a Python without toolboxes."""
    return ledger.environment(environment)['adapter'] if environment else ''


def wanted(path, environment):
    """Whether the test file ``path`` (relative to the repository) runs in ``environment``."""
    fitting = [folder for folder in FOLDERS if path.startswith(folder + '/')]
    if not fitting:
        return environment in ('', ledger.serving('tools')[0])
    adapters = FOLDERS[max(fitting, key=len)]
    return adapter(environment) in adapters or (not environment and adapters == ADAPTERS)


def test_files():
    """All test files, relative to the repository."""
    found = glob.glob(os.path.join(ROOT, 'tests', '**', 'test_*.py'), recursive=True)
    return sorted(os.path.relpath(path, ROOT).replace(os.sep, '/') for path in found)
