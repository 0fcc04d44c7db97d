"""The annotations of one SAMRS subset, read once and kept in flat arrays (published.md#label-files)."""
import collections
import dataclasses
import functools
import math
import os
from typing import Any, Counter, Dict, Iterable, List, Mapping, Sequence, Tuple, Union

import numpy as np

from mtp import files
from mtp.boxes.convert import min_area_rboxes
from mtp.data import catalogue, dior, dota, rle
from mtp.data.images import as_there, one_form
from mtp.errors import MTPError

PREPARE = 'make data-{}'
SHORTEST_SIDE = 1.0  # pixels of the original image
IGNORED_DIFFICULTY = 100  # DOTA text: objects beyond it are not trained on


@dataclasses.dataclass
class Annotations:
    """Everything known of the images of one subset; image i owns the rows ``first[i]:first[i + 1]``.

    Attributes:
        name: ``sota``, ``sior`` or ``fast``.
        split: ``train`` or ``valid``.
        names: file names of the images, in a sequence.
        sizes: (images, 2) int32, height and width.
        first: (images + 1,) int64, rows of ``boxes``, ``labels``.
        boxes: (instances, 4) float32, x1 y1 x2 y2 in pixels.
        labels: (instances,) int16, the catalogue's class order.
        rle, rle_first: packed runs of all instances as one uint8 array, and where each begins.
        rfirst, rboxes, rlabels: the same for rotated boxes (objects, 5): cx cy w h theta (radians).
        skipped: reason -> number of annotations left out.
    """

    name: str
    split: str
    names: Sequence[str]
    sizes: np.ndarray
    first: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    rle: np.ndarray
    rle_first: np.ndarray
    rfirst: np.ndarray
    rboxes: np.ndarray
    rlabels: np.ndarray
    skipped: Dict[str, int]

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def _where(self) -> Dict[str, str]:
        return folders(self.name, self.split)

    def image(self, index: int) -> str:
        """Path of an image."""
        return as_there(os.path.join(self._where['images'], self.names[index]))

    def seg(self, index: int) -> str:
        """Path of its semantic label."""
        return as_there(os.path.join(self._where['semantic'], os.path.splitext(self.names[index])[0] + '.png'))

    @property
    def files(self) -> List[str]:
        """Paths of the annotation files behind this: the COCO file, and one a image with rotated boxes."""
        return [self._where['coco']] + _rotated(self._where, catalogue.get(self.name), self.names)

    def runs(self, instance: int, size: Iterable[int]) -> Dict[str, Any]:
        """COCO's compressed mask of one instance: the dict that pycocotools decodes."""
        text = self.rle[self.rle_first[instance]:self.rle_first[instance + 1]].tobytes()
        return {'size': [int(side) for side in size], 'counts': text}


def folders(name: str, split: str = 'train') -> Dict[str, str]:
    """Paths of one subset: ``coco`` file, ``images``, ``semantic``, ``rotated`` folders."""
    entry = catalogue.get(name)
    return {'coco': catalogue.locate(entry.files['coco'], split=split),
            'images': catalogue.locate(entry.splits[split].images),
            'semantic': catalogue.locate(entry.files['semantic']), 'rotated': catalogue.locate(entry.files['rotated'])}


def check_folders(name: str, split: str = 'train', way_out: str = '') -> Dict[str, str]:
    """:func:`folders`, all of them there.

    ``way_out`` is added to the hint: how to do without this split.

    Raises:
        MTPError: one of them is missing.
    """
    entry, where = catalogue.get(name), folders(name, split)
    for what in ('images', 'semantic', 'rotated'):
        if not os.path.isdir(where[what]):
            raise MTPError(f'{name}: the folder {where[what]} is missing ({what} of {entry.title})',
                           hint='set MTP_DATA_ROOT to the folder that holds samrs/; or draw some: make samples, then '
                                f'MTP_DATA_ROOT=work_dirs/samples make data-{name}')
    if not os.path.isfile(where['coco']):
        raise MTPError('{}: the instance file {} is missing'.format(name, where['coco']),
                       hint='; '.join(filter(None, [PREPARE.format(name), way_out])))
    return where


