"""DOTA: train and val as one folder of links, ``trainval``, ready to be cut (``python -m mtp.data.join dotav1``)."""
import argparse
import os

from mtp.data import catalogue, converting, outputs, stamps
from mtp.errors import MTPError, run_main

PARTS = ('train', 'val')


def main(argv=None) -> int:
    """Link images and labelTxt of train and val into trainval."""
    parser = argparse.ArgumentParser(prog='python -m mtp.data.join', description=main.__doc__)
    parser.add_argument('name', choices=[name for name in catalogue.names() if name.startswith('dota')])
    converting.add_options(parser, strict=False)
    options = parser.parse_args(argv)
    items = {}
    for part in PARTS:
        split = catalogue.get(options.name).source[part]
        images, labels = catalogue.locate(split.images), catalogue.locate(split.labels)
        for name in converting.listing(images, split.image_suffix):
            stem = name[:-len(split.image_suffix)]
            label = os.path.join(labels, stem + split.label_suffix)
            if not os.path.isfile(label):
                raise MTPError('{} has no label file {}'.format(os.path.join(images, name), label), code=1)
            if stem in items:
                raise MTPError('{} is there twice: {} and {}'.format(name, items[stem][0], os.path.join(images, name)))
            items[stem] = (os.path.join(images, name), label)
    if not items:
        raise MTPError('no image in {}'.format(images), hint='python -m mtp.data describe ' + options.name)
    out = catalogue.locate(options.name + '/trainval')
    mark = converting.fingerprint([1], [path for pair in items.values() for path in pair])
    if not stamps.begin(out, mark, options):
        print('{}: made from these files already'.format(out))
        return 0
    for image, label in () if options.dry_run else items.values():
        outputs.link(image, os.path.join(out, 'images', os.path.basename(image)))
        outputs.link(label, os.path.join(out, 'labelTxt', os.path.basename(label)))
    if not options.dry_run:
        stamps.complete(out, mark)
    print('{}: {} images'.format(out, len(items)))
    return converting.finish({'images': len(items)}, [], options)


if __name__ == '__main__':
    run_main(main)
