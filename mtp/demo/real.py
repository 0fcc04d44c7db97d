"""``python -m mtp.demo.real --source DIR --out DATA``: real images in place of drawn ones, as far as ``DIR`` has them.

Looked for below ``DIR``: DOTA images with their text (``dota/*/images`` beside ``labelTxt``), further DOTA images
without (``dota/*/*.jpg``), and FAIR1M images without labels (``fair1m/images_unannotated``). An image with labels is
trained on and tested on: with one or two of them the test says whether the network can learn them, and no more.
"""
import argparse
import glob
import os
import shutil
from typing import List, Optional, Sequence, Tuple

import cv2

from mtp import paths
from mtp.data import converting, dota
from mtp.errors import MTPError, run_main
from mtp.files import atomic_path, write_bytes, write_text
from mtp.tiles.pixels import list_images, read_image


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Fill the demo's data root with real images."""
    parser = argparse.ArgumentParser(prog='python -m mtp.demo.real', description=__doc__)
    parser.add_argument('--source', required=True, help='folder with dota/ and fair1m/')
    parser.add_argument('--out', required=True, help='data root of the demo')
    options = parser.parse_args(argv)
    out = paths.resolve(options.out)
    labelled = labelled_dota(options.source)
    if not labelled:
        raise MTPError('{} has no DOTA image with labels (dota/*/images/*.png beside dota/*/labelTxt/*.txt)'.format(
            options.source), hint='make demo without DATA draws its own')
    for image, text in labelled:
        found = dota.read(text)
        print(f'{image}: {len(found.names)} objects, trained on and tested on')
        for folder in ('train/images', 'test/images'):
            copy(image, os.path.join(out, 'dotav1', folder))
        copy(text, os.path.join(out, 'dotav1', 'train', 'labelTxt'))
        copy(text, os.path.join(out, 'dotav1', 'test', 'truth'))
    for image in sorted(glob.glob(os.path.join(options.source, 'dota', '*', '*.jpg'))):
        print(f'{image}: no labels, tested on')
        copy(image, os.path.join(out, 'dotav1', 'test', 'images'))
    for image in sorted(glob.glob(os.path.join(options.source, 'fair1m', 'images_unannotated', '*.jpg'))):
        print(f'{image}: no labels, tested on')
        to_tiff(image, os.path.join(out, 'fair1m', 'test', 'images'))
    for name in ('dotav1', 'fair1m'):
        truth = os.path.join(out, name, 'test', 'truth')
        stems = sorted(os.path.splitext(label)[0] for label in os.listdir(truth))
        write_text(truth + '.list', ''.join(stem + '\n' for stem in stems))


def labelled_dota(source: str) -> List[Tuple[str, str]]:
    """(image, text) of every DOTA image below ``source`` that has a label file."""
    found = []
    for folder in sorted(glob.glob(os.path.join(source, 'dota', '*', 'images'))):
        texts = os.path.join(os.path.dirname(folder), 'labelTxt')
        labels = converting.paths_by_stem(texts, '.txt') if os.path.isdir(texts) else {}
        found += [(image, labels[stem]) for stem, image in list_images(folder).items() if stem in labels]
    return found


def copy(path: str, folder: str) -> None:
    """Copy a file into a folder, atomically."""
    with atomic_path(os.path.join(folder, os.path.basename(path))) as temporary:
        shutil.copyfile(path, temporary)


def to_tiff(path: str, folder: str) -> None:
    """The image as the ``.tif`` that FAIR1M is published in."""
    done, data = cv2.imencode('.tif', read_image(path))
    if not done:
        raise MTPError(f'cannot encode {path} as TIFF')
    name = os.path.splitext(os.path.basename(path))[0] + '.tif'
    write_bytes(os.path.join(folder, name), data.tobytes())


if __name__ == '__main__':
    run_main(main)
