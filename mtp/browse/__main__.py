"""``python -m mtp.browse RUN``: a page of everything that a run has found, to pan, zoom, filter and step through."""
import argparse
import functools
import os
import re
import shutil
from typing import Any, Container, Dict, Iterable, Mapping, Optional, Sequence, Tuple

from mtp import locks, numbers, ownership, paths, workers
from mtp.data import catalogue
from mtp.data import images as image_files
from mtp.errors import OK, MTPError, run_main
from mtp.progress import Progress

from . import masks, runs, site, tiles
from .collection import Collection

VERB = 'browse'
_BYTES = 0.6  # of a pixel in tiles, generously
_SPARE = 64 << 20


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Find what the folder holds, cut what is not cut yet, write the page."""
    options = _parser().parse_args(argv)
    run = paths.resolve(options.run).rstrip('/') or '/'
    out = paths.resolve(options.out or os.path.join(options.run, 'browse'))
    named = runs.Named(*(value and paths.resolve(value) for value in (options.images, options.truth)), options.dataset)
    ownership.check(out, VERB)
    collections = runs.find(run, named)
    for collection in collections:
        print(collection.in_words(), flush=True)
    with locks.hold(out, VERB):
        ownership.claim(out, VERB, site.MADE)
        tasks = [[_task(collection, name) for name in collection.images] for collection in collections]
        later = [{name: tiles.Task(tiles.key_of(path), path) for name, path in collection.later.items()
                  if name in collection.images} for collection in collections]
        facts = _cut(tasks + [list(each.values()) for each in later], out, options.jobs)
        sheets = [[_sheet(task, facts, others.get(name)) for name, task in zip(collection.images, each)]
                  for collection, each, others in zip(collections, tasks, later)]
        title = '/'.join(os.path.abspath(run).split('/')[-2:])  # a folder called predict says little
        page = site.write(out, title, collections, sheets)
        _prune(out, facts)
    print(f'page {page}')
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m mtp.browse', description='Make a page of what a test, prediction '
                                     'or reproduction has found; it opens from disk, without server or network.')
    parser.add_argument('run', metavar='RUN', help='folder of results')
    parser.add_argument('--out', help='folder for the page (default: RUN/browse)')
    parser.add_argument('--images', help='folder of the original images (default: as the run or the catalogue says)')
    parser.add_argument('--truth', help='folder of label files, or a COCO file (default: beside the images)')
    parser.add_argument('--dataset', choices=catalogue.names(), help='what was tested (default: as the run says)')
    parser.add_argument('--jobs', type=numbers.count, default=os.cpu_count() or 1,
                        help='processes (default: all cores)')
    return parser


def _task(collection: Collection, name: str) -> tiles.Task:
    """The :class:`~mtp.browse.tiles.Task` of one image."""
    path, layers = collection.images[name], collection.masks
    if not layers:
        return tiles.Task(tiles.key_of(path), path)
    found, truth = layers.found.get(name), layers.truth.get(name)
    count, changes = len(collection.classes), 'changed' in collection.classes
    tables = (masks.table(count, layers.found_first, changes), masks.table(count, layers.truth_first, changes))
    return tiles.Task(tiles.key_of(path, found, truth), path, found, truth, tables)


def _sheet(task: tiles.Task, facts: Mapping[str, Dict[str, Any]],
           later: Optional[tiles.Task]) -> Tuple[str, Dict[str, Any]]:
    """(key, what is known) of an image; with the key of the later one where that has the same size."""
    mine = facts[task.key]
    if later and all(facts[later.key][side] == mine[side] for side in ('width', 'height')):
        return task.key, dict(mine, later=later.key)
    return task.key, mine


def _cut(tasks: Iterable[Iterable[tiles.Task]], out: str, jobs: int) -> Dict[str, Dict[str, Any]]:
    """Cut all images; facts by key."""
    each = list({task.key: task for group in tasks for task in group}.values())
    _require_room(each, out)
    facts, progress = {}, Progress('tiles', total=len(each))
    work = functools.partial(_cut_one, out=out)
    for key, found in workers.run(work, each, jobs):
        facts[key] = found
        progress.update()
    progress.close()
    return facts


def _cut_one(task: tiles.Task, out: str) -> Tuple[str, Dict[str, Any]]:
    return task.key, tiles.cut(task, out)


def _require_room(tasks: Iterable[tiles.Task], out: str) -> None:
    """Raise MTPError where the disk has no room for the tiles that are not there yet."""
    missing = [task for task in tasks if not os.path.isfile(os.path.join(out, 'tiles', task.key, tiles.DONE))]
    pixels = sum(width * height for width, height in (image_files.size(task.path) for task in missing))
    needed, free = _SPARE + int(_BYTES * pixels), shutil.disk_usage(out).free
    if needed > free:
        raise MTPError('the disk of {} has {:.1f} GiB left, and tiles of {} images take about {:.1f}'.format(
            out, free / 2 ** 30, len(missing), needed / 2 ** 30), hint='make room, or OUT=folder on another disk')


def _prune(out: str, facts: Container[str]) -> None:
    """Remove tiles and data of images that the page has no more."""
    ours = ownership.Made(site.MADE)
    gone = [path for path in ownership.tree(out) if path in ours and _key(path) not in facts and _key(path)]
    ownership.remove(out, gone)


def _key(path: str) -> str:
    """Key of the image that a file of ours belongs to; '' of the others."""
    match = re.match(r'(?:tiles|masks|data)/([0-9a-f]{16})(?:/|\.js)', path)
    return match.group(1) if match else ''


if __name__ == '__main__':
    run_main(main)
