"""Labels drawn over GeoTIFFs: GeoJSON or GeoPackage, a file an image or one for all of them."""
import os
import shlex
import sqlite3
import struct
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from mtp.data import geojson, geotiff, images, raster_files
from mtp.errors import MTPError
from mtp.own.folder import Folder, Matcher, listed_parts, part_of, stem
from mtp.own.records import Asked, Found, Record, Shape

if TYPE_CHECKING:
    from rasterio.crs import CRS
    from shapely.geometry.base import BaseGeometry

FIELDS = ('class', 'class_name', 'label', 'category', 'name', 'type', 'kind')  # that may hold the class, in this order
_Read = Tuple[Optional['BaseGeometry'], Dict[str, Any], str, str]  # geometry, properties, coordinate system, where
_ENVELOPES = (0, 32, 48, 48, 64)  # bytes, by the number in a GeoPackage geometry's flags


class Feature(NamedTuple):
    """Rings of one polygon (part of a MultiPolygon), its properties, and where it stands."""
    rings: Tuple[np.ndarray, ...]
    properties: Dict[str, Any]
    where: str


class Vectors(NamedTuple):
    """A file: its coordinate system as rasterio takes it, its features, and how many have no area."""
    crs: Optional[str]
    features: Tuple[Feature, ...]
    without_area: int


def evidence(folder: Folder) -> List[str]:
    """GeoJSON and GeoPackage files, where there are rasters."""
    return folder.ending('.geojson', '.gpkg') if folder.images() else []


def read(folder: Folder, files: List[str], asked: Asked) -> Found:
    """Features of each image: of the file of its stem, else those of every file that lie on it."""
    names = folder.images()
    matcher = Matcher(files)
    own = {image: matcher.find(image) for image in names}
    shared = [name for name in files if name not in own.values()]
    loaded = {name: _load(folder.path(name)) for name in files}
    field = {name: _class_field(folder.path(name), each, asked) for name, each in loaded.items()}
    parts, lists = listed_parts(folder)
    records, hit = [], set()
    for image in names:
        shapes, label = [], own[image]
        for name in [label] if label else shared:
            on_it = _on(folder.path(image), folder.path(name), loaded[name], field[name], bool(label))
            shapes += on_it
            label, hit = (name, hit | {name}) if on_it else (label, hit)
        records.append(Record(image, parts.get(stem(image)) or part_of(image), label, tuple(shapes)))
    notes = ['{}: {} points, lines or features without geometry: they have no area and are passed over'.format(
        name, each.without_area) for name, each in loaded.items() if each.without_area]
    far = [name for name in shared if name not in hit]
    return Found(tuple(records), orphans=tuple(far), used=tuple(files) + tuple(lists), notes=tuple(notes))


def _load(path: str) -> Vectors:
    reader = _geopackage if path.lower().endswith('.gpkg') else _geojson
    crs, without, features = None, 0, []
    for geometry, properties, crs, where in reader(path):
        polygons = _polygons(path, where, geometry)
        without += not polygons
        features += [Feature(rings, properties, where) for rings in polygons]
    return Vectors(crs, tuple(features), without)


def _geojson(path: str) -> Iterator[_Read]:
    import shapely.geometry

    for number, feature, top in geojson.features(path):
        where = f'feature {number}'
        named = ((top.get('crs') or {}).get('properties') or {}).get('name') or 'EPSG:4326'  # RFC 7946
        try:
            shape = shapely.geometry.shape(feature['geometry']) if feature.get('geometry') else None
        except Exception as error:  # shapely raises many kinds for a wrong nesting
            raise MTPError(f'{path}: {where}: no geometry: {error}',
                           hint=f'ogr2ogr -makevalid mended.geojson {shlex.quote(path)}') from None
        yield shape, feature['properties'], named, where


def _geopackage(path: str) -> Iterator[_Read]:
    images.require_plain(path, 'file')
    if not os.path.getsize(path):
        raise MTPError(f'{path} is empty (0 bytes): no GeoPackage', hint='export it again, or delete it')
    link = None
    try:
        link = sqlite3.connect('file:{}?mode=ro&immutable=1'.format(
            os.path.abspath(path).replace('%', '%25').replace('?', '%3f').replace('#', '%23')), uri=True)
        layers = link.execute('SELECT g.table_name, g.column_name, s.organization, s.organization_coordsys_id '
                              'FROM gpkg_geometry_columns g JOIN gpkg_spatial_ref_sys s USING (srs_id)').fetchall()
        systems = {(authority, code) for _, _, authority, code in layers}
        if len(systems) > 1:
            raise MTPError(f'{path}: its layers have different coordinate systems',
                           hint=f'ogr2ogr -t_srs EPSG:4326 same.gpkg {shlex.quote(path)}')
        for layer, column, authority, code in layers:
            rows = link.execute('SELECT * FROM "{}"'.format(layer.replace('"', '""')))
            titles = [each[0] for each in rows.description]
            for number, row in enumerate(rows):
                properties = dict(zip(titles, row))
                where = f'layer {layer}, row {number}'
                yield (_wkb(path, where, properties.pop(column)), properties,
                       f'{authority}:{code}', where)
    except sqlite3.Error as error:
        raise MTPError(f'{path}: not a GeoPackage: {error}',
                       hint=f'ogr2ogr again.gpkg {shlex.quote(path)}, or give GeoJSON') from None
    finally:
        if link is not None:
            link.close()


