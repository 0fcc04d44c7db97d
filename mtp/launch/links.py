"""Links in the folders of data, weights and results that lead out of them: a container has to see where they lead."""
import itertools
import os
from typing import Iterable, Iterator, List, NamedTuple, Tuple

DEPTH, MOST = 3, 2000  # levels, and entries of one folder, that are looked at: the top folders lay a data set out
# What is the image's own. A link that leads there would have to hide it.
OWN = ('/bin', '/boot', '/dev', '/etc', '/lib', '/lib64', '/opt', '/proc', '/run', '/sbin', '/sys', '/usr', '/var/lib')

Link = NamedTuple('Link', [
    ('path', str),  # below the folder
    ('text', str),  # what the link says
    ('target', str),  # where that is on the host
    ('folder', bool),  # whether it is a folder there
])
Link.__new__.__defaults__ = (True,)  # the class syntax with defaults needs Python 3.6.1


def leaving(folder: str) -> Tuple[Link, ...]:
    """The :class:`Link` values in ``folder``, a few levels deep, that lead out of it to something that is there."""
    found = list(_below(folder, '', DEPTH, os.path.realpath(folder)))
    return tuple(sorted(found))


def _below(folder: str, place: str, depth: int, real: str) -> Iterator[Link]:
    try:
        with os.scandir(os.path.join(folder, place)) as entries:
            listed = sorted(itertools.islice(entries, MOST), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in listed:
        path = os.path.join(place, entry.name)
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if os.path.exists(target) and not (target + os.sep).startswith(real.rstrip(os.sep) + os.sep):
                yield Link(path, os.readlink(entry.path), target, os.path.isdir(target))
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            for link in _below(folder, path, depth - 1, real):
                yield link


def seen_as(link: Link, base: str) -> Tuple[str, str]:
    """(path on the host, where a program looks for it) of a link that lies in ``base`` inside; of a file, its
    folder.
    """
    inside = os.path.normpath(os.path.join(base, os.path.dirname(link.path), link.text))
    if link.folder or os.path.dirname(inside) in ('/', base) or \
            os.path.basename(inside) != os.path.basename(link.target):
        return link.target, inside
    return os.path.dirname(link.target), os.path.dirname(inside)


def binds(links: Iterable[Link], base: str) -> List[Tuple[str, str]]:
    """Pairs of :func:`seen_as` for ``links``, each place once, without those that lie in another one."""
    pairs = dict((inside, outside) for outside, inside in (seen_as(link, base) for link in links))

    def covered(inside: str) -> bool:
        parents = [inside[:end] for end, letter in enumerate(inside) if letter == '/' and end]
        return any(parent in pairs and pairs[parent] + inside[len(parent):] == pairs[inside] for parent in parents)

    return [(pairs[inside], inside) for inside in sorted(pairs) if not hidden(inside, base) and not covered(inside)]


def hidden(inside: str, base: str) -> bool:
    """Whether nothing can be bound there: it is the image's own, or holds what is bound already."""
    own = any((inside + '/').startswith(each + '/') for each in OWN)
    return own or inside == '/' or (base + '/').startswith(inside + '/')


def lost(links: Iterable[Link], base: str) -> List[Link]:
    """Those of ``links`` that no bind can help."""
    return [link for link in links if hidden(seen_as(link, base)[1], base)]
