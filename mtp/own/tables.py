"""Tables of classes beside the data: classes.txt, classes.csv, classes.json, data.yaml.

One name a line, the first is class 0; or number and name; or name and red, green, blue (``class_dict.csv``).
"""
import json
import posixpath
import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from mtp import numbers
from mtp.data import text
from mtp.errors import MTPError
from mtp.own.folder import Folder

KINDS = {'classes.txt': 'lines', 'labels.txt': 'lines', 'obj.names': 'lines', 'classes.names': 'lines',
         'label_colors.txt': 'lines', 'classes.csv': 'lines', 'class_dict.csv': 'lines', 'classes.json': 'json',
         'data.yaml': 'yaml', 'data.yml': 'yaml', 'dataset.yaml': 'yaml', 'dataset.yml': 'yaml'}
_Row = Tuple[int, str, Tuple[int, ...], str]  # number, name, colour or (), where
_HEADS = ('name', 'class', 'number', 'id', 'index', 'label', 'value')


class Table(NamedTuple):
    """Classes in order; ``colours`` RGB of each, where the table has them."""
    name: str = ''
    path: str = ''
    classes: Tuple[str, ...] = ()
    colours: Tuple[Tuple[int, int, int], ...] = ()


def kind_of_table(name: str) -> Optional[str]:
    """How a file of this name is read when it is a table of classes, else None."""
    return KINDS.get(posixpath.basename(name).lower())


def find(folder: Folder) -> Table:
    """The one table of a folder; an empty :class:`Table` where there is none.

    Raises:
        MTPError: two tables that differ; one that cannot be read, has a hole or says a name twice.
    """
    tables = [read(folder.path(name), name) for name in folder.names if kind_of_table(name)]
    tables = [table for table in tables if table.classes]
    for other in tables[1:]:
        if other.classes != tables[0].classes:
            raise MTPError('{} and {} say different classes: {} and {}'.format(
                tables[0].path, other.path, ', '.join(tables[0].classes[:5]), ', '.join(other.classes[:5])),
                hint='keep one of them')
    return tables[0] if tables else Table()


def read(path: str, name: str = '') -> Table:
    """The table in the file ``path``."""
    kind = kind_of_table(path) or 'lines'
    rows = {'lines': _lines, 'json': _json, 'yaml': _yaml}[kind](path)  # (number, name, colour, where)
    seen: Dict[str, int] = {}
    classes: List[str] = []
    for position, (number, label, colour, where) in enumerate(rows):
        if number != position:
            raise MTPError('{}: {}: the class number is {}, and {} is expected: the table has a hole'.format(
                path, where, number, position), hint='give number {} a name there, if nothing is labelled with it: '
                                                     'unused-{}'.format(position, position))
        if label in seen:
            raise MTPError(f'{path}: {where}: {label!r} is class {seen[label]} already',
                           hint='give each class a name of its own')
        seen[label] = number
        classes.append(label)
    return Table(name, str(path), tuple(classes), _colours(path, rows))


def _colours(path: str, rows: Sequence[_Row]) -> Tuple[Tuple[int, int, int], ...]:
    """RGB of each class, () where the table has none.

    Raises:
        MTPError: some have none, two have one, or it is none.
    """
    found: Dict[Tuple[int, ...], str] = {}
    for _, label, colour, where in rows if any(row[2] for row in rows) else ():
        if not colour:
            raise MTPError(f'{path}: {where}: {label!r} has no colour, and others have one',
                           hint='write red, green and blue behind each name')
        if max(colour) > 255:
            raise MTPError('{}: {}: the colour of {!r} is {}, {}, {}; red, green and blue go from 0 to 255'.format(
                path, where, label, *colour), hint='write the colour that the masks have')
        if colour in found:
            raise MTPError('{}: {}: the colour {}, {}, {} of {!r} is that of {!r} already'.format(
                path, where, *colour, label, found[colour]), hint='give each class the colour that the masks have')
        found[colour] = label
    return tuple((red, green, blue) for red, green, blue in found)


