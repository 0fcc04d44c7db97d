"""Images in one folder a class: names alone say which folder is which class, never their order on the disk."""
import os
from typing import Dict, Sequence

from mtp.data import catalogue, images
from mtp.errors import MTPError
from mtp.files import PathLike


def class_folders(root: PathLike, classes: Sequence[str]) -> Dict[str, str]:
    """``{class: folder}`` in the order of ``classes``.

    Hidden folders (``.ipynb_checkpoints``) and files that are no images are passed over.

    Raises:
        MTPError: ``root`` or the folder of a class is missing; a folder that is no class, two of one class, or an image
            that lies in no folder: somebody means something by them.
    """
    try:
        names = sorted(name for name in os.listdir(root) if not name.startswith('.'))
    except OSError as error:
        raise MTPError(f'cannot list {root}: {error.strerror}') from None
    found = {}
    for name in names:
        path = os.path.join(root, name)
        if not os.path.isdir(path):
            if images.is_image(name):
                raise MTPError(f'{path} lies in the folder of no class', hint='move it away')
            continue
        kind = catalogue.class_called(name, classes)
        if kind is None:
            message, _ = catalogue.strange_class(name, classes)
            raise MTPError(f'{path}: {message}', hint='move this folder away')
        if kind in found:
            raise MTPError(f'{found[kind]} and {path} are one class, {kind}', hint='keep one of them')
        found[kind] = path
    missing = [kind for kind in classes if kind not in found]
    if missing:
        raise MTPError(f'{root} has no folder of the class {missing[0]}')
    return {kind: found[kind] for kind in classes}
