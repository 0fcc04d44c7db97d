"""LoveDA: predictions to what the server takes (published as change_loveda_label.py), and flat folders."""
import argparse
import functools
import os
import shlex
import zipfile
from typing import List, Optional, Sequence, Tuple

import numpy as np

from mtp import numbers, ownership, paths
from mtp.data import catalogue, converting, images, masks, outputs, stamps
from mtp.errors import MTPError, run_main
from mtp.files import PathLike, atomic_path

VERB = 'change_loveda_label'
_Item = Tuple[str, str, Optional[str]]  # name, image, mask
SIZE = 1024  # pixels of every LoveDA image
TEST_IDS = range(4191, 5987)
#: 0 is no data, 1 to 7 are the classes.
MASKS = masks.Rule(7, catalogue.get('loveda').palette, 1)


def _read(path: PathLike) -> np.ndarray:
    """A prediction, (height, width) uint8; MTPError for a palette, colours or another depth."""
    mode, pixels = masks.decode(path)
    if mode != 'L' or pixels.dtype != np.uint8:
        raise MTPError('{}: it is {} and not one channel of 8 bits; class numbers cannot be told from colours'.format(
            path, {'P': 'a palette image', 'RGB': 'an RGB image'}.get(mode, 'of mode ' + mode)))
    return pixels


def _scan(path: PathLike, size: int) -> Tuple[int, int]:
    """Lowest and highest value of a prediction."""
    pixels = _read(path)
    if size and pixels.shape != (size, size):
        raise MTPError('{}: it has {} x {} pixels, and LoveDA has {} x {}'.format(
            path, *pixels.shape[::-1], size, size))
    return int(pixels.min()), int(pixels.max())


def choose_offset(ranges: Sequence[Tuple[str, int, int]]) -> int:
    """What to add so that values lie in 0..6.

    mmsegmentation 1.x adds 1 to what it writes when the data set reduces the zero label; the server takes 0..6.

    Args:
        ranges: (file, lowest, highest) of every prediction.

    Returns:
        -1 for 1..7, 0 for 0..6.

    Raises:
        MTPError: values outside 0..7, both 0 and 7, or neither (then the two cases look alike).
    """
    outside = [name for name, _, high in ranges if high > 7]
    if outside:
        raise MTPError(f'{len(outside)} of {len(ranges)} files hold values above 7, first {outside[0]}')
    both = [name for name, low, high in ranges if low == 0 and high == 7]
    if both:
        raise MTPError('{} holds 0 and 7, so it knows 8 classes, and LoveDA has 7: 0, no data, was learnt as a class'
                       .format(both[0]), hint='train with reduce_zero_label=True, as the configs in '
                       'configs/mmrotate1/loveda do, and predict again')
    zeros = [name for name, low, _ in ranges if low == 0]
    sevens = [name for name, _, high in ranges if high == 7]
    if zeros and sevens:
        raise MTPError('some files hold 0 ({}) and some 7 ({}): these are not predictions of one kind'.format(
            zeros[0], sevens[0]), hint='were some files shifted already, or does the network know 8 classes? predict '
                'again into an empty folder, with a config of configs/mmrotate1/loveda')
    if not zeros and not sevens:
        raise MTPError('no file holds 0 or 7, so 1..7 cannot be told from 0..6',
                       hint='say it: --offset -1 or --offset 0')
    return -1 if sevens else 0


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Shift predictions of 1..7 to 0..6 and zip them; what is 0..6 already stays as it is."""
    options = _parser().parse_args(argv)
    pred = options.pred or paths.resolve('work_dirs/loveda/predict/submit')
    if not os.path.isdir(pred):
        raise MTPError('no folder {}: there the predictions (PNG, values 1 to 7) are expected'.format(pred),
                       hint='python tools/test.py CONFIG CHECKPOINT --out {}, or name their folder with --pred'
                       .format(shlex.quote(pred)))
    out = options.out or pred.rstrip('/') + '_0to6'
    archive = out.rstrip('/') + '.zip'
    files = [os.path.join(pred, name) for name in converting.listing(pred, '.png')]
    if not files:
        raise MTPError(f'no .png in {pred}')
    mark = converting.fingerprint([1, options.offset, options.size], files)
    if not stamps.needed(out, VERB, mark, options):
        print(f'{archive}: made from these files already')
        return 0
    problems = _name_problems(files, options.expect_count)
    scanned = converting.run(functools.partial(_scan, size=options.size), files, options, 'values', problems)
    ranges = [(os.path.basename(path), *pair) for path, pair in zip(files, scanned)]
    offset = choose_offset(ranges) if options.offset == 'auto' else int(options.offset)
    wrong = [name for name, low, high in ranges if low + offset < 0 or high + offset > 6]
    if wrong:
        raise MTPError(f'with an offset of {offset} {len(wrong)} files leave 0..6, first {wrong[0]}')
    names = [os.path.basename(path) for path in files]
    if not options.dry_run:
        with stamps.filling(out, VERB, mark, ownership.exactly(names), options):
            work = functools.partial(_shift, out=out, offset=offset)
            for _ in converting.run(work, files, options, f'offset {offset}', problems):
                pass
            _zip(out, names, archive)
    print('{}: {} files, offset {}{}'.format(archive, len(files), offset,
                                             ' (dry run: nothing written)' if options.dry_run else ''))
    return converting.finish({'files': len(files), 'offset': offset}, problems, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--pred', help='folder of the predictions (default: loveda/predict/submit below MTP_WORK_ROOT)')
    parser.add_argument('--out', help='folder for the shifted files; the zip lies beside it (default: PRED_0to6)')
    parser.add_argument('--offset', choices=('auto', '-1', '0'), default='auto', help='what to add to every value')
    parser.add_argument('--expect-count', type=numbers.not_negative, default=len(TEST_IDS),
                        help='0: do not check number and names of '
                        'the files (default: %(default)s, ids 4191 to 5986)')
    parser.add_argument('--size', type=numbers.not_negative, default=SIZE, help='pixels of a side; 0: any')
    converting.add_options(parser, strict=False)
    return parser


def _name_problems(files: Sequence[str], expected: int) -> List[str]:
    if not expected:
        return []
    problems = []
    if len(files) != expected:
        problems.append(f'{len(files)} files, and the server expects {expected} (--expect-count 0 to allow it)')
    wanted = {f'{number}.png' for number in TEST_IDS}
    strange = [path for path in files if os.path.basename(path) not in wanted]
    if strange:
        problems.append(f'{len(strange)} files are no test image of LoveDA, first {strange[0]}')
    return problems


def _shift(path: str, out: str, offset: int) -> None:
    shifted = _read(path).astype(np.int16) + offset
    outputs.save_image(os.path.join(out, os.path.basename(path)), shifted.astype(np.uint8))


def _zip(folder: str, names: Sequence[str], path: str) -> None:
    """All files at the root of the archive, as the server wants; the same bytes for the same files."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, 'w', zipfile.ZIP_STORED) as archive:
        for name in names:
            with open(os.path.join(folder, name), 'rb') as stream:
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), stream.read())


