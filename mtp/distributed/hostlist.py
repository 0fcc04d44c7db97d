"""SLURM's short form of host names, ``gpu[01-03,07]``, written out. Containers have no ``scontrol`` to ask."""
import itertools
import re
from typing import List

from mtp.errors import MTPError

_RANGE = re.compile(r'^(\d+)(?:-(\d+))?$')
LIMIT = 1 << 16  # more hosts than any cluster has; a longer list is a typing error


def expand(text: str) -> List[str]:
    """Host names in ``text``, in order.

    Args:
        text: for example ``login,gpu[01-03,07]-ib,r[1-2]n[08-10]``; zeros in front keep their width.

    Raises:
        MTPError: brackets that do not match, an empty name, a range that is none or runs backwards.
    """
    hosts = []
    for term in _split(text):
        hosts += [''.join(parts) for parts in itertools.product(*_parts(term, text))]
        if len(hosts) > LIMIT:
            raise _error(text, f'more than {LIMIT} hosts')
    return hosts


def _split(text: str) -> List[str]:
    """Terms between the commas that stand outside brackets."""
    terms, depth = [''], 0
    for letter in text.strip():
        depth += {'[': 1, ']': -1}.get(letter, 0)
        if depth not in (0, 1):
            raise _error(text, 'brackets do not match')
        if letter == ',' and depth == 0:
            terms.append('')
        else:
            terms[-1] += letter
    if depth:
        raise _error(text, 'brackets do not match')
    if not all(terms):
        raise _error(text, 'an empty host name')
    return terms


def _parts(term: str, text: str) -> List[List[str]]:
    """Alternatives of each piece of ``term``: ``a[1-2]b`` gives ``[['a'], ['1', '2'], ['b']]``."""
    pieces = re.split(r'\[([^\]]*)\]', term)
    return [[piece] if index % 2 == 0 else _numbers(piece, text) for index, piece in enumerate(pieces)]


def _numbers(piece: str, text: str) -> List[str]:
    numbers = []
    for item in piece.split(','):
        match = _RANGE.match(item)
        if not match:
            raise _error(text, f'{item!r} is no number and no range')
        first, last = match.group(1), match.group(2) or match.group(1)
        if int(last) < int(first) or int(last) - int(first) > LIMIT:
            raise _error(text, f'the range {item!r} cannot be')
        numbers += ['{:0{}d}'.format(number, len(first)) for number in range(int(first), int(last) + 1)]
    return numbers


def _error(text: str, why: str) -> MTPError:
    return MTPError(f'cannot read the host list {text!r}: {why}',
                    hint='it should look like gpu[01-03,07] or node1,node2')
