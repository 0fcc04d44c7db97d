"""The archives of every data set: where they are published, how they are known, what is taken out of them.

The facts lie in ``archives.json``. Standard library only, Python >= 3.6.
"""
import functools
import json
import os
from typing import Dict, List, NamedTuple, Optional, Tuple

from mtp.data import catalogue
from mtp.unpacking import Rule


class Archive(NamedTuple('Archive', [
        ('name', str), ('address', str), ('page', str), ('needs', str), ('md5', Optional[str]),
        ('unpack', Tuple[Rule, ...])])):
    """One archive.

    Attributes:
        name: of the file, as it is looked for in ARCHIVES= and kept by OUT=.
        address: where it can be fetched; empty where a person has to open ``page``, which asks for what ``needs`` says.
        md5: as a public source states it, or None.
        unpack: what is taken out of it, relative to MTP_DATA_ROOT.
    """


@functools.lru_cache(maxsize=None)
def _facts() -> Dict[str, list]:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'archives.json'), encoding='utf-8') as stream:
        return json.load(stream)['archives']


def of(dataset: str) -> Tuple[Archive, ...]:
    """The archives of a data set of the catalogue, in the order in which they are unpacked."""
    return tuple(Archive(unpack=tuple(Rule(tuple(rule['take']), rule['into'], rule['keep'])
                                      for rule in entry['unpack']),
                         **{key: value for key, value in entry.items() if key != 'unpack'})
                 for entry in _facts().get(dataset, ()))


def table() -> List[str]:
    """All data sets in one table, as ``docs/data.md`` shows it."""
    lines = ['| data set | licence | archives | md5 known | how they come |', '|---|---|---|---|---|']
    for name in catalogue.names():
        found = of(name)
        by_hand = [archive for archive in found if not archive.address]
        how = f'make fetch-{name} ACCEPT_LICENCE=1'
        if by_hand:
            how += '; by hand: ' + ', '.join('[{}]({})'.format(archive.name, archive.page) for archive in by_hand)
        lines.append('| {} ({}) | {} | {} | {} | {} |'.format(
            name, catalogue.get(name).title, catalogue.get(name).licence, len(found),
            sum(archive.md5 is not None for archive in found), how))
    return lines
