"""Cut images into tiles, with their annotations: ``python -m mtp.tiles.cut --preset dotav1_ms --images DIR --out DIR``.

Writes ``OUT/images/<tile>.png`` and ``OUT/annfiles/<tile>.txt`` (empty where a tile holds no object, also without
``--labels``), equal to what MMRotate's splitter writes. Started again, the command does what is not done, or not as it
is now: see :mod:`mtp.tiles.journal`.

:func:`windows_of` gives the same tiles without writing files.
"""
import argparse
import os
from typing import (Any, Callable, Container, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence,
                    Tuple, Union)

import cv2
import numpy as np

from mtp import files, locks, ownership, workers
from mtp.data import converting, dota
from mtp.data import images as image_files
from mtp.errors import MTPError, run_main
from mtp.files import atomic_path
from mtp.paths import resolve
from mtp.progress import Progress

from . import annotations, journal, packed
from .pixels import list_images
from .rows import ArrayRows, Rows, open_rows, panels
from .windows import PRESETS, Preset, parts_of, preset, tile_id, window_positions

#: Packing an image for all its tiles pays where these have more than so many times its pixels.
_OVERLAP = 1.2


class Task(NamedTuple):
    """One image to cut, or the ``part``-th of ``parts`` of its windows: ``label`` is its DOTA text, or empty."""
    stem: str
    image: str
    label: str
    out: str
    preset: str
    part: int = 0
    parts: int = 1


def windows_of(image: Union[files.PathLike, np.ndarray, Rows], how: Preset,
               stem: Optional[str] = None) -> Iterator[Tuple[str, np.ndarray, np.ndarray]]:
    """Yield the tiles of one image without writing files.

    Args:
        image: path, or pixels (height, width, 3) uint8 BGR, or a reader. Of a PNG only some rows are in memory.
        how: to cut.
        stem: image id in the tiles' names; the file's stem by default.

    Yields:
        tile id, window (4,) int64 x_start, y_start, x_stop, y_stop, pixels (side, side, 3) uint8 BGR, padded; by row.
        The pixels are valid until the next tile: copy what is kept.
    """
    rows: Rows
    if isinstance(image, (str, os.PathLike)):
        path = os.fspath(image)
        stem = stem or os.path.splitext(os.path.basename(path))[0]
        rows = open_rows(path)
    elif isinstance(image, np.ndarray):
        rows = ArrayRows(image)
    else:
        rows = image
    windows = window_positions(rows.width, rows.height, how)
    for window in windows[np.lexsort((windows[:, 0], windows[:, 2] - windows[:, 0], windows[:, 1]))]:
        yield tile_id(stem or 'image', window), window, crop(rows.take(window[1], window[3]), window, how.padding)


def crop(rows: np.ndarray, window: Iterable[int], padding: Tuple[int, ...]) -> np.ndarray:
    """Pixels of a window, filled with ``padding`` (BGR) where it reaches beyond the right or lower border.

    Args:
        rows: (height of the window or less, width of the image, 3), those of the image that the window covers; a
            fourth channel, which says where there is data, is 0 beyond the border.
        window: x_start, y_start, x_stop, y_stop.
        padding: BGR.
    """
    x_start, y_start, x_stop, y_stop = (int(value) for value in window)
    inside = rows[:, x_start:x_stop]
    if inside.shape[:2] == (y_stop - y_start, x_stop - x_start):
        return inside
    tile = np.zeros((y_stop - y_start, x_stop - x_start, rows.shape[2]), dtype=np.uint8)
    tile[..., :3] = padding
    tile[:inside.shape[0], :inside.shape[1]] = inside
    return tile


def cut_image(task: Task) -> Dict[str, Any]:
    """Write the tiles of one image, or of its part; returns what the journal says about the image, bytes aside."""
    row, windows, lines = _plan(task)
    padding, shared = preset(task.preset).padding, _worth_sharing(windows, row['width'], row['height'])
    mine = parts_of(windows, np.prod(windows[:, 2:] - windows[:, :2], axis=1), task.parts) == task.part
    rows = open_rows(task.image)
    if (rows.width, rows.height) != (row['width'], row['height']):
        raise MTPError('{}: the header says {} x {}, the pixels are {} x {}'.format(
            task.image, row['width'], row['height'], rows.width, rows.height))
    packing, plain = windows[mine & shared], windows[mine & ~shared]
    for part, x_start, group in panels(rows, packing) if len(packing) else ():
        _cut_packed(task, part, x_start, group)
    if len(plain):
        _cut_plain(task, open_rows(task.image) if len(packing) else rows, plain, padding)
    for window, text, wanted in zip(windows, lines, mine):
        if wanted:
            path = os.path.join(task.out, 'annfiles', tile_id(task.stem, window) + '.txt')
            with atomic_path(path, durable=False) as temporary:
                with open(temporary, 'w', encoding='utf-8', newline='') as stream:
                    stream.write(text)
    return row


