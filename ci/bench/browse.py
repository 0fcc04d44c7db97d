"""A page of 10,000 boxes on 10,000 x 10,000 pixels: how fast it is made, and whether it stays fluid while it is moved.

``python ci/bench/browse.py [--side 10000] [--boxes 10000]``. The page is opened in a headless Chromium, which draws
without a card, and moved by the viewer's own animations: over the whole image, near, and close. A frame of 60 a second
has 16.7 ms; ``late`` is the share of frames that came after more than 50 ms, ``layer`` what drawing the boxes took of a
frame. On a machine that is busy with other things frames are late for its sake, too.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
sys.path[:0] = [ROOT, os.path.join(ROOT, 'tests', 'browse')]

import chromium  # noqa: E402
import drawn  # noqa: E402
from mtp import ownership  # noqa: E402
from mtp.browse import __main__ as browse  # noqa: E402

SECONDS = 4
#: Where the view goes: x, y, width, height as JavaScript, in shares of the image's width.
VIEWS = {'whole': '.04 * Math.random(), .04 * Math.random(), 1, .8',
         'near': '.6 * Math.random(), .6 * Math.random(), .1 + .3 * Math.random(), .2',
         'close': '.9 * Math.random(), .9 * Math.random(), .05, .04'}
MOVE = '''new Promise(done => {
  const times = []; let last = performance.now(), count = 0; const end = last + %d;
  const next = now => {
    times.push(now - last); last = now;
    if (count++ %% 30 === 0) MTP.viewer.viewport.fitBounds(new OpenSeadragon.Rect(%s));
    now < end ? requestAnimationFrame(next) : done([times.slice(1), MTP.frames().map(frame => frame[1])]);
  };
  requestAnimationFrame(next);
})'''


def make_run(home, side, count):
    """A prediction of ``count`` boxes in an image, and the same moved a little as its truth."""
    import cv2
    rng = np.random.default_rng(0)
    os.makedirs(os.path.join(home, 'images'))
    image = os.path.join(home, 'images', 'big.png')
    coarse = rng.integers(0, 256, (side // 20, side // 20, 3), dtype=np.uint8)
    cv2.imwrite(image, cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR))
    rows = [[*rng.uniform(100, side - 100, 2), *rng.uniform(10, 70, 2)] for _ in range(count)]
    for name, shift in (('run/coco.json', 0), ('truth.json', 3)):
        drawn.write(os.path.join(home, name), json.dumps(dict(
            images=[dict(id=1, file_name='big.png')], categories=[dict(id=1, name='plane'), dict(id=2, name='ship')],
            annotations=[dict(id=number, image_id=1, category_id=1 + number % 2, score=0.3 + 0.7 * number / count,
                              bbox=[x + shift, y, w, h]) for number, (x, y, w, h) in enumerate(rows)])))
    ownership.put(os.path.join(home, 'run'), dict(mtp_output=1, verb='predict', version='', fingerprint='', made=[],
                                                  images={'big': image}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--side', type=int, default=10000, help='of the image, in pixels')
    parser.add_argument('--boxes', type=int, default=10000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        make_run(home, options.side, options.boxes)
        start, used = time.perf_counter(), time.process_time()
        browse.main([home + '/run', '--truth', home + '/truth.json', '--jobs', '1'])
        said = [f'made in {time.perf_counter() - start:.1f} s ({time.process_time() - used:.1f} s of the processor)']
        with chromium.Browser(home + '/profile') as page:
            page.open(f'file://{home}/run/browse/index.html')
            page.wait('MTP.viewer && MTP.viewer.world.getItemCount() && MTP.drawn')
            said += [_measured(page, name) for name in VIEWS]
    print('; '.join(said))


def _measured(page, name):
    """What a view says of its frames, in words."""
    frames, layer = page.run(MOVE % (SECONDS * 1000, VIEWS[name]))
    late = sum(frame > 50 for frame in frames) / len(frames)
    told = '{}: {} boxes, frame {:.1f} ms, late {:.0%}, layer {:.1f} ms (19 of 20 below {:.1f})'.format(
        name, page.run('MTP.drawn'), statistics.median(frames), late, statistics.median(layer),
        statistics.quantiles(layer, n=20)[-1])
    print(told, flush=True)
    return told


if __name__ == '__main__':
    main()
