"""Which tests run in which environment, by folder. ``make check`` runs in both, so every test runs somewhere."""
import glob
import importlib.util
import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = ('mmrotate1', 'mmrotate03')
# The longest folder that fits decides; all others run in mmrotate1, or in any Python that has neither toolbox.
FOLDERS = {
    'tests/adapters/mmrotate1': ('mmrotate1',),
    'tests/adapters/mmrotate03': ('mmrotate03',),
    'tests/pretrain': ('mmrotate1',),
    'tests/adapters': NAMES,
    'tests/configs': NAMES,
    'tests/nn': NAMES,
    'tests/boxes': NAMES,
    'tests/tiles': NAMES,
    'tests/predict': NAMES,
    'tests/checkpoints': NAMES,
    'tests/docker': NAMES,
}


def current():
    """Name of the environment this Python is, or '' where no toolbox is installed."""
    def has(name):
        return importlib.util.find_spec(name) is not None

    if has('mmpretrain'):
        return 'mmrotate1'
    return 'mmrotate03' if has('mmrotate') else ''


def wanted(path, environment):
    """Whether the test file ``path`` (relative to the repository) runs in ``environment``."""
    fitting = [folder for folder in FOLDERS if path.startswith(folder + '/')]
    if not fitting:
        return environment != 'mmrotate03'
    names = FOLDERS[max(fitting, key=len)]
    return environment in names or (not environment and names == NAMES)


def test_files():
    """All test files, relative to the repository."""
    found = glob.glob(os.path.join(ROOT, 'tests', '**', 'test_*.py'), recursive=True)
    return sorted(os.path.relpath(path, ROOT).replace(os.sep, '/') for path in found)
