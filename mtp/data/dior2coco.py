"""DIOR annotations (XML) to COCO files (published as dior_h_2_coco.py)."""
import argparse
import functools
import os
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mtp import numbers
from mtp.data import catalogue, coco, converting, dior, images, records
from mtp.errors import MTPError

KINDS = {'hbb': ('horizontal', 'dior'), 'obb': ('oriented', 'diorr')}


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Convert the trainval and test parts; they go where the published configs read them."""
    options = _parser().parse_args(argv)
    jobs = [_job(options, split) for split in options.splits]
    stale = [job['out'] for job in jobs if options.overwrite or not coco.is_current(job['out'], job['fingerprint'])]
    converting.refuse_existing(stale, options, coco.is_ours)
    counts, problems = {}, []
    for job in jobs:
        if job['out'] not in stale:
            print('{out}: made from these files already'.format(**job))
            continue
        with converting.alone(job['out'], options):
            counts[job['out']] = _convert(job, options, problems)
        print('{}: {images} images, {annotations} boxes, {outside} reach outside, {degenerate} without area{}'.format(
            job['out'], ' (dry run: nothing written)' if options.dry_run else '', **counts[job['out']]))
    return converting.finish(counts, problems, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, epilog='Paths not given come from the catalogue and lie '
                                     'below MTP_DATA_ROOT.')
    parser.add_argument('--root', help='folder of DIOR (default: samrs/dior below MTP_DATA_ROOT)')
    parser.add_argument('--splits', nargs='+', choices=('train', 'val', 'trainval', 'test'),
                        default=['trainval', 'test'])
    parser.add_argument('--box', choices=tuple(KINDS), default='hbb',
                        help='horizontal boxes, or the polygons of DIOR-R')
    parser.add_argument('--out', help='folder for DIOR_{split}_coco.json (default: the root, where the configs look; '
                        'the published script wrote into ImageSets/Main)')
    parser.add_argument('--id-base', type=numbers.not_negative, choices=(0, 1), default=1,
                        help='first annotation id; 0 as published, which evaluation takes for "no match"')
    parser.add_argument('--clip', action='store_true', help='cut boxes at the border of the image')
    parser.add_argument('--drop-degenerate', action='store_true', help='leave out boxes without area')
    converting.add_options(parser)
    return parser


def _job(options: argparse.Namespace, split: str) -> Dict[str, Any]:
    dataset = catalogue.get(KINDS[options.box][1])
    root = options.root or catalogue.locate(dataset.root)
    labels = os.path.join(root, os.path.relpath(next(iter(dataset.splits.values())).labels, dataset.root))
    folder = os.path.join(root, 'JPEGImages-' + ('test' if split == 'test' else 'trainval'))
    list_file = os.path.join(root, 'ImageSets', 'Main', split + '.txt')
    if not os.path.isfile(list_file):
        raise MTPError(f'the list {list_file} is missing', hint='python -m mtp.data describe dior')
    files = [(images.as_there(os.path.join(folder, stem + '.jpg')),
              images.as_there(os.path.join(labels, stem + '.xml'))) for stem in converting.stems(list_file)]
    name = os.path.basename(catalogue.get('dior').files['coco']).format(split=split)
    if options.box == 'obb':
        name = name.replace('DIOR', 'DIOR-R')
    settings = [1, options.box, options.id_base, options.clip, options.drop_degenerate]
    return {'files': files, 'out': os.path.join(options.out or root, name),
            'fingerprint': converting.fingerprint(settings, [list_file] + [path for pair in files for path in pair])}


def _convert(job: Mapping[str, Any], options: argparse.Namespace, problems: List[str]) -> Dict[str, int]:
    totals = {'outside': 0, 'degenerate': 0}

    def rows(results: Iterable[Tuple[Dict[str, Any], List[str], int, int]]
             ) -> Iterator[Tuple[Dict[str, Any], List[str]]]:
        for image, annotations, outside, degenerate in results:
            totals['outside'] += outside
            totals['degenerate'] += degenerate
            yield image, annotations

    work = functools.partial(_one, kind=KINDS[options.box][0], clip=options.clip, drop=options.drop_degenerate)
    before = len(problems)
    results = converting.run(work, job['files'], options, os.path.basename(job['out']), problems)
    counts = coco.write(job['out'], catalogue.get('dior').classes, rows(results),
                        '' if options.lenient else job['fingerprint'], options.id_base, options.dry_run)
    return dict(counts, left_out=len(problems) - before, **totals)


def _one(paths: Tuple[str, str], kind: str, clip: bool, drop: bool) -> Tuple[Dict[str, Any], List[str], int, int]:
    """COCO entry of an image, its annotations as text, how many reach outside, how many have no area."""
    image_path, label_path = paths
    width, height = images.size(image_path)
    classes = catalogue.get('dior').classes
    labels = dior.read(label_path, kind, classes)
    stated = labels.meta.get('width', width), labels.meta.get('height', height)
    if stated != (width, height):
        raise MTPError('{}: field size: it says {} x {}, and {} has {} x {}'.format(
            label_path, *stated, os.path.basename(image_path), width, height))
    polygons = _corners(labels.boxes) if isinstance(labels, records.Boxes) else labels.polygons
    outside = (polygons < 0).any((1, 2)) | (polygons > (width, height)).any((1, 2))
    if clip:
        polygons = np.clip(polygons, 0, (width, height))
    low, high = polygons.min(1), polygons.max(1)
    area = (high - low).prod(1) if kind == 'horizontal' else _shoelace(polygons)
    keep = (area > 0) & ((high - low) > 0).all(1)
    annotations = []
    for index in np.flatnonzero(keep) if drop else range(len(labels.names)):
        box = np.concatenate([low[index], high[index] - low[index]])
        annotations.append(coco.compact({
            'iscrowd': 0, 'category_id': classes.index(labels.names[index]), 'bbox': _plain(box),
            'area': _plain(area[index:index + 1])[0],
            'segmentation': [] if kind == 'horizontal' else [_plain(polygons[index].reshape(-1))]}))
    image = {'file_name': os.path.basename(image_path), 'height': height, 'width': width}
    return image, annotations, int(outside.sum()), int((~keep).sum())


def _corners(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def _shoelace(polygons: np.ndarray) -> np.ndarray:
    x, y = polygons[..., 0], polygons[..., 1]
    return np.abs((x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(1)) / 2


def _plain(values: np.ndarray) -> List[float]:
    """Whole numbers as ints, as the published files have them."""
    return [int(value) if value == int(value) else value for value in values.tolist()]
