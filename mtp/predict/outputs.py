"""Detections as DOTA text, COCO JSON, GeoJSON and a layer of a GeoPackage."""
from typing import Iterable, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mtp.boxes import bounds_of_polygons, polygon_areas, rboxes_to_polygons
from mtp.files import write_json
from mtp.submit.dota import write_texts
from mtp.tiles.detections import Detections
from mtp.tiles.rasters import Ground

from . import placing
from . import geojson as collections
from .geopackage import GeoPackage

#: Attributes of a detection: name, SQL type. Lengths and places are in pixels of the image.
COLUMNS = (('image', 'TEXT'), ('class', 'TEXT'), ('score', 'REAL'), ('pixel_x', 'REAL'), ('pixel_y', 'REAL'),
           ('pixel_length', 'REAL'), ('pixel_width', 'REAL'), ('degrees', 'REAL'))


def dota(found: Detections, folder: str) -> List[str]:
    """``Task1_<class>.txt`` of every class that was found; see :func:`mtp.submit.dota.write_texts`."""
    return write_texts(found, folder)


def coco(found: Detections, sizes: Mapping[str, Tuple[str, int, int]], path: str) -> None:
    """COCO JSON of all images: rotated corners as ``segmentation``, their bounds as ``bbox``; ids from 1.

    Args:
        found: :class:`~mtp.tiles.detections.Detections`.
        sizes: image id -> (file name, width, height).
        path: of the file.
    """
    polygons = rboxes_to_polygons(found.rbox)
    bounds, areas = bounds_of_polygons(polygons), polygon_areas(polygons)
    images = [dict(id=number, file_name=sizes[name][0], width=sizes[name][1], height=sizes[name][2])
              for number, name in enumerate(found.images, 1)]
    annotations = [
        dict(id=row + 1, image_id=int(found.image[row]) + 1, category_id=int(found.label[row]) + 1, iscrowd=0,
             score=round(float(found.score[row]), 6), area=round(float(areas[row]), 2),
             bbox=_rounded([*bounds[row, :2], *(bounds[row, 2:] - bounds[row, :2])], 2),
             segmentation=[_rounded(polygons[row], 2)])
        for row in range(len(found.score))]
    categories = [dict(id=number, name=name) for number, name in enumerate(found.classes, 1)]
    write_json(path, dict(images=images, categories=categories, annotations=annotations), indent=None)


def _rounded(values: Iterable[float], digits: int) -> List[float]:
    return [round(float(value), digits) for value in values]


def geojson(found: Detections, name: str, ground: Optional[Ground], path: str, wgs84: bool = False) -> str:
    """GeoJSON of one image.

    Args:
        found: :class:`~mtp.tiles.detections.Detections` in this image.
        name: of the image.
        ground: :class:`~mtp.tiles.rasters.Ground`, or None.
        path: of the file; nothing is written where it is empty.
        wgs84: longitude and latitude, whatever the raster has.

    Returns:
        What the coordinates are, for people: ``EPSG:32650``, ``pixels`` ...
    """
    system = placing.system_of(ground, wgs84, coded=True)
    if not path:
        return system.name
    rows = zip(*(column.tolist() for column in _attributes(found)))
    with collections.collection(path, name, system) as add:
        for ring, row in zip(_rings(found, ground, system), rows):
            add([ring], dict(zip([name for name, _ in COLUMNS[1:]], row)))
    return system.name


def layer(found: Detections, name: str, ground: Optional[Ground], package: GeoPackage, wgs84: bool = False,
          colours: Optional[Mapping[str, Sequence[int]]] = None) -> None:
    """Add what was found in one image to a layer of a :class:`~mtp.predict.geopackage.GeoPackage`; other arguments
    as of :func:`geojson`, and ``colours``: class -> RGB.
    """
    system = placing.system_of(ground, wgs84)
    table = package.layer(layer_name('objects', system), system, COLUMNS, colours or {})
    table.boxes(_rings(found, ground, system), [[name] * len(found.score)] + list(_attributes(found)))


def layer_name(kind: str, system: placing.System) -> str:
    """Images of one coordinate system share a layer: ``objects_EPSG_32650``, ``objects_pixels``."""
    names = {placing.PIXELS: 'pixels', placing.NAMELESS: 'ground'}
    name = names.get(system.name) or (system.name.replace(':', '_') if ' ' not in system.name else 'own')
    return f'{kind}_{name}'


def _rings(found: Detections, ground: Optional[Ground], system: placing.System) -> np.ndarray:
    corners = rboxes_to_polygons(found.rbox).reshape(-1, 4, 2)
    return placing.closed(placing.place(corners, ground, system))


def _attributes(found: Detections) -> Tuple[np.ndarray, ...]:
    """Columns of :data:`COLUMNS` from ``class`` on."""
    cx, cy, w, h, theta = np.asarray(found.rbox, dtype=np.float64).reshape(-1, 5).T
    names = np.array(found.classes + ('',), dtype=object)[found.label]
    score = np.asarray(found.score, dtype=np.float64)
    return (names, score.round(6), cx.round(2), cy.round(2), np.maximum(w, h).round(2), np.minimum(w, h).round(2),
            np.degrees(theta).round(2))