def _lines(path: str) -> List[_Row]:
    rows: List[_Row] = []
    position = empty = 0
    for line, words in enumerate(text.read_lines(path), 1):
        empty = empty or line * (not words.strip() and bool(rows))
        tokens = [token for token in re.split(r'[,;\t]' if re.search(r'[,;\t]', words) else r'\s+', words.strip())]
        tokens = [token.strip() for token in tokens if token.strip()]
        if not tokens or words.lstrip().startswith('#') or not rows and len(tokens) > 1 and _is_head(tokens):
            continue
        colour: Tuple[int, ...] = ()
        if len(tokens) > 3 and all(map(numbers.digits, tokens[-3:])):
            colour = tuple(text.count(token, path, line, 'colour') for token in tokens[-3:])
            tokens = tokens[:-3]
        stated = len(tokens) > 1 and numbers.digits(tokens[0])
        if empty and not stated and not colour:
            raise MTPError(f'{path}: line {empty} is empty, and its place is a class number: the table has a hole',
                           hint=f'remove this line, or write unused-{position} in it if number {position} is no class')
        number = int(tokens.pop(0)) if stated else position
        rows.append((number, ' '.join(tokens), colour, f'line {line}'))
        position += 1
    return rows


def _is_head(tokens: Sequence[str]) -> bool:
    return tokens[0].lower() in _HEADS and not any(map(numbers.digits, tokens))


def _json(path: str) -> List[_Row]:
    try:
        found = json.loads(text.read_bytes(path).decode('utf-8-sig'))
    except (ValueError, RecursionError) as error:
        raise MTPError(f'{path}: not JSON: {error}', hint='write ["first class", "second class"]') from None
    if isinstance(found, dict) and all(map(numbers.digits, found)):
        found = [(int(key), found[key]) for key in sorted(found, key=int)]
    elif isinstance(found, list):
        found = list(enumerate(found))
    if not isinstance(found, list) or not all(isinstance(name, str) and name for _, name in found):
        raise MTPError(f'{path}: neither a list of names nor names by number',
                       hint='write ["first class", "second class"]')
    return [(number, name, (), f'class {number}') for number, name in found]


def _yaml(path: str) -> List[_Row]:
    """``names`` of a YOLO data file: a list in brackets, a list of lines with a dash, or lines ``number: name``."""
    lines = text.read_lines(path)
    rows: List[_Row] = []
    for at, line in enumerate(lines):
        head = re.match(r'names\s*:\s*(.*?)\s*(#.*)?$', line)
        if head:
            rows = _in_brackets(path, at, ' '.join([head.group(1)] + lines[at + 1:])) if head.group(1) else \
                _below(lines, at + 1)
            break
    _require_count(path, lines, len(rows))
    return rows


def _require_count(path: str, lines: Sequence[str], there: int) -> None:
    """Raise MTPError where ``nc`` says another number of classes than there are names."""
    for at, line in enumerate(lines, 1):
        said = re.match(r'nc\s*:\s*(\d+)\s*(#.*)?$', line)
        if said and there and int(said.group(1)) != there:
            raise MTPError(f'{path}: line {at}: nc is {said.group(1)}, and names has {there}',
                           hint=f'write the names of all classes, and nc: {there}')


def _in_brackets(path: str, at: int, words: str) -> List[_Row]:
    found = re.match(r'[\[{](.*?)[\]}]', words)
    if not found:
        raise MTPError(f'{path}: line {at + 1}: names is neither a list in brackets nor lines below',
                       hint='write names: [first, second]')
    rows: List[_Row] = []
    for position, item in enumerate(piece for piece in found.group(1).split(',') if piece.strip()):
        number, colon, name = item.rpartition(':') if words[0] == '{' else ('', '', item)
        rows.append((int(number) if colon and numbers.digits(number.strip()) else position, _bare(name), (),
                     f'line {at + 1}'))
    return rows


def _below(lines: Sequence[str], at: int) -> List[_Row]:
    rows: List[_Row] = []
    for line, words in enumerate(lines[at:], at + 1):
        item = re.match(r'\s*-\s*(?P<name>.+)$', words) or re.match(r'\s+(?P<number>\d+)\s*:\s*(?P<name>.+)$', words)
        if item:
            number = item.groupdict().get('number')
            rows.append((len(rows) if number is None else int(number), _bare(item.group('name')), (),
                         f'line {line}'))
        elif words.strip() and not words.lstrip().startswith('#'):
            break
    return rows


def _bare(name: str) -> str:
    name = name.strip()
    quoted = re.match(r'(["\'])(.*)\1', name)
    return quoted.group(2) if quoted else name.partition(' #')[0].strip()
