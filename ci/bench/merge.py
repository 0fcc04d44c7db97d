"""Merging tile detections against MMRotate 0.3.4: ``python ci/bench/merge.py [a] [b] [c] [--full|--quick]``.

a: images with 15 classes and about 100 detections each, found at three scales; b: one class of one image with many
boxes; c: FAIR1M at full size through merge, XML and zip, for which there is no other way that ends within hours, so
time and memory are given. In a and b both ways get the same tiles, in this process and in turn, and must keep the same
lines. It runs in the environment mmrotate03, which holds the other way. ``--full`` takes the sizes of a whole test set,
which takes MMRotate minutes; without it a share of them, with ``--quick`` a small one.
"""
import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from mtp.data import catalogue  # noqa: E402
from mtp.submit import package  # noqa: E402
from mtp.submit.dota import write_texts  # noqa: E402
from mtp.tiles.merge import merge  # noqa: E402
from mtp.tiles.shards import ShardWriter  # noqa: E402
from mtp.tiles.windows import Preset, tile_id, window_positions  # noqa: E402

SIDE = 2600
HOW = Preset(1024, 500, (0.5, 1.0, 1.5))


def tiles_of(rng, image, classes, per_class, side=SIDE, how=HOW):
    """Detections of one image by tile: every object is found in a few of the windows over it, a little differently."""
    windows = window_positions(side, side, how)
    objects = max(1, per_class // 3) * classes
    centre, label = rng.uniform(0, side, (objects, 2)), np.repeat(np.arange(classes), objects // classes)
    low, high = (16, 8, -1.5), (70, 30, 1.5)
    shape = rng.uniform(low, high, (objects, 3))
    box = np.repeat(np.column_stack([centre, shape]), 3, axis=0)
    box += rng.normal(0, 1, box.shape) * [1, 1, 1, 1, 0.03]
    inside = ((box[:, None, :2] >= windows[None, :, :2]) & (box[:, None, :2] < windows[None, :, 2:])).all(axis=2)
    chosen = np.argmax(inside * rng.random(inside.shape), axis=1)
    found = {}
    for number, window in enumerate(windows):
        rows = np.flatnonzero((chosen == number) & inside[:, number])
        boxes = box[rows].copy()
        boxes[:, :2] -= window[:2]
        found[tile_id(image, window)] = (boxes.astype(np.float32), np.repeat(label, 3)[rows])
    return found


def with_scores(rng, tiles):
    """Add distinct scores: how equal ones are ordered is not defined in the other way."""
    count = sum(len(labels) for _, labels in tiles.values())
    scores = np.split(((rng.permutation(count) + 1) / (count + 1)).astype(np.float32),
                      np.cumsum([len(labels) for _, labels in tiles.values()])[:-1])
    return {tile: (boxes, score, labels) for (tile, (boxes, labels)), score in zip(tiles.items(), scores)}


def write_shards(folder, tiles, classes):
    with ShardWriter(folder, 0, 1, classes, 'bench') as writer:
        for tile, found in tiles.items():
            writer.append(tile, *found)


def their_way(classes):
    """Function from tiles and an output folder that merges and writes as MMRotate 0.3.4 does."""
    try:
        from mmrotate.datasets.dota import DOTADataset
        DOTADataset.merge_det  # not in MMRotate 1.x
    except (ImportError, AttributeError):
        raise SystemExit('merge.py compares with MMRotate 0.3.4: run it with the Python of environment mmrotate03')

    def run(tiles, out):
        dataset = DOTADataset.__new__(DOTADataset)
        dataset.CLASSES, dataset.version = classes, 'le90'
        dataset.img_ids = dataset.data_infos = list(tiles)
        results = []
        for boxes, scores, labels in tiles.values():
            rows = np.column_stack([boxes, scores]).astype(np.float32)
            results.append([rows[labels == label] for label in range(len(classes))])
        return measured(lambda: dataset.format_results(results, out, nproc=os.cpu_count()))
    return run


def our_way(shards, out):
    os.makedirs(out)
    return measured(lambda: write_texts(merge(shards, jobs=os.cpu_count()), out, os.cpu_count()))


def measured(work):
    """Seconds on the clock, and of all processors together: the latter hardly depends on what else the machine does."""
    clock, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    return time.perf_counter() - clock, sum(after[:4]) - sum(before[:4])


def lines(folder):
    """All lines of the texts in a folder, sorted, by file; empty files left out."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith('.txt'):
            with open(os.path.join(folder, name)) as stream:
                found[name] = sorted(stream)
    return {name: rows for name, rows in found.items() if rows}


def compare(name, tiles, classes, rounds):
    """Run both ways in turn on the same tiles; print and return the ratio."""
    theirs, seconds = their_way(classes), {'theirs': [], 'ours': []}
    with tempfile.TemporaryDirectory() as folder:
        write_shards(os.path.join(folder, 'shards'), tiles, classes)
        for number in range(rounds):
            a, b = os.path.join(folder, 'a%d' % number), os.path.join(folder, 'b%d' % number)
            seconds['ours'].append(our_way(os.path.join(folder, 'shards'), b))
            seconds['theirs'].append(theirs(tiles, a))
            if lines(a) != lines(b):
                raise SystemExit(f'{name}: the two ways keep different lines')
    count = sum(len(found[2]) for found in tiles.values())
    said = []
    for unit, what in enumerate(('clock', 'processors')):
        spent = {way: [row[unit] for row in rows] for way, rows in seconds.items()}
        ratios = [a / b for a, b in zip(spent['theirs'], spent['ours'])]
        said.append('{}: MMRotate 0.3.4 {:.2f} s, ours {:.2f} s, ratio {:.0f} ({:.0f}-{:.0f})'.format(
            what, statistics.median(spent['theirs']), statistics.median(spent['ours']), statistics.median(ratios),
            min(ratios), max(ratios)))
        if not unit:
            summary = f'{name} {statistics.median(ratios):.0f}x'
    print('{}: {} detections, the same lines; {}'.format(name, count, '; '.join(said)), flush=True)
    return summary


def sized(options, full, share, quick):
    return full if options.full else quick if options.quick else share


def case_a(options):
    rng, tiles = np.random.default_rng(0), {}
    for number in range(sized(options, 300, 100, 25)):
        tiles.update(tiles_of(rng, f'P{number:04d}', 15, 100))
    return compare('a', with_scores(rng, tiles), catalogue.get('dotav1').classes, options.rounds)


def case_b(options):
    rng = np.random.default_rng(1)
    count = sized(options, 20000, 5000, 2000)
    tiles = tiles_of(rng, 'P0000', 1, count, side=int(60 * count ** 0.5))
    return compare('b', with_scores(rng, tiles), catalogue.get('dotav1').classes[:1], options.rounds)


def case_c(options):
    """18,000 images, 2 million detections: shards to test.zip, in a process of its own to see its memory."""
    images, per_image = sized(options, 18000, 1800, 300), 111
    with tempfile.TemporaryDirectory() as folder:
        make_fair1m(folder, images, per_image)
        words, said = [sys.executable, os.path.abspath(__file__), '--fair1m', folder], []
        seconds, processors = measured(lambda: said.append(subprocess.run(
            words, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout))
        peak = float(said[0].split()[-1])
        size = os.path.getsize(os.path.join(folder, 'out', 'test.zip')) / 2 ** 20
    print('c: {} images, {} detections: merge, texts, XML and zip ({:.0f} MiB) in {:.0f} s ({:.0f} s of '
          'processors) with {:.0f} MiB'.format(images, images * per_image, size, seconds, processors, peak), flush=True)
    return 'c {:.0f} s {:.0f} MiB'.format(seconds, peak)


def make_fair1m(folder, images, per_image):
    """Shards of FAIR1M's size, and images of which only the header is true."""
    from PIL import Image
    classes, rng = catalogue.get('fair1m').classes, np.random.default_rng(2)
    os.makedirs(os.path.join(folder, 'images'))
    first = os.path.join(folder, 'images', '0.tif')
    Image.new('1', (1000, 1000)).save(first, compression='group4')
    windows = window_positions(1000, 1000, Preset(800, 400, (0.5, 1.0, 1.5)))
    with ShardWriter(os.path.join(folder, 'shards'), 0, 1, classes, 'bench') as writer:
        for number in range(images):
            if number:
                os.link(first, os.path.join(folder, 'images', f'{number}.tif'))
            for window, count in zip(windows, np.bincount(rng.integers(0, len(windows), per_image),
                                                          minlength=len(windows))):
                side = window[2] - window[0]
                box = np.column_stack([rng.uniform(0, side, (count, 2)), rng.uniform(10, 60, (count, 2)),
                                       rng.uniform(-1.5, 1.5, count)])
                writer.append(tile_id(number, window), box, rng.random(count), rng.integers(0, len(classes), count))


def run_fair1m(folder):
    """Merge and package in this process; print the most memory that it or a worker of it held, in MiB."""
    found = merge(os.path.join(folder, 'shards'), jobs=os.cpu_count())
    package(found, 'fair1m', os.path.join(folder, 'out'), os.path.join(folder, 'images'))
    own, workers = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print((own + workers * os.cpu_count()) / 1024)


CASES = {'a': case_a, 'b': case_b, 'c': case_c}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', help='of ' + ', '.join(CASES))
    parser.add_argument('--full', action='store_true', help='the sizes of a whole test set')
    parser.add_argument('--quick', action='store_true', help='small ones, to see that it works')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--fair1m', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fair1m:
        run_fair1m(options.fair1m)
        return
    sibling = os.path.join(os.path.dirname(sys.executable), os.pardir, os.pardir, 'mmrotate03', 'bin', 'python')
    if os.path.basename(sys.prefix) != 'mmrotate03' and os.path.exists(sibling):
        os.execv(sibling, [sibling, os.path.abspath(__file__)] + sys.argv[1:])
    print('; '.join(CASES[name](options) for name in options.cases or CASES))


if __name__ == '__main__':
    main()
