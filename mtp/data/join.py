"""``python -m mtp.data.join dotav1``: train and val of a set in DOTA's form as one folder of links, to be cut."""
import argparse
import os
from typing import Optional, Sequence

from mtp import ownership
from mtp.data import catalogue, converting, outputs, stamps
from mtp.errors import MTPError, run_main

PARTS = ('train', 'val')


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Link images and labelTxt of train and val into trainval."""
    parser = argparse.ArgumentParser(prog='python -m mtp.data.join', description=main.__doc__)
    parser.add_argument('name', choices=[name for name in catalogue.having('truth', ('dota',))
                                          if set(PARTS) <= set(catalogue.get(name).source)])
    converting.add_options(parser, strict=False)
    options = parser.parse_args(argv)
    items = {}
    for part in PARTS:
        split = catalogue.get(options.name).source[part]
        images, labels = catalogue.locate(split.images), catalogue.locate(split.labels)
        texts = converting.paths_by_stem(labels, split.label_suffix)
        for stem, image in converting.paths_by_stem(images, split.image_suffix).items():
            if stem not in texts:
                raise MTPError(f'{image} has no label file {os.path.join(labels, stem + split.label_suffix)}', code=1)
            if stem in items:
                raise MTPError(f'{os.path.basename(image)} is there twice: {items[stem][0]} and {image}')
            items[stem] = (image, texts[stem])
    if not items:
        raise MTPError(f'no image in {images}', hint='python -m mtp.data describe ' + options.name)
    out = catalogue.locate(catalogue.get(options.name).root + '/trainval')
    mark = converting.fingerprint([1], [path for pair in items.values() for path in pair])
    links = [(path, f'{folder}/{stem}{suffix}') for stem, pair in items.items() for path, folder, suffix
             in zip(pair, ('images', 'labelTxt'), (split.image_suffix, split.label_suffix))]
    with stamps.filling(out, 'data join', mark, ownership.exactly(name for _, name in links), options) as filling:
        if not filling.needed:
            print(f'{out}: made from these files already')
            return 0
        for path, name in () if options.dry_run else links:
            outputs.link(path, os.path.join(out, name))
    print(f'{out}: {len(items)} images')
    return converting.finish({'images': len(items)}, [], options)


if __name__ == '__main__':
    run_main(main)
