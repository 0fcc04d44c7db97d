"""What a prediction writes, without a network: ``map FOLDER`` and ``package FOLDER``, for processes under limits."""
import os

import numpy as np

from mtp.predict import cog, geopackage, placing

SIDE = 1500
COLOURS = {str(number): (number, 80, 160) for number in range(5)}


def main(words):
    """Write a map of noise, which nothing packs, or a GeoPackage of squares."""
    kind, folder = words
    {'map': write_map, 'package': write_package}[kind](folder)


def write_map(folder):
    values = np.random.default_rng(0).integers(0, len(COLOURS), (1, SIDE, SIDE), dtype=np.uint8)
    cog.write(os.path.join(folder, 'map.tif'), iter([values[:, :700], values[:, 700:]]), (1, SIDE, SIDE), None,
              os.path.join(folder, 'scratch'), COLOURS)


def write_package(folder):
    system, count = placing.system_of(None), 4000
    corners = np.random.default_rng(0).random((count, 1, 2)) * 1000 + [[0, 0], [9, 0], [9, 9], [0, 9]]
    with geopackage.GeoPackage(os.path.join(folder, 'all.gpkg')) as package:
        layer = package.layer('squares', system, (('class', 'TEXT'),), {'square': (200, 0, 0)})
        layer.boxes(placing.closed(corners), [['square'] * count])
