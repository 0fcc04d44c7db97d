"""Samples of change detection: the same ground twice, with houses built in between."""
import os
from typing import Tuple

import cv2
import numpy as np

from mtp.data import patches
from mtp.data.samples import roofs, scenes, writing


def pair(rng: np.random.Generator, width: int, height: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image before, image after (uint8 RGB) and label (uint8, 255 where a house is new)."""
    ground, terrain = scenes.land(rng, width, height)
    rings = roofs.outlines(rng, terrain != scenes.TERRAIN.index('water'))
    new = rng.random(len(rings)) < 0.35
    before, after = ground.copy(), ground * rng.uniform(0.9, 1.1)  # another day, another light
    old = [ring for ring, built in zip(rings, new) if not built]
    fresh = [ring for ring, built in zip(rings, new) if built]
    colours = rng.integers(1 << 30)
    for image in (before, after):
        roofs.draw(np.random.default_rng(colours), image, old)
    roofs.draw(rng, after, fresh)
    # a new house hides part of an old shadow only, so the label is the new outlines
    return scenes.finish(rng, before), scenes.finish(rng, after), roofs.mask((height, width), fresh, 255)


def write_whu(folder: str, seed: int = 0, images: int = 1) -> None:
    """Write 2012.tif, 2016.tif and change_label.tif below ``folder`` (``whu_cd``); ``images`` scales their width."""
    before, after, label = pair(np.random.default_rng((seed, 7)), 800 * images, 700)
    for name, image in (('2012', before), ('2016', after), ('change_label', label)):
        writing.save_image(os.path.join(folder, name + '.tif'), image)


def write_levir(folder: str, seed: int = 0, images: int = 2, size: int = 512) -> None:
    """Write {train,val,test}/{A,B,label} below ``folder`` (``levir``); the real images have 1024 pixels."""
    rng = np.random.default_rng((seed, 8))
    for part, count in (('train', images), ('val', 1), ('test', 1)):
        for number in range(1, count + 1):
            for role, image in zip(('A', 'B', 'label'), pair(rng, size, size)):
                writing.save_image(os.path.join(folder, part, role, f'{part}_{number}.png'), image)


def write_cdd(folder: str, seed: int = 0, images: int = 4) -> None:
    """Write {train,val,test}/{A,B,OUT} of 256 pixel JPEG files below ``folder`` (``cdd``)."""
    rng = np.random.default_rng((seed, 9))
    for part, count in (('train', images), ('val', 2), ('test', 2)):
        for number in range(count):
            for role, image in zip(('A', 'B', 'OUT'), pair(rng, 256, 256)):
                writing.save_image(os.path.join(folder, part, role, f'{number:05d}.jpg'), image)


def write_oscd(folder: str, seed: int = 0, images: int = 2) -> None:
    """Write images and labels below ``folder`` (``oscd``): Sentinel-2 bands of 16 bits for each date and region."""
    rng = np.random.default_rng((seed, 10))
    regions = [(f'region{number}', 'train') for number in range(images)] + [('region_test', 'test')]
    for region, part in regions:
        before, after, label = pair(rng, 300, 250)
        for date, image in (('imgs_1_rect', before), ('imgs_2_rect', after)):
            for band, channel in zip(patches.BANDS, range(3)):
                path = os.path.join(folder, 'images', region, date, band + '.tif')
                os.makedirs(os.path.dirname(path), exist_ok=True)
                cv2.imwrite(path, image[..., channel].astype(np.uint16) * 12 + 200)
        writing.save_image(os.path.join(folder, part + '_labels', region, 'cm', 'cm.png'), label)
