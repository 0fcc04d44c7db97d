"""Change detection: WHU, LEVIR, OSCD and CDD to {train,val,test}/{A,B,label} as training reads them.

The published repository ships no script for this. The grid follows from the published counts: 7,620 patches of WHU and
1,212 of OSCD are what a grid gives that goes on over the right and lower border; beyond it patches are black
and unchanged, so the F1 of changed pixels does not see them.
"""
import argparse
import functools
import glob
import os
import random
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

import cv2
import numpy as np

from mtp import numbers, ownership
from mtp.data import catalogue, converting, images, outputs, stamps
from mtp.errors import MTPError, run_main
from mtp.files import PathLike

_Item = Tuple[str, str, Tuple[str, ...]]  # stem, part or '' where it is drawn, paths of A, B and label
ROLES = ('A', 'B', 'label')
TILE = {'whu': 256, 'levir': 256, 'oscd': 96}
SHARES = (0.7, 0.1, 0.2)  # of WHU: 5,334, 762 and 1,524 of 7,620
BANDS = ('B04', 'B03', 'B02')  # red, green, blue of Sentinel-2
PERCENTILES = (2.0, 98.0)


def binary(label: np.ndarray, path: PathLike) -> np.ndarray:
    """Label with changed pixels 255 and others 0.

    Labels hold 0 and 255, 0 and 1, or 1 and 2 (OSCD's TIFF form); JPEG ones hold nearly 0 and nearly 255.

    Raises:
        MTPError: names ``path``: other values, or more than one channel.
    """
    if label.ndim == 3 and (label == label[..., :1]).all():
        label = label[..., 0]
    if label.ndim != 2:
        raise MTPError(f'{path}: a label in colours')
    values = np.unique(label)
    if values.max() <= 2 and values.dtype.kind in 'ui':
        return np.where(label == (2 if values.max() == 2 else 1), 255, 0).astype(np.uint8)
    if label.dtype == np.uint8 and ((values <= 64) | (values >= 192)).all():
        return np.where(label >= 128, 255, 0).astype(np.uint8)
    raise MTPError(f'{path}: values {values[0]} ... {values[-1]} are no label of changed and unchanged')


def stretch(band: np.ndarray, low: float, high: float) -> np.ndarray:
    """A band of any depth to 8 bits, linear between two of its percentiles."""
    bottom, top = np.percentile(band, [low, high])
    return np.clip((band.astype(np.float64) - bottom) / max(top - bottom, 1e-9) * 255 + 0.5, 0, 255).astype(np.uint8)


def grid(image: np.ndarray, tile: int) -> Iterator[Tuple[int, int, np.ndarray]]:
    """Yield (y, x, patch) of a grid over ``image``, row by row; patches over the border are filled with 0."""
    for y in range(0, image.shape[0], tile):
        for x in range(0, image.shape[1], tile):
            part = image[y:y + tile, x:x + tile]
            if part.shape[:2] != (tile, tile):
                part = np.pad(part, [(0, tile - part.shape[0]), (0, tile - part.shape[1])]
                              + [(0, 0)] * (image.ndim - 2), mode='constant')
            yield y, x, part


def _load(path: PathLike) -> np.ndarray:
    return images.decoded(path, cv2.IMREAD_UNCHANGED)


def _colour(path: str, options: argparse.Namespace) -> np.ndarray:
    """An 8-bit BGR image: a file, or the folder of an OSCD date."""
    if not os.path.isdir(path):
        image = _load(path)
        if image.dtype != np.uint8:
            raise MTPError(f'{path}: it has {image.dtype} pixels, and 8 bits are expected')
        return image[..., :3] if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
    bands = [stretch(_load(os.path.join(path, band + '.tif')), *options.stretch) for band in BANDS]
    if len({band.shape for band in bands}) != 1:
        raise MTPError(f'{path}: its bands differ in size')
    return np.stack(bands[::-1], 2)


def _cut(item: _Item, name: str, out: str, options: argparse.Namespace) -> Dict[str, int]:
    """Cut one image pair; the number of patches by part."""
    stem, part, sources = item
    shape, counts = None, {}
    for role, path in zip(ROLES, sources):
        image = binary(_load(path), path) if role == 'label' else _colour(path, options)
        if shape is not None and shape != image.shape[:2]:
            raise MTPError('{}: it has {} x {} pixels, and {} has {} x {}'.format(
                path, *image.shape[1::-1], sources[0], *shape[::-1]))
        shape = image.shape[:2]
        where = [] if part else _parts(shape, options.tile, options.seed)
        for number, (y, x, patch) in enumerate(grid(image, options.tile)):
            target = part or where[number]
            counts[target] = counts.get(target, 0) + (role == 'label')
            if not options.dry_run:
                outputs.save_image(os.path.join(out, target, role, f'{stem}_{y:04d}_{x:04d}.png'), patch)
    return counts


