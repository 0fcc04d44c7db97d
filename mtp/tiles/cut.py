"""Cut images into tiles, with their annotations: ``python -m mtp.tiles.cut --preset dotav1_ms --images DIR --out DIR``.

Writes ``OUT/images/<tile>.png`` and ``OUT/annfiles/<tile>.txt`` (empty where a tile holds no object, also without
``--labels``), equal to what MMRotate's splitter writes. ``OUT/cut.jsonl`` keeps the settings and one line for each
image that is finished: started again, the command goes on behind these.

:func:`windows_of` gives the same tiles without writing files.
"""
import argparse
import contextlib
import json
import os
import shutil
from concurrent import futures
from typing import NamedTuple

import cv2
import numpy as np

from mtp.data import converting, dota
from mtp.data import images as image_files
from mtp.errors import MTPError, run_main
from mtp.files import write_text
from mtp.paths import resolve
from mtp.progress import Progress

from . import annotations, packed, workers
from .pixels import list_images
from .rows import ArrayRows, open_rows, panels
from .windows import PRESETS, preset, tile_id, window_positions

JOURNAL = 'cut.jsonl'
#: Packing an image for all its tiles pays where these have more than so many times its pixels.
_OVERLAP = 1.2


class Task(NamedTuple):
    """One image to cut: ``label`` is its DOTA text, or empty."""
    stem: str
    image: str
    label: str
    out: str
    preset: str
    threads: int


def windows_of(image, how, stem=None):
    """Yield the tiles of one image without writing files.

    Args:
        image: path, or pixels (height, width, 3) uint8 BGR. Of a PNG only some rows are in memory.
        how: a :class:`~mtp.tiles.windows.Preset`.
        stem: image id in the tiles' names; the file's stem by default.

    Yields:
        tile id, window (4,) int64 x_start, y_start, x_stop, y_stop, pixels (side, side, 3) uint8 BGR, padded; by row.
        The pixels are valid until the next tile: copy what is kept.
    """
    rows = image
    if isinstance(image, (str, os.PathLike)):
        path = os.fspath(image)
        stem = stem or os.path.splitext(os.path.basename(path))[0]
        rows = open_rows(path)
    elif isinstance(image, np.ndarray):
        rows = ArrayRows(image)
    windows = window_positions(rows.width, rows.height, how)
    for window in windows[np.lexsort((windows[:, 0], windows[:, 2] - windows[:, 0], windows[:, 1]))]:
        yield tile_id(stem or 'image', window), window, crop(rows.take(window[1], window[3]), window, how.padding)


def crop(rows, window, padding):
    """Pixels of a window, filled with ``padding`` (BGR) where it reaches beyond the right or lower border.

    Args:
        rows: (height of the window or less, width of the image, 3), those of the image that the window covers.
        window: x_start, y_start, x_stop, y_stop.
        padding: BGR.
    """
    x_start, y_start, x_stop, y_stop = (int(value) for value in window)
    inside = rows[:, x_start:x_stop]
    if inside.shape[:2] == (y_stop - y_start, x_stop - x_start):
        return inside
    tile = np.empty((y_stop - y_start, x_stop - x_start, 3), dtype=np.uint8)
    tile[:] = padding
    tile[:inside.shape[0], :inside.shape[1]] = inside
    return tile


def cut_image(task):
    """Write all tiles of one image; returns what the journal says about it."""
    row, windows, lines = _plan(task)
    padding, shared = preset(task.preset).padding, _worth_sharing(windows, row['width'], row['height'])
    rows = open_rows(task.image)
    if (rows.width, rows.height) != (row['width'], row['height']):
        raise MTPError('{}: the header says {} x {}, the pixels are {} x {}'.format(
            task.image, row['width'], row['height'], rows.width, rows.height))
    with futures.ThreadPoolExecutor(task.threads) as pool:  # packing releases the interpreter lock
        for part, x_start, group in panels(rows, windows[shared]) if shared.any() else ():
            _cut_packed(task, part, x_start, group, pool)
        if not shared.all():
            _cut_plain(task, open_rows(task.image) if shared.any() else rows, windows[~shared], padding, pool)
    for window, text in zip(windows, lines):
        with _replacing(os.path.join(task.out, 'annfiles', tile_id(task.stem, window) + '.txt')) as temporary:
            with open(temporary, 'w', encoding='utf-8', newline='') as stream:
                stream.write(text)
    return row


