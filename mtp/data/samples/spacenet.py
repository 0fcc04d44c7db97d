"""Sample of SpaceNet 1: GeoTIFF chips with roofs on them and their outlines in longitude and latitude."""
import json
import os

import numpy as np
from PIL import Image, TiffImagePlugin

from mtp.data import geotiff
from mtp.data.samples import roofs, scenes, writing

SIZES = ((439, 406), (406, 439))
CORNER, STEP = (-43.6, -22.9), 4.5e-6  # degrees; half a metre a pixel in Rio de Janeiro


def write(folder: str, seed: int = 0, images: int = 8) -> None:
    """Write ``3band`` and ``geojson`` below ``folder`` (the ``spacenet`` folder); every fourth chip has no building."""
    rng = np.random.default_rng((seed, 5))
    for number in range(1, images + 1):
        width, height = SIZES[number % 2]
        image, terrain = scenes.land(rng, width, height)
        rings = [] if number % 4 == 0 else roofs.outlines(rng, terrain != scenes.TERRAIN.index('water'))
        roofs.draw(rng, image, rings)
        stem = f'AOI_1_RIO_img{number}'
        _save(os.path.join(folder, '3band', f'3band_{stem}.tif'), scenes.finish(rng, image))
        features = [{'type': 'Feature', 'properties': {}, 'geometry': {
            'type': 'Polygon', 'coordinates': [[[CORNER[0] + x * STEP, CORNER[1] - y * STEP, 0.0] for x, y in ring]]}}
            for ring in rings]
        text = '' if number % 8 == 0 else json.dumps(
            {'type': 'FeatureCollection', 'crs': {'type': 'name', 'properties': {
                'name': 'urn:ogc:def:crs:OGC:1.3:CRS84'}}, 'features': features})  # some real files are empty
        writing.save_text(os.path.join(folder, 'geojson', f'Geo_{stem}.geojson'), text)


def _save(path: str, image: np.ndarray) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, kind, value in ((geotiff.SCALE, 12, (STEP, STEP, 0.0)),
                             (geotiff.TIEPOINT, 12, (0.0, 0.0, 0.0) + CORNER + (0.0,)),
                             (geotiff.KEYS, 3, (1, 1, 0, 2, 1024, 0, 1, 2, geotiff.GEOGRAPHIC, 0, 1, 4326))):
        tags.tagtype[tag] = kind
        tags[tag] = value
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Image.fromarray(image).save(path, tiffinfo=tags)
