"""The data pipeline of pretraining against the toolboxes' own transforms in the published order.

See published.md#full-size-masks, #parsing-at-each-access.

    python ci/bench/pretrain_data.py [--quick] [--rounds N] [--busy]

One process, one thread, no loader: samples a second of one core, S = 448 from images of 1024 x 1024 with 20 and with
200 instances. First both get the same flips, sizes and offsets and must give the same pixels, masks, boxes and labels;
then each draws its own, in turn. The ratio is stock / ours in time, so above 1 is better.
"""
import argparse
import os
import statistics
import sys
import tempfile
import time

import cv2
import numpy as np
import torch
from mmcv.transforms import RandomResize
from mmdet.datasets.transforms import FilterAnnotations, PhotoMetricDistortion, RandomCrop, RandomFlip, Resize
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmrotate.structures.bbox import RotatedBoxes, qbox2rbox
from pycocotools import mask as coco_mask

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir))

from mtp.boxes import min_area_rboxes, rboxes_to_polygons  # noqa: E402
from mtp.data import dota  # noqa: E402
from mtp.data.samples import scenes  # noqa: E402
from mtp.pretrain.data import placement, samples  # noqa: E402
from mtp.pretrain.data.annotations import Annotations  # noqa: E402

SIZE, SIDE, CLASSES = 1024, 448, 18
TARGETS = {20: 2.0, 200: 5.0}
CLOCK = time.perf_counter  # --busy: time.process_time, which other programs on the machine do not stretch


class Drawn(Annotations):
    """Annotations whose files lie in one folder."""

    folder = ''

    def image(self, index):
        return os.path.join(self.folder, self.names[index] + '_image.png')

    def seg(self, index):
        return os.path.join(self.folder, self.names[index] + '_label.png')

    def text(self, index):
        return os.path.join(self.folder, self.names[index] + '.txt')


def draw(folder, instances, images):
    """Write images, labels and box texts with ``instances`` rotated rectangles each."""
    rng, rows, texts = np.random.default_rng(instances), [], []
    for number in range(images):
        scene = scenes.paint(rng, SIZE, SIZE, ['plane', 'ship', 'vehicle'], 40)
        label = np.full((SIZE, SIZE), 255, np.uint8)
        lines = []
        for _ in range(instances):
            sides = rng.uniform(12, 60, 2)
            centre = rng.uniform(45, SIZE - 45, 2)
            corners = cv2.boxPoints((tuple(centre), tuple(sides), rng.uniform(0, 90)))
            mask, kind = np.zeros((SIZE, SIZE), np.uint8), int(rng.integers(CLASSES))
            cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1)
            label[mask > 0] = kind
            ys, xs = np.nonzero(mask)
            rows.append((number, (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1), kind,
                         coco_mask.encode(np.asfortranarray(mask)),
                         corners.reshape(-1)))
            lines.append(' '.join(f'{value:.1f}'
                                  for value in corners.reshape(-1)) + f' {NAMES[kind]} 0\n')
        name = str(number)
        cv2.imwrite(os.path.join(folder, name + '_image.png'), scene.image)
        cv2.imwrite(os.path.join(folder, name + '_label.png'), label)
        with open(os.path.join(folder, name + '.txt'), 'w') as stream:
            stream.writelines(lines)
        texts.append(name)
    first = np.arange(images + 1) * instances
    counts = [row[3]['counts'] for row in rows]
    polygons = np.round(np.array([row[4] for row in rows], np.float64), 1)
    labels = np.array([row[2] for row in rows], np.int16)
    found = Drawn('sota', 'train', texts, np.full((images, 2), SIZE, np.int32), first,
                  np.array([row[1] for row in rows], np.float32), labels, np.frombuffer(b''.join(counts), np.uint8),
                  np.concatenate([[0], np.cumsum([len(item) for item in counts])]), first,
                  min_area_rboxes(polygons).astype(np.float32), labels, {})
    found.folder = folder
    return found


NAMES = [f'class{number}' for number in range(CLASSES)]


