"""GeoPackages (OGC 12-128r15, version 1.3): an SQLite file with well-known binary in it, which QGIS and GDAL open.

Written with Python's own ``sqlite3``. rasterio's wheels hold GDAL's driver for it, but not the part of GDAL's interface
that writes features; pyogrio and fiona would bring a second GDAL of 80 MB into images that are to become smaller; and
the format is a dozen tables. ``ogrinfo`` reads it back in the tests.

A layer has a spatial index (an R-tree with the triggers of the standard, so that it stays right when people edit) and
a style by class (``layer_styles``, which QGIS applies by itself).
"""
import contextlib
import sqlite3
import struct
from types import TracebackType
from typing import Any, Iterator, Mapping, Optional, Sequence, Type, Union

import numpy as np

from mtp.errors import FAILED, MTPError
from mtp.files import atomic_path

from . import geopackage_tables as tables
from . import styles
from .placing import System

APPLICATION, VERSION = 0x47504B47, 10300  # 'GPKG', 1.3.0
_OWN = 100000  # numbers of coordinate systems without a code begin here
_CHUNK = 20000  # rows written at a time
#: Header of a geometry with its bounds (little endian), and the well-known binary of a polygon of five points.
_HEAD = [('magic', 'S2'), ('version', 'u1'), ('flags', 'u1'), ('system', '<i4'), ('bounds', '<f8', 4)]
_BOX = np.dtype(_HEAD + [('order', 'u1'), ('kind', '<u4'), ('rings', '<u4'), ('count', '<u4'), ('ring', '<f8', (5, 2))])
_BEGIN, _BOUNDED = np.dtype(_HEAD), 0b00000011
_POLYGON = 3


class GeoPackage:
    """Writes a GeoPackage; a context manager. Nothing is at ``path`` before all is there.

    Args:
        path: of the file.
        stamp: ISO time (UTC) that every layer gets as that of its last change.
    """

    def __init__(self, path: str, stamp: str = '1970-01-01T00:00:00.000Z') -> None:
        self.path, self.stamp, self._layers, self._systems = path, stamp, {}, {}

    def __enter__(self) -> 'GeoPackage':
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            stack.enter_context(_told(self.path))
            self._base = sqlite3.connect(temporary, isolation_level=None)
            stack.callback(self._base.close)
            self._begin()
            self._written = stack.pop_all()
        return self

    def _begin(self) -> None:
        for line in ('PRAGMA journal_mode=OFF', 'PRAGMA synchronous=OFF', 'PRAGMA cache_size=-64000',
                     f'PRAGMA application_id={APPLICATION}', f'PRAGMA user_version={VERSION}',
                     'BEGIN') + tables.CORE:
            self._base.execute(line)

    def layer(self, name: str, system: System, columns: tables.Columns,
              colours: Mapping[str, Sequence[int]]) -> '_Layer':
        """A layer of polygons that :meth:`boxes` and :meth:`polygons` write to.

        Args:
            name: a word.
            system: :class:`~mtp.predict.placing.System` of its coordinates.
            columns: (name, SQL type) of each attribute; one is called ``class``.
            colours: class -> RGB, in order.

        Raises:
            MTPError: this Python's SQLite has no R-tree.
        """
        number = self._number(system)
        if (name, number) not in self._layers:
            same = sum(name == other for other, _ in self._layers)  # another system that has no code
            made = _Layer(self._base, f'{name}_{same + 1}' if same else name, number, columns, colours)
            made.create(self.stamp)
            self._layers[name, number] = made
        return self._layers[name, number]

    def _number(self, system: System) -> int:
        """The number of a coordinate system, which is entered where it is new."""
        if system.crs is None:
            return -1
        text = system.crs.to_wkt()
        if text not in self._systems:
            authority, code = system.crs.to_authority() or ('NONE', _OWN + len(self._systems))
            number = int(code) if authority == 'EPSG' else _OWN + len(self._systems)
            self._systems[text] = number
            self._base.execute('INSERT OR IGNORE INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)', (
                system.name, number, authority, int(code) if str(code).isdigit() else number, text, None))
        return self._systems[text]

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> Optional[bool]:
        if kind is not None:
            return self._written.__exit__(kind, error, trace)
        with self._written:
            for layer in self._layers.values():
                layer.finish()
            self._base.execute('COMMIT')
        return None


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """What SQLite says of a disk that takes no more, as an error that names the file."""
    try:
        yield
    except sqlite3.OperationalError as problem:
        raise MTPError(f'cannot write {path}: {problem}', code=FAILED, hint='df -h . ; ulimit -f : make room '
                       'or choose another folder, then start the same command again') from None


