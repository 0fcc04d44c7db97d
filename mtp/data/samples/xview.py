"""Sample of xView: TIFF images, one GeoJSON, with the oddities of the real one (a missing image, noise types)."""
import json
import os
from typing import Any, Dict, Iterable

import numpy as np

from mtp.data.samples import scenes, writing

TYPE_OF = {'plane': 11, 'ship': 51, 'vehicle': 18, 'storage-tank': 86, 'tennis-court': 77}
SIZE = (1000, 800)


def write(folder: str, seed: int = 0, images: int = 4) -> None:
    """Write ``train_images`` and ``xView_train.geojson`` below ``folder`` (the ``xview`` folder)."""
    rng = np.random.default_rng((seed, 4))
    features = [_feature('1395.tif', 73, (1, 2, 30, 40))]  # the real labels name this image; no archive holds it
    for index in range(images):
        scene = scenes.paint(rng, *SIZE, list(TYPE_OF), 60)
        name = f'{5 + 3 * index}.tif'
        writing.save_image(os.path.join(folder, 'train_images', name), scene.image)
        for item in scene.items:
            box = np.round(np.concatenate([item.polygon.min(0), item.polygon.max(0)])).astype(int)
            features.append(_feature(name, TYPE_OF[item.kind], box))
        features.append(_feature(name, 75, (3, 3, 9, 9)))  # label noise, as the organisers say
        features.append(_feature(name, 18, (SIZE[0] + 5, 10, SIZE[0] + 25, 30)))  # wholly outside
    collection = {'type': 'FeatureCollection', 'features': features,
                  'crs': {'type': 'name', 'properties': {'name': 'urn:ogc:def:crs:OGC:1.3:CRS84'}}}
    writing.save_text(os.path.join(folder, 'xView_train.geojson'), json.dumps(collection))


def _feature(image: str, code: int, box: Iterable[int]) -> Dict[str, Any]:
    return {'type': 'Feature', 'geometry': None, 'properties': {
        'bounds_imcoords': ','.join(str(int(value)) for value in box), 'type_id': code, 'image_id': image}}
