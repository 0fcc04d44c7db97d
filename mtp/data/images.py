"""Image files: which there are, size and number of bands from the header alone, and whether they are whole."""
import os
import shlex
import stat
import struct
import unicodedata
from typing import TYPE_CHECKING, Dict, Iterable, NamedTuple, Tuple

from mtp.errors import MTPError
from mtp.files import PathLike

if TYPE_CHECKING:
    import numpy as np

#: What every verb takes for an image, whatever the case of its letters.
SUFFIXES = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp', '.jp2')
#: A header that says more is not believed: rows and lists of windows are made from what it says.
MAX_SIDE, MAX_PIXELS = 1 << 20, 1 << 36
PNG, JPEG = b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff'
_JPEG_END = b'\xff\xd9'
#: PNG colour type -> bands: gray, RGB, palette, gray with alpha, RGBA.
_PNG_BANDS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_MOST_IN_JPEG = 1024  # pixels that a byte can stand for: a block of 64 takes a bit at least, with room to spare
_MOST_PACKED = 1040  # bytes that a byte of zlib's format can stand for, rounded up


class Header(NamedTuple):
    """What the beginning of an image file says: pixels, and number of bands."""
    width: int
    height: int
    bands: int


def size(path: PathLike) -> Tuple[int, int]:
    """(width, height) of the image file ``path`` in pixels, without decoding it; see :func:`header`."""
    return header(path)[:2]


def header(path: PathLike) -> Header:
    """The :class:`Header` of the image file ``path``.

    Raises:
        MTPError: the file is missing, no plain file, no image, or says that it is larger than any image.
    """
    require_plain(path)
    try:
        with open(path, 'rb') as stream:
            head = stream.read(33)
        found = _png(path, head) if head[:8] == PNG and head[12:16] == b'IHDR' else _other(path)
    except OSError as error:
        raise MTPError(f'cannot read the image {path}: {error.strerror or error}') from None
    require_sane(path, found.width, found.height)
    pixels = found.width * found.height
    if head.startswith(JPEG) and pixels > 1 << 26 and pixels > _MOST_IN_JPEG * os.path.getsize(path):
        raise MTPError('the image {} says that it has {} x {} pixels, and its {} bytes cannot hold them'.format(
            path, found.width, found.height, os.path.getsize(path)), hint='replace this file with a whole copy')
    return found


def require_sane(path: PathLike, width: int, height: int) -> None:
    """Raise MTPError unless an image of this size can be: nothing is made from what a header says before."""
    if width < 1 or height < 1:
        raise MTPError(f'the image {path} has {width} x {height} pixels')
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise MTPError('the image {} says that it has {} x {} pixels; more than {} a side or 2**36 in all are not '
                       'read'.format(path, width, height, MAX_SIDE), hint='replace this file, or cut it in parts')