def count_image(task: Task) -> Dict[str, Any]:
    """What :func:`cut_image` would return, from the header and the labels alone; nothing is written."""
    return _plan(task)[0]


def _plan(task: Task) -> Tuple[Dict[str, Any], np.ndarray, Iterator[str]]:
    """The row of the journal, the windows (n, 4), and an iterator of the text of each."""
    width, height = image_files.size(task.image)
    how = preset(task.preset)
    windows = window_positions(width, height, how)
    polygons, names, difficult = _objects(task.label)
    assigned = annotations.assign(polygons, windows, how.min_inside)
    row = {'image': task.stem, 'width': width, 'height': height, 'tiles': len(windows), 'objects': len(polygons),
           'placed': int(sum(len(indices) for indices, _ in assigned))}
    lines = (annotations.lines(polygons, names, difficult, indices, cut, window[0], window[1])
             for window, (indices, cut) in zip(windows, assigned))
    return row, windows, lines


def _worth_sharing(windows: np.ndarray, width: int, height: int) -> np.ndarray:
    """Which windows are packed together (see :mod:`mtp.tiles.packed`): none where they hardly overlap."""
    sides = windows[:, 2:] - windows[:, :2]
    inside = (windows[:, 2] <= width) & (windows[:, 3] <= height) & (sides[:, 0] >= packed.LEAST_WIDTH)
    return inside & (sides[inside].prod(1).sum() > _OVERLAP * width * height)


def _cut_packed(task: Task, rows: Rows, x_start: int, windows: np.ndarray) -> None:
    """Write the tiles of windows inside the image; its rows (from column ``x_start`` on) are read, and packed, once."""
    shift = np.array([x_start, 0, x_start, 0])
    columns, strips = packed.columns_of(windows - shift), []
    begun = int(windows[:, 1].min()) // packed.STRIP * packed.STRIP  # the same strips, and so files, in every part
    for y_start, level in _levels(windows):  # from top to bottom
        while begun < level[:, 3].max():
            band = rows.take(begun, min(begun + packed.STRIP, rows.height))
            strips.append(packed.pack(begun, band, columns))
            begun += len(band)
        while strips[0].stop <= y_start:
            del strips[0]
        for window in level:
            _write(task, window, packed.png(strips, window - shift))


def _cut_plain(task: Task, rows: Rows, windows: np.ndarray, padding: Tuple[int, ...]) -> None:
    """Write the tiles of windows one by one, padded where they reach beyond the image."""
    for y_start, level in _levels(windows):
        band = rows.take(y_start, level[:, 3].max())
        for window in level:
            _write(task, window, _png(band, window, padding))


def _levels(windows: np.ndarray) -> List[Tuple[int, np.ndarray]]:
    """(y_start, windows that begin there), from top to bottom."""
    return [(y_start, windows[windows[:, 1] == y_start]) for y_start in np.unique(windows[:, 1])]


def _objects(label: str) -> Tuple[np.ndarray, Sequence[str], np.ndarray]:
    """Polygons (n, 8) float32, names, difficulties of a DOTA text."""
    if not label:
        return np.zeros((0, 8), dtype=np.float32), (), np.zeros(0, dtype=np.int64)
    labels = dota.read(label)
    return labels.polygons.reshape(-1, 8).astype(np.float32), labels.names, labels.difficult


def _write(task: Task, window: np.ndarray, parts: Iterable[packed.Part]) -> None:
    """Write the parts of a tile's file, one behind the other."""
    path = os.path.join(task.out, 'images', tile_id(task.stem, window) + '.png')
    with atomic_path(path, durable=False) as temporary:
        with open(temporary, 'wb') as stream:
            for part in parts:
                stream.write(part)


def _png(band: np.ndarray, window: np.ndarray, padding: Tuple[int, ...]) -> List[packed.Part]:
    """PNG of a window as OpenCV makes it, from the rows of the image that begin where it begins."""
    done, data = cv2.imencode('.png', crop(band[:window[3] - window[1]], window, padding))
    if not done:
        raise MTPError(f'cannot encode window {window.tolist()} as PNG')
    return [data.data]


