"""Data preparation against the published way: ``python ci/bench/data.py [samrs] [--images N] [--repeats N]``.

samrs: SAMRS pickles of 2,000 images with 100,000 instances to COCO. The published way decodes every image for its size
and asks pycocotools for area and box of every mask, one after the other; ours reads headers and measures all masks of a
file at once. Both get the same files, in turn, and must say the same of every image and instance first.
"""
import argparse
import json
import os
import pickle
import statistics
import sys
import tempfile
import time

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from mtp.data import catalogue, samrs2coco  # noqa: E402
from mtp.data.samples import scenes, shapes, writing  # noqa: E402

INSTANCES = 50  # of an image
SIZE = 1024  # pixels, as the real patches
DRAWN = 8  # different images; the others are links to them


def make_samrs(root, images):
    """Write ``images`` images and pickles with INSTANCES instances each; their file names."""
    folders = {kind: os.path.join(root, kind) for kind in ('images', 'ins')}
    classes = catalogue.get('sota').classes
    labels = {'plane': 4, 'ship': 5, 'vehicle': 9, 'storage-tank': 13, 'tennis-court': 11}
    drawn = []
    for number in range(min(DRAWN, images)):
        kinds = [kind for kind in shapes.KINDS if kind in labels]
        scene = scenes.paint(np.random.default_rng(number), SIZE, SIZE, kinds, 80)
        entries = []
        for index in range(INSTANCES):
            item = scene.items[index % len(scene.items)]
            rle = coco_mask.encode(scenes.full_mask(scene, item))
            rle['counts'] = rle['counts'].decode('ascii')
            label = labels[item.kind]
            entries.append({'mask': rle, 'label': label, 'category': classes[label], 'rbox': item.polygon,
                            'size': np.int64(item.mask.sum()),
                            'rhbox': np.concatenate([item.polygon.min(0), item.polygon.max(0)])})
        drawn.append(entries)
        writing.save_image(os.path.join(folders['images'], 'P{:05d}.png'.format(number)), scene.image)
    stems = ['P{:05d}'.format(number) for number in range(images)]
    for number, stem in enumerate(stems):
        if number >= DRAWN:
            os.link(os.path.join(folders['images'], stems[number % DRAWN] + '.png'),
                    os.path.join(folders['images'], stem + '.png'))
        writing.save_pickle(os.path.join(folders['ins'], stem + '.pkl'), drawn[number % DRAWN])
    writing.save_text(os.path.join(root, 'train.txt'), ''.join(stem + '\n' for stem in stems))
    return stems


def published(root, stems, out):
    """The published way: everything of an image decoded, every mask measured by itself, one dump at the end."""
    value = {'images': [], 'annotations': [], 'categories': [
        {'id': index, 'name': name} for index, name in enumerate(catalogue.get('sota').classes)]}
    for image_id, stem in enumerate(stems):
        with open(os.path.join(root, 'ins', stem + '.pkl'), 'rb') as stream:
            instances = pickle.load(stream)
        pixels = np.array(Image.open(os.path.join(root, 'images', stem + '.png')))
        for instance in instances:
            value['annotations'].append({
                'iscrowd': 0, 'category_id': instance['label'], 'bbox': coco_mask.toBbox(instance['mask']).tolist(),
                'area': coco_mask.area(instance['mask']), 'segmentation': instance['mask'], 'image_id': image_id,
                'id': len(value['annotations'])})
        value['images'].append({'file_name': stem + '.png', 'height': pixels.shape[0], 'width': pixels.shape[1],
                                'segm_file': stem + '.pkl', 'id': image_id})
    with open(out, 'w') as stream:
        json.dump(value, stream, default=lambda number: number.item())


def ours(root, out, jobs):
    """Our converter, as typed; ids from 0 as the published way has them."""
    code = samrs2coco.main(['--dataset', 'sota', '--split', 'train', '--root', root, '--out', os.path.dirname(out),
                            '--images', os.path.join(root, 'images'), '--labels', os.path.join(root, 'ins'),
                            '--name-template', os.path.basename(out), '--id-base', '0', '--overwrite',
                            '--jobs', str(jobs)])
    if code:
        raise SystemExit('our converter ended with code {}'.format(code))


def timed(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def load(path):
    with open(path) as stream:
        value = json.load(stream)
    value.pop('info', None)
    return value


def bench_samrs(images, repeats):
    """Print the ratio of the two ways with one process and with all; equality first."""
    with tempfile.TemporaryDirectory() as root:
        stems = make_samrs(root, images)
        theirs, mine = os.path.join(root, 'published.json'), os.path.join(root, 'ours.json')
        published(root, stems, theirs)
        ours(root, mine, 1)
        if load(theirs) != load(mine):
            raise SystemExit('samrs: the two ways differ')
        cores = os.cpu_count()
        ratios = {1: [], cores: []}
        for _ in range(repeats):
            base = timed(published, root, stems, theirs)
            for jobs in ratios:
                seconds = timed(ours, root, mine, jobs)
                ratios[jobs].append(base / seconds)
                print('samrs: published {:.1f} s, ours with {} process(es) {:.2f} s'.format(base, jobs, seconds))
    for jobs, values in ratios.items():
        print('samrs: {} images, {} instances, equal; {} process(es): {:.1f} times ({:.1f} to {:.1f})'.format(
            images, images * INSTANCES, jobs, statistics.median(values), min(values), max(values)))
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', choices=['samrs', []], help='default: all')
    parser.add_argument('--images', type=int, default=2000)
    parser.add_argument('--repeats', type=int, default=3)
    options = parser.parse_args()
    bench_samrs(options.images, options.repeats)


if __name__ == '__main__':
    main()