def _wkb(path: str, where: str, blob: Optional[bytes]) -> Optional['BaseGeometry']:
    """The geometry in a GeoPackage blob; None of none."""
    import shapely

    if blob is None:
        return None
    try:
        magic, _, flags, _ = struct.unpack('<2sBBi', blob[:8])
        if magic != b'GP':
            raise ValueError(f'it begins with {blob[:2]!r}')
        return shapely.from_wkb(bytes(blob[8 + _ENVELOPES[flags >> 1 & 7]:]))
    except Exception as error:  # struct, index and shapely's own
        raise MTPError(f'{path}: {where}: no geometry: {error}',
                       hint=f'ogr2ogr -makevalid mended.gpkg {shlex.quote(path)}') from None


def _polygons(path: str, where: str, geometry: Optional['BaseGeometry']) -> List[Tuple[np.ndarray, ...]]:
    """Rings of every polygon in a geometry."""
    if geometry is None or geometry.is_empty:
        return []
    if geometry.geom_type == 'Polygon':
        rings = [geometry.exterior] + list(geometry.interiors)
        found = [np.asarray(each.coords, np.float64)[:-1, :2] for each in rings]
        if not all(np.isfinite(each).all() for each in found):
            raise MTPError(f'{path}: {where}: a coordinate is not a number',
                           hint=f'ogr2ogr -makevalid mended.geojson {shlex.quote(path)}')
        return [tuple(found)]
    return [part for member in getattr(geometry, 'geoms', ()) for part in _polygons(path, where, member)]


def _class_field(path: str, vectors: Vectors, asked: Asked) -> str:
    """The property that holds the class; '' where all is the one class asked for."""
    keys = {key for feature in vectors.features for key in feature.properties}
    lower = {str(key).lower(): key for key in sorted(keys)}
    found = next((lower[field] for field in FIELDS if field in lower), '')
    if found or not vectors.features or len(asked.classes) == 1:
        return found
    raise MTPError('{}: no property of its features is called {}; there is {}'.format(
        path, ', '.join(FIELDS), ', '.join(sorted(map(str, keys))) or 'none'), hint=(
            'CLASSES=building behind the same command where all are one class, or rename the property to class'))


def _on(image: str, path: str, vectors: Vectors, field: str, whole: bool) -> List[Shape]:
    """Features on an image; ``whole`` takes all of the file, else those that meet it."""
    grid, crs = geotiff.read(image), _crs(image)
    shapes = []
    for feature in vectors.features:
        ground = [_moved(path, points, vectors.crs, crs) for points in feature.rings]
        rings = tuple(grid.pixels(points) for points in ground)
        low, high = rings[0].min(0), rings[0].max(0)
        if whole or (low < (grid.width, grid.height)).all() and (high > 0).all():
            shapes.append(Shape(_name(path, feature, field), rings, feature.where))
    return shapes


def _name(path: str, feature: Feature, field: str) -> str:
    value = feature.properties.get(field) if field else ''
    if field and (value is None or str(value).strip() == ''):
        raise MTPError(f'{path}: {feature.where}: its {field} is empty',
                       hint='give it a class, or delete it')
    return str(value).strip()


def _crs(image: str) -> 'CRS':
    with raster_files.open_raster(image) as opened:
        if not opened.crs:
            raise MTPError('{} does not say its coordinate system, so nothing drawn over it can be placed'.format(
                image), hint='gdal_edit.py -a_srs EPSG:32633 {} (its own code)'.format(shlex.quote(image)))
        return opened.crs


def _moved(path: str, points: np.ndarray, source: Optional[str], target: 'CRS') -> np.ndarray:
    """Points (k, 2) from one coordinate system to another."""
    from rasterio import warp
    from rasterio.crs import CRS

    try:
        own = CRS.from_user_input(source)
        if own == target:
            return points
        return np.stack(warp.transform(own, target, points[:, 0], points[:, 1]), 1)
    except Exception as error:  # rasterio has several kinds
        raise MTPError(f'{path}: its coordinates cannot be brought to the image: {error}',
                       hint=f'ogr2ogr -t_srs EPSG:4326 same.geojson {shlex.quote(path)}') from None
