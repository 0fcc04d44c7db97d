"""The catalogue: every data set of the paper in one place.

Configs, converters, submission writers and reports take class names, colours, folders and counts from here and from
nowhere else. The facts lie in ``catalogue.json``; folders there are relative to MTP_DATA_ROOT.

Standard library only, Python >= 3.6.
"""
import difflib
import functools
import json
import os
from typing import Any, Container, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

from mtp import paths
from mtp.errors import MTPError

SAMPLE_MARK = 'sample_set.json'  # a file in every folder of drawn samples; no publisher has one

Split = NamedTuple('Split', [
    ('name', str),
    ('images', str),  # folder below MTP_DATA_ROOT
    ('image_suffix', str),
    ('labels', str),  # folder or file below MTP_DATA_ROOT; '' where the labels are not published or are folder names
    ('label_suffix', str),
    ('listing', str),  # text file with one image stem a line; '' where the folder itself is the list
    ('count', Optional[int]),  # official number of images; None where nobody has published it
])

Dataset = NamedTuple('Dataset', [
    ('name', str),
    ('title', str),
    ('task', str),
    ('classes', Tuple[str, ...]),  # in the published order: position = class index
    ('palette', Tuple[Tuple[int, int, int], ...]),  # RGB, one a class
    ('codes', Tuple[int, ...]),  # number of each class in the publisher's files, where they use numbers of their own
    ('spelling', Dict[str, str]),  # class name -> spelling in the publisher's files, where it differs
    ('groups', Dict[str, Tuple[str, ...]]),  # super-category -> its classes, where the publisher has such
    ('root', str),  # folder below MTP_DATA_ROOT
    ('submission', str),  # format that its server takes (mtp.submit); '' where it has none, or nobody has told it
    ('truth', str),  # format of label files that scores are taken from (mtp.submit.score); '' where there is none
    ('sample', str),  # set of drawn samples that holds it (mtp.data.samples)
    ('sample_images', Optional[int]),  # how many of them are enough for a rehearsal; None: as many as the set has
    ('source', Dict[str, Split]),  # as the publisher's archives unpack; empty where that is what is read
    ('splits', Dict[str, Split]),  # as training and testing read it
    ('files', Dict[str, str]),  # other files and folders a step needs; {split} stands for the split
    ('counts', Dict[str, int]),  # other official counts
    ('published', Tuple[str, ...]),  # where to get it
    ('licence', str),
    ('download', Tuple[str, ...]),  # what to get there
    ('prepare', Tuple[str, ...]),  # commands that turn ``source`` into ``splits``
    ('notes', Tuple[str, ...]),
])


@functools.lru_cache(maxsize=None)
def _facts() -> Dict[str, Any]:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'catalogue.json'), encoding='utf-8') as stream:
        return json.load(stream)


def names() -> Tuple[str, ...]:
    """Names of all data sets, in the order of the catalogue."""
    return tuple(_facts()['datasets'])


@functools.lru_cache(maxsize=None)
def get(name: str) -> Dataset:
    """The :class:`Dataset` called ``name``.

    Raises:
        MTPError: there is no such data set; the message lists the nearest names.
    """
    facts = _facts()
    if name not in facts['datasets']:
        near = difflib.get_close_matches(str(name).lower().replace('-', ''), names(), n=4, cutoff=0.5) or names()
        raise MTPError(f'no data set is called {name!r}', hint='take one of: ' + ', '.join(near))
    entry = facts['datasets'][name]
    key, number = entry['classes'] if isinstance(entry['classes'], list) else (entry['classes'], None)
    classes = tuple(facts['classes'][key][:number])
    table, first = entry['palette']
    colours = tuple((red, green, blue) for red, green, blue in facts['palettes'][table][first:first + len(classes)])
    return Dataset(
        name=name, title=entry['title'], task=entry['task'], classes=classes, palette=colours,
        codes=tuple(entry.get('codes', ())), spelling=dict(facts['spelling'].get(key, {})),
        groups={title: tuple(members) for title, members in facts['groups'].get(key, {}).items()},
        root=entry['root'], submission=entry.get('submission', ''), truth=entry.get('truth', ''),
        sample=entry['sample'][0], sample_images=entry['sample'][1],
        source=_splits(entry.get('source', {})), splits=_splits(entry['splits']),
        files=dict(entry.get('files', {})), counts=dict(entry['counts']),
        published=tuple(entry['published']), licence=entry['licence'], download=tuple(entry['download']),
        prepare=tuple(entry['prepare']), notes=tuple(entry['notes']))


def having(field: str, formats: Container[str]) -> Tuple[str, ...]:
    """Names of the data sets whose ``submission`` or ``truth`` (``field``) is one of ``formats``, in order."""
    return tuple(name for name in names() if getattr(get(name), field) in formats)


def _splits(entries: Mapping[str, Mapping[str, Any]]) -> Dict[str, Split]:
    blank = {'labels': '', 'label_suffix': '', 'listing': '', 'count': None}
    return {name: Split(name=name, **dict(blank, **entry)) for name, entry in entries.items()}


@functools.lru_cache(maxsize=None)
def _known(classes: Tuple[str, ...]) -> Dict[str, str]:
    facts = _facts()
    spellings = {name: other for table in facts['spelling'].values() for name, other in table.items()}
    known = {}
    for name in classes:
        for spelling in (name, spellings.get(name, name)):
            known.setdefault(_letters(spelling), name)
    return known


def _letters(name: str) -> str:
    return ''.join(letter for letter in str(name).lower() if letter.isalnum())


def class_called(name: str, classes: Sequence[str]) -> Optional[str]:
    """The one of ``classes`` that ``name`` is another spelling of, or None.

    Tools write ``Small_Car``, ``small car`` or ``SMALL-CAR`` where the catalogue has ``Small-Car``: letters and numbers
    alone decide, whatever their case.
    """
    return name if name in classes else _known(tuple(classes)).get(_letters(name))


def strange_class(name: str, classes: Sequence[str], what: str = 'this data set') -> Tuple[str, str]:
    """What to say of a class name that is none of ``classes``, and what to do: (message, hint)."""
    called = class_called(name, classes)
    hint = f'write {called}' if called else 'the classes are ' + ', '.join(classes)
    return f'{str(name)[:60]!r} is not a class of {what}', hint


def locate(path: str, **fields: str) -> str:
    """Real path of a catalogue path, for example ``locate(split.images)``; ``fields`` fill what it has in braces."""
    return os.path.join(paths.root('data'), path.format(**fields))