class Stock:
    """mmcv's, mmdet's and mmrotate's transforms in the published order, with loading as mmdet does it.

    See published.md#augmentation.
    """

    def __init__(self):
        self.flip = RandomFlip(prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal'])
        self.resize = RandomResize(scale=(SIDE, SIDE), ratio_range=(0.5, 2.0), keep_ratio=True,
                                   resize_type='mmdet.Resize')
        self.crop = Crop((SIDE, SIDE), recompute_bbox=True, allow_negative_crop=True)
        self.filter = FilterAnnotations(min_gt_bbox_wh=(1e-5, 1e-5), by_box=True, by_mask=True, keep_empty=False)
        self.colour = PhotoMetricDistortion(hue_delta=18)

    def load(self, source, index):
        """Everything of one image at full size, as the loaders make it."""
        image = cv2.imread(source.image(index), cv2.IMREAD_COLOR).astype(np.float32)
        rows = range(source.first[index], source.first[index + 1])
        masks = [coco_mask.decode(source.runs(row, (SIZE, SIZE))) for row in rows]
        objects = dota.read(source.text(index), NAMES)  # read again at each access, as published
        known = {name: number for number, name in enumerate(NAMES)}
        polygons = torch.from_numpy(objects.polygons.reshape(-1, 8).astype(np.float32))
        seg = cv2.imread(source.seg(index), cv2.IMREAD_UNCHANGED) + np.uint8(1)
        return dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2], gt_seg_map=seg,
                    gt_bboxes=HorizontalBoxes(source.boxes[rows.start:rows.stop].copy()),
                    gt_bboxes_labels=source.labels[rows.start:rows.stop].astype(np.int64),
                    gt_ignore_flags=np.zeros(len(rows), bool), gt_masks=BitmapMasks(masks, SIZE, SIZE),
                    rboxes=RotatedBoxes(qbox2rbox(polygons)), rlabels=np.array([known[name] for name in objects.names]))

    def __call__(self, source, index):
        found = self.resize(self.turn(self.load(source, index)))
        found = self.filter(self.cut(found))
        return None if found is None else self.pack(self.colour(found))

    def turn(self, found, step=None):
        found = (step or self.flip)(found)
        if found.get('flip'):
            found['rboxes'].flip_(found['img_shape'], found['flip_direction'])
        return found

    def cut(self, found):
        """Crop; the rotated boxes take the resizing before and the offset, and stay when their centre is inside."""
        found['rboxes'].rescale_(found['scale_factor'])
        found = self.crop(found)
        found['rboxes'].translate_([-found['offset'][1], -found['offset'][0]])
        inside = found['rboxes'].is_inside(found['img_shape']).numpy()
        found['rboxes'], found['rlabels'] = found['rboxes'][inside], found['rlabels'][inside]
        return found

    @staticmethod
    def pack(found):
        """Tensors of the model's input size, padded as the published preprocessor does."""
        height, width = found['img_shape']
        image = torch.zeros(3, SIDE, SIDE)
        image[:, :height, :width] = torch.from_numpy(np.ascontiguousarray(found['img'].transpose(2, 0, 1)))
        seg = torch.full((SIDE, SIDE), 255, dtype=torch.int64)
        seg[:height, :width] = torch.from_numpy(found['gt_seg_map'].astype(np.int64))
        masks = found['gt_masks'].pad((SIDE, SIDE), pad_val=0).to_tensor(torch.uint8, 'cpu')
        return dict(image=image, seg=seg, masks=masks, boxes=found['gt_bboxes'].tensor,
                    labels=found['gt_bboxes_labels'],
                    rboxes=found['rboxes'].tensor, rlabels=found['rlabels'])


class Crop(RandomCrop):
    """mmdet's crop, which also says where it cut."""

    fixed = None

    def _crop_data(self, results, crop_size, allow_negative_crop):
        before = results.pop('homography_matrix', None)
        found = super()._crop_data(results, crop_size, allow_negative_crop)
        found['offset'] = (-int(found['homography_matrix'][1, 2]), -int(found['homography_matrix'][0, 2]))
        found['homography_matrix'] = before
        return found

    def _rand_offset(self, margin):
        return self.fixed or tuple(np.random.randint(0, edge + 1) for edge in margin)


def ours(source, index, rng):
    """One sample of ours as tensors of the model's input size."""
    image, seg, truth = samples.make(source, index, SIDE, rng)
    return samples.collate([(image, seg, truth)], SIDE)


