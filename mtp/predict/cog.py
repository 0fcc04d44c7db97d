"""Maps as Cloud-Optimised GeoTIFF: tiled, compressed, with overviews and colours, written from rows as they come.

Memory holds one row of blocks, whatever the size of the map.
"""
import contextlib
import glob
import os
import warnings
from typing import TYPE_CHECKING, Iterable, Iterator, Mapping, Optional, Sequence, Tuple

import numpy as np

from mtp.data import raster_files
from mtp.errors import FAILED, MTPError
from mtp.files import atomic_path
from mtp.tiles.parts import NODATA, STEPS
from mtp.tiles.rasters import Ground

if TYPE_CHECKING:
    from rasterio.io import DatasetWriter

_BLOCK = 512
_SCRATCH = dict(driver='GTiff', dtype='uint8', tiled=True, blockxsize=_BLOCK, blockysize=_BLOCK, compress='deflate',
                zlevel=1, bigtiff='if_safer', nodata=NODATA)
_FINAL = dict(driver='COG', compress='deflate', blocksize=_BLOCK, bigtiff='if_safer')


def write(path: str, pieces: Iterable[np.ndarray], size: Tuple[int, int, int], ground: Optional[Ground], scratch: str,
          colours: Optional[Mapping[str, Sequence[int]]] = None) -> None:
    """Write a map.

    Args:
        path: of the file.
        pieces: numbers (planes, rows, width) uint8 from top to bottom, rows of any number.
        size: (planes, width, height).
        ground: :class:`~mtp.tiles.rasters.Ground`, or None.
        scratch: folder on the same disk for what is written on the way.
        colours: class -> RGB for a map of classes, in order; None for scores.

    Raises:
        MTPError: the disk takes no more.
    """
    import rasterio
    import rasterio.shutil

    planes, width, height = size
    os.makedirs(scratch, exist_ok=True)
    names = [os.path.join(scratch, name) for name in ('rows.tif', 'cog.tif')]
    _clear(names)
    with warnings.catch_warnings(), raster_files.settings(), _told(path):
        warnings.simplefilter('ignore')  # not every map has a place on the ground
        try:
            with rasterio.open(names[0], 'w', count=planes, width=width, height=height, **_SCRATCH) as stream:
                _describe(stream, ground, colours)
                top = 0
                for rows in _whole_blocks(pieces):
                    stream.write(rows, window=((top, top + rows.shape[1]), (0, width)))
                    top += rows.shape[1]
            how = 'mode' if colours else 'average'
            rasterio.shutil.copy(names[0], names[1], overview_resampling=how, **_FINAL)
            _require_whole(names[1])
            with atomic_path(path) as temporary:
                os.replace(names[1], temporary)
        finally:
            _clear(names)


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """What rasterio raises where a map cannot be written, errors of several kinds, as one that names the map."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith('rasterio.'):
            raise
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise MTPError(f'cannot write {path}: {said}', code=FAILED, hint='df -h . ; ulimit -f : make room or '
                       'choose another folder, then start the same command again') from None


def _require_whole(path: str) -> None:
    """Read every block again: GDAL writes the last bytes when it closes the file, and says nothing where it cannot."""
    import rasterio

    with rasterio.open(path) as stream:
        levels = [{}] + [dict(overview_level=level) for level in range(len(stream.overviews(1)))]
    for level in levels:
        with rasterio.open(path, **level) as stream:
            for _, window in stream.block_windows(1):
                stream.read(window=window)


def _clear(names: Iterable[str]) -> None:
    """Remove what was written on the way, by a killed run too; GDAL puts files of its own beside it."""
    for path in [path for name in names for path in glob.glob(glob.escape(name) + '*')]:
        os.unlink(path)


def _describe(stream: 'DatasetWriter', ground: Optional[Ground],
              colours: Optional[Mapping[str, Sequence[int]]]) -> None:
    """Where the map lies, and what its numbers mean."""
    from rasterio.transform import Affine

    if ground is not None and ground.gcps:
        stream.gcps = list(ground.gcps), ground.crs
    elif ground is not None:
        stream.transform = Affine(*ground.to_ground)
        if ground.crs:
            stream.crs = ground.crs
    if colours:
        table = {number: tuple(colour) + (255,) for number, colour in enumerate(colours.values())}
        table[NODATA] = 0, 0, 0, 0
        stream.write_colormap(1, table)
        stream.update_tags(1, **{f'class_{number}': name for number, name in enumerate(colours)})
    else:
        stream.scales = (1 / STEPS,) * stream.count


def _whole_blocks(pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same rows, so many at a time that no block of the file is written twice."""
    held, count = [], 0
    for rows in pieces:
        while count + rows.shape[1] >= _BLOCK:
            held.append(rows[:, :_BLOCK - count])
            rows = rows[:, _BLOCK - count:]
            yield np.concatenate(held, axis=1)
            held, count = [], 0
        if rows.shape[1]:
            held.append(rows)
            count += rows.shape[1]
    if held:
        yield np.concatenate(held, axis=1)
