import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mtp.data import rle


def _masks():
    rng = np.random.default_rng(0)
    masks = [(rng.random(rng.integers(1, 60, 2)) < share).astype(np.uint8)
             for share in (0, 0.02, 0.5, 0.98, 1) for _ in range(40)]
    for _ in range(100):
        mask = np.zeros((50, 40), np.uint8)
        (a, b), (c, d) = np.sort(rng.integers(0, 51, 2)), np.sort(rng.integers(0, 41, 2))
        mask[a:b, c:d] = 1
        masks.append(mask)
    return masks


def test_areas_and_boxes_equal_pycocotools():
    encoded = [coco_mask.encode(np.asfortranarray(mask)) for mask in _masks()]
    counts = [entry['counts'].decode() for entry in encoded]
    areas, boxes = rle.areas_and_boxes([entry['size'] for entry in encoded], counts)
    np.testing.assert_array_equal(areas, coco_mask.area(encoded))
    np.testing.assert_array_equal(boxes, coco_mask.toBbox(encoded))
    assert rle.pack(_masks()) == counts


@pytest.mark.parametrize('counts, message', [
    ('', 'empty'), ('o', 'cut off'), ('4~', 'alphabet'), ('4 ', 'alphabet'), ('oooooooo0', 'over-long'), ('4', 'fill'),
    ('\u00e9', 'ASCII')])
def test_a_bad_mask_is_named(counts, message):
    with pytest.raises(rle.RunsError, match=message) as caught:
        rle.areas_and_boxes([(2, 2), (2, 2)], ['4' if message != 'fill' else '4', counts if message != 'fill' else '5'])
    assert caught.value.index == 1


def test_nothing_gives_nothing():
    areas, boxes = rle.areas_and_boxes([], [])
    assert areas.shape == (0,) and boxes.shape == (0, 4)
