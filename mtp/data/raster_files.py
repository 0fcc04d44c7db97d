"""Opening raster files with GDAL: by an allow-list of drivers, and with nothing beside the file but its world file.

GDAL opens anything by its content, whatever its name: a text of 300 bytes is a virtual raster (VRT) that reads any
other file or address. So only drivers are asked whose files hold their own pixels: GeoTIFF, PNG, JPEG, JPEG 2000 and
BMP. Files beside the image (``.aux.xml``, ``.ovr``, ``.msk``), which can name other files, are not looked at, and
nothing is read over the network. The six numbers of a world file (``.tfw``, ``.jgw``, ``.wld`` ...) are read here.
"""
import os
import shlex
import warnings
from typing import TYPE_CHECKING, Optional, Tuple

from mtp.data import images
from mtp.errors import MTPError
from mtp.files import PathLike

if TYPE_CHECKING:
    from rasterio.env import Env
    from rasterio.io import DatasetReader

#: How a file begins -> the one driver that is asked. No ``.img``, ``.vrt`` and the like: their files name others.
DRIVERS = {b'II*\0': 'GTiff', b'MM\0*': 'GTiff', b'II+\0': 'GTiff', b'MM\0+': 'GTiff', images.PNG: 'PNG',
           images.JPEG: 'JPEG', b'\0\0\0\x0cjP  \r\n\x87\n': 'JP2OpenJPEG', b'\xff\x4f\xff\x51': 'JP2OpenJPEG',
           b'BM': 'BMP'}
#: GDAL's settings while a file is opened or read. The cache's default is a share of all memory.
SETTINGS = {'GDAL_DISABLE_READDIR_ON_OPEN': 'EMPTY_DIR', 'GDAL_PAM_ENABLED': 'NO', 'GDAL_CACHEMAX': 32 << 20,
            'CPL_VSIL_CURL_ALLOWED_EXTENSIONS': '.none', 'GDAL_HTTP_MAX_RETRY': 0, 'GTIFF_POINT_GEO_IGNORE': 'FALSE'}
_MOST_BLOCK = 1 << 30  # bytes of one tile or strip, which is decoded as a whole

Matrix = Tuple[float, float, float, float, float, float]  # see :func:`to_ground`


def settings() -> 'Env':
    """A context in which GDAL reads nothing but the file that it was told to."""
    import rasterio
    return rasterio.Env(**SETTINGS)


def open_raster(path: PathLike) -> 'DatasetReader':
    """``path`` opened by rasterio.

    Raises:
        MTPError: no plain file, no raster of a kind of :data:`DRIVERS`, or one whose pieces fill the memory.
    """
    try:
        import rasterio
    except ImportError as error:
        raise MTPError(f'rasters are read with rasterio, which this Python lacks: {error}',
                       hint='make setup') from None
    images.require_plain(path)
    images.require_whole(path)
    name = os.path.abspath(os.fspath(path))  # so it is no address, and names no driver
    if name.startswith('/vsi'):  # a folder of that name on the disk is not what GDAL would open
        raise MTPError(f'cannot read the image {path}: names of GDAL\'s file systems are not opened')
    with warnings.catch_warnings(), settings():
        warnings.simplefilter('ignore')  # most pictures have no place on the ground
        try:
            opened = rasterio.open(name, driver=driver_of(name))
        except MTPError:
            raise
        except UnicodeEncodeError:
            raise MTPError(f'cannot read the image {path}: its name is no UTF-8, and GDAL opens no other',
                           hint='give it a name of plain letters with mv') from None
        except Exception as error:  # rasterio has several kinds, and passes on those of its parts
            raise MTPError(f'cannot read the image {path}: {_first_line(error)}',
                           hint='replace this file with a whole copy') from None
    if opened.count == 0:
        raise MTPError('{} holds no image of its own but {}'.format(path, ', '.join(opened.subdatasets) or 'nothing'))
    images.require_sane(path, opened.width, opened.height)
    return _with_small_pieces(path, opened)


def driver_of(path: PathLike) -> str:
    """The driver of :data:`DRIVERS` whose files begin as ``path`` does.

    Raises:
        MTPError: none of them.
    """
    try:
        with open(path, 'rb') as stream:
            head = stream.read(16)
    except OSError as error:
        raise MTPError(f'cannot read the image {path}: {error.strerror or error}') from None
    for begin, driver in DRIVERS.items():
        if head.startswith(begin):
            return driver
    raise MTPError('cannot read the image {}: it begins with {!r}, as no GeoTIFF, PNG, JPEG, JPEG 2000 or BMP file does'
                   .format(path, head[:8]), hint='replace this file with a whole copy')


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _with_small_pieces(path: PathLike, opened: 'DatasetReader') -> 'DatasetReader':
    rows, columns = opened.block_shapes[0]
    width = max(int(kind[-2:]) // 8 if kind[-2:].isdigit() else 1 for kind in opened.dtypes)
    if rows * columns * width > _MOST_BLOCK:
        opened.close()
        raise MTPError(f'{path} is stored in pieces of {columns} x {rows} pixels, each decoded as a whole',
                       hint=f'gdal_translate -co TILED=YES {shlex.quote(os.fspath(path))} tiled.tif')
    return opened


def to_ground(opened: 'DatasetReader', path: PathLike) -> Optional[Matrix]:
    """(a, b, c, d, e, f) with x = a*column + b*row + c and y = d*column + e*row + f, or None without a place.

    The outer corner of the first pixel is at (0, 0), also where the file counts from its middle (PixelIsPoint, and
    every world file).
    """
    matrix = opened.transform
    found: Optional[Matrix] = (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)
    if found == (1, 0, 0, 0, 1, 0):
        found = _world_file(path)
    if found is None or not abs(found[0] * found[4] - found[1] * found[3]) > 0:
        return None
    return found


def _world_file(path: PathLike) -> Optional[Matrix]:
    stem, suffix = os.path.splitext(os.fspath(path))
    letters = suffix[1:]
    for ending in (letters[:1] + letters[-1:] + 'w', letters + 'w', 'wld'):
        for name in (stem + '.' + ending.lower(), stem + '.' + ending.upper()):
            if os.path.isfile(name):
                return _six_numbers(name)
    return None


def _six_numbers(path: str) -> Matrix:
    from mtp.data import text

    lines = [line.strip() for line in text.read_lines(path) if line.strip()]
    if len(lines) != 6:
        raise MTPError(f'{path}: {len(lines)} lines, and a world file has 6 numbers')
    a, d, b, e, x, y = (text.number(line, path, number, 'number') for number, line in enumerate(lines, 1))
    return a, b, x - (a + b) / 2, d, e, y - (d + e) / 2