class _Layer:
    """One table of features, see :meth:`GeoPackage.layer`."""

    def __init__(self, base: sqlite3.Connection, name: str, system: int, columns: tables.Columns,
                 colours: Mapping[str, Sequence[int]]) -> None:
        self._base, self.name, self._system, self._columns, self._colours = base, name, system, columns, colours
        self.count, self._bounds = 0, np.array([np.inf, -np.inf, np.inf, -np.inf])
        marks = ', '.join('?' * (len(columns) + 2))
        self._insert = f'INSERT INTO "{name}" VALUES ({marks})'
        self._index = f'INSERT INTO "rtree_{name}_geom" VALUES (?, ?, ?, ?, ?)'

    def create(self, stamp: str) -> None:
        try:
            for line in tables.layer(self.name, self._columns):
                self._base.execute(line)
        except sqlite3.OperationalError as problem:
            if 'no such module' not in str(problem):
                raise
            raise MTPError(f'this Python\'s SQLite cannot make a spatial index: {problem}',
                           hint='add --formats geojson') from None
        for line, values in tables.entries(self.name, self._system, stamp):
            self._base.execute(line, values)
        self._base.execute('INSERT INTO layer_styles VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, NULL, ?)', (
            '', '', self.name, 'geom', self.name, styles.polygons(self._colours), '', 'class colours', '', stamp))

    def boxes(self, rings: np.ndarray, columns: Sequence[Union[np.ndarray, Sequence[Any]]]) -> None:
        """Add quadrilaterals.

        Args:
            rings: (n, 5, 2) closed.
            columns: one sequence of n values for each attribute.
        """
        columns = [column.tolist() if isinstance(column, np.ndarray) else column for column in columns]
        for start in range(0, len(rings), _CHUNK):
            some = np.ascontiguousarray(rings[start:start + _CHUNK], dtype=np.float64)
            bounds = np.stack([some[..., 0].min(1), some[..., 0].max(1), some[..., 1].min(1), some[..., 1].max(1)], 1)
            made = np.zeros(len(some), _BOX)
            made['magic'], made['flags'], made['system'], made['bounds'] = b'GP', _BOUNDED, self._system, bounds
            made['order'], made['kind'], made['rings'], made['count'], made['ring'] = 1, _POLYGON, 1, 5, some
            data, size = made.tobytes(), _BOX.itemsize
            blobs = [data[at:at + size] for at in range(0, len(data), size)]
            self._add(blobs, bounds, [column[start:start + _CHUNK] for column in columns])

    def polygons(self, polygons: Sequence[Sequence[np.ndarray]], columns: Sequence[Sequence[Any]]) -> None:
        """Add polygons, each a list of closed rings (k, 2), the outer one first; columns as for :meth:`boxes`."""
        if not polygons:
            return
        outer = [ring for ring, *_ in polygons]
        starts = np.cumsum([0] + [len(ring) for ring in outer[:-1]])
        low, high = (how.reduceat(np.concatenate(outer), starts) for how in (np.minimum, np.maximum))
        bounds = np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)
        heads = np.zeros(len(polygons), _BEGIN)
        heads['magic'], heads['flags'], heads['system'], heads['bounds'] = b'GP', _BOUNDED, self._system, bounds
        self._add([head.tobytes() + _binary(rings) for head, rings in zip(heads, polygons)], bounds, columns)

    def _add(self, blobs: Sequence[bytes], bounds: np.ndarray, columns: Sequence[Sequence[Any]]) -> None:
        first = self.count + 1
        self.count += len(blobs)
        if not blobs:
            return
        ids = range(first, self.count + 1)
        self._base.executemany(self._insert, zip(ids, (sqlite3.Binary(blob) for blob in blobs), *columns))
        self._base.executemany(self._index, zip(ids, *bounds.T.tolist()))
        low, high = bounds.min(axis=0), bounds.max(axis=0)
        self._bounds = np.where([True, False, True, False], np.minimum(self._bounds, low),
                                np.maximum(self._bounds, high))

    def finish(self) -> None:
        """Enter bounds and number of features, and the triggers that keep the index right from now on."""
        if self.count:
            x_min, x_max, y_min, y_max = self._bounds.tolist()
            self._base.execute('UPDATE gpkg_contents SET min_x=?, min_y=?, max_x=?, max_y=? WHERE table_name=?',
                               (x_min, y_min, x_max, y_max, self.name))
        self._base.execute('INSERT INTO gpkg_ogr_contents VALUES (?, ?)', (self.name, self.count))
        for line in tables.triggers(self.name):
            self._base.execute(line)


def _binary(rings: Sequence[np.ndarray]) -> bytes:
    """Well-known binary, little endian, of a polygon."""
    parts = [struct.pack('<BII', 1, _POLYGON, len(rings))]
    for ring in rings:
        parts += [struct.pack('<I', len(ring)), ring.astype('<f8', copy=False).tobytes()]
    return b''.join(parts)
