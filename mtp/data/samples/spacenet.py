"""Sample of SpaceNet 1: GeoTIFF chips with roofs on them and their outlines in longitude and latitude."""
import json
import os

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin

from mtp.data import geotiff
from mtp.data.samples import scenes, writing

SIZES = ((439, 406), (406, 439))
CORNER, STEP = (-43.6, -22.9), 4.5e-6  # degrees; half a metre a pixel in Rio de Janeiro
ROOFS = ((196, 92, 70), (206, 196, 184), (120, 132, 150), (176, 160, 120))


def write(folder, seed=0, images=8):
    """Write ``3band`` and ``geojson`` below ``folder`` (the ``spacenet`` folder); every fourth chip has no building."""
    rng = np.random.default_rng((seed, 5))
    for number in range(1, images + 1):
        width, height = SIZES[number % 2]
        image = scenes.paint(rng, width, height, ['vehicle'], 4).image
        roofs = [] if number % 4 == 0 else _roofs(rng, image)
        stem = 'AOI_1_RIO_img{}'.format(number)
        _save(os.path.join(folder, '3band', '3band_{}.tif'.format(stem)), image)
        features = [{'type': 'Feature', 'properties': {}, 'geometry': {
            'type': 'Polygon', 'coordinates': [[[CORNER[0] + x * STEP, CORNER[1] - y * STEP, 0.0] for x, y in ring]]}}
            for ring in roofs]
        text = '' if number % 8 == 0 else json.dumps(
            {'type': 'FeatureCollection', 'crs': {'type': 'name', 'properties': {
                'name': 'urn:ogc:def:crs:OGC:1.3:CRS84'}}, 'features': features})  # some real files are empty
        writing.save_text(os.path.join(folder, 'geojson', 'Geo_{}.geojson'.format(stem)), text)


def _roofs(rng, image):
    """Draw roofs in rows; their closed outlines in pixels."""
    height, width = image.shape[:2]
    outlines = []
    for y in range(45, height - 44, 70):
        for x in range(45, width - 44, 70):
            half = rng.uniform(14, 26, 2)
            angle = rng.uniform(-0.3, 0.3)
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            ring = (np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) * half) @ turn + (x, y)
            colour = np.array(ROOFS[rng.integers(len(ROOFS))])
            cv2.fillPoly(image, [np.round(ring + 4).astype(np.int32)], (40, 44, 40))
            for part, shade in ((ring, 1.0), (np.concatenate([ring[:2], ring[1:3].mean(0)[None], ring[[3, 0]].mean(0)[None]]),
                                              0.8)):  # one side of the roof lies in the shade
                cv2.fillPoly(image, [np.round(part - 0.5).astype(np.int32)], (colour * shade).astype(int).tolist())
            outlines.append(ring)
    return outlines


def _save(path, image):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, kind, value in ((geotiff.SCALE, 12, (STEP, STEP, 0.0)), (geotiff.TIEPOINT, 12, (0.0, 0.0, 0.0) + CORNER + (0.0,)),
                             (geotiff.KEYS, 3, (1, 1, 0, 2, 1024, 0, 1, 2, geotiff.GEOGRAPHIC, 0, 1, 4326))):
        tags.tagtype[tag] = kind
        tags[tag] = value
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Image.fromarray(image).save(path, tiffinfo=tags)
