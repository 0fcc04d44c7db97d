"""What is most often wrong with data, said before anything is written: a finding each, with file, place and value.

A finding about one image can be left out with LENIENT=1; one about the whole cannot.
"""
import os
import shlex
from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from mtp import faults
from mtp.data import images
from mtp.errors import MTPError
from mtp.own import classes, parts, values
from mtp.own.folder import Folder
from mtp.own.records import WITH_OBJECTS, Found, Record, Shape
from mtp.own.texts import LEAVE
from mtp.tiles import grids

Sizes = Dict[str, Tuple[int, int]]  # image -> width, height
_BYTES = {'segmentation': 4, 'change': 10, 'classification': 3}  # a pixel, of what is decoded as a whole


class Finding(NamedTuple):
    """Something wrong; ``image`` is the one that can be left out, '' where nothing can."""
    text: str
    hint: str
    image: str = ''


def _unreadable(error: MTPError, record: Record) -> Finding:
    faults.stop_at_a_limit(error)
    return Finding(error.args[0], error.hint or LEAVE, record.image)


def sizes(folder: Folder, records: Sequence[Record]) -> Tuple[Dict[str, Tuple[int, int]], List[Finding]]:
    """{image: (width, height)} from the headers, and what cannot be read."""
    found, wrong = {}, []
    for record in records:
        for name in filter(None, (record.image, record.after)):
            try:
                found[name] = images.size(folder.path(name))
            except MTPError as error:
                wrong.append(_unreadable(error, record))
    return found, wrong


def of_labels(folder: Folder, found: Found, names: Sequence[str], size: Dict[str, Tuple[int, int]]
              ) -> Iterator[Finding]:
    """Labels without an image, of no class, without an area or outside of their image."""
    for name in found.orphans:
        yield Finding(f'{folder.path(name)} has no image', 'give it its image, or move it away', name)
    for record in found.records:
        if record.kind and classes.plain(record.kind) not in names:
            yield _unknown(folder.path(record.image), '', record.kind, names, record)
        for shape in record.shapes:
            path = folder.path(record.labels)
            if classes.plain(shape.name) not in names:
                yield _unknown(path, shape.where, shape.name, names, record)
            elif record.image in size:
                yield from _of_place(path, shape, size[record.image], record)


def _unknown(path: str, where: str, name: str, names: Sequence[str], record: Record) -> Finding:
    return Finding('{}: {}the class {!r} is none of {}'.format(
        path, where + ': ' if where else '', name, ', '.join(names[:12]) + (', …' if len(names) > 12 else '')),
        'add it with CLASSES={},{} behind the same command, or rename it'.format(','.join(names[:12]), name),
        record.image)


def _of_place(path: str, shape: Shape, size: Tuple[int, int], record: Record) -> Iterator[Finding]:
    xmin, ymin, xmax, ymax = shape.bounds()
    told = f'{xmin:g}, {ymin:g} to {xmax:g}, {ymax:g}'
    if not (xmax - xmin > 0 and ymax - ymin > 0 and np.isfinite(xmax - xmin) and np.isfinite(ymax - ymin)):
        yield Finding(f'{path}: {shape.where}: {shape.name} has no area: {told}', LEAVE, record.image)
    elif xmax <= 0 or ymax <= 0 or xmin >= size[0] or ymin >= size[1]:
        yield Finding('{}: {}: {} lies outside of its image of {} x {}: {}'.format(
            path, shape.where, shape.name, *size, told), LEAVE, record.image)


def beyond(records: Sequence[Record], size: Sizes) -> int:
    """How many objects reach over the border of their image."""
    count = 0
    for record in records:
        for shape in record.shapes if record.image in size else ():
            low, high = shape.bounds()[:2], shape.bounds()[2:]
            count += bool((low < -1).any() or (high > np.add(size[record.image], 1)).any())
    return count


