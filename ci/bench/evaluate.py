"""Average precision of rotated boxes against MMRotate 0.3.4's own: ``python ci/bench/evaluate.py [--quick]``.

370,000 detections of 15 classes on 35,000 tiles with 231,000 objects, the size of the validation tiles of DOTA-v1.0.
Both ways get the same boxes, in this process and in turn; the other one starts a process a core, as it does by itself.
Every class's average precision has to be the same first. ``--quick`` takes a tenth.
"""
import argparse
import os
import statistics
import sys
import time

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from mtp.boxes import min_area_rboxes, rboxes_to_polygons  # noqa: E402
from mtp.data import catalogue  # noqa: E402
from mtp.submit.score import THRESHOLDS, Truth, score  # noqa: E402

CLASSES = catalogue.get('dotav1').classes


def scene(images, objects, detections, seed=0):
    """Truth, and detections: most near an object, some anywhere, scores all different."""
    rng = np.random.default_rng(seed)

    def boxes(n):
        return np.column_stack([rng.uniform(0, 1024, (n, 2)), rng.uniform(12, 90, n), rng.uniform(6, 40, n),
                                rng.uniform(-np.pi / 2, np.pi / 2, n)])
    box, image = boxes(objects), rng.integers(0, images, objects)
    label = rng.choice(len(CLASSES), objects, p=np.arange(1, len(CLASSES) + 1) / sum(range(1, len(CLASSES) + 1)))
    truth = Truth(tuple(f'P{number:05d}' for number in range(images)), image, label, rboxes_to_polygons(box),
                  np.zeros(objects, dtype=bool))
    chosen = rng.integers(0, objects, detections)
    found = box[chosen] + rng.normal(0, 1, (detections, 5)) * [3, 3, 4, 2, 0.08]
    found[:, 2:4] = np.maximum(found[:, 2:4], 2)
    at, of = image[chosen], label[chosen]
    astray = rng.random(detections) < 0.3
    found[astray], at[astray] = boxes(int(astray.sum())), rng.integers(0, images, int(astray.sum()))
    scores = ((rng.permutation(detections) + 1) / (detections + 1)).astype(np.float32)
    return truth, at, of, scores, found


def for_them(truth, image, label, scores, boxes):
    """Arguments of ``eval_rbbox_map``; not part of what is timed."""
    rows = np.column_stack([boxes, scores]).astype(np.float32)
    order = np.lexsort((label, image))
    rows, key = rows[order], (image * len(CLASSES) + label)[order]
    begin = np.searchsorted(key, np.arange(len(truth.images) * len(CLASSES) + 1))
    results = [[rows[begin[k * len(CLASSES) + c]:begin[k * len(CLASSES) + c + 1]] for c in range(len(CLASSES))]
               for k in range(len(truth.images))]
    fitted = min_area_rboxes(truth.polygon).astype(np.float32)
    by_image = np.argsort(truth.image, kind='stable')
    at = np.searchsorted(truth.image[by_image], np.arange(len(truth.images) + 1))
    annotations = [dict(bboxes=fitted[by_image[at[k]:at[k + 1]]], labels=truth.label[by_image[at[k]:at[k + 1]]])
                   for k in range(len(truth.images))]
    return results, annotations


def measured(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true', help='a tenth of the size')
    parser.add_argument('--rounds', type=int, default=3)
    options = parser.parse_args()
    sibling = os.path.join(os.path.dirname(sys.executable), os.pardir, os.pardir, 'mmrotate03', 'bin', 'python')
    if os.path.basename(sys.prefix) != 'mmrotate03' and os.path.exists(sibling):
        os.execv(sibling, [sibling, os.path.abspath(__file__)] + sys.argv[1:])
    try:
        from mmrotate.core.evaluation import eval_rbbox_map
    except ImportError:
        raise SystemExit('evaluate.py compares with MMRotate 0.3.4: run it with the Python of environment mmrotate03')
    share = 10 if options.quick else 1
    truth, image, label, scores, boxes = scene(35000 // share, 231000 // share, 370000 // share)
    results, annotations = for_them(truth, image, label, scores, boxes)
    polygons = rboxes_to_polygons(boxes, normalise=False)
    spent = {'theirs': [], 'ours': [], 'ten': []}
    for _ in range(options.rounds):
        seconds, ours = measured(lambda: score(truth.images, image, label, scores, polygons, truth, CLASSES, 'mmrotate',
                                               (0.5,)))
        spent['ours'].append(seconds)
        seconds, ten = measured(lambda: score(truth.images, image, label, scores, polygons, truth, CLASSES, 'mmrotate',
                                              THRESHOLDS))
        spent['ten'].append(seconds)
        seconds, (mean, theirs) = measured(lambda: eval_rbbox_map(
            results, annotations, iou_thr=0.5, use_07_metric=True, dataset=CLASSES, logger='silent',
            nproc=os.cpu_count()))
        spent['theirs'].append(seconds)
        check(ours, ten, mean, theirs)
    ratios = [a / b for a, b in zip(spent['theirs'], spent['ours'])]
    print('{} detections, {} objects, {} tiles, the same precision of every class (mean {:.4f})'.format(
        len(scores), len(truth.label), len(truth.images), mean))
    print('MMRotate 0.3.4 {:.1f} s; ours {:.2f} s, all ten thresholds {:.2f} s'.format(
        *(statistics.median(spent[name]) for name in ('theirs', 'ours', 'ten'))))
    print(f'd {statistics.median(ratios):.0f}x ({min(ratios):.0f}-{max(ratios):.0f})')


def check(ours, ten, mean, theirs):
    """Stop when the two ways differ."""
    for name, row in zip(CLASSES, theirs):
        for figures in (ours, ten):
            if abs(figures['classes'][name]['AP50_11'] - row['ap']) > 1e-4:
                raise SystemExit('{}: ours {}, theirs {}'.format(name, figures['classes'][name]['AP50_11'], row['ap']))
    if abs(ours['mean']['AP50_11'] - mean) > 1e-4:
        raise SystemExit('the means differ')


if __name__ == '__main__':
    main()
