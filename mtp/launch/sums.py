"""Does a bundle hold what its checksums list, and nothing else?

Stands alone on purpose: ``python3 -I mtp/launch/sums.py FOLDER`` imports nothing of the folder it looks at, so nothing
that was planted there (compiled files, modules under the names of Python's own) runs before it is named. Inside a
bundle ``make verify-bundle`` starts with it, for the files that can run, and every other verb with a shorter look, for
those that run unasked: ``sums.py FOLDER VERB``. Standard library only, Python >= 3.6.
"""
import hashlib
import os
import shlex
import stat
import sys
from typing import Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

SUMS = 'SHA256SUMS'
YOURS = ('data', 'weights', 'work_dirs')  # at the top: what users of a bundle keep there; nothing of it is run
CACHED = '.sif.digest'  # apptainer's task keeps the hash of a SIF beside it
# Nothing of it runs unless the rest of a bundle asks for it.
LARGE = ('docker/wheels/', 'docker/wheelhouse/', 'images/')
# What runs, or is read, because a user names it; users of a bundle change it and add to it.
NAMED = LARGE + ('configs/', 'docs/')
RUNS = ('.py', '.pyc', '.pyo', '.so', '.pth', '.zip')  # ends of names that Python looks for
VENV, VENVS, MINE = '.venv', 'MTP_VENV_ROOT', 'MTP_BUNDLE'
MOST = 20  # sentences on a screen


def walk(folder: str, yours: Sequence[str] = YOURS) -> Tuple[List[str], List[str]]:
    """(regular files, everything else that is no folder) below ``folder``, relative, sorted; without ``yours``.

    A link is of the second kind, also one to a folder, and is not followed.
    """
    files, strange = [], []
    for place, folders, names in os.walk(folder):
        here = os.path.relpath(place, folder)
        if here == '.':
            folders[:] = [name for name in folders if name not in yours or os.path.islink(os.path.join(place, name))]
        folders.sort()
        for name in folders + names:
            path = os.path.join(place, name)
            mode, relative = os.lstat(path).st_mode, os.path.normpath(os.path.join(here, name)).replace(os.sep, '/')
            if stat.S_ISREG(mode):
                files.append(relative)
            elif not stat.S_ISDIR(mode):
                strange.append(relative)
    return sorted(files), sorted(strange)


def listed(folder: str) -> Optional[Dict[str, str]]:
    """``{name: SHA-256}`` that the bundle at ``folder`` lists; None where it has no list.

    Raises:
        ValueError: a line of the list is not ``<64 hex digits>  <name>``.
    """
    path = os.path.join(folder, SUMS)
    if not os.path.isfile(path):
        return None
    found = {}
    with open(path, encoding='utf-8', errors='surrogateescape') as stream:
        for number, line in enumerate(stream, 1):
            digest, _, name = line.rstrip('\n').partition('  ')
            if len(digest) != 64 or not name or set(digest) - set('0123456789abcdef'):
                raise ValueError(f'{path}, line {number}: no checksum and name: {line[:80]!r}')
            found[name] = digest
    return found


