"""Detections as DOTA text, COCO JSON and GeoJSON.

GeoJSON is written in the raster's own coordinate system, named in a ``crs`` member, as QGIS and GDAL read it: nothing
is projected and nothing lost. One without a code of an authority, and any other when asked to, is turned into WGS 84
longitude and latitude, which is all that RFC 7946 knows. A picture without a place on the ground has pixels for
coordinates, x to the right and y upwards, so that everything lies below the x axis: where QGIS draws such a picture.
"""
import json

import numpy as np

from mtp.boxes import bounds_of_polygons, polygon_areas, rboxes_to_polygons
from mtp.files import atomic_path, write_json
from mtp.submit.dota import write_texts

WGS84 = 'EPSG:4326'
_DEGREES, _METRES = 9, 3  # decimals: a tenth of a millimetre, and a millimetre


def dota(found, folder):
    """``Task1_<class>.txt`` of every class that was found; see :func:`mtp.submit.dota.write_texts`."""
    return write_texts(found, folder)


def coco(found, sizes, path):
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


def _rounded(values, digits):
    return [round(float(value), digits) for value in values]


def geojson(found, name, ground, path, wgs84=False):
    """GeoJSON of one image.

    Args:
        found: :class:`~mtp.tiles.detections.Detections` in this image.
        name: of the image.
        ground: :class:`~mtp.predict.rasters.Ground`, or None.
        path: of the file.
        wgs84: longitude and latitude, whatever the raster has.

    Returns:
        What the coordinates are, for people: ``EPSG:32650``, ``pixels`` ...
    """
    corners = rboxes_to_polygons(found.rbox).reshape(-1, 4, 2)
    corners, digits, member, what = _coordinates(corners, ground, wgs84)
    head = dict(type='FeatureCollection', name=name, coordinates=what)
    head.update(member)
    with atomic_path(path) as temporary, open(temporary, 'w', encoding='utf-8') as stream:
        stream.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "features": [')
        for row, ring in enumerate(_rings(corners)):
            stream.write(',\n' if row else '\n')
            stream.write(json.dumps(_feature(found, row, np.round(ring, digits)), ensure_ascii=False))
        stream.write('\n]}\n')
    return what


def _feature(found, row, ring):
    cx, cy, w, h, theta = found.rbox[row]
    properties = {'class': found.classes[found.label[row]], 'score': round(float(found.score[row]), 6),
                  'pixel_x': round(cx, 2), 'pixel_y': round(cy, 2), 'pixel_length': round(max(w, h), 2),
                  'pixel_width': round(min(w, h), 2), 'degrees': round(float(np.degrees(theta)), 2)}
    return dict(type='Feature', properties=properties, geometry=dict(type='Polygon', coordinates=[ring.tolist()]))


def _coordinates(corners, ground, wgs84):
    """Corners (n, 4, 2) in pixels -> the same on the ground, decimals, members of the collection, words."""
    if ground is None:
        return corners * [1, -1], 2, {'crs': None}, 'pixels, y upwards'
    a, b, c, d, e, f = ground.to_ground
    x, y = corners[..., 0], corners[..., 1]
    placed = np.stack([a * x + b * y + c, d * x + e * y + f], axis=-1)
    if ground.crs is None:
        return placed, _METRES, {'crs': None}, 'ground units of a coordinate system that the file does not name'
    authority = ground.crs.to_authority()
    if wgs84 or authority is None or authority == ('EPSG', '4326'):
        return _to_wgs84(placed, ground.crs), _DEGREES, {}, WGS84
    name = 'urn:ogc:def:crs:{}::{}'.format(*authority)
    digits = _DEGREES if ground.crs.is_geographic else _METRES
    return placed, digits, {'crs': {'type': 'name', 'properties': {'name': name}}}, ':'.join(authority)


def _to_wgs84(placed, crs):
    from rasterio.warp import transform
    flat = placed.reshape(-1, 2)
    if not len(flat) or crs.to_authority() == ('EPSG', '4326'):
        return placed
    return np.stack(transform(crs, WGS84, flat[:, 0], flat[:, 1]), axis=1).reshape(placed.shape)


def _rings(corners):
    """Closed rings (n, 5, 2), counter-clockwise with y upwards, as RFC 7946 wants them."""
    x, y = corners[..., 0], corners[..., 1]
    twice = (x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1)
    ordered = np.where((twice < 0)[:, None, None], corners[:, ::-1], corners)
    return np.concatenate([ordered, ordered[:, :1]], axis=1)
