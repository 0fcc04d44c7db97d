"""``python -m mtp.own convert FOLDER --to LAYOUT OUT``: the same labels in another layout."""
import os
import shlex
from typing import List, Tuple

from mtp.data import converting, stamps
from mtp.errors import MTPError
from mtp.own import checks, classes, cutting, layouts, writing
from mtp.own import folder as folders
from mtp.own.records import WITH_OBJECTS, Asked, Layout, Record

VERB = 'convert'
#: What is put there.
MADE = ('data.yaml', 'images/*', '*/images/*', 'labels/*.txt', '*/labels/*.txt', 'labelTxt/*.txt', '*/labelTxt/*.txt',
        'annotations/*.json', 'JPEGImages/*', 'Annotations/*.xml', 'ImageSets/Main/*.txt', '*.tif', '*.tiff',
        '*.geojson', '*/*.tif', '*/*.tiff', '*/*.geojson')


def run(root: str, target: str, out: str, asked: Tuple[str, ...] = (), layout: str = '', lenient: bool = False
        ) -> List[str]:
    """Write the objects of ``root`` to ``out``.

    Args:
        root: folder of images and labels; it is not changed.
        target: name of a layout that has a writer.
        out: new folder, empty, or made by an earlier run.
        asked: classes in order, where the folder does not say it.
        layout: of ``root``, where two are mixed.
        lenient: leave out images with something wrong.

    Returns:
        Sentences for people.

    Raises:
        MTPError: as of :func:`mtp.own.examine.examine`; or the layout cannot hold what is there.
    """
    chosen = next(each for each in layouts.LAYOUTS if each.name == target)
    if os.path.realpath(out).startswith(os.path.realpath(root).rstrip('/') + '/'):
        raise MTPError(f'{out} lies in {root}, which is read', hint='give a folder elsewhere')
    folder, told = folders.look(root), []
    source, files = layouts.choose(folder, '', layout)
    wanted = Asked(_task(source, chosen), asked, lenient, told)
    found = source.read(folder, files, wanted)
    records = [record for record in found.records if record.labels]
    names = classes.settle(found, wanted.task, asked, '').names
    size, wrong = checks.sizes(folder, records)
    wrong += checks.of_labels(folder, found._replace(records=tuple(records)), names, size)
    records = checks.settle(wrong, records, lenient, told)
    if not records:
        raise MTPError('{}: none of its {} images has labels ({})'.format(
            folder.root, len(found.records), source.title), hint='python -m mtp.own describe {}'.format(
                shlex.quote(os.fspath(root))))
    _write(chosen, records, writing.Job(folder, out, names, size, cutting.short_names(records)))
    objects = sum(len(record.shapes) for record in records)
    over = checks.beyond(records, size)
    if over and target.startswith('yolo'):
        told.append(f'{over} objects reach over the border of their image, where YOLO has no numbers: they are cut')
    return told + [f'{out}: {objects} objects in {len(records)} images, from {source.title} to {chosen.title}']


def _task(source: Layout, target: Layout) -> str:
    """What is read of a folder: as much as both layouts hold."""
    there = [task for task in WITH_OBJECTS if task in source.tasks]
    if not there:
        raise MTPError(f'{source.title} holds no objects, and {target.title} is made of them',
                       hint='give a folder with boxes or outlines: docs/own-data.md')
    return next((task for task in there if task in target.tasks), there[0])


def _write(target: Layout, records: List[Record], job: writing.Job) -> None:
    used = sorted({name for record in records for name in (record.image, record.labels)})
    mark = converting.fingerprint([VERB, target.name, job.classes], [job.folder.path(name) for name in used])
    with stamps.filling(job.out, VERB, mark, MADE, cutting.Options(1)) as filling:
        if filling.needed:
            assert target.write is not None
            target.write(records, job)


def targets() -> Tuple[str, ...]:
    """Names of the layouts that can be written."""
    return tuple(each.name for each in layouts.LAYOUTS if each.write)