def count_image(task):
    """What :func:`cut_image` would return, from the header and the labels alone; nothing is written."""
    return _plan(task)[0]


def _plan(task):
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


def _worth_sharing(windows, width, height):
    """Which windows are packed together (see :mod:`mtp.tiles.packed`): none where they hardly overlap."""
    sides = windows[:, 2:] - windows[:, :2]
    inside = (windows[:, 2] <= width) & (windows[:, 3] <= height) & (sides[:, 0] >= packed.LEAST_WIDTH)
    return inside & (sides[inside].prod(1).sum() > _OVERLAP * width * height)


def _cut_packed(task, rows, x_start, windows, pool):
    """Write the tiles of windows inside the image; its rows (from column ``x_start`` on) are read, and packed, once."""
    shift = np.array([x_start, 0, x_start, 0])
    columns, strips, begun, waiting = packed.columns_of(windows - shift), [], 0, []
    for y_start, level in _levels(windows):  # from top to bottom
        while begun < level[:, 3].max():
            band = rows.take(begun, min(begun + packed.STRIP, rows.height)).copy()
            strips.append(pool.submit(packed.pack, begun, band, columns))
            begun += len(band)
            strips[-1 - min(task.threads, len(strips) - 1)].result()  # rows that wait to be packed take memory
        while strips[0].result().stop <= y_start:
            del strips[0]
        ready = [strip.result() for strip in strips]
        _finish(waiting)  # the level before is written while the rows of this one are read
        waiting = [pool.submit(_write, task, window, packed.png, ready, window - shift) for window in level]
    _finish(waiting)


def _cut_plain(task, rows, windows, padding, pool):
    """Write the tiles of windows one by one, padded where they reach beyond the image."""
    for y_start, level in _levels(windows):
        band = rows.take(y_start, level[:, 3].max())
        _finish([pool.submit(_write, task, window, _png, band, window, padding) for window in level])


def _levels(windows):
    """(y_start, windows that begin there), from top to bottom."""
    return [(y_start, windows[windows[:, 1] == y_start]) for y_start in np.unique(windows[:, 1])]


def _finish(waiting):
    for future in waiting:
        future.result()


def _objects(label):
    """Polygons (n, 8) float32, names, difficulties of a DOTA text."""
    if not label:
        return np.zeros((0, 8), dtype=np.float32), [], []
    labels = dota.read(label)
    return labels.polygons.reshape(-1, 8).astype(np.float32), labels.names, labels.difficult


def _write(task, window, encode, *arguments):
    """Write the parts of a file that ``encode`` makes."""
    with _replacing(os.path.join(task.out, 'images', tile_id(task.stem, window) + '.png')) as temporary:
        with open(temporary, 'wb') as stream:
            for part in encode(*arguments):
                stream.write(part)


def _png(band, window, padding):
    """PNG of a window as OpenCV makes it, from the rows of the image that begin where it begins."""
    done, data = cv2.imencode('.png', crop(band[:window[3] - window[1]], window, padding))
    if not done:
        raise MTPError('cannot encode window {} as PNG'.format(window.tolist()))
    return [data.data]


