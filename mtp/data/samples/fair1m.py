"""Sample of FAIR1M-2.0: TIFF images numbered from 0 in train and validation alike, labelXml, test truth on the side."""
import os

import numpy as np

from mtp.data import catalogue
from mtp.data.samples import annotations, scenes, writing

CLASS_OF = {'plane': 'Boeing737', 'ship': 'Dry-Cargo-Ship', 'vehicle': 'Small-Car', 'tennis-court': 'Tennis-Court',
            'baseball-diamond': 'Baseball-Field'}
SIZE = 1000
OBJECTS = 72


def write(folder: str, seed: int = 0, images: int = 6, tests: int = 3) -> None:
    """Write train/part1, validation and test below ``folder`` (the ``fair1m`` folder).

    Args:
        folder: an empty folder.
        seed: the pictures are a function of it and of ``images``.
        images: images of train; validation gets a third of that.
        tests: images of test.
    """
    spelling = catalogue.get('fair1m').spelling
    parts = (('train/part1', images, 'labelXml'), ('validation', max(1, images // 3), 'labelXml'),
             ('test', tests, 'truth'))
    for number, (part, count, labels) in enumerate(parts):
        rng = np.random.default_rng((seed, 3, number))
        for index in range(count):
            scene = scenes.paint(rng, SIZE, SIZE, list(CLASS_OF), OBJECTS)
            names = [CLASS_OF[item.kind] for item in scene.items]
            name = f'{index}.tif'
            writing.save_image(os.path.join(folder, part, 'images', name), scene.image)
            text = annotations.fair1m(name, SIZE, SIZE, [item.polygon for item in scene.items],
                                      [spelling.get(name, name) for name in names])
            writing.save_text(os.path.join(folder, part, labels, f'{index}.xml'), text)
