"""Which classes a training has, in which order, and who says so. The order is never that of a listing."""
import ast
import shlex
from typing import Iterable, NamedTuple, Sequence, Tuple

from mtp.data import text
from mtp.data.converting import natural
from mtp.errors import MTPError
from mtp.own.records import Found


class Classes(NamedTuple):
    """Names; position = number. ``said_by``: what states the order."""
    names: Tuple[str, ...]
    said_by: str


def settle(found: Found, task: str, asked: Tuple[str, ...], config: str, seen: Tuple[int, ...] = ()) -> Classes:
    """The classes of a training.

    Args:
        found: what the folder holds.
        task: one of :data:`~mtp.own.records.TASKS`.
        asked: of CLASSES=, or ().
        config: path of a config that is there already, or ''; what it says is kept.
        seen: numbers in masks, where these are the labels.

    Raises:
        MTPError: two who say it differ, nobody says what numbers are called, or there are too few.
    """
    by_order = ((of_config(config) if config else (), config), (asked, 'CLASSES'), (found.classes, found.table))
    names, said_by = next(((names, said) for names, said in by_order if names), ((), ''))
    if not names:
        names, said_by = _from_labels(found, seen)
    names = tuple(plain(name) for name in names)
    if task == 'segmentation' and not any(record.mask for record in found.records) and names[:1] != ('background',):
        names = ('background',) + names
    if asked and config and _with_background(asked) != _with_background(names):
        raise MTPError('CLASSES is {}, and {} says {}'.format(','.join(asked), config, ','.join(names)),
                       hint='mv {0} {0}.before, or leave CLASSES away'.format(shlex.quote(config)))
    least = 1 if task in ('rotated', 'horizontal') else 2
    if len(names) < least:
        raise MTPError('{} class{} ({}) is too few for {}: {} are needed'.format(
            len(names), '' if len(names) == 1 else 'es', ', '.join(names) or 'none', task, least),
            hint='CLASSES=name,name behind the same command')
    return Classes(names, said_by or 'the task')


def plain(name: str) -> str:
    """A name without blanks: DOTA text, in which labels are kept, has no others."""
    return '-'.join(str(name).split())


def _with_background(names: Iterable[str]) -> Tuple[str, ...]:
    return tuple(plain(name) for name in names if name != 'background')


def _from_labels(found: Found, seen: Sequence[int]) -> Tuple[Tuple[str, ...], str]:
    names = {shape.name for record in found.records for shape in record.shapes}
    names |= {record.kind for record in found.records if record.kind}
    if names:
        return tuple(sorted(names, key=natural)), 'their names, sorted'
    if not set(seen) - {0, 1, 255} and set(seen) - {0}:
        return ('background', 'foreground'), 'masks of two values'
    if seen:
        raise MTPError('the masks hold the values {}, and no table says what these are'.format(
            ', '.join(map(str, seen[:20]))), hint='CLASSES=name,name,... behind the same command, the name of value 0 '
                                                  'first')
    return (), ''


def of_config(path: str) -> Tuple[str, ...]:
    """The tuple ``classes`` of a config, which is read and not run.

    Raises:
        MTPError: it has none that can be read.
    """
    try:
        tree = ast.parse('\n'.join(text.read_lines(path)))
        found = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)
                 and getattr(node.targets[0], 'id', '') == 'classes']
        names = found[-1]
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise ValueError(f'classes is {names!r}')
    except (SyntaxError, ValueError, IndexError, TypeError) as error:
        raise MTPError(f'{path} does not say classes = (...) in plain names: {error}',
                       hint="write classes = ('first', 'second') there, or mv {0} {0}.before".format(
                           shlex.quote(path))) from None
    return tuple(names)
