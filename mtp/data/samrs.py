"""Reader of SAMRS label pickles: one file an image, a list with one dict an instance."""
from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from mtp.data import pickles, rle
from mtp.errors import MTPError
from mtp.files import PathLike


class Instance(NamedTuple):
    """One instance of an image."""

    label: int  # class index
    category: str  # class name
    size: Tuple[int, int]  # height, width of the mask
    counts: str  # packed runs of the mask
    area: int  # pixels
    box: Tuple[int, int, int, int]  # x, y, width, height of the mask; all 0 for an empty mask
    prompt_box: Optional[Tuple[float, ...]]  # xmin, ymin, xmax, ymax that the mask was made from
    polygon: Optional[np.ndarray]  # (4, 2) float64, corners that the mask was made from (SOTA-RBB and FAST)


def read(path: PathLike, classes: Sequence[str]) -> List[Instance]:
    """Instances in the label file ``path``.

    Args:
        path: a pickle as SAMRS writes it. The older kind, whose ``category`` is the index, is read too.
        classes: class names in the order of the subset.

    Raises:
        MTPError: names the file, the instance (counted from 0) and the field.
    """
    entries = pickles.load(path)
    if not isinstance(entries, list):
        raise MTPError(f'{path}: it holds a {type(entries).__name__} where a list of instances is expected')
    fields = [_fields(path, index, entry, classes) for index, entry in enumerate(entries)]
    try:
        areas, boxes = rle.areas_and_boxes([row[2] for row in fields], [row[3] for row in fields])
    except rle.RunsError as error:
        raise _error(path, error.index, 'mask', error) from None
    prompts = _columns(path, entries, lambda entry: 'rhbox' if 'rhbox' in entry else 'bbox', (4,))
    polygons = _columns(path, entries, lambda entry: 'rbox', (4, 2))
    instances = []
    for index, (row, entry, area, box) in enumerate(zip(fields, entries, areas.tolist(), boxes.tolist())):
        stored = entry.get('size')
        if stored is not None and stored != area:
            raise _error(path, index, 'size', f'it says {stored} and the mask has {area} pixels')
        prompt = prompts[index]
        instances.append(Instance(*row, area, tuple(box), None if prompt is None else tuple(prompt.tolist()),
                                  polygons[index]))
    return instances


def _error(path: PathLike, index: int, field: str, what: object) -> MTPError:
    return MTPError(f'{path}: instance {index}, field {field}: {what}')


def _fields(path: PathLike, index: int, entry: object, classes: Sequence[str]) -> Tuple[int, str, Tuple[int, int], str]:
    """label, category, mask size, counts of one entry, each checked."""
    if not isinstance(entry, dict):
        raise _error(path, index, 'dict', f'it is a {type(entry).__name__}')
    label, category = _label(path, index, entry, classes)
    mask = entry.get('mask')
    if not isinstance(mask, dict) or 'size' not in mask or 'counts' not in mask:
        raise _error(path, index, 'mask', 'it is not a dict of size and counts')
    size = mask['size']
    if not (isinstance(size, (list, tuple, np.ndarray)) and len(size) == 2 and all(_is_integer(v) for v in size)):
        raise _error(path, index, 'mask', f'its size is {size!r}, not [height, width]')
    if not all(0 < v <= rle.MAX_PIXELS for v in size):
        raise _error(path, index, 'mask', f'its size is {size!r}')
    try:
        counts = rle.as_text(mask['counts'])
    except rle.RunsError as error:
        raise _error(path, index, 'mask', error) from None
    if 'size' in entry and not _is_integer(entry['size']):
        raise _error(path, index, 'size', 'it is {!r}, not a number of pixels'.format(entry['size']))
    return label, category, (int(size[0]), int(size[1])), counts


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _label(path: PathLike, index: int, entry: Mapping[str, Any], classes: Sequence[str]) -> Tuple[int, str]:
    category = entry.get('category')
    label = entry.get('label', category if _is_integer(category) else None)
    if not _is_integer(label) or not 0 <= label < len(classes):
        raise _error(path, index, 'label', f'it is {label!r}, not 0 to {len(classes) - 1}')
    if isinstance(category, str) and category != classes[label]:
        raise _error(path, index, 'category', 'it is {!r}, and label {} is {!r}: is this another subset?'.format(
            category, label, classes[label]))
    return int(label), classes[label]


def _columns(path: PathLike, entries: Sequence[Mapping[str, Any]], key_of: Callable[[Mapping[str, Any]], str],
             shape: Tuple[int, ...]) -> Sequence[Optional[np.ndarray]]:
    """The numbers under a key of every entry, checked together where all are alike, one by one where not."""
    try:
        together = np.array([entry[key_of(entry)] for entry in entries], np.float64)
        if together.shape == (len(entries),) + shape and np.isfinite(together).all():
            return together
    except (KeyError, TypeError, ValueError):  # the look at each of them finds out which
        pass
    return [_numbers(path, index, entry, key_of(entry), shape) for index, entry in enumerate(entries)]


def _numbers(path: PathLike, index: int, entry: Mapping[str, Any], key: str,
             shape: Tuple[int, ...]) -> Optional[np.ndarray]:
    if entry.get(key) is None:
        return None
    try:
        values = np.asarray(entry[key], np.float64).reshape(shape)
    except (TypeError, ValueError):
        raise _error(path, index, key, f'it is not {int(np.prod(shape))} numbers') from None
    if not np.isfinite(values).all():
        raise _error(path, index, key, 'it holds a number that is not finite')
    return values
