"""The figures of validation against the toolboxes that define them."""
import contextlib
import io

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mtp.boxes import rboxes_to_polygons
from mtp.pretrain.data.annotations import Annotations
from mtp.pretrain.engine import scores

CLASSES, SIDE = 3, 60


def random_boxes(rng, count):
    low = rng.uniform(0, 35, (count, 2))
    return np.round(np.concatenate([low, low + rng.uniform(8, 24, (count, 2))], 1))


def shaken(rng, boxes):
    return np.clip(np.round(boxes + rng.normal(0, 2, boxes.shape)), 0, SIDE)


def masks_of(boxes):
    masks = np.zeros((len(boxes), SIDE, SIDE), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int)):
        mask[y1:y2, x1:x2] = 1
        mask[y1, x1] = 0
    return masks


def scene(rng, images=12):
    """Truth and detections of some images: lists of (boxes, labels) and (boxes, labels, scores)."""
    truth, found = [], []
    for number in range(images):
        boxes, labels = random_boxes(rng, number % 5), rng.integers(0, CLASSES - (number < 6), number % 5)
        extra = rng.integers(0, 4)
        seen = np.concatenate([shaken(rng, boxes), shaken(rng, boxes)[:2], random_boxes(rng, extra)])
        kinds = np.concatenate([labels, labels[:2], rng.integers(0, CLASSES, extra)])
        truth.append((boxes, labels))
        found.append((seen, kinds, np.round(rng.uniform(0.05, 1, len(seen)), 1).astype(np.float32)))  # with ties
    return truth, found


def coco_figures(truth, found, kind):
    annotations, results = [], []
    for image, (boxes, labels) in enumerate(truth):
        for box, mask, label in zip(boxes, masks_of(boxes), labels):
            annotations.append(dict(id=len(annotations) + 1, image_id=image, category_id=int(label), iscrowd=0,
                                    bbox=[*box[:2], *(box[2:] - box[:2])], area=int(mask.sum()),
                                    segmentation=coco_mask.encode(np.asfortranarray(mask))))
    for image, (boxes, labels, values) in enumerate(found):
        for box, mask, label, value in zip(boxes, masks_of(boxes), labels, values):
            place = dict(bbox=[*box[:2], *(box[2:] - box[:2])]) if kind == 'bbox' else dict(
                segmentation=coco_mask.encode(np.asfortranarray(mask)))
            results.append(dict(place, image_id=image, category_id=int(label), score=float(value)))
    coco = COCO()
    coco.dataset = dict(images=[dict(id=number, height=SIDE, width=SIDE) for number in range(len(truth))],
                        annotations=annotations, categories=[dict(id=number) for number in range(CLASSES)])
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(results), kind)
        judge.params.maxDets = [100, 300, 1000]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval['precision'][:, :, :, 0, -1]
    return precision[precision > -1].mean(), precision[0][precision[0] > -1].mean()


def our_hits(truth, found, order):
    parts = []
    for image in order:
        (boxes, labels), (seen, kinds, values) = truth[image], found[image]
        packed = [coco_mask.encode(np.asfortranarray(mask)) for mask in masks_of(boxes)]
        ious = dict(box=scores.box_overlaps(seen, boxes), mask=scores.mask_overlaps(masks_of(seen), packed))
        parts.append(scores.match_image(image, kinds, values, ious, labels))
    return scores.Hits(*(np.concatenate(column) for column in zip(*parts)))


@pytest.mark.parametrize('seed', range(4))
def test_instance_figures_are_those_of_coco_in_any_order_of_images(seed):
    truth, found = scene(np.random.default_rng(seed))
    objects = np.bincount(np.concatenate([labels for _, labels in truth]), minlength=CLASSES)
    straight, mixed = (scores.instance_figures(our_hits(truth, found, order), objects)
                       for order in (range(len(truth)), np.random.default_rng(9).permutation(len(truth))))
    assert straight == mixed
    for kind, name in (('bbox', 'box'), ('segm', 'mask')):
        assert (straight[name + '_AP'], straight[name + '_AP50']) == pytest.approx(coco_figures(truth, found, kind),
                                                                                   abs=1e-9)


def test_no_objects_no_figure():
    nothing = our_hits([(np.zeros((0, 4)), np.zeros(0, int))], [(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))], [0])
    assert set(scores.instance_figures(nothing, np.zeros(CLASSES, int)).values()) == {None}
    assert scores.mean_iou(np.zeros((3, 3), np.int64)) is None


def test_mean_iou_of_classes_that_occur():
    truth, found = np.array([[0, 0, 1], [1, 1, 255]]), np.array([[0, 1, 1], [1, 0, 0]])
    table = scores.confusion(truth, found, 4)
    assert table.sum() == 5
    assert scores.mean_iou(table) == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert scores.confusion(truth, found, 4, first=1).sum() == 3  # background is not counted


def test_rotated_figure():
    rboxes = np.array([[20, 20, 18, 8, 0.4], [40, 30, 12, 10, -0.9], [15, 40, 16, 9, 1.2]], np.float32)
    empty = np.zeros(0)
    source = Annotations('sota', 'valid', ['a.png', 'b.png'], empty, empty, empty, empty, empty, empty,
                         np.array([0, 2, 3]), rboxes, np.array([0, 1, 0], np.int16), {})
    image, label, value = np.array([1, 0, 0]), np.array([0, 0, 1]), np.array([0.9, 0.8, 0.7])
    exact = scores.rotated_figures(image, label, value, rboxes[[2, 0, 1]], source, ('x', 'y', 'z'))
    assert exact == {'AP50': pytest.approx(1.0)}
    away = rboxes[[2, 0, 1]] + np.array([[0], [0], [1]]) * np.array([15, 0, 0, 0, 0])
    assert scores.rotated_figures(image, label, value, away, source, ('x', 'y', 'z')) == {'AP50': pytest.approx(0.5)}
    assert rboxes_to_polygons(rboxes).shape == (3, 8)
