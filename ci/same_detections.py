"""``python ci/same_detections.py NEW.pkl OLD.pkl``: detections of both generations are the same.

NEW is what ``tools/test.py --out`` writes in mmrotate1 (a dict an image), OLD what it writes in mmrotate03 (for
each image a list of one array (n, 6) a class). Every box has to have a partner of its class within 1e-3, in pixels,
radians and score. Exit code 1 when one has none.
"""
import argparse
import pickle
import sys

import numpy as np

WITHIN = 1e-3
LOWEST = 0.05 + WITHIN  # the score threshold of the configs: a box on the edge may be there in one and not in the other


def main():
    """Compare and say how many agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('new')
    parser.add_argument('old')
    args = parser.parse_args()
    ours, theirs = read_new(args.new), read_old(args.old)
    if len(ours) != len(theirs):
        sys.exit(f'{len(ours)} images against {len(theirs)}')
    pairs = list(zip(ours, theirs))
    alone = sum(lonely(a, b) + lonely(b, a) for a, b in pairs)
    count = sum((rows[:, 6] > LOWEST).sum() for rows in ours)
    print(f'{len(pairs)} images, {count} boxes, {alone} without a partner within {WITHIN}')
    return 1 if alone or not count else 0


def read_new(path):
    """Arrays (n, 7) of an image: label, cx, cy, w, h, angle, score."""
    with open(path, 'rb') as stream:
        found = [image['pred_instances'] for image in pickle.load(stream)]
    return [np.column_stack([np.asarray(item['labels'], float), np.asarray(item['bboxes'], float).reshape(-1, 5),
                             np.asarray(item['scores'], float)]) for item in found]


def read_old(path):
    """As :func:`read_new`."""
    with open(path, 'rb') as stream:
        images = pickle.load(stream)
    return [np.concatenate([np.column_stack([np.full(len(rows), label, float), rows])
                            for label, rows in enumerate(image)]) for image in images]


def lonely(rows, others):
    """How many of ``rows`` have no partner among ``others``. A turn by half a circle is no difference."""
    count = 0
    for row in rows[rows[:, 6] > LOWEST]:
        apart = np.abs(others - row)
        apart[:, 5] = np.minimum(apart[:, 5], np.abs(np.pi - apart[:, 5]))
        count += not (apart.max(axis=1) <= WITHIN).any()
    return count


if __name__ == '__main__':
    sys.exit(main())