def of_pairs(folder: Folder, records: Sequence[Record], size: Sizes) -> Iterator[Finding]:
    """Pairs of different size, and masks of another size than their image."""
    for record in records:
        names = [record.after] * (record.after in size) + [record.mask] * bool(record.mask)
        for name in names if record.image in size else ():
            try:
                other = size.get(name) or images.size(folder.path(name))
            except MTPError as error:
                yield _unreadable(error, record)
                continue
            if other != size[record.image]:
                yield Finding('{} has {} x {} pixels, and {} has {} x {}'.format(
                    folder.path(name), *other, folder.path(record.image), *size[record.image]), LEAVE, record.image)


def of_grids(folder: Folder, records: Sequence[Record], size: Sizes, notes: List[str]) -> Iterator[Finding]:
    """Pairs of one size that do not lie on one grid of the ground; ``notes`` takes what is odd and no error."""
    for record in records:
        if not record.after or size.get(record.image) != size.get(record.after, ()):
            continue
        try:
            notes += grids.check((folder.path(record.image), folder.path(record.after))).notes
        except MTPError as error:
            yield _unreadable(error, record)


def of_masks(folder: Folder, records: Sequence[Record], meaning: values.Meaning) -> Iterator[Finding]:
    """Masks with values that mean nothing."""
    read = values.changed if any(record.after for record in records) else (
        lambda path: values.numbers(path, meaning))
    for record in records:
        try:
            read(folder.path(record.mask))
        except MTPError as error:
            yield _unreadable(error, record)


def of_memory(folder: Folder, records: Sequence[Record], size: Sizes, task: str, there: int) -> Iterator[Finding]:
    """Images that are decoded as a whole and do not fit into half of the ``there`` bytes of memory."""
    need = _BYTES.get(task, 0)
    for record in records:
        width, height = size.get(record.image, (0, 0))
        if need and width * height * need > there // 2:
            yield Finding('{} has {} x {} pixels: {:.1f} GiB decoded, and {:.1f} GiB of memory are free'.format(
                folder.path(record.image), width, height, width * height * need / 2 ** 30, there / 2 ** 30),
                parts.RETILE.format(shlex.quote(folder.path(record.image))), record.image)


def memory() -> int:
    """Bytes of memory that are free."""
    try:
        with open('/proc/meminfo', encoding='ascii') as stream:
            rows = dict(line.split(':', 1) for line in stream)
        return int(rows['MemAvailable'].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')


def of_parts(folder: Folder, records: Sequence[Record], names: Sequence[str], task: str) -> Iterator[Finding]:
    """The same image on both sides, and nothing left to train on or to judge by."""
    for first, second in parts.leaks(folder, records):
        yield Finding('{} ({}) and {} ({}) are the same image: what is judged has been trained on'.format(
            folder.path(first.image), first.part, folder.path(second.image), second.part),
            'rm the one in {} and its labels'.format(second.part), second.image)
    for part in ('train',) + tuple(sorted({record.part for record in records} - {'train'})):
        mine = [record for record in records if record.part == part]
        if task in WITH_OBJECTS and not any(record.shapes for record in mine):
            yield Finding('nothing is left in {}: its {} images hold no object of {}'.format(
                part, len(mine), ', '.join(names[:12])), f'look at the labels: ls {folder.root}')


def settle(findings: Sequence[Finding], records: Sequence[Record], lenient: bool, problems: List[str]
           ) -> List[Record]:
    """The records that are left; with ``lenient`` those with a finding are left out, and ``problems`` says so.

    Raises:
        MTPError: a finding that cannot be left out, or is not to be.
    """
    firm = [finding for finding in findings if not (lenient and finding.image)]
    if firm:
        more = len(firm) - 1
        lines = ''.join('\n  also: ' + finding.text for finding in firm[1:5])
        raise MTPError(firm[0].text + lines + (f'\n  and {more - 4} more' if more > 4 else ''),
                       hint=firm[0].hint)
    out = {finding.image for finding in findings}
    problems += ['left out: ' + finding.text for finding in findings]
    return [record for record in records if record.image not in out]
