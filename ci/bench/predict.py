"""A map of one big raster against the sliding window that people write: ``python ci/bench/predict.py [--side 10000]``.

The plain way holds the whole image and the sums of all scores in memory, reads, computes and adds one window after the
other, and writes a GeoTIFF. Both have the same network, which looks at single pixels, so that whatever the blending
both have to say the same of every pixel; that is checked first. Both run in processes of their own and in turn, one
window a forward pass and one thread. Memory is the most that a process held above what it holds after its imports. A
ratio is plain / ours; where a machine is busy with other things, that of the processor seconds says more. Then:
the share of the time that is not the network's where that computes elsewhere; outlines of a map with so many areas, and
a GeoPackage of so many boxes.
"""
import argparse
import functools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
sys.path.insert(0, ROOT)
CLASSES, WINDOW, OVERLAP, WIDTH = 7, 512, 128, 48
AWAY = 0.03  # seconds of a window on another device


def network(width):
    """Scores (n, CLASSES, h, w) of pixels (n, 3, h, w), of each pixel by itself."""
    import torch
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return torch.nn.Sequential(torch.nn.Conv2d(3, width, 1), torch.nn.ReLU(), torch.nn.Conv2d(width, width, 1),
                               torch.nn.ReLU(), torch.nn.Conv2d(width, CLASSES, 1)).eval()


class Net:
    """The network for :mod:`mtp.adapters.dense`."""

    channels = CLASSES

    def __init__(self, width):
        self.width = width

    @staticmethod
    def prepare(pixels):
        import torch
        return torch.from_numpy(pixels[0].transpose(2, 0, 1).astype(np.float32) / 255)

    @staticmethod
    def collate(samples):
        import torch
        return torch.stack(samples)

    def load(self):
        self.layers = network(self.width)

    def __call__(self, batch):
        import torch
        with torch.no_grad():
            return self.layers(batch).numpy()


class Elsewhere(Net):
    """A network that takes its time on another device, as a GPU does: this one waits for it."""

    def load(self):
        import cv2
        coarse = np.random.default_rng(0).normal(size=(8, 8, CLASSES)).astype(np.float32)  # noise would not pack
        self.scores = np.ascontiguousarray(cv2.resize(coarse, (WINDOW, WINDOW)).transpose(2, 0, 1))

    def __call__(self, batch):
        time.sleep(AWAY * len(batch))
        return np.repeat(self.scores[None], len(batch), 0)


def ours(path, out, width, network=Net):
    """As ``make predict``: seconds, and those in the network."""
    from mtp.adapters import dense, inference
    from mtp.predict import cog
    from mtp.tiles import blend, masked, parts, rasters
    start = time.perf_counter()
    size, ground = rasters.place_of(path)
    image = dense.Image('a', (path,), blend.grid(*size, WINDOW, OVERLAP))
    settings = inference.Settings(opener=masked.open_masked)
    spent = dense.run(network(width), [image], OVERLAP, out + '.parts', 'mark', settings,
                      functools.partial(parts.packed, scores_too=False))
    pieces = (parts.read(parts.path_of(out + '.parts', 'a', row))[0] for row in range(len(image.grid.y)))
    colours = {str(number): (number, 0, 0) for number in range(CLASSES)}
    cog.write(out, pieces, (1,) + size, ground, out + '.parts', colours)
    return time.perf_counter() - start, spent.network


