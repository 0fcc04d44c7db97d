"""Images as the toolboxes open them in training and testing: what cannot be read is named, and nothing is made up.

The toolboxes decode with functions that say nothing of the file: of a text they make ``None``, of a missing file a
traceback, and of a JPEG that is cut short a picture whose lower half is gray, without a word. Their ``imfrombytes`` is
replaced by one that looks at the end of a JPEG (in memory, so nothing is read twice), and the steps of a pipeline that
open a file by ones that name it.
"""
import functools
from typing import Any, Callable

from mtp import faults
from mtp.data import images
from mtp.errors import FAILED, MTPError

_HINT = 'replace this file with a whole copy, and start the same command again'


class Undecodable(Exception):
    """Bytes that are no image, or not all of one."""


def decoder(decode: Callable) -> Callable:
    """``decode``, the ``imfrombytes`` of a toolbox, but :class:`Undecodable` is raised of what is no whole image."""
    @functools.wraps(decode)
    def whole(content: bytes, *words: Any, **named: Any) -> Any:
        if images.cut_short(content):
            raise Undecodable(f'its {len(content)} bytes hold no end of a JPEG')
        try:
            found = decode(content, *words, **named)
        except MemoryError:  # often a header that lies: Pillow's limit of pixels may be off in this process
            raise Undecodable('there is not enough memory for its pixels') from None
        except Exception as error:  # cv2.error, and whatever Pillow raises
            faults.not_of_the_file(error)
            said = str(getattr(error, 'err', '') or error).strip().splitlines() or [type(error).__name__]
            raise Undecodable(said[0]) from None
        if found is None:
            raise Undecodable('it is no image')
        return found

    return whole


def naming(read: Callable, path_of: Callable[[dict], str]) -> Callable:
    """``read``, the method of a step that opens a file, with errors that name this file.

    Args:
        read: function of the step and its ``results``.
        path_of: function of ``results`` to the path, which it may put right in there.
    """
    @functools.wraps(read)
    def named(self: Any, results: dict, *more: Any) -> Any:
        path = path_of(results)
        images.require_plain(path)  # a pipe would be waited for
        try:
            return read(self, results, *more)
        except Undecodable as error:
            raise MTPError(f'cannot decode image {path}: {error}', hint=_HINT, code=FAILED) from None

    return named
