"""SpaceNet 1: buildings in GeoJSON to masks and a split (published as process_spacenet.py)."""
import argparse
import functools
import os
import random
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mtp import numbers, ownership
from mtp.data import catalogue, converting, geojson, geotiff, outputs, rasterize, stamps
from mtp.errors import MTPError
from mtp.files import PathLike
from mtp.tiles.pixels import read_image

_Pair = Tuple[str, str, str]  # stem, raster, vector
OFFICIAL_TRAIN, OFFICIAL_ALL = 5000, 6940
IGNORED = 255  # what the segmentation data set leaves out of the loss
_FARTHEST = 1e9  # of a coordinate: no system of the Earth, in metres or feet, has one beyond
_MOST_NESTED = 8  # collections in collections


def read(path: PathLike) -> Tuple[List[List[np.ndarray]], Optional[int], int]:
    """Buildings in a GeoJSON file.

    Returns:
        For each polygon its rings, (n, 2) float64 in ground coordinates (parts of a MultiPolygon are polygons of
        their own); the EPSG code of the coordinate system, None where the file does not say; how many features have
        no area (points, lines, null).

    Raises:
        MTPError: names file, feature (counted from 0) and field.
    """
    polygons, system, skipped = [], None, 0
    for number, feature, top in geojson.features(path):
        geometry = feature.get('geometry')
        system = _system(path, top.get('crs'))
        parts = _parts(geometry)
        skipped += parts is None
        polygons += [_rings(path, number, part) for part in parts or ()]
    return polygons, system, skipped


def _parts(geometry: Any, depth: int = 0) -> Optional[List[Any]]:
    """Coordinates of each polygon of a geometry, also inside a collection; None where nothing has an area."""
    kind = geometry.get('type') if isinstance(geometry, dict) else None
    if kind == 'GeometryCollection' and isinstance(geometry.get('geometries'), list) and depth < _MOST_NESTED:
        found = [_parts(member, depth + 1) for member in geometry['geometries']]
        return sum(filter(None, found), []) if any(part is not None for part in found) else None
    if kind == 'Polygon':
        return [geometry.get('coordinates')]
    if kind == 'MultiPolygon':
        return geometry['coordinates'] if isinstance(geometry.get('coordinates'), list) else [None]
    return None


def _rings(path: PathLike, number: int, part: Any) -> List[np.ndarray]:
    try:
        # a third number, the height, is left out; a text or a truth value is no number, though NumPy makes one of it
        plain = all(type(value) in (int, float) for ring in part for point in ring for value in point[:2])
        rings = [np.array([point[:2] for point in ring], np.float64).reshape(-1, 2) for ring in part] if plain else None
    except (TypeError, ValueError, OverflowError):
        rings = None
    if rings is None:
        raise MTPError(f'{path}: feature {number}, field coordinates: not rings of x, y pairs') from None
    if not all((np.abs(ring) <= _FARTHEST).all() for ring in rings):
        raise MTPError('{}: feature {}, field coordinates: a number that is not finite, or beyond {:.0e}'.format(
            path, number, _FARTHEST))
    return rings


def _system(path: PathLike, crs: object) -> Optional[int]:
    if crs is None:
        return None
    properties = crs.get('properties') if isinstance(crs, dict) else None
    name = str(properties.get('name', '') if isinstance(properties, dict) else '')
    if name.endswith('CRS84'):
        return 4326
    found = re.search(r'EPSG:.*?(\d+)$', name)
    if not found:
        raise MTPError(f'{path}: field crs: {name[:60]!r} is not understood')
    return int(found.group(1))


