"""Label files of the rotated-detection data sets as both generations of the toolbox want them: polygons and labels."""
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from mtp.data import catalogue, dior, dota, records
from mtp.errors import MTPError


def metainfo(name: str) -> Dict[str, Any]:
    """Classes and colours of the data set ``name`` as the detection toolboxes of OpenMMLab 2 want them."""
    facts = catalogue.get(name)
    return dict(classes=facts.classes, palette=list(facts.palette))


def degenerate(polygons: np.ndarray) -> np.ndarray:
    """Mask (n,) of polygons (n, 8) in which two neighbouring corners coincide; no rotated box can be fitted to them."""
    corners = np.asarray(polygons).reshape(-1, 4, 2)
    return (corners == np.roll(corners, -1, axis=1)).all(axis=2).any(axis=1)


def read_tile(path: str, classes: Sequence[str]) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Objects of one tile in DOTA's text form.

    Args:
        path: the file.
        classes: class names; position = label.

    Returns:
        tuple: polygons float32 (n, 8) in pixels, labels int64 (n,), difficulties int64 (n,).
    """
    objects = dota.read(path, classes)
    return _columns(objects, classes) + (objects.difficult,)


def read_dior(path: str, classes: Sequence[str],
              kind: str = 'obb') -> Tuple[np.ndarray, np.ndarray, Optional[Tuple[int, int]]]:
    """Objects of one DIOR file: polygons float32 (n, 8), labels int64 (n,), and (width, height) or None.

    Args:
        path: the XML file.
        classes: lower-case class names; position = label.
        kind: ``'obb'`` reads rotated boxes, ``'hbb'`` horizontal ones, as four corners.
    """
    objects = dior.read(path, 'oriented' if kind == 'obb' else 'horizontal', classes)
    if isinstance(objects, records.Boxes):
        objects = objects._replace(boxes=objects.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]])
    size = (objects.meta['width'], objects.meta['height']) if 'width' in objects.meta else None
    return _columns(objects, classes) + (size,)


def _columns(objects: Union[records.Boxes, records.Polygons], classes: Sequence[str]) -> Tuple[np.ndarray, np.ndarray]:
    index = {name: label for label, name in enumerate(classes)}
    corners = objects.polygons if isinstance(objects, records.Polygons) else objects.boxes
    return corners.astype(np.float32).reshape(-1, 8), np.array([index[name] for name in objects.names], np.int64)


def files(folder: str, suffix: str) -> List[str]:
    """Names of the files in ``folder`` that end in ``suffix``, sorted, so that every machine numbers them alike.

    Raises:
        MTPError: the folder does not exist or holds no such file.
    """
    if not os.path.isdir(folder):
        raise MTPError(f'there is no folder {folder}', hint='set MTP_DATA_ROOT, or prepare the data set: make '
                                                                    'data-<dataset>')
    names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(suffix) and entry.is_file())
    if not names:
        raise MTPError(f'{folder} holds no {suffix} file', hint='python -m mtp.tiles.cut --help')
    return names
