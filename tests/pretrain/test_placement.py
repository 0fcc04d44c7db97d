"""One placement against the toolboxes' transforms done one after the other at full size."""
import mmcv
import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmrotate.structures.bbox import RotatedBoxes

from mtp.pretrain.data import placement
from mtp.pretrain.data.samples import generator

NAMES = {(True, False): 'vertical', (False, True): 'horizontal', (True, True): 'diagonal'}


def drawn(count=40):
    for number in range(count):
        rng = generator(5, number)
        size = tuple(int(edge) for edge in rng.integers(60, 200, 2))
        yield rng, placement.draw(size, 96, rng)


def test_every_flip_and_small_and_large_crops_occur():
    places = [place for _, place in drawn(200)]
    assert {place.flip for place in places} == {(False, False), *NAMES}
    assert any(place.crop != (96, 96) for place in places) and any(min(place.resized) > 96 for place in places)


def test_pixels_of_masks_and_images():
    for rng, place in drawn():
        masks = (rng.random((3,) + place.size) < 0.5).astype(np.uint8)
        image = rng.integers(0, 256, place.size + (3,)).astype(np.uint8)
        stack = BitmapMasks(masks, *place.size)
        if any(place.flip):
            stack, image_flipped = stack.flip(NAMES[place.flip]), mmcv.imflip(image, NAMES[place.flip])
        else:
            image_flipped = image
        resized = mmcv.imresize(image_flipped, place.resized[::-1])
        full = np.stack([mmcv.imresize(mask, place.resized[::-1], interpolation='nearest') for mask in stack.masks])
        (y, x), (height, width) = place.offset, place.crop
        ours = masks[:, place.sources(0)[:, None], place.sources(1)[None]]
        assert (ours == full[:, y:y + height, x:x + width]).all()
        assert (place.image(image) == resized[y:y + height, x:x + width]).all()


def test_boxes():
    for rng, place in drawn():
        corners = np.sort(rng.uniform(0, 1, (8, 2, 2)), 1) * place.size[::-1]
        upright = corners.reshape(8, 4).astype(np.float32)
        sides = rng.uniform(5, 40, (8, 2))
        rotated = np.concatenate([corners[:, 0], sides, rng.uniform(-1.5, 1.5, (8, 1))], 1).astype(np.float32)
        boxes, rboxes = HorizontalBoxes(upright.copy()), RotatedBoxes(rotated.copy())
        for stock in (boxes, rboxes):
            if any(place.flip):
                stock.flip_(place.size, NAMES[place.flip])
            stock.rescale_(place.scale[::-1])
            if stock is boxes:
                stock.clip_(place.resized)
            stock.translate_((-place.offset[1], -place.offset[0]))
            if stock is boxes:
                stock.clip_(place.crop)
        for ours, stock in ((place.boxes(upright), boxes), (place.rboxes(rotated), rboxes)):
            assert torch.from_numpy(ours[0]).numpy() == pytest.approx(stock.tensor.numpy(), abs=1e-4)
            assert ours[1].tolist() == stock.is_inside(place.crop).tolist()