def sha256(path: str) -> str:
    """Hex SHA-256 of the file at ``path``."""
    digest = hashlib.sha256()
    with open(path, 'rb') as stream:
        for block in iter(lambda: stream.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def wrong(folder: str, wanted: Mapping[str, str], tick: Callable[[str], object] = lambda name: None,
          skip: Sequence[str] = ()) -> List[str]:
    """A sentence for each file that is missing, a stranger, no plain file, or changed.

    Args:
        folder: of the bundle.
        wanted: what :func:`listed` gave.
        tick: is called with each name that was looked at.
        skip: beginnings of names whose content is not read.
    """
    return _sentences(folder, wanted, *walk(folder), tick, skip)


def unasked(folder: str, wanted: Mapping[str, str], venvs: str) -> List[str]:
    """As :func:`wrong`, of what runs though nobody names it: the code of a bundle, and what may be taken for it.

    Args:
        folder: of the bundle.
        wanted: what :func:`listed` gave.
        venvs: folder of the virtual environments; those that lie in a bundle are of its user's ``make setup``.
    """
    yours = YOURS + (VENV, os.path.relpath(venvs, folder).split(os.sep)[0])

    def by_itself(name: str) -> bool:
        return not name.startswith(NAMED) and name.split('/')[0] not in yours

    files, strange = walk(folder, yours)
    part = {name: digest for name, digest in wanted.items() if by_itself(name)}
    files = [name for name in files if by_itself(name) and (name in wanted or name.endswith(RUNS))]
    return _sentences(folder, part, files, list(filter(by_itself, strange)))


def _sentences(folder: str, wanted: Mapping[str, str], files: Sequence[str], strange: Sequence[str],
               tick: Callable[[str], object] = lambda name: None, skip: Sequence[str] = ()) -> List[str]:
    there = set(files)
    found = [f'{name} is a link or a special file; a bundle holds plain files alone' for name in strange]
    found += [f'{name} is missing' for name in sorted(set(wanted) - there - set(strange))]
    found += [f'{name} is not in {SUMS}: it is no part of the bundle'
              for name in gathered(name for name in files if name not in wanted and name != SUMS and
                                   not name.endswith(CACHED))]
    for name in sorted(there & set(wanted)):
        seen = wanted[name] if name.startswith(tuple(skip)) else sha256(os.path.join(folder, name))
        if seen != wanted[name]:
            found.append(f'{name} has changed: {wanted[name][:16]} is listed, it is {seen[:16]}')
        tick(name)
    return found


def gathered(names: Iterable[str], most: int = 20) -> List[str]:
    """``names``, but for a hidden or large folder of strangers its own name in place of all that lies in it."""
    names, groups = list(names), {}
    for name in names:
        groups.setdefault(name.split('/')[0] + '/', []).append(name)
    hidden = {top for top, group in groups.items() if len(group) > most and top.startswith('.')}
    return sorted([name for name in names if name.split('/')[0] + '/' not in hidden] +
                  [f'{top} ({len(groups[top])} files)' for top in hidden])


def hint(found: Iterable[str], folder: str) -> str:
    """What to do about the sentences ``found``."""
    found = list(found)
    if found and all('/__pycache__/' in line.split(' is not in ')[0] for line in found):  # Python's, if run by hand
        return "find {} -path '*/{}' -prune -o -name __pycache__ -prune -exec rm -r {{}} +".format(
            shlex.quote(folder), VENV)
    if any('is missing' in line or 'has changed' in line for line in found):
        return f'copy it again, or make bundle OUT={folder}'
    return 'remove what you did not put there before anything is run from it; .venv is made again by make setup'


def main() -> int:
    """Look at the folder that is named: at everything in it that can run, or before a verb at what runs unasked."""
    folder = sys.argv[1] if len(sys.argv) > 1 else '.'
    verb = sys.argv[2] if len(sys.argv) > 2 else ''
    if verb and os.environ.get(MINE) == 'changed':
        return 0
    try:
        wanted = listed(folder)
        if wanted is None:
            found = ['there is no ' + SUMS]
        elif verb:
            found = unasked(folder, wanted, os.environ.get(VENVS) or VENV)
        else:
            found = wrong(folder, wanted, skip=LARGE)
    except (OSError, ValueError) as error:
        found = [str(error)]
    if found:
        more = [f'and {len(found) - MOST} more'] if len(found) > MOST else []
        sys.stderr.write('error: {} is not what it should be:\n  {}\n  next: {}{}\n'.format(
            os.path.abspath(folder), '\n  '.join(found[:MOST] + more), hint(found, os.path.abspath(folder)),
            f'; {MINE}=changed make {verb} where it was you who changed it' if verb else ''))
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
