"""Files that converters write: atomically, and kept when a stopped run made them already."""
import os
import shutil

import cv2
import numpy as np

from mtp.data import images
from mtp.errors import FAILED, MTPError
from mtp.files import PathLike, atomic_path


def link(source: PathLike, target: PathLike) -> None:
    """Make ``target`` the same file as the image or text ``source``: a hard link, else a copy.

    Raises:
        MTPError: it is no plain file, or no whole image, as its beginning and its end say: training would stop at it.
    """
    images.require_plain(source, 'file')
    if images.is_image(os.path.basename(source)):
        images.header(source)
        images.require_whole(source)
    source = os.path.realpath(source)  # Linux would link the link, which may lead nowhere from the other folder
    if os.path.exists(target) and os.path.samefile(source, target):
        return
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without links
            try:
                shutil.copyfile(source, temporary)
            except OSError as error:
                raise MTPError(f'cannot copy {source}: {error.strerror}', code=FAILED) from None


def save_image(path: PathLike, image: np.ndarray) -> None:
    """Write an image (BGR or one channel) under another name first; keep one that is there already."""
    if os.path.exists(path):  # of an earlier run with the same inputs that was stopped
        return
    done, data = cv2.imencode(os.path.splitext(path)[1], image)
    if not done:
        raise MTPError(f'cannot encode {path}')
    with atomic_path(path) as temporary, open(temporary, 'wb') as stream:
        stream.write(data.tobytes())
