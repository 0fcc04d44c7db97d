"""GeoJSON, feature by feature: a collection of any size takes no memory.

It is written in the raster's own coordinate system, named in a ``crs`` member, as QGIS and GDAL read it: nothing is
projected and nothing lost. WGS 84 is all that RFC 7946 knows, and has no such member.
"""
import contextlib
import json
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, Mapping, Optional

import numpy as np

from mtp.files import atomic_path

from . import placing

if TYPE_CHECKING:
    from rasterio.crs import CRS


Add = Callable[[Iterable[np.ndarray], Mapping[str, Any]], None]


@contextlib.contextmanager
def collection(path: str, name: str, system: placing.System) -> Iterator[Add]:
    """Write a FeatureCollection to ``path`` during the block.

    Args:
        path: of the file.
        name: of the collection.
        system: :class:`~mtp.predict.placing.System` of the coordinates; one that a code names.

    Yields:
        a function (rings: closed rings (k, 2) of one polygon, the outer one first; properties: dict).
    """
    head: Dict[str, Any] = dict(type='FeatureCollection', name=name, coordinates=system.name)
    if system.name != placing.WGS84:
        head['crs'] = _member(system.crs)
    count = 0
    with atomic_path(path) as temporary, open(temporary, 'w', encoding='utf-8') as stream:
        stream.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "features": [')

        def add(rings: Iterable[np.ndarray], properties: Mapping[str, Any]) -> None:
            nonlocal count
            coordinates = [np.round(ring, system.digits).tolist() for ring in rings]
            feature = dict(type='Feature', properties=properties,
                           geometry=dict(type='Polygon', coordinates=coordinates))
            stream.write(',\n' if count else '\n')
            stream.write(json.dumps(feature, ensure_ascii=False))
            count += 1

        yield add
        stream.write('\n]}\n')


def _member(crs: Optional['CRS']) -> Optional[Dict[str, Any]]:
    if crs is None:
        return None
    return {'type': 'name', 'properties': {'name': 'urn:ogc:def:crs:{}::{}'.format(*crs.to_authority())}}
