"""Reader of the xView labels."""
import collections
import os
from typing import Any, Dict, List, Mapping, NoReturn, Optional, Tuple

import numpy as np

from mtp.data import catalogue, geojson, records, text
from mtp.errors import MTPError
from mtp.files import PathLike

SIDES = ('xmin', 'ymin', 'xmax', 'ymax')


def read(path: PathLike, problems: Optional[List[str]] = None) -> Dict[str, records.Boxes]:
    """Boxes of every image in ``xView_train.geojson``.

    Args:
        path: the file.
        problems: when a list, features that cannot be read are left out and described there; when None they stop it.

    Returns:
        For each image file name, in the order of first mention, its boxes; ``meta['skipped']`` counts, by type id,
        those of no class (75 and 82 are label noise, as the organisers say).

    Raises:
        MTPError: names file, feature (counted from 0) and field.
    """
    dataset = catalogue.get('xview')
    name_of = dict(zip(dataset.codes, dataset.classes))
    rows, skipped = collections.OrderedDict(), collections.defaultdict(collections.Counter)
    for number, feature, _ in geojson.features(path):
        try:
            image, code, box = _feature(path, number, feature['properties'])
        except MTPError as error:
            if problems is None:
                raise
            problems.append(str(error))
            continue
        rows.setdefault(image, [])
        if code in name_of:
            rows[image].append((name_of[code], box, 0))
        else:
            skipped[image][code] += 1
    return {image: records.boxes(found, {'skipped': dict(skipped[image])}) for image, found in rows.items()}


def _feature(path: PathLike, number: int, properties: Mapping[str, Any]) -> Tuple[str, int, List[float]]:
    def fail(field: str, what: str) -> NoReturn:
        raise MTPError(f'{path}: feature {number}, field {field}: {what}')

    image, code, bounds = (properties.get(field) for field in ('image_id', 'type_id', 'bounds_imcoords'))
    if not isinstance(image, str) or not image or os.path.basename(image) != image or '\0' in image:
        fail('image_id', f'{image!r} is not a file name')
    if isinstance(code, bool) or not isinstance(code, int):
        fail('type_id', f'{code!r} is not a whole number')
    tokens = bounds.split(',') if isinstance(bounds, str) else ()
    if len(tokens) != 4:
        fail('bounds_imcoords', f'{bounds!r} is not xmin,ymin,xmax,ymax')
    try:
        return image, code, [text.number(token.strip(), path, 0, side) for token, side in zip(tokens, SIDES)]
    except MTPError:
        fail('bounds_imcoords', f'{bounds!r} is not four numbers')


def clip(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Boxes (n, 4) cut at the borders of an image."""
    return np.stack([boxes[:, 0].clip(0, width), boxes[:, 1].clip(0, height), boxes[:, 2].clip(0, width),
                     boxes[:, 3].clip(0, height)], 1)
