"""From a folder and a task to everything that is known about a training on it. Nothing is written."""
import collections
from typing import Counter, Dict, Iterable, List, NamedTuple, Sequence, Tuple

from mtp.data import images
from mtp.errors import MTPError
from mtp.files import PathLike
from mtp.own import checks, classes, layouts, parts, values
from mtp.own import folder as folders
from mtp.own.records import WITH_OBJECTS, Asked, Found, Layout, Record
from mtp.progress import Progress
from mtp.tiles import rasters


class Plan(NamedTuple):
    """What :func:`examine` found out.

    Attributes:
        folder, layout, task: what was looked at.
        classes: names in order, and who says the order.
        records: images that are trained on or judged by, each with its part.
        size: (width, height) of each image.
        split: a sentence: how images came to their part.
        notes: sentences: what is left out, what is odd.
        meaning: of masks; None where there are none.
    """
    folder: folders.Folder
    layout: Layout
    task: str
    classes: classes.Classes
    records: Tuple[Record, ...]
    size: Dict[str, Tuple[int, int]]
    split: str
    notes: Tuple[str, ...]
    meaning: values.Meaning

    def count(self, part: str) -> int:
        """Images of a part."""
        return sum(record.part == part for record in self.records)


def examine(root: PathLike, asked: Asked, layout: str = '', config: str = '', seed: int = 0) -> Plan:
    """Look at the folder ``root``.

    Args:
        root: path.
        asked: task, classes, leniency.
        layout: name of the layout; '' finds it out.
        config: path of a config that is there already, whose classes are kept; ''.
        seed: of a split that is drawn.

    Raises:
        MTPError: see :mod:`mtp.own.layouts` and :mod:`mtp.own.checks`.
    """
    folder = folders.look(root)
    chosen, files = layouts.choose(folder, asked.task, layout)
    found = chosen.read(folder, files, asked)
    notes = list(found.notes)
    labelled = _labelled(found, asked.task, notes)
    if not labelled:
        raise MTPError('{}: none of its {} images has labels ({})'.format(
            folder.root, len(found.records), chosen.title), hint='docs/own-data.md shows a folder for each task')
    seen, coloured = _seen(folder, labelled) if asked.task == 'segmentation' else ((), False)
    settled = classes.settle(found, asked.task, asked.classes, config, seen)
    meaning = _meaning(settled, found, seen, coloured, notes)
    size, wrong = checks.sizes(folder, labelled)
    wrong += checks.of_labels(folder, found._replace(records=tuple(labelled)), settled.names, size)
    wrong += checks.of_pairs(folder, labelled, size)
    wrong += checks.of_grids(folder, labelled, size, notes)
    wrong += checks.of_memory(folder, labelled, size, asked.task, checks.memory())
    if asked.task in ('segmentation', 'change') and labelled[0].mask:
        wrong += checks.of_masks(folder, labelled, meaning)
    labelled = checks.settle(wrong, labelled, asked.lenient, asked.problems)
    labelled, split = parts.settle(folder, labelled, seed) if labelled else ([], '')
    labelled = checks.settle(list(checks.of_parts(folder, labelled, settled.names, asked.task)), labelled,
                             asked.lenient, asked.problems)
    _require(folder, labelled)
    notes += filter(None, [rasters.remark([folder.path(record.image) for record in labelled])])
    notes += _odd(folder, found, asked, labelled, size, settled)
    return Plan(folder, chosen, asked.task, settled, tuple(labelled), size, split, tuple(notes), meaning)


def _labelled(found: Found, task: str, notes: List[str]) -> List[Record]:
    """Records that have labels; the others are said. A label file without an object makes an image a background."""
    if task == 'classification':
        return list(found.records)
    without = [record.image for record in found.records if not record.labels]
    if without:
        notes.append(f'{len(without)} of {len(found.records)} images have no labels and are left out: {some(without)}')
    return [record for record in found.records if record.labels]


def _seen(folder: folders.Folder, records: Sequence[Record]) -> Tuple[Tuple[int, ...], bool]:
    """All numbers in the masks of ``records``, and whether these are in colours."""
    numbers, coloured = set(), False
    progress = Progress('masks', len(records))
    for record in records if records[0].mask else ():
        found, colours = values.seen(folder.path(record.mask))
        numbers, coloured = numbers | set(found), coloured or colours
        progress.update()
    return tuple(sorted(numbers)), coloured


def _meaning(settled: classes.Classes, found: Found, seen: Iterable[int], coloured: bool,
             notes: List[str]) -> values.Meaning:
    yes = values.FULL if len(settled.names) == 2 and set(seen) == {0, values.FULL} and not coloured else None
    if yes:
        notes.append(f'the masks hold 0 and 255: 255 is {settled.names[1]}')
    elif values.IGNORED in seen:
        notes.append('the masks hold 255: such pixels are of no class and left out of loss and score')
    return values.Meaning(len(settled.names), found.colours if coloured else (), yes)


def _require(folder: folders.Folder, records: Iterable[Record]) -> None:
    for part in ('train', 'val or test'):
        if not any(record.part in part.split(' or ') for record in records):
            raise MTPError(f'{folder.root}: nothing is left in {part}', hint='leave LENIENT away, and mend '
                                                                                      'what is said then')


def _odd(folder: folders.Folder, found: Found, asked: Asked, records: Sequence[Record], size: checks.Sizes,
         settled: classes.Classes) -> List[str]:
    """Sentences about what is not used, and about objects and classes that are odd."""
    notes = list(asked.problems)
    known = set(found.used) | {name for record in found.records for name in (record.image, record.after, record.mask)}
    rest = [name for name in folder.names if name not in known]
    pictures = [name for name in rest if images.is_image(name)]
    if rest:
        notes.append(f'{len(rest)} files are of no use here: {some(rest)}')
    if pictures:
        notes.append(f'{len(pictures)} of them are images: {some(pictures)}')
    over = checks.beyond(records, size) if asked.task in WITH_OBJECTS else 0
    if over:
        notes.append(f'{over} objects reach over the border of their image')
    for part in ('train', 'val', 'test'):
        counts = objects(records, part)
        lacking = [name for name in settled.names if not counts[name] and name != 'background']
        if lacking and any(record.part == part for record in records) and any(counts.values()):
            notes.append('{} holds nothing of {}'.format(part, ', '.join(lacking[:8])))
    return notes


def objects(records: Iterable[Record], part: str) -> Counter[str]:
    """How many objects, or images of a kind, a part has of each class."""
    mine = [record for record in records if record.part == part]
    counts = collections.Counter(classes.plain(shape.name) for record in mine for shape in record.shapes)
    counts.update(classes.plain(record.kind) for record in mine if record.kind)
    return counts


def some(names: Iterable[str]) -> str:
    """The first three of some names, and how many more there are."""
    names = list(names)
    return ', '.join(names[:3]) + (f' and {len(names) - 3} more' if len(names) > 3 else '')
