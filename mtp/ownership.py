"""Whose an output folder is: ours when our mark lies in it. What is not ours is never removed or replaced.

The mark, ``FOLDER/.mtp-output.json``, names the verb that made the folder and, as patterns, what that put there. So a
folder that is made anew loses just that, and what others have put into it stays.

    ownership.check(folder, 'predict', options.overwrite)   # before any work
    with locks.hold(folder, 'predict'):
        ownership.claim(folder, 'predict', PATTERNS)        # the same check, and the mark

Standard library only, Python >= 3.6.
"""
import contextlib
import glob
import json
import os
import re
from typing import Any, Callable, Collection, Dict, Iterable, List, Sequence

import mtp
from mtp import files, locks, paths
from mtp.errors import MTPError

NAME = '.mtp-output.json'
#: What may lie in a folder that counts as empty: our own bookkeeping, and what file browsers leave everywhere.
_NOTHING = (NAME, locks.NAME, '.DS_Store', 'Thumbs.db')


def check(folder: files.PathLike, verb: str, option: str = '--out') -> Dict[str, Any]:
    """Raise MTPError unless ``folder`` may be written to by ``verb``; nothing is written. To be called before any work.

    Args:
        folder: absent, empty, or with the mark of ``verb``.
        verb: ``'predict'``.
        option: of the command line that names another folder.

    Returns:
        The mark that lies there, a dict; empty where none does.
    """
    folder = os.fspath(folder)
    if not folder:
        raise MTPError('the name of the folder to write to is empty', hint='say which: {}FOLDER'.format(
            option if option.endswith('=') else option + ' '))
    _check_writable(folder, option)
    another = _another(folder, option)
    mark = read(folder)
    strangers = [] if mark else content(folder)
    if strangers:
        raise MTPError(
            '{} was not made by {}: it holds {} and no mark ({}) of ours, so nothing is written there'.format(
            folder, verb, some(strangers), NAME), hint=another)
    if mark and mark['verb'] != verb:
        raise MTPError('{} was made by {}, not by {}'.format(folder, mark['verb'], verb), hint=another)
    return mark


def claim(folder: files.PathLike, verb: str, made: Collection[str], fingerprint: str = '', option: str = '--out',
          **facts: Any) -> Dict[str, Any]:
    """Make ``folder`` ours, after :func:`check`; hold its lock meanwhile.

    Args:
        made: patterns, relative to the folder, of what the verb puts there: ``dota/Task1_*.txt``, where ``*`` ends at a
            ``/``. A name that is no pattern (:func:`exactly`) must not be there yet, unless we have written it before.
        fingerprint: of inputs and settings.
        **facts: what else the verb wants to find again.

    Returns:
        The mark that lay there before.

    Raises:
        MTPError: as :func:`check`; or something that is not ours has the name of what will be written.
    """
    before = check(folder, verb, option)
    ours = Made(before.get('made', ()))
    taken = [name for name in Made(made).names if not _replaceable(os.path.join(folder, name), name in ours)]
    if taken:
        raise MTPError('{} holds {}, where {} writes a file and has written none: it is left alone'.format(
            folder, some(sorted(taken)), verb), hint=_another(folder, option))
    patterns = sorted(set(made) | set(before.get('made', ())))
    put(folder, dict(facts, mtp_output=1, verb=verb, version=mtp.__version__, fingerprint=fingerprint, made=patterns))
    return before


def _replaceable(path: str, ours: bool) -> bool:
    """Whether a file may be written at ``path``: nothing is there, or a file of ours."""
    return not os.path.lexists(path) or ours and os.path.isfile(path)


def put(folder: files.PathLike, mark: Dict[str, Any]) -> None:
    """Write the mark into ``folder``; one that says the same stays as it is."""
    if read(folder) != mark:
        os.makedirs(folder, exist_ok=True)
        files.write_text(os.path.join(folder, NAME), json.dumps(mark, indent=1, sort_keys=True) + '\n')


def read(folder: files.PathLike) -> Dict[str, Any]:
    """The mark in ``folder``: a dict with ``verb``, ``fingerprint`` and ``made``; empty where none lies.

    Raises:
        MTPError: it is damaged.
    """
    path = os.path.join(os.fspath(folder), NAME)
    try:
        mark = files.read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(folder, path, error) from error
    made = mark.get('made') if isinstance(mark, dict) else None
    texts = isinstance(made, list) and [mark.get('verb'), mark.get('fingerprint')] + made
    if not texts or not all(isinstance(text, str) for text in texts):
        raise _damaged(folder, path, 'verb, fingerprint or made is missing')
    return mark


def _damaged(folder: files.PathLike, path: str, error: object) -> MTPError:
    return MTPError(f'{path} is damaged ({error}), so nobody knows whose {folder} is',
                    hint=_another(folder, '--out'))


