"""Samples of scene classification: class folders of made-up scenes, as EuroSAT and RESISC-45 publish theirs."""
import os

import numpy as np

from mtp.data import catalogue
from mtp.data.samples import landuse, writing


def _write(name: str, folder: str, seed: int, images: int, size: int) -> None:
    rng = np.random.default_rng((seed, 11))
    for kind in catalogue.get(name).classes:
        for number in range(1, images + 1):
            written = f'{number:03d}' if name == 'resisc45' else number
            path = os.path.join(folder, kind, f'{kind}_{written}.jpg')
            writing.save_image(path, landuse.draw(rng, kind, size))


def write_eurosat(folder: str, seed: int = 0, images: int = 10) -> None:
    """Write 2750/<class> of 64 pixel images below ``folder`` (``eurosat``)."""
    _write('eurosat', os.path.join(folder, '2750'), seed, images, 64)


def write_resisc45(folder: str, seed: int = 0, images: int = 5) -> None:
    """Write NWPU-RESISC45/<class> of 256 pixel images below ``folder`` (``nwpu``)."""
    _write('resisc45', os.path.join(folder, 'NWPU-RESISC45'), seed, images, 256)
