"""Files that converters write: atomically, and kept when a stopped run made them already."""
import os
import shutil

import cv2

from mtp.errors import FAILED, MTPError
from mtp.files import atomic_path


def link(source, target) -> None:
    """Make ``target`` the same file as ``source``: a hard link, else a copy."""
    if os.path.exists(target) and os.path.samefile(source, target):
        return
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without links
            try:
                shutil.copyfile(source, temporary)
            except OSError as error:
                raise MTPError('cannot copy {}: {}'.format(source, error.strerror), code=FAILED) from None


def save_image(path, image) -> None:
    """Write an image (BGR or one channel) under another name first; keep one that is there already."""
    if os.path.exists(path):  # of an earlier run with the same inputs that was stopped
        return
    done, data = cv2.imencode(os.path.splitext(path)[1], image)
    if not done:
        raise MTPError('cannot encode {}'.format(path))
    with atomic_path(path) as temporary, open(temporary, 'wb') as stream:
        stream.write(data.tobytes())