def plain(path, out, width):
    """The whole image in memory, one window at a time."""
    import rasterio
    import torch
    from rasterio.windows import Window  # noqa: F401 (what such programs import)
    start, spent, layers = time.perf_counter(), 0.0, network(width)
    with rasterio.open(path) as source:
        pixels, profile = source.read([3, 2, 1]), source.profile
    height, width = pixels.shape[1:]
    sums, count = np.zeros((CLASSES, height, width), np.float32), np.zeros((height, width), np.float32)
    starts = [sorted({min(at, length - WINDOW) for at in range(0, length - OVERLAP, WINDOW - OVERLAP)})
              for length in (height, width)]
    for y in starts[0]:
        for x in starts[1]:
            window = pixels[:, y:y + WINDOW, x:x + WINDOW].astype(np.float32) / 255
            before = time.perf_counter()
            with torch.no_grad():
                found = layers(torch.from_numpy(window)[None])[0].numpy()
            spent += time.perf_counter() - before
            sums[:, y:y + WINDOW, x:x + WINDOW] += found
            count[y:y + WINDOW, x:x + WINDOW] += 1
    classes = (sums / count).argmax(axis=0).astype(np.uint8)
    profile.update(count=1, compress='deflate', tiled=True, blockxsize=512, blockysize=512, photometric=None)
    with rasterio.open(out, 'w', **{name: value for name, value in profile.items() if value is not None}) as stream:
        stream.write(classes, 1)
        stream.build_overviews([2, 4, 8, 16], rasterio.enums.Resampling.nearest)
    return time.perf_counter() - start, spent


