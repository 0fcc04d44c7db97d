"""Sample of DOTA-v1.0: big images, labelTxt with header and CRLF, and the truth of the test images on the side."""
import os

import numpy as np

from mtp.data.samples import annotations, scenes, writing

CLASS_OF = {'plane': 'plane', 'ship': 'ship', 'vehicle': 'small-vehicle', 'storage-tank': 'storage-tank',
            'tennis-court': 'tennis-court'}
SIZES = {'train': ((1500, 1200),), 'val': ((1200, 1000),), 'test': ((1500, 1200), (1500, 1200), (2100, 1700))}
FIRST = {'train': 0, 'val': 1000, 'test': 2000}
PIXELS_PER_OBJECT = 14000
HEADER = 'imagesource:GoogleEarth\r\ngsd:0.5'


def write(folder: str, seed: int = 0, images: int = 6, tests: int = 3) -> None:
    """Write train, val and test below ``folder`` (the ``dotav1`` folder).

    Args:
        folder: an empty folder.
        seed: the pictures are a function of it and of ``images``.
        images: images of train; val gets a third of that.
        tests: images of test.
    """
    for number, (split, count) in enumerate((('train', images), ('val', max(1, images // 3)), ('test', tests))):
        rng = np.random.default_rng((seed, 2, number))
        labels = 'truth' if split == 'test' else 'labelTxt'
        for index in range(count):
            width, height = SIZES[split][index % len(SIZES[split])]
            scene = scenes.paint(rng, width, height, list(CLASS_OF), width * height // PIXELS_PER_OBJECT)
            stem = f'P{FIRST[split] + index:04d}'
            writing.save_image(os.path.join(folder, split, 'images', stem + '.png'), scene.image)
            text = annotations.dota_text([item.polygon for item in scene.items],
                                         [CLASS_OF[item.kind] for item in scene.items], [0] * len(scene.items),
                                         header=HEADER, newline='\r\n')
            writing.save_text(os.path.join(folder, split, labels, stem + '.txt'), text)
