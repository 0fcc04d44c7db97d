"""Where a package that lives on a Git host is taken from: a user's copy, a wheel beside the checkout, or the host.

A cluster without network needs the first or the second: ``OPENCD=/path/to/clone make setup`` takes the pinned commit of
a clone (bare or not), or an unpacked source folder, or a wheel as it is. Standard library only, Python >= 3.6.
"""
import glob
import os

from mtp.errors import MTPError

WHEELHOUSES = ('docker/wheelhouse', 'docker/wheels')


def requirement(name, pin, environ, root):
    """What pip is to install, and whether it is on this machine.

    Args:
        name: of the package, ``opencd``; the variable that may name a copy is the same in capitals.
        pin: of the ledger: shipped, url, commit.
        environ: the user's variables.
        root: the checkout.

    Returns:
        tuple: the word for pip; True when no host has to be asked.

    Raises:
        MTPError: the variable names nothing that could be installed.
    """
    given = environ.get(name.upper(), '').strip()
    if given:
        return _copy(name, pin, os.path.abspath(os.path.join(root, os.path.expanduser(given)))), True
    pattern = '{}-{}-*.whl'.format(name, pin['shipped'])
    wheels = [path for place in WHEELHOUSES for path in glob.glob(os.path.join(root, place, pattern))]
    if wheels:
        return sorted(wheels)[-1], True
    return 'git+{url}@{commit}'.format(**pin), False


def _copy(name, pin, path):
    if os.path.isdir(os.path.join(path, '.git')) or os.path.isfile(os.path.join(path, 'HEAD')):
        return 'git+file://{}@{}'.format(path, pin['commit'])
    if os.path.isfile(os.path.join(path, 'setup.py')) or (path.endswith('.whl') and os.path.isfile(path)):
        return path
    raise MTPError('{}={} is no clone, no source folder and no wheel of {}'.format(name.upper(), path, name),
                   hint='git clone {} there, or leave {} away'.format(pin['url'], name.upper()))
