"""Zips of strangers: opened, and unpacked bit by bit."""
import os
import zipfile
from typing import Optional

from mtp.errors import MTPError

_READ = 1 << 20
#: What every server unpacks; other methods can stand for any number of bytes.
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def open_zip(path: str) -> zipfile.ZipFile:
    """A zip; whether its members are whole is seen when they are read.

    Raises:
        MTPError: no such file, not a zip, cut short or damaged.
    """
    if not os.path.isfile(path):
        raise MTPError(f'there is no file {path}', hint='give the zip or the folder of a submission')
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # BadZipFile, OSError, NotImplementedError, ValueError of a seek ...
        raise MTPError(f'{path} is not a whole zip file: {error}', hint='write it again') from None


def read_member(archive: zipfile.ZipFile, name: str, most: int) -> Optional[bytes]:
    """Bytes of a member of a zip, or None where it is packed otherwise than servers read, or has more than ``most``.

    It is unpacked bit by bit, whatever it says about itself.

    Raises:
        MTPError: it is damaged.
    """
    member = archive.getinfo(name)
    if member.compress_type not in PACKED or member.file_size > most:
        return None
    try:
        with archive.open(member) as stream:
            return b''.join(iter(lambda: stream.read(_READ), b''))
    except Exception as error:  # zlib.error, EOFError, BadZipFile, RuntimeError (encrypted) ...
        raise MTPError(f'the zip {archive.filename} is damaged: {name}: {error}',
                       hint='write it again') from None