def child(way, path, out, width):
    """Run one way in this process and say seconds, those in the network, processor seconds, MiB."""
    import torch  # noqa: F401 (before memory is looked at)

    import mtp.adapters.dense  # noqa: F401
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    used = time.process_time()
    ways = {'ours': ours, 'plain': plain, 'away': functools.partial(ours, network=Elsewhere)}
    seconds, spent = ways[way](path, out, width)
    print(seconds, spent, time.process_time() - used,
          (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def run(way, path, out, width):
    done = subprocess.run([sys.executable, '-W', 'ignore', os.path.abspath(__file__), '--child', way, path, out,
                           '--width', str(width)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          env=dict(os.environ, PYTHONPATH=ROOT, OMP_NUM_THREADS='1'))
    if done.returncode:
        raise SystemExit(done.stderr)
    return list(map(float, done.stdout.split()[-4:]))


def make_raster(path, side):
    """A GeoTIFF in tiles, with structure at several sizes."""
    import cv2
    import rasterio
    rng, picture = np.random.default_rng(0), np.zeros((side, side, 3), np.float32)
    for cells, weight in ((8, 60), (64, 40), (512, 25)):
        picture += cv2.resize(rng.normal(0, weight, (cells, cells, 3)).astype(np.float32), (side, side))
    with rasterio.open(path, 'w', driver='GTiff', width=side, height=side, count=3, dtype='uint8', tiled=True,
                       blockxsize=512, blockysize=512, compress='deflate', crs='EPSG:32650',
                       transform=rasterio.Affine(0.5, 0, 400000, 0, -0.5, 4000000)) as stream:
        stream.write(np.clip(picture + 128, 0, 255).astype(np.uint8).transpose(2, 0, 1))


def same(first, second):
    """Share of the pixels that both ways say the same of: rounding decides where two scores are equal."""
    import rasterio
    found = []
    for path in (first, second):
        with rasterio.open(path) as opened:
            found.append(opened.read(1))
    return float((found[0] == found[1]).mean())


def maps(folder, options):
    """What the two ways took, in words."""
    path, outs = os.path.join(folder, 'a.tif'), {way: os.path.join(folder, way + '.tif') for way in ('ours', 'plain')}
    make_raster(path, options.side)
    found = {way: [] for way in outs}
    for number in range(options.rounds):
        for way in sorted(outs, reverse=number % 2):
            subprocess.check_call(['rm', '-rf', outs[way], outs[way] + '.parts'])
            found[way].append(run(way, path, outs[way], options.width))
        if same(*outs.values()) < 0.9999:
            raise SystemExit(f'the two ways differ in {1 - same(*outs.values()):.2%} of the pixels')
    ratios = [other[0] / mine[0] for mine, other in zip(found['ours'], found['plain'])]
    (mine, network_, used, memory), (other, others, theirs_used, theirs) = (
        [statistics.median(column) for column in zip(*found[way])] for way in ('ours', 'plain'))
    pixels = options.side ** 2 / 1e6
    away = run('away', path, os.path.join(folder, 'away.tif'), options.width)
    return ('{0} x {0}: plain {1:.1f} s, ours {2:.1f} s, ratio {3:.2f} ({4:.2f}-{5:.2f}), of processor seconds '
            '{6:.2f}; memory {7:.0f} and {8:.0f} MiB, ratio {9:.1f}; seconds a megapixel outside the network: '
            'plain {10:.2f}, ours {11:.2f}; share outside a network that takes {12:.0f} ms a window on another device: '
            '{13:.0%}'.format(
                options.side, other, mine, statistics.median(ratios), min(ratios), max(ratios), theirs_used / used,
                theirs, memory, theirs / memory, (other - others) / pixels, (mine - network_) / pixels,
                AWAY * 1000, 1 - away[1] / away[0]))


def outlines(folder, count):
    """Seconds for the outlines of a map of noise with about so many areas, into a GeoPackage."""
    from mtp.predict import cog, geopackage, placing, polygons
    side = int((count * 2.2) ** 0.5)
    numbers = np.random.default_rng(0).integers(0, 3, (1, side, side), dtype=np.uint8)
    path, colours = os.path.join(folder, 'noise.tif'), {name: (1, 2, 3) for name in 'abc'}
    cog.write(path, [numbers], (1, side, side), None, folder, colours)
    start, areas, system = (time.perf_counter(), time.process_time()), 0, placing.system_of(None)
    with geopackage.GeoPackage(os.path.join(folder, 'noise.gpkg')) as package:
        layer = package.layer('areas', system, (('class', 'TEXT'), ('pixels', 'INTEGER')), colours)
        for some in polygons.areas(path, range(3), None, system):
            layer.polygons([area.rings for area in some], [['abc'[area.label] for area in some],
                                                           [area.pixels for area in some]])
            areas += len(some)
    return f'{areas} outlines in {_took(start)}'


def _took(start):
    """Seconds since (clock, processor), in words."""
    return f'{time.perf_counter() - start[0]:.1f} s ({time.process_time() - start[1]:.1f} s of the processor)'


def boxes(folder, count):
    """Seconds for a GeoPackage of so many boxes."""
    from mtp.predict import geopackage, placing
    corners = np.array([[0, 0], [9, 0], [9, 5], [0, 5], [0, 0]])
    rings = np.random.default_rng(0).uniform(0, 1e5, (count, 1, 2)) + corners
    start = time.perf_counter(), time.process_time()
    with geopackage.GeoPackage(os.path.join(folder, 'boxes.gpkg')) as package:
        layer = package.layer('objects', placing.system_of(None), (('class', 'TEXT'), ('score', 'REAL')),
                              {'a': (1, 2, 3)})
        layer.boxes(rings, [['a'] * count, np.linspace(0, 1, count)])
    return 'a GeoPackage of {} boxes in {}, {:.0f} MB'.format(
        count, _took(start), os.path.getsize(os.path.join(folder, 'boxes.gpkg')) / 1e6)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--side', type=int, default=10000, help='of the raster, pixels (default: %(default)s)')
    parser.add_argument('--count', type=int, default=1000000, help='of outlines and boxes (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--width', type=int, default=WIDTH, help='channels of the network: a narrow one spares a busy '
                        'machine (default: %(default)s)')
    parser.add_argument('--quick', action='store_true', help='try it with little; its ratios mean nothing')
    parser.add_argument('--child', nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child, options.width)
        return
    if options.quick:
        options.side, options.count, options.rounds = 1200, 20000, 1
    with tempfile.TemporaryDirectory() as folder:
        said = [maps(folder, options)]
        for work in (outlines, boxes):
            print(said[-1], flush=True)
            said.append(work(folder, options.count))
    print('; '.join(said))


if __name__ == '__main__':
    main()
