"""xView labels and images to 416 pixel tiles with COCO files (published as prepare_xview_dataset.py).

One command does what the published script did in four: labels, split into train and val, clipping, COCO.
"""
import argparse
import functools
import glob
import math
import os
import random
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import cv2
import numpy as np

from mtp import numbers
from mtp.data import catalogue, coco, converting, records, stamps, xview
from mtp.errors import MTPError
from mtp.files import atomic_path, write_text
from mtp.tiles.pixels import read_image

_Row = Tuple[Dict[str, Any], List[Dict[str, Any]]]  # COCO's entry of a tile, and of each object in it
OFFICIAL_TRAIN, OFFICIAL_ALL = 700, 846
NEVER_THERE = {'1395.tif'}  # named by the labels, in no archive


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Prepare xView as the configs read it."""
    options = _parser().parse_args(argv)
    _check(options)
    out = options.out or os.path.dirname(catalogue.locate(catalogue.get('xview').splits['train'].labels))
    problems = []
    labels = xview.read(options.geojson, problems if options.lenient else None)
    paths = {stem + '.tif': path for stem, path in converting.paths_by_stem(options.images, '.tif').items()}
    labelled = [name for name in paths if name in labels]
    for name in sorted(set(labels) - set(paths) - NEVER_THERE, key=converting.natural):
        problems.append(f'{options.geojson}: image {name} has labels and is not in {options.images}')
    if not labelled:
        raise MTPError(f'{options.geojson} names none of the {len(paths)} images in {options.images}')
    parts = _split(labelled, options)
    files = [options.geojson] + [paths[name] for name in labelled]
    settings = [1, options.tile, options.min_overlap, options.keep_empty, options.pad_value, options.id_base,
                options.clip, options.names, options.export_yolo, parts]
    mark = converting.fingerprint(settings, files)
    with stamps.filling(out, 'data xview', mark, _made(parts, options), options) as filling:
        if not filling.needed:
            print(f'{out}: made from these files already')
            return converting.finish({}, [], options)
        found = {name: (paths[name], labels[name]) for name in labelled}
        counts: Dict[str, Any] = {part: _convert(part, members, found, out, options, problems)
                                  for part, members in parts.items()}
        filling.whole = not problems
    counts['skipped type ids'] = _skipped(labels)
    print('labels of no class, left out: {}'.format(counts['skipped type ids'] or 'none'))
    return converting.finish(counts, problems, options)


def _parser() -> argparse.ArgumentParser:
    source = catalogue.get('xview').source['train']
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0], epilog='Paths not given come from the '
                                     'catalogue and lie below MTP_DATA_ROOT.')
    parser.add_argument('--geojson', default=catalogue.locate(source.labels))
    parser.add_argument('--images', default=catalogue.locate(source.images), help='folder of the .tif images')
    parser.add_argument('--out', help='default: xview/yolo_format_patch below MTP_DATA_ROOT')
    parser.add_argument('--split', type=numbers.count, metavar='N',
                        help='images of train (default: 700 of 846, in proportion)')
    parser.add_argument('--seed', type=numbers.seed, default=0,
                        help='of the split; the published one was drawn without')
    parser.add_argument('--split-file', help='text with the file names of train, one a line, instead of a draw')
    parser.add_argument('--tile', type=numbers.count, default=416, help='pixels')
    parser.add_argument('--min-overlap', type=numbers.not_negative, default=0, help='pixels')
    parser.add_argument('--keep-empty', action='store_true', help='keep tiles without objects')
    parser.add_argument('--pad-value', type=numbers.byte, default=128, help='gray beside images smaller than a tile')
    parser.add_argument('--clip', choices=('exact', 'published'), default='exact',
                        help='published: boxes lose a pixel at the right and lower border of a tile')
    parser.add_argument('--names', choices=('offset', 'published'), default='offset',
                        help='offset: image__416__x___y.png; published: image_number.png, which cannot be traced back')
    parser.add_argument('--id-base', type=numbers.not_negative, choices=(0, 1), default=1, help='first annotation id')
    parser.add_argument('--export-yolo', action='store_true', help='write YOLO label text too')
    converting.add_options(parser)
    return parser


def _check(options: argparse.Namespace) -> None:
    if options.min_overlap >= options.tile:
        raise MTPError('--tile is {} and --min-overlap {}; the overlap must be from 0 to below the tile'.format(
            options.tile, options.min_overlap))
    for path in (options.geojson, options.images):
        if not os.path.exists(path):
            raise MTPError(f'{path} is missing', hint='python -m mtp.data describe xview')


def _split(names: Sequence[str], options: argparse.Namespace) -> Dict[str, List[str]]:
    """{'train': names, 'val': names}, each in natural order."""
    if options.split_file:
        train = set(converting.stems(options.split_file))
        unknown = sorted(train - set(names))
        if unknown:
            raise MTPError(f'{options.split_file}: {unknown[0]!r} is not an image with labels')
    else:
        number = options.split or converting.share_of(len(names), OFFICIAL_TRAIN, OFFICIAL_ALL)
        if not 0 < number <= len(names):
            raise MTPError(f'--split is {number}, and there are {len(names)} images')
        train = set(random.Random(options.seed).sample(names, number))
    return {'train': [name for name in names if name in train], 'val': [name for name in names if name not in train]}


def starts(length: int, tile: int, overlap: int = 0) -> np.ndarray:
    """First pixels of the tiles over ``length`` pixels: as few as cover it, evenly spread, cut to whole pixels."""
    if length <= tile:
        return np.zeros(1, np.int64)
    count = math.ceil((length - tile) / (tile - overlap)) + 1
    return np.linspace(0, length - tile, count).astype(np.int64)


def _made(parts: Mapping[str, Sequence[str]], options: argparse.Namespace) -> List[str]:
    """What is written, relative to the folder, as patterns."""
    found = [f'xview_{part}_coco_format.json' for part in parts]
    ends = '_*' if options.names == 'published' else '__*__*___*'
    for part, names in parts.items():
        for stem in (glob.escape(os.path.splitext(name)[0]) for name in names):
            found += [f'{part}/images/{stem}{ends}.png', f'{part}/labels/{stem}{ends}.txt']
    return found


def _convert(part: str, names: Sequence[str], found: Mapping[str, Tuple[str, records.Boxes]], out: str,
             options: argparse.Namespace, problems: List[str]) -> Dict[str, int]:
    dataset = catalogue.get('xview')
    work = functools.partial(_tiles, folder=os.path.join(out, part), options=options)
    totals = {'source images': len(names), 'outside': 0, 'degenerate': 0}

    def rows() -> Iterator[Tuple[Dict[str, Any], List[str]]]:
        items = [found[name] for name in names]
        for tiles, outside, degenerate in converting.run(work, items, options, 'xView ' + part, problems):
            totals['outside'] += outside
            totals['degenerate'] += degenerate
            yield from tiles

    path = os.path.join(out, f'xview_{part}_coco_format.json')
    if not options.dry_run:
        os.makedirs(os.path.join(out, part, 'images'), exist_ok=True)
    counts = coco.write(path, dataset.classes, rows(), '', options.id_base, options.dry_run)
    print('{}: {source} images, {images} tiles, {annotations} boxes; boxes left out: {outside} outside, {degenerate} '
          'without area'.format(path, source=len(names), **counts, outside=totals['outside'],
                                degenerate=totals['degenerate']))
    return dict(counts, **totals)


def _tiles(item: Tuple[str, records.Boxes], folder: str,
           options: argparse.Namespace) -> Tuple[List[Tuple[Dict[str, Any], List[str]]], int, int]:
    """Cut one image; rows for :func:`coco.write` and how many boxes were outside or without area."""
    path, labels = item
    image = read_image(path)
    height, width = image.shape[:2]
    boxes = xview.clip(labels.boxes, width, height)
    real = (labels.boxes[:, 2:] > labels.boxes[:, :2]).all(1)
    inside = (boxes[:, 2:] > boxes[:, :2]).all(1)
    keep = np.flatnonzero(real & inside)
    boxes, classes = boxes[keep], [labels.names[index] for index in keep]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    rows, stem = [], os.path.splitext(os.path.basename(path))[0]
    for y in starts(height, options.tile, options.min_overlap).tolist():
        for x in starts(width, options.tile, options.min_overlap).tolist():
            here = np.flatnonzero(((centres >= (x, y)) & (centres < (x + options.tile, y + options.tile))).all(1))
            if not (len(here) or options.keep_empty):
                continue
            name = (f'{stem}_{len(rows)}' if options.names == 'published' else
                    f'{stem}__{options.tile}__{x}___{y}')
            local = boxes[here] - (x, y, x, y)
            last = options.tile - (options.clip == 'published')
            local = np.stack([local[:, 0].clip(0), local[:, 1].clip(0), _upper(local[:, 2], options.tile, last),
                              _upper(local[:, 3], options.tile, last)], 1)
            rows.append(_row(name, local, [classes[index] for index in here], options))
            _save(folder, name, image[y:y + options.tile, x:x + options.tile], rows[-1], options)
    texts = [(entry, [coco.compact(annotation) for annotation in annotations]) for entry, annotations in rows]
    return texts, int((real & ~inside).sum()), int((~real).sum())


def _upper(values: np.ndarray, tile: int, last: int) -> np.ndarray:
    return np.where(values >= tile, last, values)


def _row(name: str, boxes: np.ndarray, classes: Sequence[str], options: argparse.Namespace) -> _Row:
    order = catalogue.get('xview').classes
    annotations = []
    for (x0, y0, x1, y1), kind in zip(boxes.tolist(), classes):
        annotations.append({'iscrowd': 0, 'category_id': order.index(kind), 'area': (x1 - x0) * (y1 - y0),
                            'bbox': [x0, y0, x1 - x0, y1 - y0], 'segmentation': []})
    image = {'file_name': name + '.png', 'width': options.tile, 'height': options.tile}
    return image, annotations


def _save(folder: str, name: str, pixels: np.ndarray, row: _Row, options: argparse.Namespace) -> None:
    path = os.path.join(folder, 'images', name + '.png')
    if options.dry_run or os.path.exists(path):  # of an earlier run that was stopped
        return
    tile = np.full((options.tile, options.tile, 3), options.pad_value, np.uint8)
    tile[:pixels.shape[0], :pixels.shape[1]] = pixels
    if options.export_yolo:
        write_text(os.path.join(folder, 'labels', name + '.txt'),
                   ''.join(_yolo_line(entry, options.tile) for entry in row[1]))
    with atomic_path(path) as temporary, open(temporary, 'wb') as stream:
        stream.write(cv2.imencode('.png', tile, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes())


def _yolo_line(entry: Mapping[str, Any], tile: int) -> str:
    x, y, w, h = entry['bbox']
    return '{} {:.6f} {:.6f} {:.6f} {:.6f}\n'.format(entry['category_id'], (x + w / 2) / tile, (y + h / 2) / tile,
                                                    w / tile, h / tile)


def _skipped(labels: Mapping[str, records.Boxes]) -> Dict[int, int]:
    total = {}
    for found in labels.values():
        for code, number in found.meta['skipped'].items():
            total[code] = total.get(code, 0) + number
    return dict(sorted(total.items()))