def mask(raster: PathLike, vector: PathLike, value: int = 1) -> Tuple[np.ndarray, int]:
    """Mask of the buildings of one image.

    Args:
        raster: its GeoTIFF.
        vector: its GeoJSON; an empty file means no building.
        value: of a building; 0 elsewhere.

    Returns:
        (height, width) uint8, and how many features have no area.
    """
    grid = geotiff.read(raster)
    polygons, system, skipped = read(vector)
    if system is not None and grid.epsg is not None and system != grid.epsg:
        raise MTPError(f'{vector} is in EPSG:{system} and {raster} in EPSG:{grid.epsg}',
                       hint='reproject the GeoJSON first, for example with ogr2ogr')
    result = np.zeros((grid.height, grid.width), np.uint8)
    for rings in polygons:
        rasterize.fill(result, [grid.pixels(ring) for ring in rings if len(ring)], value)
    return result, skipped


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Make masks of 0 and 1 and split images and masks into train and val."""
    options = _parser().parse_args(argv)
    if not 1 <= options.foreground_value <= 255:
        raise MTPError(f'--foreground-value is {options.foreground_value}, not 1 to 255')
    if options.foreground_value == IGNORED:
        print('note: 255 is what the segmentation data set ignores; trained with it, no building is ever learnt')
    problems = []
    pairs = _pairs(options, problems)
    parts = _split(pairs, options)
    out = options.dst_dir or catalogue.locate('spacenet/data')
    flat = [path for _, raster, vector in pairs for path in (raster, vector)]
    mark = converting.fingerprint([1, options.foreground_value, options.layout, options.format,
                                   {part: [item[0] for item in items] for part, items in parts.items()}], flat)
    counts = {}
    with stamps.filling(out, 'data spacenet', mark, _names(parts, options), options) as filling:
        if not filling.needed:
            print(f'{out}: made from these files already')
            return converting.finish({}, [], options)
        for part, items in parts.items():
            counts[part or 'all'] = _part(part, items, out, options, problems)
        filling.whole = not problems
    return converting.finish(counts, problems, options)


def _names(parts: Mapping[str, Sequence[_Pair]], options: argparse.Namespace) -> List[str]:
    """What is written, relative to the folder."""
    labels = 'labels/' if options.layout == 'split' else ''
    names = []
    for part, items in parts.items():
        for stem in (item[0] for item in items):
            names.append(os.path.join(part, f'{labels}{stem}.{options.format}'))
            names += [os.path.join(part, 'images', stem + '.png')] if labels else []
    return ownership.exactly(names)


def _part(part: str, items: Sequence[_Pair], out: str, options: argparse.Namespace,
          problems: List[str]) -> Dict[str, float]:
    """Write one part; its counts."""
    work = functools.partial(_write, folder=os.path.join(out, part) if part else out, options=options)
    results = list(converting.run(work, items, options, 'SpaceNet ' + (part or 'masks'), problems))
    counts = {'images': len(results), 'without building': sum(share == 0 for share, _ in results),
              'building pixels': float(np.mean([share for share, _ in results] or [0])),
              'features without area': sum(skipped for _, skipped in results)}
    print('{}: {images} images, {building pixels:.1%} building, {without building} without, {features without '
          'area} features without area'.format(part or out, **counts))
    return counts


def _parser() -> argparse.ArgumentParser:
    source = catalogue.get('spacenetv1').source['all']
    parser = argparse.ArgumentParser(description=__doc__, epilog='Paths not given come from the catalogue and lie '
                                     'below MTP_DATA_ROOT.')
    parser.add_argument('--src_raster_dir', '--rasters', default=catalogue.locate(source.images),
                        help='folder of the .tif images')
    parser.add_argument('--src_vector_dir', '--vectors', default=catalogue.locate(source.labels),
                        help='folder of the .geojson files')
    parser.add_argument('--dst_dir', '--out', help='default: spacenet/data below MTP_DATA_ROOT')
    parser.add_argument('--foreground-value', type=numbers.byte, default=1, help='of a building; published: 255')
    parser.add_argument('--layout', choices=('split', 'flat'), default='split',
                        help='split: {train,val}/{images,labels}, as training reads them; flat: masks only, as '
                        'published')
    parser.add_argument('--format', choices=('png', 'tif'), default='png', help='of the masks; published: tif')
    parser.add_argument('--split', type=numbers.count, metavar='N',
                        help='images of train (default: 5000 of 6940, in proportion)')
    parser.add_argument('--seed', type=numbers.seed, default=0, help='of the split; the published one is not known')
    parser.add_argument('--split-file', help='text with the image stems of train, one a line, instead of a draw')
    converting.add_options(parser)
    return parser


def _pairs(options: argparse.Namespace, problems: List[str]) -> List[_Pair]:
    """(stem, raster, vector) by the number in the names, in natural order."""
    found = []
    for folder, suffix in ((options.src_raster_dir, '.tif'), (options.src_vector_dir, '.geojson')):
        if not os.path.isdir(folder):
            raise MTPError(f'the folder {folder} is missing', hint='python -m mtp.data describe spacenetv1')
        numbered = {}
        for name in converting.listing(folder, suffix):
            number = re.search(r'img(\d+)', name)
            if number is None:
                problems.append(f'{os.path.join(folder, name)}: no image number in the name')
            elif int(number.group(1)) in numbered:
                raise MTPError('{} and {} have one number'.format(numbered[int(number.group(1))],
                                                                  os.path.join(folder, name)), hint='keep one of them')
            else:
                numbered[int(number.group(1))] = os.path.join(folder, name)
        found.append(numbered)
    rasters, vectors = found
    for alone in sorted(set(rasters) ^ set(vectors)):
        problems.append(f'image {alone}: only {rasters.get(alone) or vectors[alone]} is there')
    if problems and not options.lenient:
        raise MTPError(problems[0], hint='mend it, or leave such items out with --lenient', code=1)
    both = sorted(set(rasters) & set(vectors))
    if not both:
        raise MTPError(f'no image in {options.src_raster_dir} has a GeoJSON in {options.src_vector_dir}')
    return [(os.path.splitext(os.path.basename(rasters[n]))[0], rasters[n], vectors[n]) for n in both]


def _split(pairs: Sequence[_Pair], options: argparse.Namespace) -> Dict[str, Sequence[_Pair]]:
    if options.layout == 'flat':
        return {'': pairs}
    stems = [pair[0] for pair in pairs]
    if options.split_file:
        train = set(converting.stems(options.split_file))
        unknown = sorted(train - set(stems))
        if unknown:
            raise MTPError(f'{options.split_file}: {unknown[0]!r} is not an image here')
    else:
        number = options.split or converting.share_of(len(stems), OFFICIAL_TRAIN, OFFICIAL_ALL)
        if not 0 < number <= len(stems):
            raise MTPError(f'--split is {number}, and there are {len(stems)} images')
        train = set(random.Random(options.seed).sample(stems, number))
    return {'train': [pair for pair in pairs if pair[0] in train],
            'val': [pair for pair in pairs if pair[0] not in train]}


def _write(pair: _Pair, folder: str, options: argparse.Namespace) -> Tuple[float, int]:
    """Mask (and image) of one pair; share of building pixels and number of features without area."""
    stem, raster, vector = pair
    label, skipped = mask(raster, vector, options.foreground_value)
    if not options.dry_run:
        split = options.layout == 'split'
        outputs.save_image(os.path.join(folder, 'labels' if split else '', f'{stem}.{options.format}'), label)
        if split:
            outputs.save_image(os.path.join(folder, 'images', stem + '.png'), read_image(raster))
    return float((label > 0).mean()), skipped