def read(name: str, split: str = 'train', drop_degenerate: bool = True) -> Annotations:
    """Read one subset.

    Args:
        name: ``sota``, ``sior`` or ``fast``.
        split: ``train`` or ``valid``.
        drop_degenerate: leave out rotated boxes with a side below one pixel (published.md#degenerate-boxes).

    Raises:
        MTPError: names file, entry and field of what is missing or wrong.
    """
    where, entry = check_folders(name, split), catalogue.get(name)
    images, rows, skipped = _read_coco(where['coco'], entry)
    names = [image['file_name'] for image in images]
    check_files(name, split, names)
    rotated = _rotated(where, entry, names)
    rfirst, rboxes, rlabels = _read_rotated(rotated, entry.classes, drop_degenerate, skipped)
    return Annotations(
        name=name, split=split, names=names,
        sizes=np.array([(image['height'], image['width']) for image in images], np.int32),
        rfirst=rfirst, rboxes=rboxes, rlabels=rlabels, skipped=dict(skipped), **rows)


def _wanted(entry: catalogue.Dataset, names: Sequence[str]) -> Dict[str, List[str]]:
    """File names in the three folders that belong to the images ``names``, in the form of Unicode of those."""
    stems = [os.path.splitext(name)[0] for name in names]
    return {'images': list(names), 'semantic': [stem + '.png' for stem in stems],
            'rotated': [stem + entry.files['rotated_suffix'] for stem in stems]}


def _rotated(where: Mapping[str, str], entry: catalogue.Dataset, names: Sequence[str]) -> List[str]:
    """Paths of the files with rotated boxes, one an image."""
    return [as_there(os.path.join(where['rotated'], item)) for item in _wanted(entry, names)['rotated']]


def check_files(name: str, split: str, names: Sequence[str]) -> None:
    """Every image has its files.

    Raises:
        MTPError: how many are missing, and the first of them.
    """
    where = folders(name, split)
    for what, wanted in _wanted(catalogue.get(name), names).items():
        listed = set(map(one_form, os.listdir(where[what])))
        missing = [item for item in wanted if one_form(item) not in listed]
        if missing:
            raise MTPError('{}: {} of {} files named by {} are missing in {}, the first is {}'.format(
                name, len(missing), len(names), where['coco'], where[what], missing[0]))


def _read_coco(path: str, entry: catalogue.Dataset) -> Tuple[List[Dict[str, Any]], Dict[str, np.ndarray], Counter[str]]:
    """Image entries in the order of the file, the instance columns, and the counter of what was left out."""
    try:
        content = files.read_json(path, most=None)
    except (OSError, ValueError) as error:
        raise MTPError(f'{path}: not a COCO file: {error}', hint=PREPARE.format(entry.name)) from None
    if not isinstance(content, dict):
        raise MTPError(f'{path}: the top level is a {type(content).__name__}, not an object')
    images = _entries(content, 'images', path)
    for place, image in enumerate(images):
        _check_image(image, place, path)
    if not images:
        raise MTPError(f'{path}: field images: it names no image', hint=PREPARE.format(entry.name))
    label_of = _labels(_entries(content, 'categories', path), entry.classes, path)
    place_of = {image['id']: place for place, image in enumerate(images)}
    if len(place_of) != len(images):
        raise MTPError(f'{path}: field images: two images have the same id')
    objects = _entries(dict(content, annotations=content.get('annotations') or []), 'annotations', path)
    columns, skipped = _instances(objects, images, place_of, label_of, path)
    return images, columns, skipped


def _entries(content: Dict[str, Any], field: str, path: str) -> List[Dict[str, Any]]:
    entries = content.get(field)
    if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
        raise MTPError(f'{path}: field {field}: a list of objects is expected')
    return entries


def _check_image(image: Dict[str, Any], place: int, path: str) -> None:
    name = image.get('file_name')
    if not isinstance(name, str) or os.path.basename(name) != name or name in ('', '.', '..'):
        raise MTPError(f'{path}: images[{place}]: field file_name: {name!r} is not a plain file name')
    for field in ('height', 'width'):
        if not isinstance(image.get(field), int) or not 0 < image[field] <= 1 << 16:
            raise MTPError(f'{path}: images[{place}]: field {field}: {image.get(field)!r}')
    if not isinstance(image.get('id'), (int, str)):
        raise MTPError('{}: images[{}]: field id: {!r}'.format(path, place, image.get('id')))


def _labels(categories: List[Dict[str, Any]], classes: Sequence[str], path: str) -> Dict[Any, int]:
    """Category id -> class index by name, whatever the order in the file is (published.md#label-order)."""
    known, labels = {name: index for index, name in enumerate(classes)}, {}
    for place, category in enumerate(categories):
        name = category.get('name')
        if name not in known:
            raise MTPError(f'{path}: categories[{place}]: field name: {name!r} is not a class of this data set')
        labels[category.get('id')] = known[name]
    return labels