def clear(folder: files.PathLike) -> List[str]:
    """Remove what the mark in ``folder`` says we made, and folders that this leaves empty; mark and lock stay.

    Returns:
        Paths, relative to the folder, of what is not ours and was left.
    """
    made, there = Made(read(folder).get('made', ())), tree(folder)
    remove(folder, [path for path in there if path in made])
    return [path for path in there if path not in made and path not in (NAME, locks.NAME)]


def remove(folder: files.PathLike, names: Iterable[str]) -> None:
    """Remove these files, relative to the folder, and the folders below it that are empty then."""
    for name in names:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if not os.path.isabs(name) and '..' not in name.split('/'):
                os.unlink(os.path.join(folder, name))
    for place, inner, _ in os.walk(folder, topdown=False):
        for name in inner:
            with contextlib.suppress(OSError):  # not empty, or a link
                os.rmdir(os.path.join(place, name))


class Made:
    """Paths relative to a folder, given as patterns.

    Attributes:
        names: those of the patterns that match one name only.
    """

    def __init__(self, patterns: Collection[str]) -> None:
        magic = [pattern for pattern in patterns if any(sign in pattern for sign in '*?[')]
        exact = [pattern for pattern in magic if glob.escape(_plain(pattern)) == pattern]
        self.names = (set(patterns) - set(magic)) | set(map(_plain, exact))
        others = set(magic) - set(exact)
        self._matches = re.compile('(?:{})\\Z'.format('|'.join(map(_regular, others)) or '(?!)'), re.DOTALL).match

    def __contains__(self, path: str) -> bool:
        return path in self.names or bool(self._matches(path))


def _regular(pattern: str) -> str:
    """The regular expression of a pattern: as of a shell, so a ``*`` ends at a ``/``."""
    parts = re.findall(r'\[[^]]+\]|.', pattern, re.DOTALL)
    signs = {'*': '[^/]*', '?': '[^/]'}
    return ''.join(signs.get(part) or (part if len(part) > 2 else re.escape(part)) for part in parts)


def exactly(names: Iterable[str]) -> List[str]:
    """Names as patterns for :func:`claim`, whatever signs they hold."""
    return [glob.escape(name) for name in names]


def _plain(pattern: str) -> str:
    """``pattern`` without what :func:`glob.escape` adds."""
    return re.sub(r'\[([*?[])\]', r'\1', pattern)


def tree(folder: files.PathLike) -> List[str]:
    """Paths of every file and link below a folder, relative to it; links are not followed."""
    found = []
    for place, names, leaves in os.walk(folder):
        links = [name for name in names if os.path.islink(os.path.join(place, name))]
        found += [os.path.relpath(os.path.join(place, name), folder) for name in sorted(leaves + links)]
    return found


def content(folder: files.PathLike) -> List[str]:
    """Names in ``folder`` that are not our own bookkeeping; none where there is no folder."""
    try:
        return sorted(name for name in os.listdir(folder)
                      if name not in _NOTHING and not files.TEMPORARY.match(name))
    except FileNotFoundError:
        return []


def free(folder: files.PathLike) -> str:
    """A name like ``folder`` at which nothing lies."""
    folder, number = os.fspath(folder).rstrip('/') or 'out', 2
    while os.path.lexists(f'{folder}_{number}'):
        number += 1
    return f'{folder}_{number}'


def some(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    return names[0] if len(names) == 1 else f'{names[0]} and {len(names) - 1} more'


def refuse_inputs(outputs: Iterable[files.PathLike], inputs: Iterable[files.PathLike], option: str = '--out') -> None:
    """Raise MTPError when a file to be written is one that is read."""
    read_files = {}
    for path in inputs:
        with contextlib.suppress(OSError):
            status = os.stat(path)
            read_files[status.st_dev, status.st_ino] = path
    for path in outputs:
        with contextlib.suppress(OSError):
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in read_files:
                raise MTPError('{} would be replaced by what is made of it'.format(
                    read_files[status.st_dev, status.st_ino]), hint='give another {}'.format(option))


def json_file(*keys: str) -> Callable[[str], str]:
    """The ``type`` of an option that names a JSON file to write: one that is there is replaced when it is like ours.

    Args:
        keys: that every file of ours has.
    """
    def checked(path: str) -> str:
        place = paths.resolve(path)
        if os.path.lexists(place) and not _has(place, keys):
            raise MTPError('{} exists already, and is no file that this command has written: it is left alone'.format(
                place), hint='give the name of a new file')
        return path

    return checked


def _has(path: str, keys: Iterable[str]) -> bool:
    try:
        found = files.read_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and set(keys) <= set(found)


def _check_writable(folder: files.PathLike, option: str) -> None:
    above = os.path.abspath(folder)
    while not os.path.isdir(above):
        if os.path.lexists(above):
            raise MTPError(f'{above} is there, and no folder', hint=_another(above, option))
        above = os.path.dirname(above)
    if not os.access(above, os.W_OK | os.X_OK):
        raise MTPError(f'{above} is not writable', hint=f'give a folder elsewhere: {option}')


def _another(folder: files.PathLike, option: str) -> str:
    return 'give another folder: {}{}{}'.format(option, '' if option.endswith('=') else ' ', free(folder))
