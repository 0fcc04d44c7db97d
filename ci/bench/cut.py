"""Cutting one big image at three scales against MMRotate's splitter: ``python ci/bench/cut.py [--side 12000]``.

Both run as their command lines do, in processes of their own and in turn, on the same image and labels; every tile and
every annotation file must be the same first. They run on one core, and on all: then MMRotate still cuts an image in one
process, and ours shares its windows among as many processes as there are cores. Memory is the most that one process
held, above what it holds after its imports. A ratio is theirs / ours; on a machine that is busy with other things that
of the processor seconds says more than that of the seconds.
"""
import argparse
import importlib.util
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
# Runs a script and says on the last line how much memory the largest of its processes took, before and after.
WRAP = '''
import resource, runpy, sys
def most():
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
{imports}
before = most()
sys.argv = {argv!r}
try:
    {run}
except SystemExit as end:
    if end.code:
        raise
print(before / 1024, most() / 1024)
'''


def make_image(path, side):
    """A picture with structure at all sizes, so that it packs about as well as a photograph of the ground."""
    import cv2
    rng, picture = np.random.default_rng(0), np.zeros((side, side, 3), dtype=np.float32)
    for cells, weight in ((8, 60), (64, 40), (512, 25)):
        coarse = rng.normal(0, weight, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)
    for start in range(0, side, 1000):  # noise in pieces: this process is not what is measured, but memory is finite
        part = picture[start:start + 1000]
        part += rng.normal(128, 5, part.shape).astype(np.float32)
    cv2.imwrite(path, np.clip(picture, 0, 255).astype(np.uint8))


def make_labels(path, side, count):
    rng, rows = random.Random(0), []
    for _ in range(count):
        x, y, w, h = rng.uniform(0, side - 300), rng.uniform(0, side - 300), rng.uniform(8, 250), rng.uniform(6, 90)
        corners = (x, y, x + w, y + w / 9, x + w - h / 9, y + w / 9 + h, x - h / 9, y + h)
        rows.append(' '.join('%.1f' % value for value in corners) + ' small-vehicle 0\n')
    with open(path, 'w') as stream:
        stream.write(''.join(rows))


def ours(images, labels, out, cores):
    argv = ['cut', '--preset', 'dotav1_ms', '--images', images, '--labels', labels, '--out', out,
            '--jobs', str(cores)]
    return WRAP.format(imports='import cv2, shapely, mtp.tiles.cut', argv=argv, run='mtp.tiles.cut.main(sys.argv[1:])')


def theirs(images, labels, out, cores):
    package = importlib.util.find_spec('mmrotate')
    if package is None:
        raise SystemExit('cut.py compares with the splitter that MMRotate installs: it is not in this Python')
    script = os.path.join(os.path.dirname(package.origin), '.mim/tools/data/dota/split/img_split.py')
    argv = [script, '--img-dirs', images, '--ann-dirs', labels, '--save-dir', out, '--sizes', '1024', '--gaps', '500',
            '--rates', '0.5', '1.0', '1.5', '--img-rate-thr', '0.6', '--iof-thr', '0.7', '--padding-value', '104',
            '116', '124', '--nproc', str(cores)]
    return WRAP.format(imports='import cv2, shapely.geometry, PIL.Image', argv=argv,
                       run=f'runpy.run_path({script!r}, run_name="__main__")')


def run(program, cores):
    """Seconds, processor seconds and MiB of a program on so many cores."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    start, spent = time.perf_counter(), processor_seconds()
    done = subprocess.run([sys.executable, '-c', program], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, env=dict(os.environ, PYTHONPATH=ROOT),
                          preexec_fn=lambda: os.sched_setaffinity(0, allowed))
    if done.returncode:
        raise SystemExit(done.stderr)
    before, after = map(float, done.stdout.split()[-2:])
    return time.perf_counter() - start, processor_seconds() - spent, after - before


def processor_seconds():
    """Of all processes that this one has started and that are finished."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check_equal(first, second):
    """Number of tiles and bytes of both folders; stops when they differ."""
    sizes = [0, 0]
    for name in ('images', 'annfiles'):
        names = sorted(os.listdir(os.path.join(first, name)))
        if names != sorted(os.listdir(os.path.join(second, name))):
            raise SystemExit(f'the two ways write different {name}')
        for entry in names:
            a, b = (open(os.path.join(folder, name, entry), 'rb').read() for folder in (first, second))
            sizes = [sizes[0] + len(a), sizes[1] + len(b)]
            if a != b and not same_pixels(entry, a, b):
                raise SystemExit(f'{entry} differs')
    return len(names), sizes


def same_pixels(name, a, b):
    import cv2
    return name.endswith('.png') and np.array_equal(*(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
                                                      for data in (a, b)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--side', type=int, default=6000, help='of the image, pixels (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--cores', type=int, nargs='+', help='default: 1, and all')
    parser.add_argument('--quick', action='store_true', help='try it with a small image; its ratios mean nothing')
    options = parser.parse_args()
    if options.quick:
        options.side, options.rounds = 2500, 1
    said, memory = [], {ours: 0, theirs: 0}
    with tempfile.TemporaryDirectory() as folder:
        images, labels = os.path.join(folder, 'images'), os.path.join(folder, 'labelTxt')
        os.makedirs(images), os.makedirs(labels)
        make_image(os.path.join(images, 'P0000.png'), options.side)
        make_labels(os.path.join(labels, 'P0000.txt'), options.side, 2000)
        for cores in options.cores or sorted({1, len(os.sched_getaffinity(0))}):
            seconds, spent = {ours: [], theirs: []}, {ours: [], theirs: []}
            for number in range(options.rounds):
                outs = {way: os.path.join(folder, way.__name__) for way in seconds}
                for way in sorted(seconds, key=lambda way: way.__name__, reverse=number % 2):
                    took, used, held = run(way(images, labels, outs[way], cores), cores)
                    seconds[way].append(took)
                    spent[way].append(used)
                    memory[way] = max(memory[way], held)
                tiles, sizes = check_equal(outs[ours], outs[theirs])
                for out in outs.values():
                    shutil.rmtree(out)
            ratios = [a / b for a, b in zip(seconds[theirs], seconds[ours])]
            said.append('{} core{}: MMRotate {:.1f} s, ours {:.1f} s, ratio {:.1f} ({:.1f}-{:.1f}), of processor '
                        'seconds {:.1f}'.format(cores, 's' if cores > 1 else '', statistics.median(seconds[theirs]),
                                        statistics.median(seconds[ours]), statistics.median(ratios), min(ratios),
                                        max(ratios), statistics.median(spent[theirs]) / statistics.median(spent[ours])))
            print(said[-1], flush=True)
    print('{0} x {0}, {1} tiles, all the same; {2}; memory {3:.0f} and {4:.0f} MiB, ratio {5:.1f}; our files {6:.0%} '
          'of the size of theirs'.format(options.side, tiles, '; '.join(said), memory[theirs], memory[ours],
                                      memory[theirs] / memory[ours], sizes[0] / sizes[1]))


if __name__ == '__main__':
    main()