def _instances(annotations: List[Dict[str, Any]], images: List[Dict[str, Any]], place_of: Dict[Any, int],
               label_of: Dict[Any, int], path: str) -> Tuple[Dict[str, np.ndarray], Counter[str]]:
    """Columns of all usable instances, sorted by image."""
    skipped, kept = collections.Counter(), []
    for place, item in enumerate(annotations):
        where = f'{path}: annotations[{place}]'
        try:
            image = place_of[item['image_id']]
            x, y, width, height = (float(value) for value in item['bbox'])
            label, mask = label_of[item['category_id']], item['segmentation']
            size, counts = [int(side) for side in mask['size']], rle.as_text(mask['counts'])
            if not math.isfinite(x + y + width + height):
                raise ValueError('field bbox: a number that is not finite')
            usable = not item.get('ignore') and not item.get('iscrowd')
        except (KeyError, TypeError, ValueError, OverflowError, rle.RunsError) as error:
            raise MTPError(f'{where}: {type(error).__name__} {error}') from None
        expected = [images[image]['height'], images[image]['width']]
        if size != expected:
            raise MTPError(f'{where}: field segmentation.size: {size}, and the image has {expected}')
        reason = _unusable(usable, (x, y, width, height), expected)
        if reason:
            skipped[reason] += 1
        else:
            kept.append((image, (x, y, x + width, y + height), label, counts, place))
    kept.sort(key=lambda row: row[0])
    sizes = [(images[row[0]]['height'], images[row[0]]['width']) for row in kept]
    try:
        areas, _ = rle.areas_and_boxes(sizes, [row[3] for row in kept])
    except rle.RunsError as error:
        raise MTPError(f'{path}: annotations[{kept[error.index][4]}]: field segmentation: {error}') from None
    skipped['empty mask'] += int((areas == 0).sum())
    kept = [row for row, area in zip(kept, areas) if area]
    lengths = np.array([len(row[3]) for row in kept], np.int64)
    columns = dict(
        first=_offsets([row[0] for row in kept], len(images)),
        boxes=np.array([row[1] for row in kept], np.float32).reshape(-1, 4),
        labels=np.array([row[2] for row in kept], np.int16),
        rle=np.frombuffer(''.join(row[3] for row in kept).encode('ascii'), np.uint8),
        rle_first=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    return columns, skipped


def _unusable(usable: bool, box: Tuple[float, float, float, float], size: Sequence[int]) -> str:
    """Why an annotation is left out, as mmdet's COCO reader decides; '' when it is used."""
    x, y, width, height = box
    inside_w = min(x + width, size[1]) - max(x, 0)
    inside_h = min(y + height, size[0]) - max(y, 0)
    if not usable:
        return 'flagged as ignored'
    if inside_w <= 0 or inside_h <= 0:
        return 'outside the image'
    return 'smaller than a pixel' if width < 1 or height < 1 else ''


def _offsets(owners: Union[Sequence[int], np.ndarray], count: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(np.asarray(owners, np.int64), minlength=count))]).astype(np.int64)


def _read_rotated(paths: Sequence[str], classes: Sequence[str], drop_degenerate: bool,
                  skipped: Counter[str]) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    known = {name: index for index, name in enumerate(classes)}
    owners, polygons, labels = [], [], []
    for place, path in enumerate(paths):
        objects = dior.read(path, 'oriented', classes) if path.endswith('.xml') else dota.read(path, classes)
        for name, corners, difficult in zip(objects.names, objects.polygons.reshape(-1, 8), objects.difficult):
            if difficult > IGNORED_DIFFICULTY:
                skipped['flagged as ignored'] += 1
                continue
            owners.append(place)
            polygons.append(corners)
            labels.append(known[name])
    rboxes = min_area_rboxes(np.array(polygons, np.float64).reshape(-1, 8)).astype(np.float32).reshape(-1, 5)
    owners, labels = np.array(owners, np.int64), np.array(labels, np.int16)
    if drop_degenerate:
        solid = rboxes[:, 2:4].min(1) >= SHORTEST_SIDE if len(rboxes) else np.zeros(0, bool)
        skipped['rotated box thinner than a pixel'] += int((~solid).sum())
        owners, rboxes, labels = owners[solid], rboxes[solid], labels[solid]
    return _offsets(owners, len(paths)), rboxes, labels
