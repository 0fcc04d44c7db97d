"""Scene classification: EuroSAT and RESISC-45 split as training reads them, by a seeded draw within each class."""
import argparse
import collections
import os
import random
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from mtp import numbers, ownership
from mtp.data import catalogue, converting, outputs, scenes, stamps
from mtp.errors import MTPError, run_main
from mtp.files import write_text

_Parts = Mapping[str, Sequence[Tuple[str, str, str]]]  # part -> class, name and path of each image
_Work = Dict[str, Tuple[List[Tuple[str, str]], List[Tuple[str, str]]]]  # folder -> links, and texts: path, content
VERB = 'data splits'
# shares of each class in 100; EuroSAT leaves 20 unused, as its published 16,200 and 5,400 of 27,000 do
SHARES = {'eurosat': {'train': 60, 'val': 20}, 'resisc45': {'train': 20, 'valid': 80}}


def draw(names: Iterable[str], shares: Mapping[str, int], seed: int) -> Dict[str, List[str]]:
    """{part: names} of one class: a seeded shuffle, cut by shares in 100, each part in natural order."""
    names = sorted(names, key=converting.natural)
    shuffled = random.Random(seed).sample(names, len(names))
    parts, start = {}, 0
    for part, share in shares.items():
        stop = start + round(len(names) * share / 100)
        parts[part] = sorted(shuffled[start:stop], key=converting.natural)
        start = stop
    return parts


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Link the images of EuroSAT into train and val, or those of RESISC-45 into all_img with its lists."""
    parser = argparse.ArgumentParser(prog='python -m mtp.data.splits', description=main.__doc__)
    parser.add_argument('name', choices=tuple(SHARES))
    parser.add_argument('--root', help='folder with one folder a class (default: from the catalogue)')
    parser.add_argument('--seed', type=numbers.seed, default=0, help='the published lists are not known')
    converting.add_options(parser, strict=False)
    options = parser.parse_args(argv)
    dataset = catalogue.get(options.name)
    root = options.root or catalogue.locate(dataset.source['all'].images)
    found = _classes(dataset, root)
    files = [path for paths in found.values() for path in paths.values()]
    mark = converting.fingerprint([1, options.seed, SHARES[options.name]], files)
    parts = {part: [] for part in dataset.splits}
    for kind, paths in found.items():
        for part, members in draw(paths, SHARES[options.name], options.seed).items():
            parts[part] += [(kind, name, paths[name]) for name in members]
    writer = _folders if options.name == 'eurosat' else _lists
    work = writer(dataset, parts)
    if all([stamps.needed(folder, VERB, mark, options) is False for folder in work]):
        print('{}: made from these files already'.format(', '.join(work)))
        return 0
    for folder, (links, texts) in work.items():
        names = [os.path.relpath(pair[place], folder) for pairs, place in ((links, 1), (texts, 0)) for pair in pairs]
        with stamps.filling(folder, VERB, mark, ownership.exactly(names), options) as filling:
            if not filling.needed or options.dry_run:
                continue
            for source, target in links:
                outputs.link(source, target)
            for path, text in texts:
                write_text(path, text)
    counts = {part: len(members) for part, members in parts.items()}
    print('{}: {}'.format(options.name, ', '.join(f'{number} {part}' for part, number in counts.items())))
    return converting.finish(counts, [], options)


def _classes(dataset: catalogue.Dataset, root: str) -> Dict[str, Dict[str, str]]:
    """{class: {name: path}}; every class of the catalogue must be there with images."""
    if not os.path.isdir(root):
        raise MTPError(f'the folder {root} is missing',
                       hint=f'python -m mtp.data describe {dataset.name}')
    folders = scenes.class_folders(root, dataset.classes)
    suffix = dataset.source['all'].image_suffix
    found = {kind: {stem + suffix: path for stem, path in converting.paths_by_stem(folder, suffix).items()}
             for kind, folder in folders.items()}
    empty = [kind for kind, paths in found.items() if not paths]
    if empty:
        raise MTPError(f'{folders[empty[0]]} has no {suffix} image')
    return found


def _folders(dataset: catalogue.Dataset, parts: _Parts) -> _Work:
    """What to write for EuroSAT: {folder: (links, texts)}."""
    work = {}
    for part, split in dataset.splits.items():
        folder = catalogue.locate(split.images)
        links = [(path, os.path.join(folder, kind, name)) for kind, name, path in parts[part]]
        work[folder] = (links, [])
    return work


def _lists(dataset: catalogue.Dataset, parts: _Parts) -> _Work:
    """What to write for RESISC-45: all images in one folder, and lists of file and class index."""
    split = next(iter(dataset.splits.values()))
    images, lists = catalogue.locate(split.images), os.path.dirname(catalogue.locate(split.listing))
    links = [(path, os.path.join(images, name)) for rows in parts.values() for _, name, path in rows]
    double = [name for name, count in collections.Counter(target for _, target in links).items() if count > 1]
    if double:
        raise MTPError(f'two classes have an image {os.path.basename(double[0])}', hint='rename one of them')
    texts = [(catalogue.locate(dataset.splits[part].listing),
              ''.join(f'{name} {dataset.classes.index(kind)}\n' for kind, name, _ in rows))
             for part, rows in parts.items()]
    return {images: (links, []), lists: ([], texts)}


if __name__ == '__main__':
    run_main(main)