@contextlib.contextmanager
def _replacing(path):
    """A hidden temporary name to write to, renamed at the end: a killed run leaves no half tile under a final name."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, '.{}.{}'.format(os.getpid(), name))
    yield temporary
    os.replace(temporary, path)


def cut_folder(preset_name, images, out, labels='', jobs=1, dry_run=False):
    """Cut every image of a folder.

    Args:
        preset_name: see :data:`~mtp.tiles.windows.PRESETS`.
        images: folder of images.
        out: folder to fill; must be absent, empty, or left by the same command.
        labels: folder with a DOTA text for every image, or empty.
        jobs: processes.
        dry_run: read headers and labels, and count; write nothing.

    Returns:
        ``{'images', 'tiles', 'objects', 'placed'}`` counts over everything in ``out``.

    Raises:
        MTPError: bad input, or ``out`` holds something else. What was finished stays and is not done again.
    """
    preset(preset_name)
    found = list_images(images)
    tasks = [Task(stem, path, _label_of(stem, labels), out, preset_name, 1) for stem, path in found.items()]
    journal, done = ('', {}) if dry_run else _open_journal(preset_name, out, bool(labels))
    todo = [task for task in tasks if task.stem not in done]
    strange = sorted(set(done) - set(found))
    if strange:
        raise MTPError('{} holds tiles of {} images that are not in {}, for example {}'.format(
            out, len(strange), images, strange[0]), hint='give another --out')
    threads = max(1, jobs // max(1, len(todo)))
    todo = [task._replace(threads=threads) for task in todo]
    progress = Progress('cut', total=len(tasks), done=len(done))
    for row in workers.run(count_image if dry_run else cut_image, todo, jobs):
        if journal:
            with open(journal, 'a', encoding='utf-8') as stream:
                stream.write(json.dumps(row) + '\n')
        done[row['image']] = row
        progress.update(note='{} tiles'.format(row['tiles']))
    progress.close()
    totals = {key: sum(row[key] for row in done.values()) for key in ('tiles', 'objects', 'placed')}
    return dict(images=len(done), **totals)


def _label_of(stem, labels):
    if not labels:
        return ''
    path = os.path.join(labels, stem + '.txt')
    if not os.path.isfile(path):
        raise MTPError('image {} has no label file {}'.format(stem, path),
                       hint='leave out --labels to cut images without annotations')
    return path


def _open_journal(preset_name, out, labelled):
    """Path of the journal, and the rows of finished images by stem."""
    path = os.path.join(out, JOURNAL)
    head = {'cut': 1, 'preset': preset_name, 'labelled': labelled}
    if not os.path.isfile(path):
        if os.path.isdir(out) and os.listdir(out):
            raise MTPError('{} is not empty and was not made by this command'.format(out), hint='give another --out')
        for name in ('images', 'annfiles'):
            os.makedirs(os.path.join(out, name), exist_ok=True)
        write_text(path, json.dumps(head) + '\n')
        return path, {}
    with open(path, encoding='utf-8') as stream:
        text = stream.read()
    _sweep_up(out)
    whole = text[:text.rfind('\n') + 1]  # a line without its end was being written when the run was killed
    if whole != text:
        write_text(path, whole)
    try:
        first, *rows = [json.loads(line) for line in whole.splitlines()]
    except ValueError as error:
        raise MTPError('{} is damaged: {}'.format(path, error), hint='remove {} and cut again'.format(out)) from error
    if first != head:
        raise MTPError('{} was cut with other settings: {}, now {}'.format(out, first, head), hint='give another --out')
    return path, {row['image']: row for row in rows}


def _sweep_up(out):
    """Remove the temporary files of a killed run."""
    for folder in ('images', 'annfiles'):
        for name in os.listdir(os.path.join(out, folder)):
            if name.startswith('.'):
                os.unlink(os.path.join(out, folder, name))


def main(arguments=None):
    parser = argparse.ArgumentParser(prog='python -m mtp.tiles.cut', description='Cut images into tiles.')
    parser.add_argument('--preset', required=True, choices=sorted(PRESETS), help='how to cut')
    parser.add_argument('--images', required=True, help='folder of images')
    parser.add_argument('--labels', default='', help='folder of DOTA texts, one for each image; none: test images')
    parser.add_argument('--out', required=True, help='folder for images/ and annfiles/')
    converting.add_options(parser, strict=False)
    parser.set_defaults(jobs=os.cpu_count())
    options = parser.parse_args(arguments)
    out = resolve(options.out)
    if options.overwrite and not options.dry_run and os.path.isfile(os.path.join(out, JOURNAL)):
        shutil.rmtree(out)
    counts = cut_folder(options.preset, resolve(options.images), out, resolve(options.labels), options.jobs,
                        options.dry_run)
    print('{images} images, {tiles} tiles, {objects} objects placed {placed} times{said}'.format(
        said=' (dry run: nothing written)' if options.dry_run else '', **counts))
    return converting.finish(counts, [], options)


if __name__ == '__main__':
    run_main(main)
