"""A folder of data: its files, and what their paths say: to which part they belong, and which go together."""
import os
import posixpath
import re
import shlex
from typing import Callable, Dict, List, NamedTuple, Sequence, Tuple

from mtp.data import images, text
from mtp.data.converting import natural
from mtp.errors import MTPError
from mtp.files import PathLike

MOST = 5_000_000  # files
PARTS = ('train', 'val', 'test')
#: Names of folders and lists that say to which part something belongs.
SAYS = {'train': 'train', 'training': 'train', 'trn': 'train', 'val': 'val', 'valid': 'val', 'validation': 'val',
        'eval': 'val', 'test': 'test', 'testing': 'test'}


class Folder(NamedTuple):
    """Files below ``root``: paths relative to it, in natural order; hidden ones are left out."""
    root: str
    names: Tuple[str, ...]

    def ending(self, *suffixes: str) -> List[str]:
        """Files whose names end so, whatever the case of their letters."""
        return [name for name in self.names if name.lower().endswith(suffixes)]

    def images(self) -> List[str]:
        """Files that are taken for images."""
        return [name for name in self.names if images.is_image(posixpath.basename(name))]

    def path(self, name: str) -> str:
        """The path of a file as the system takes it."""
        return os.path.join(self.root, name)


def look(root: PathLike) -> Folder:
    """The :class:`Folder` at ``root``; links are followed, but not in circles.

    Raises:
        MTPError: no folder, or nothing in it, or too much.
    """
    root = os.path.abspath(root)
    if not os.path.isdir(root):
        raise MTPError('{} is {}; DATA names a folder'.format(
            root, 'a file' if os.path.exists(root) else 'not there'),
            hint=f'ls -d {shlex.quote(os.path.dirname(root))}')
    found, seen = [], set()
    for place, inner, files in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        inner[:] = [] if real in seen else sorted(name for name in inner if not name.startswith('.'))
        if real not in seen:
            found += [os.path.relpath(os.path.join(place, name), root).replace(os.sep, '/')
                      for name in files if not name.startswith('.')]
        seen.add(real)
        if len(found) > MOST:
            raise MTPError(f'{root} holds more than {MOST} files', hint='give a folder with the data alone')
    if not found:
        raise MTPError(f'{root} holds no file', hint=f'ls -a {shlex.quote(root)}')
    return Folder(root, tuple(sorted(found, key=natural)))


def part_of(name: str, with_file: bool = False) -> str:
    """'train', 'val' or 'test' where the folders above a file say so, else ''; ``with_file`` asks its name too."""
    pieces = name.lower().split('/')
    words = list(reversed(pieces[:-1]))
    if with_file:
        words += re.split(r'[-_.]', stem(pieces[-1]))
    said = [SAYS[word.rstrip('0123456789')] for word in words if word.rstrip('0123456789') in SAYS]
    return said[0] if said else ''


def stem(name: str) -> str:
    """File name without folders and suffix, in one form of Unicode."""
    return images.stem(name)


def listed_parts(folder: Folder) -> Tuple[Dict[str, str], List[str]]:
    """{stem of an image: part} from lists of names (train.txt, ImageSets/Main/val.txt ...), and these lists."""
    parts: Dict[str, str] = {}
    lists = [name for name in folder.ending('.txt') if SAYS.get(stem(name).lower())]
    for name in lists:
        for line in text.read_lines(folder.path(name)):
            if line.strip():
                listed = line.replace('\\', '/').split('/')[-1].split()[0]
                parts.setdefault(stem(listed), SAYS[stem(name).lower()])
    return parts, lists


class Matcher:
    """Finds the file that belongs to another one of the same stem, among ``names``.

    Several of one stem (``train/images/1.png``, ``val/images/1.png``) are told apart by the folders that they share.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._by_stem: Dict[str, List[str]] = {}
        for name in names:
            self._by_stem.setdefault(stem(name), []).append(name)

    def find(self, name: str, wanted: str = '') -> str:
        """The partner of ``name``, or '' where none has its stem (or ``wanted``, where that is another).

        Raises:
            MTPError: two fit equally well.
        """
        fitting = self._by_stem.get(images.one_form(wanted) or stem(name), [])
        ranked = sorted(fitting, key=lambda other: _nearness(name, other), reverse=True)
        if len(ranked) > 1 and _nearness(name, ranked[0]) == _nearness(name, ranked[1]):
            form = images.one_form(ranked[0]) == images.one_form(ranked[1])
            raise MTPError('{} can belong to {} or to {}{}'.format(
                name, *ranked[:2], ', whose names differ in the form of their letters alone' if form else ''),
                hint='keep one of them, or give each part a folder of its own')
        return ranked[0] if ranked else ''

    def partners(self, names: Sequence[str], what: str, shorter: Callable[[str], str] = str) -> Tuple[
            Dict[str, str], Tuple[str, ...]]:
        """{partner: name} of those of ``names`` that have one, and those that have none.

        Args:
            names: to find partners for.
            what: they are, for a message: ``labels``.
            shorter: of a stem, what to look for where the stem itself has no partner.

        Raises:
            MTPError: two names have one partner, or two partners fit a name equally well.
        """
        found: Dict[str, str] = {}
        orphans = []
        for name in names:
            other = self.find(name) or self.find(name, shorter(stem(name)))
            if not other:
                orphans.append(name)
            elif other in found:
                raise MTPError(f'{found[other]} and {name} are both {what} of {other}',
                               hint='move one of them away')
            else:
                found[other] = name
        return found, tuple(orphans)


def _nearness(name: str, other: str) -> float:
    """How well two files go together: the same part, then as many folders in common as there are."""
    mine, theirs = (posixpath.dirname(each).split('/') for each in (name, other))
    same_part = part_of(name) == part_of(other)
    return 100 * same_part + len(set(mine) & set(theirs)) - abs(len(mine) - len(theirs)) * 0.1