def _parts(shape: Tuple[int, int], tile: int, seed: int) -> List[str]:
    """Part of every patch of the one WHU image: a seeded draw of 70, 10 and 20 of 100."""
    number = -(-shape[0] // tile) * -(-shape[1] // tile)
    first = round(number * SHARES[0])
    second = first + round(number * SHARES[1])
    parts = ['train'] * first + ['val'] * (second - first) + ['test'] * (number - second)
    random.Random(seed).shuffle(parts)
    return parts


def _items(name: str, root: str) -> List[_Item]:
    """(stem, part or '', (A, B, label)) of every image pair of the source, in natural order."""
    dataset = catalogue.get(name)
    items: List[_Item] = []
    if name == 'whu':
        return [('whu', '', tuple(os.path.join(root, file) for file in ('2012.tif', '2016.tif', 'change_label.tif')))]
    for split in dataset.source.values():
        if name == 'oscd':
            labels = os.path.join(root, os.path.relpath(split.labels, 'oscd'))
            for region in converting.listing(labels, ''):
                folder = os.path.join(root, 'images', region)
                if os.path.isdir(os.path.join(labels, region)):
                    items.append((region, split.name, (os.path.join(folder, 'imgs_1_rect'), os.path.join(
                        folder, 'imgs_2_rect'), os.path.join(labels, region, 'cm', 'cm.png'))))
            continue
        roles = ('A', 'B', os.path.basename(split.labels))
        suffixes = (split.image_suffix, split.image_suffix, split.label_suffix)
        folders = [os.path.join(root, split.name, role) for role in roles]
        found = [converting.paths_by_stem(folder, suffix) if os.path.isdir(folder) else {}
                 for folder, suffix in zip(folders, suffixes)]
        places = list(zip(found, folders, suffixes))
        for stem in found[0]:
            sources = (paths.get(stem, os.path.join(folder, stem + suffix)) for paths, folder, suffix in places)
            items.append((stem, split.name, tuple(sources)))
    return items


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Cut (WHU, LEVIR, OSCD) or link (CDD) a change detection data set into the folders that training reads."""
    options = _parser().parse_args(argv)
    numbers.rising('--stretch', options.stretch)
    name, dataset = options.name, catalogue.get(options.name)
    root = options.root or catalogue.locate({'whu': 'whu_cd'}.get(name, name))
    out = options.out or catalogue.locate(dataset.root)
    options.tile = options.tile or TILE.get(name)
    if not os.path.isdir(root):
        raise MTPError(f'the folder {root} is missing', hint=f'python -m mtp.data describe {name}')
    items = _items(name, root)
    missing = [path for item in items for path in item[2] if not os.path.exists(path)]
    if missing or not items:
        raise MTPError('{} is missing'.format(missing[0] if missing else 'any image below ' + root), code=1,
                       hint=f'python -m mtp.data describe {name}')
    mark = converting.fingerprint([1, name, options.tile, options.seed, list(options.stretch)],
                                  [path for item in items for path in item[2]])
    problems, totals = [], {}
    work = functools.partial(_link if name == 'cdd' else _cut, name=name, out=out, options=options)
    with stamps.filling(out, 'data patches', mark, _names(name, items), options) as filling:
        if not filling.needed:
            print(f'{out}: made from these files already')
            return 0
        for counts in converting.run(work, items, options, name, problems):
            for part, number in counts.items():
                totals[part] = totals.get(part, 0) + number
        filling.whole = not problems
    print('{}: {}'.format(out, ', '.join(f'{number} {part}' for part, number in totals.items())))
    return converting.finish(totals, problems, options)


def _names(name: str, items: Sequence[_Item]) -> List[str]:
    """What is written, relative to the folder, as patterns."""
    if name == 'cdd':
        return ownership.exactly(f'{part}/{role}/{_target(stem, path)}' for stem, part, sources in items
                                 for role, path in zip(ROLES, sources))
    four = '[0-9]' * 4 + '*'
    return [f'*/{role}/{glob.escape(stem)}_{four}_{four}.png' for stem, _, _ in items for role in ROLES]


def _target(stem: str, path: str) -> str:
    """Name under which training looks for a file: its suffix in small letters."""
    return stem + os.path.splitext(path)[1].lower()


def _link(item: _Item, name: str, out: str, options: argparse.Namespace) -> Dict[str, int]:
    stem, part, sources = item
    for role, path in zip(ROLES, sources):
        target = os.path.join(out, part, role, _target(stem, path))
        # training reads one channel of a label
        turned = binary(_load(path), path) if role == 'label' and images.header(path).bands != 1 else None
        if not options.dry_run and turned is not None:
            outputs.save_image(target, turned)
        elif not options.dry_run:
            outputs.link(path, target)
    return {part: 1}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m mtp.data.patches', description=main.__doc__)
    parser.add_argument('name', choices=('whu', 'levir', 'oscd', 'cdd'))
    parser.add_argument('--root', help='source folder (default: from the catalogue)')
    parser.add_argument('--out', help='default: where training reads, from the catalogue')
    parser.add_argument('--tile', type=numbers.count, help='pixels (default: 256; 96 for OSCD)')
    parser.add_argument('--seed', type=numbers.seed, default=0,
                        help='of the split of WHU; the published one is not known')
    parser.add_argument('--stretch', type=numbers.percentile, nargs=2, default=PERCENTILES, metavar=('LOW', 'HIGH'),
                        help='percentiles of an OSCD band that become 0 and 255; the published ones are not known')
    converting.add_options(parser)
    return parser


if __name__ == '__main__':
    run_main(main)