def check_equal(source, turns=12):
    """Same placement, no colours: pixels, masks, labels and boxes have to be the same."""
    stock, compared = Stock(), 0
    names = {(True, False): 'vertical', (False, True): 'horizontal', (True, True): 'diagonal'}
    for number in range(turns):
        place = placement.draw((SIZE, SIZE), SIDE, samples.generator(1, number))
        truth = samples._truth(source, number % len(source), place, SIDE)
        found = stock.load(source, number % len(source))
        if any(place.flip):
            found = stock.turn(found, RandomFlip(prob=1.0, direction=names[place.flip]))
        stock.crop.fixed = place.offset
        found = stock.filter(stock.cut(Resize(scale=place.resized[::-1], keep_ratio=False)(found)))
        if truth is None or found is None:
            assert truth is None and found is None
            continue
        packed = stock.pack(found)
        (height, width), seg = place.crop, samples._semantic(source, number % len(source), place)
        image = place.image(samples.read_image(source.image(number % len(source)), (SIZE, SIZE)))
        theirs = packed['image'][:, :height, :width].permute(1, 2, 0).numpy()
        assert np.abs(theirs - image).max() <= 1.0  # they scale floats, ours rounds
        assert torch.equal(packed['masks'], truth.masks) and (packed['seg'][:height, :width].numpy() == seg).all()
        assert torch.equal(packed['boxes'], truth.hboxes) and (packed['labels'] == truth.labels.numpy()).all()
        assert corner_distance(packed['rboxes'].numpy(), truth.rboxes.numpy()) < 0.05  # pixels
        assert (packed['rlabels'] == truth.rlabels.numpy()).all()
        compared += len(truth.labels)
    return compared


def corner_distance(first, second):
    """Largest distance of the corners of two lists of boxes (n, 5), whichever corner each box starts with."""
    first, second = (rboxes_to_polygons(boxes.astype(np.float64)).reshape(-1, 4, 2) for boxes in (first, second))
    turned = [np.abs(first - np.roll(second, turn, 1)).max((1, 2)) for turn in range(4)]
    return np.min(turned, 0).max(initial=0.0)


def alternate(source, rounds, count):
    """Seconds a sample of both, measured in turn."""
    stock, seconds = Stock(), {'stock': [], 'ours': []}
    for turn in range(rounds + 1):
        for name in ('stock', 'ours') if turn % 2 else ('ours', 'stock'):
            np.random.seed(turn)
            begin = CLOCK()
            for number in range(count):
                if name == 'stock':
                    while stock(source, number % len(source)) is None:  # rejected: another image
                        number += 1
                else:
                    ours(source, number % len(source), samples.generator(2, turn, number))
            if turn:  # the first is for warming up
                seconds[name].append((CLOCK() - begin) / count)
    return seconds


def main():
    global CLOCK
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--quick', action='store_true', help='one round of few samples')
    parser.add_argument('--busy', action='store_true', help='measure processor time, on a machine with other work')
    options = parser.parse_args()
    CLOCK = time.process_time if options.busy else time.perf_counter
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    rounds, count = (1, 6) if options.quick else (options.rounds, 16)
    missed = []
    for instances, target in TARGETS.items():
        with tempfile.TemporaryDirectory() as folder:
            source = draw(folder, instances, 2 if options.quick else 4)
            compared = check_equal(source, 4 if options.quick else 12)
            seconds = alternate(source, rounds, count)
        ratios = [a / b for a, b in zip(seconds['stock'], seconds['ours'])]
        print('{} instances: equal in {} objects; stock {:.1f}, ours {:.1f} samples/s; ratio {:.1f} ({:.1f} to {:.1f}, '
              'wanted '
              '{:.0f})'.format(instances, compared, 1 / statistics.median(seconds['stock']),
                               1 / statistics.median(seconds['ours']),
                               statistics.median(ratios), min(ratios), max(ratios), target), flush=True)
        if statistics.median(ratios) < target:
            missed.append(str(instances))
    return 'too slow with {} instances'.format(' and '.join(missed)) if missed else 0


if __name__ == '__main__':
    sys.exit(main())