def cut_folder(preset_name: str, images: str, out: str, labels: str = '', jobs: int = 1, dry_run: bool = False,
               overwrite: bool = False) -> Dict[str, int]:
    """Cut every image of a folder.

    Args:
        preset_name: see :data:`~mtp.tiles.windows.PRESETS`.
        images: folder of images.
        out: folder to fill; must be absent, empty, or left by the same command.
        labels: folder with a DOTA text for every image, or empty.
        jobs: processes.
        dry_run: read headers and labels, and count; write nothing.
        overwrite: remove first what an earlier call has cut.

    Returns:
        ``{'images', 'tiles', 'objects', 'placed'}`` counts over everything in ``out``.

    Raises:
        MTPError: bad input, or ``out`` holds something else, or somebody else cuts into it. What was finished stays and
            is not done again.
    """
    preset(preset_name)
    found = list_images(images)
    texts = converting.paths_by_stem(labels, '.txt') if labels else {}
    tasks = [Task(stem, path, _label_of(stem, labels, texts), out, preset_name) for stem, path in found.items()]
    if dry_run:
        return _totals({row['image']: row for row in _run(count_image, tasks, {}, min(jobs, len(tasks)))})
    ownership.check(out, journal.VERB) if overwrite else journal.check(out, preset_name, bool(labels))
    with locks.hold(out, journal.VERB):
        if overwrite:
            journal.clear(out)
        book = journal.Journal(out, preset_name, bool(labels), found)
        states = {task.stem: journal.state_of(task.image, task.label) for task in tasks}
        book.keep(states)
        for row in _run(cut_image, tasks, book.done, jobs):
            names = journal.tile_files(row['image'], row['width'], row['height'], preset_name)
            book.add(dict(row, bytes=[os.path.getsize(os.path.join(out, name)) for name in names],
                          **states[row['image']]))
        return _totals(book.done)


def _run(function: Callable[[Task], Dict[str, Any]], tasks: Sequence[Task], done: Container[str],
         jobs: int) -> Iterator[Dict[str, Any]]:
    """Rows of the images that are not done, as they are finished; an image is cut by several when there are few."""
    todo = [task for task in tasks if task.stem not in done]
    parts = max(1, -(-jobs // max(1, len(todo))))
    waiting = {task.stem: parts for task in todo}
    progress = Progress('cut', total=len(tasks), done=len(tasks) - len(todo))
    for row in workers.run(function, [task._replace(part=part, parts=parts) for task in todo for part in range(parts)],
                           jobs):
        waiting[row['image']] -= 1
        if not waiting[row['image']]:
            yield row
            progress.update(note='{} tiles'.format(row['tiles']))
    progress.close()


def _totals(done: Mapping[str, Dict[str, Any]]) -> Dict[str, int]:
    totals = {key: sum(row[key] for row in done.values()) for key in ('tiles', 'objects', 'placed')}
    return dict(images=len(done), **totals)


def _label_of(stem: str, labels: str, texts: Mapping[str, str]) -> str:
    if not labels:
        return ''
    path = texts.get(stem)
    if path is None:
        raise MTPError('image {} has no label file {}'.format(stem, os.path.join(labels, stem + '.txt')),
                       hint='leave out --labels to cut images without annotations')
    image_files.require_plain(path, 'label file')
    return path


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog='python -m mtp.tiles.cut', description='Cut images into tiles.')
    parser.add_argument('--preset', required=True, choices=sorted(PRESETS), help='how to cut')
    parser.add_argument('--images', required=True, help='folder of images')
    parser.add_argument('--labels', default='', help='folder of DOTA texts, one for each image; none: test images')
    parser.add_argument('--out', required=True, help='folder for images/ and annfiles/')
    converting.add_options(parser, strict=False)
    parser.set_defaults(jobs=os.cpu_count())
    options = parser.parse_args(arguments)
    out = resolve(options.out)
    counts = cut_folder(options.preset, resolve(options.images), out, resolve(options.labels), options.jobs,
                        options.dry_run, options.overwrite)
    print('{images} images, {tiles} tiles, {objects} objects placed {placed} times{said}'.format(
        said=' (dry run: nothing written)' if options.dry_run else '', **counts))
    return converting.finish(counts, [], options)


if __name__ == '__main__':
    run_main(main)