def require_plain(path: PathLike, what: str = 'image') -> None:
    """Raise MTPError unless ``path`` is a file with an end: a pipe or a device would be waited for, or never end."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        reason, hint = _missing(path, what) if isinstance(error, FileNotFoundError) else (
            str(getattr(error, 'strerror', error)), '')
        raise MTPError(f'cannot read the {what} {path}: {reason}', hint=hint) from None
    if not stat.S_ISREG(found.st_mode):
        raise MTPError('cannot read the {} {}: it is {}'.format(
            what, path, 'a folder' if stat.S_ISDIR(found.st_mode) else 'no plain file'))
    if what == 'image' and not found.st_size:  # a text without a line is one, too
        raise MTPError(f'cannot read the image {path}: it is empty (0 bytes)',
                       hint='replace this file with a whole copy')


def _missing(path: PathLike, what: str) -> Tuple[str, str]:
    """Why nothing is at ``path``, and what to look at: a link is there though what it leads to is not."""
    if os.path.islink(path):
        told = f'it is a link to {os.readlink(path)}, where there is nothing'
        return told, f'ls -l {shlex.quote(os.fspath(path))}'
    return 'there is no ' + what, ''


def decoded(path: PathLike, flags: int) -> 'np.ndarray':
    """What OpenCV makes of an image file.

    Args:
        flags: as ``cv2.imread`` has them.

    Raises:
        MTPError: the file is missing, no plain file, or cannot be decoded; or it is a JPEG that is cut short, of which
            OpenCV would make gray pixels and a word on standard error.
    """
    import cv2

    size(path)
    require_whole(path)
    try:
        pixels = cv2.imread(os.fspath(path), flags)
    except cv2.error as error:
        raise MTPError(f'cannot decode image {path}: {error.err}',
                       hint='replace this file with a whole copy') from None
    if pixels is None:
        raise MTPError(f'cannot decode image {path}', hint='replace this file with a whole copy')
    return pixels


def require_whole(path: PathLike) -> None:
    """Raise MTPError where ``path`` is a JPEG without an end: decoders fill what is missing with gray, and go on."""
    try:
        with open(path, 'rb') as stream:
            if stream.read(3) != JPEG:
                return
            stream.seek(-2, os.SEEK_END)
            if stream.read(2) == _JPEG_END:
                return
            stream.seek(0)
            data = stream.read()
    except OSError as error:
        raise MTPError(f'cannot read the image {path}: {error.strerror or error}') from None
    if cut_short(data):
        raise MTPError(f'the image {path} is cut short: its {len(data)} bytes hold no end of a JPEG',
                       hint='replace this file with a whole copy')


def cut_short(data: bytes) -> bool:
    """Whether ``data``, all of a file, begin as a JPEG does and hold no end of one."""
    if data[:3] != JPEG or data[-2:] == _JPEG_END:
        return False
    return _JPEG_END not in data[_scan_of(data):]


def _scan_of(data: bytes) -> int:
    """Where the first scan of a JPEG begins: what comes before are segments, and one may hold a small whole JPEG."""
    at = 2
    while data[at:at + 1] == b'\xff' and data[at + 1:at + 2] not in (b'', b'\xda'):
        alone = data[at + 1] in (0x01, 0xff) or 0xd0 <= data[at + 1] <= 0xd8  # markers without a length; fill bytes
        at += (1 if data[at + 1] == 0xff else 2) if alone else 2 + int.from_bytes(data[at + 2:at + 4], 'big')
    return at


def _png(path: PathLike, head: bytes) -> Header:
    width, height, depth, colour = struct.unpack('>IIBB', head[16:26].ljust(10, b'\0'))
    if width < 1 << 31 and height < 1 << 31 and depth in (1, 2, 4, 8, 16):
        # Only a file that could hold its rows is worth the work of finding out whether it does.
        least = height * (1 + width * depth * _PNG_BANDS.get(colour, 1) // 8) // _MOST_PACKED
        if width * height > 1 << 30 and least > os.path.getsize(path):
            raise MTPError('the image {} says that it has {} x {} pixels, and its {} bytes cannot hold them'.format(
                path, width, height, os.path.getsize(path)), hint='replace this file with a whole copy')
    return Header(width, height, _PNG_BANDS.get(colour, 1))


def _other(path: PathLike) -> Header:
    """The header by Pillow's own classes: ``Image.open`` asks a limit of pixels that the whole process shares, and
    switching it off for a header switches it off for every thread that decodes."""
    from PIL import BmpImagePlugin, Jpeg2KImagePlugin, JpegImagePlugin, TiffImagePlugin

    for kind in (JpegImagePlugin.JpegImageFile, TiffImagePlugin.TiffImageFile, BmpImagePlugin.BmpImageFile,
                 Jpeg2KImagePlugin.Jpeg2KImageFile):
        try:
            with kind(path) as image:
                return Header(image.size[0], image.size[1], len(image.getbands()))
        except (SyntaxError, OSError) as error:  # another kind of file, in Pillow's words
            if getattr(error, 'errno', None):
                raise
        except Exception as error:  # Pillow raises many kinds for a damaged header
            raise MTPError(f'cannot read the image {path}: {error}') from None
    return _by_gdal(path)  # Pillow knows few kinds of TIFF


def _by_gdal(path: PathLike) -> Header:
    from mtp.data import raster_files

    with raster_files.open_raster(path) as opened:
        return Header(opened.width, opened.height, opened.count)


def is_image(name: str) -> bool:
    """Whether a file of this name is taken for an image; hidden ones (``._x.png`` of macOS) are not."""
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith('.')


def one_form(name: str) -> str:
    """``name`` in one form of Unicode: macOS writes é as e and an accent, others as one letter, and lists, labels and
    results are written elsewhere than the images that they name.
    """
    return unicodedata.normalize('NFC', name)


def as_there(path: str) -> str:
    """``path``, or the file beside it that has the name in another form of Unicode where there is none of this one."""
    folder, name = os.path.split(path)
    if not name.isascii() and not os.path.lexists(path):
        others = unicodedata.normalize('NFC', name), unicodedata.normalize('NFD', name)
        return next(filter(os.path.lexists, (os.path.join(folder, other) for other in others)), path)
    return path


def stem(path: PathLike) -> str:
    """The id of the file ``path``: its name without folders and suffix, in :func:`one_form`."""
    return one_form(os.path.splitext(os.path.basename(path))[0])


def by_stem(paths: Iterable[str]) -> Dict[str, str]:
    """``{stem: path}`` in the order given; see :func:`stem`.

    Raises:
        MTPError: two files of one stem.
    """
    found: Dict[str, str] = {}
    for path in paths:
        name = stem(path)
        if name in found and not os.path.samefile(found[name], path):
            raise MTPError(f'{found[name]} and {path} share one image id', hint='keep one of them')
        found[name] = path
    return found
