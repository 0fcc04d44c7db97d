"""Samples of scene classification: one made-up texture a class, told apart by colour, direction and grain.

They show no real land cover: they are there so that the class folders, lists and training can be tried.
"""
import os

import numpy as np

from mtp.data import catalogue
from mtp.data.samples import writing


def texture(rng, label: int, number: int, size: int) -> np.ndarray:
    """An image (size, size, 3) uint8 of class ``label`` of ``number``."""
    y, x = np.mgrid[0:size, 0:size] / size
    hue = 2 * np.pi * label / number
    colour = 128 + 60 * np.cos(hue + np.array([0, 2.1, 4.2]))
    angle, waves = np.pi * (label % 5) / 5, 3 + 4 * (label % 3)
    phase = rng.uniform(0, 2 * np.pi)
    pattern = np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    image = colour * rng.uniform(0.9, 1.1) + 28 * pattern[..., None] + 8 * rng.standard_normal((size, size, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def _write(name, folder, seed, images, size):
    rng = np.random.default_rng((seed, 11))
    classes = catalogue.get(name).classes
    for label, kind in enumerate(classes):
        for number in range(1, images + 1):
            written = '{:03d}'.format(number) if name == 'resisc45' else number
            path = os.path.join(folder, kind, '{}_{}.jpg'.format(kind, written))
            writing.save_image(path, texture(rng, label, len(classes), size))


def write_eurosat(folder, seed=0, images=10):
    """Write 2750/<class> of 64 pixel images below ``folder`` (``eurosat``)."""
    _write('eurosat', os.path.join(folder, '2750'), seed, images, 64)


def write_resisc45(folder, seed=0, images=5):
    """Write NWPU-RESISC45/<class> of 256 pixel images below ``folder`` (``nwpu``)."""
    _write('resisc45', os.path.join(folder, 'NWPU-RESISC45'), seed, images, 256)