def flatten(argv: Optional[Sequence[str]] = None) -> int:
    """Link Train and Val (urban and rural) into trainval, and Test into test, as training and testing read them."""
    parser = argparse.ArgumentParser(prog='python -m mtp.data.loveda', description=flatten.__doc__)
    parser.add_argument('--root', default=catalogue.locate('loveda_dataset'), help='folder with Train, Val and Test')
    converting.add_options(parser, strict=False)
    options = parser.parse_args(argv)
    parts = {'trainval': ('Train', 'Val'), 'test': ('Test',)}
    counts = {}
    for part, sources in parts.items():
        items = [item for source in sources for area in ('Urban', 'Rural')
                 for item in _area(options.root, source, area, part)]
        names = [item[0] for item in items]
        double = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()
        if double:
            raise MTPError('{} is there twice in {}'.format(sorted(double)[0], ', '.join(sources)))
        counts[part] = len(items)
        out = os.path.join(options.root, part)
        mark = converting.fingerprint([1], [path for item in items for path in item[1:] if path])
        names = [f'{folder}/{item[0]}' for item in items
                 for path, folder in zip(item[1:], ('images', 'labels')) if path]
        work, turned = functools.partial(_place, out='' if options.dry_run else out), 0
        with stamps.filling(out, 'data loveda', mark, ownership.exactly(names), options) as filling:
            if filling.needed:
                turned = sum(converting.run(work, items, options, 'LoveDA ' + part, []))
        said = f', {turned} masks turned from colours into numbers' if turned else ''
        print('{}: {}'.format(out, f'{len(items)} images{said}' if filling.needed else
                              'made from these files already'))
    return converting.finish(counts, [], options)


def _place(item: _Item, out: str) -> bool:
    """Put one image and its mask where training reads them; whether the mask had to be turned into numbers."""
    name, image, mask = item
    numbers, plain = masks.read(mask, MASKS) if mask else (None, True)
    if out:
        outputs.link(image, os.path.join(out, 'images', name))
    if out and mask and plain:
        outputs.link(mask, os.path.join(out, 'labels', name))
    elif out and mask:
        outputs.save_image(os.path.join(out, 'labels', name), numbers)
    return not plain


def _area(root: str, source: str, area: str, part: str) -> List[_Item]:
    """(name, image, mask or None) of one area; each mask must be there and as large as its image."""
    folder = os.path.join(root, source, area)
    items, found = [], {}
    if part != 'test':
        found = converting.paths_by_stem(os.path.join(folder, 'masks_png'), '.png')
    for stem, image in converting.paths_by_stem(os.path.join(folder, 'images_png'), '.png').items():
        mask = None if part == 'test' else found.get(stem, os.path.join(folder, 'masks_png', stem + '.png'))
        if mask and images.size(image) != images.size(mask):
            raise MTPError(f'{image} and {mask} differ in size')
        items.append((stem + '.png', image, mask))
    return items


if __name__ == '__main__':
    run_main(flatten)
