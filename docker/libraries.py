"""Does every shared library of an image find the libraries it needs? Run at the end of the image build.

    python docker/libraries.py --env mmrotate1 --variant cpu /opt/venv /usr/local/lib

Asks the loader for each. A library that is found nowhere fails the build with its name and who needs it,
unless the ledger says of this variant why it is not there (``outside``). Standard library only.
"""
import argparse
import os
import re
import subprocess
import sys
from typing import Dict, Iterator, List

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.launch import ledger  # noqa: E402

SHARED = re.compile(r'\.so(\.|$)')
MISSING = re.compile(r'^\s+(\S+) => not found$', re.M)
LOADER = '/lib64/ld-linux-x86-64.so.2'  # what ldd asks, which starts a shell for each file
FIRST = os.path.join('torch', 'lib')  # these are loaded by ``import torch``, before everything that is built on it


def shared(places: List[str]) -> Iterator[str]:
    """Paths of the shared libraries and programs in ELF form below ``places``."""
    for place in places:
        for folder, _, names in os.walk(place):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if (SHARED.search(name) or os.access(path, os.X_OK)) and not os.path.islink(path) and is_elf(path):
                    yield path


def is_elf(path: str) -> bool:
    """Whether a file is in ELF form."""
    with open(path, 'rb') as stream:
        return stream.read(4) == b'\x7fELF'


def missing(paths: List[str]) -> Dict[str, List[str]]:
    """``{library that is found nowhere: files that need it}``."""
    before = sorted({path[:path.index(FIRST) + len(FIRST)] for path in paths if FIRST in path})
    environment = dict(os.environ, LC_ALL='C', LD_LIBRARY_PATH=os.pathsep.join(before), LD_TRACE_LOADED_OBJECTS='1')
    found: Dict[str, List[str]] = {}
    for path in paths:
        said = subprocess.run([LOADER, path], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding='utf-8', errors='replace').stdout
        for name in sorted(set(MISSING.findall(said))):
            # A wheel's own libraries lie in one folder; which of them loads the others knows where.
            if not os.path.exists(os.path.join(os.path.dirname(path), name)):
                found.setdefault(name, []).append(path)
    return found


def main(argv=None):
    """Fail when a shared library needs one that is nowhere."""
    parser = argparse.ArgumentParser(prog='libraries.py', description=main.__doc__)
    parser.add_argument('--env', required=True)
    parser.add_argument('--variant', required=True)
    parser.add_argument('places', nargs='+')
    options = parser.parse_args(argv)
    declared = ledger.variant(options.env, options.variant).get('outside', {})
    paths = list(shared(options.places))
    found = missing(paths)
    wrong = ['{} is found nowhere; needed by {}'.format(name, ', '.join(files[:3]) + ', ...' * (len(files) > 3))
             for name, files in sorted(found.items()) if name not in declared]
    if wrong:
        raise MTPError('\n  '.join(wrong), code=FAILED,
                       hint='name its package in RUNTIME of docker/image.sh, or why it is not there in "outside" of '
                            'the '
                            'variant in docker/environments.json')
    print('{} shared libraries and programs find what they need'.format(len(paths)))
    for name in sorted(found):
        print('declared: {}: {}'.format(name, declared[name]))
    return OK


if __name__ == '__main__':
    run_main(main)
