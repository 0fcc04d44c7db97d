"""Sample of LoveDA: images of 512 pixels (the real ones have 1024), masks of 1 to 7 and 0 for no data."""
import os
from typing import Tuple

import cv2
import numpy as np

from mtp.data.samples import roofs, scenes, writing

SIZE = 512
NO_DATA, BACKGROUND, BUILDING, ROAD, WATER, BARREN, FOREST, AGRICULTURAL = range(8)
GROUND = {'water': WATER, 'grass': AGRICULTURAL, 'concrete': BACKGROUND}


def write(folder: str, seed: int = 0, images: int = 4) -> None:
    """Write Train, Val and Test below ``folder`` (the ``loveda_dataset`` folder); the masks of Test lie in ``truth``.

    Args:
        folder: an empty folder.
        seed: the pictures are a function of it and of ``images``.
        images: of Train, half of them urban; Val and Test get half as many, at least two.
    """
    rng = np.random.default_rng((seed, 6))
    number = 0
    for part, count in (('Train', images), ('Val', max(2, images // 2)), ('Test', max(2, images // 2))):
        if part == 'Test':
            number = 4191  # the first test id, which the check of the submission knows
        for index in range(count):
            area = ('Urban', 'Rural')[index % 2]
            image, mask = _scene(rng, houses=0.9 if area == 'Urban' else 0.25)
            name = f'{number}.png'
            writing.save_image(os.path.join(folder, part, area, 'images_png', name), image)
            masks = os.path.join(folder, 'truth') if part == 'Test' else os.path.join(folder, part, area, 'masks_png')
            writing.save_image(os.path.join(masks, name), mask)
            number += 1


def _scene(rng: np.random.Generator, houses: float) -> Tuple[np.ndarray, np.ndarray]:
    image, terrain = scenes.land(rng, SIZE, SIZE)
    table = np.array([GROUND[name] for name in scenes.TERRAIN], np.uint8)
    mask = table[terrain]
    _forest(rng, image, mask)
    _strip(rng, image, mask, (172, 146, 104), BARREN, 34)
    _strip(rng, image, mask, (92, 92, 96), ROAD, 18)
    rings = roofs.outlines(rng, mask == AGRICULTURAL, share=houses)
    roofs.draw(rng, image, rings)
    mask[roofs.mask(mask.shape, rings) > 0] = BUILDING
    mask[:6] = NO_DATA
    image[:6] = 0
    return scenes.finish(rng, image), mask


def _forest(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> None:
    """A wood: many crowns close together on half of the fields."""
    y, x = rng.integers(0, SIZE, 2)
    for _ in range(260):
        centre = np.clip(rng.normal((x, y), 60), 0, SIZE - 1).astype(int)
        if mask[centre[1], centre[0]] in (AGRICULTURAL, FOREST):
            crown = np.zeros(mask.shape, np.uint8)
            cv2.circle(crown, tuple(int(v) for v in centre), int(rng.integers(7, 13)), 1, -1)
            crown = (crown > 0) & np.isin(mask, (AGRICULTURAL, FOREST))
            image[crown] = np.array([44, 72, 38]) * rng.uniform(0.8, 1.2)
            mask[crown] = FOREST


def _strip(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray, colour: Tuple[int, int, int], value: int,
           width: float) -> None:
    """A straight strip over the land."""
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    offset = rng.uniform(-0.3, 0.3) * SIZE
    inside = np.abs((x - SIZE / 2) * np.cos(angle) + (y - SIZE / 2) * np.sin(angle) - offset) < width / 2
    inside &= mask != WATER
    image[inside] = colour + 5 * rng.standard_normal((int(inside.sum()), 1))
    mask[inside] = value
