"""What is known to be in the images: label files in a folder, or a COCO file."""
import json
import os
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mtp.data import catalogue, converting, dior
from mtp.data import images as image_files
from mtp.errors import MTPError
from mtp.files import check_plain
from mtp.submit import score
from mtp.submit.score import Truth
from mtp.tiles.pixels import list_images

#: Folders of labels, looked for beside the folder of the images.
BESIDE = ('truth', 'labelTxt', 'labelXml')
HORIZONTAL = {'dior': 'horizontal'}


def beside(images: str, dataset: Optional[str]) -> Optional[str]:
    """Folder of the labels of a folder of images: one of ``BESIDE``, or as the catalogue has it; None without.

    Args:
        images: folder.
        dataset: a name of the catalogue, or None.
    """
    above = os.path.dirname(os.path.abspath(images))
    places = [os.path.join(above, name) for name in BESIDE]
    if dataset:
        known = catalogue.get(dataset)
        places += [catalogue.locate(split.labels) for split in list(known.source.values()) + list(known.splits.values())
                   if split.labels and _same(catalogue.locate(split.images), images)]
    return next((place for place in places if os.path.exists(place)), None)


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def none(images: Collection[str]) -> Tuple[Truth, np.ndarray]:
    """A truth that lists the images and knows nothing of them, and that it knows of none."""
    nothing = np.zeros(0, dtype=np.int64)
    return Truth(tuple(images), nothing, nothing, np.zeros((0, 8)), nothing > 0), np.zeros(len(images), dtype=bool)


def read(place: str, dataset: Optional[str], images: Collection[str],
         classes: Sequence[str]) -> Tuple[Truth, np.ndarray]:
    """The truth of some images.

    Args:
        place: folder of label files, or a COCO file.
        dataset: name in the catalogue of what the label files are; not needed for a COCO file.
        images: ids.
        classes: names in which the labels count.

    Returns:
        :class:`~mtp.submit.score.Truth` that lists ``images``, and (images,) bool: which have a label file.

    Raises:
        MTPError: a file that cannot be read; a folder without labels of these images.
    """
    if os.path.isfile(place):
        return of_coco(place, images, classes)
    horizontal = dataset in HORIZONTAL
    return placed(images, lambda stems: _horizontal(place, stems, classes) if horizontal else score.read_truth(
        place, dataset or '', stems), place, _suffix(place, dataset))


def placed(images: Collection[str], reader: Callable[[List[str]], Truth], place: str,
           suffix: str) -> Tuple[Truth, np.ndarray]:
    """The truth that ``reader`` makes of the ids with a label file in ``place``, for all ``images``: as :func:`read`.

    Raises:
        MTPError: there is no label file of these images.
    """
    files = converting.paths_by_stem(place, suffix)
    there = [stem for stem in images if stem in files]
    if not there:
        raise MTPError('{} holds no label file of these images, for example {}'.format(
            place, next(iter(images), '') + suffix), hint='give the folder of their label files: --truth FOLDER')
    found = reader(there)
    number = {name: index for index, name in enumerate(images)}
    at = np.array([number[name] for name in found.images], dtype=np.int64)
    known = np.zeros(len(images), dtype=bool)
    known[at] = True
    return found._replace(images=tuple(images), image=at[found.image]), known


def _suffix(place: str, dataset: Optional[str]) -> str:
    if dataset in HORIZONTAL:
        return '.xml'
    known = catalogue.having('truth', score.READERS)
    if dataset not in known:
        raise MTPError(f'{place} holds label files, and nothing says of which data set', hint=(
            '--dataset {}, or --truth FILE in COCO form'.format('|'.join(sorted([*known, *HORIZONTAL])))))
    return score.READERS[catalogue.get(dataset).truth][1]


def _horizontal(place: str, stems: Sequence[str], classes: Sequence[str]) -> Truth:
    files = converting.paths_by_stem(place, '.xml')
    image, label, boxes, difficult = [], [], [np.zeros((0, 4))], []
    for number, stem in enumerate(stems):
        found = dior.read(files[stem], 'horizontal', classes)
        image += [number] * len(found.names)
        label += [classes.index(name) for name in found.names]
        boxes.append(found.boxes.reshape(-1, 4))
        difficult += found.difficult.tolist()
    return Truth(tuple(stems), np.array(image, dtype=np.int64), np.array(label, dtype=np.int64),
                 corners(np.concatenate(boxes)), np.array(difficult, dtype=np.int64) > 0)


def corners(boxes: np.ndarray) -> np.ndarray:
    """Corners (n, 8) of upright boxes (n, 4) x1, y1, x2, y2."""
    x1, y1, x2, y2 = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).T
    return np.stack([x1, y1, x2, y1, x2, y2, x1, y2], axis=1)


def of_coco(path: str, images: Collection[str], classes: Sequence[str]) -> Tuple[Truth, np.ndarray]:
    """The truth in a COCO file, as :func:`read` gives it; four corners in ``segmentation`` go before ``bbox``."""
    content = load_coco(path)
    names = {entry['id']: entry['name'] for entry in content['categories']}
    strange = [name for name in names.values() if catalogue.class_called(name, classes) is None]
    if strange:
        message, hint = catalogue.strange_class(strange[0], classes, 'what was found')
        raise MTPError(f'{path}: {message}', hint=hint)
    label_of = {key: classes.index(catalogue.class_called(name, classes)) for key, name in names.items()}
    number = {name: index for index, name in enumerate(images)}
    stems = {entry['id']: number.get(stem_of(entry['file_name'])) for entry in content['images']}
    known = np.zeros(len(images), dtype=bool)
    known[[index for index in stems.values() if index is not None]] = True
    mine = [entry for entry in content['annotations'] if stems.get(entry['image_id']) is not None]
    return Truth(tuple(images), np.array([stems[entry['image_id']] for entry in mine], dtype=np.int64),
                 np.array([label_of[entry['category_id']] for entry in mine], dtype=np.int64),
                 np.array([quadrilateral(entry) for entry in mine], dtype=np.float64).reshape(-1, 8),
                 np.array([entry.get('iscrowd', 0) or entry.get('ignore', 0) for entry in mine], dtype=np.int64) > 0
                 ), known


def load_coco(path: str) -> Dict[str, Any]:
    """A COCO file: ``images``, ``categories``, ``annotations``.

    Raises:
        MTPError: it is not JSON, or lacks one of them.
    """
    try:
        check_plain(path)
        with open(path, encoding='utf-8') as stream:
            content = json.load(stream)
        for key in ('images', 'categories', 'annotations'):
            if not all(isinstance(entry, dict) for entry in content[key]):
                raise ValueError(f'{key} is no list of objects')
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MTPError(f'{path} is no COCO file: {error}', hint='write it again') from None
    return content


def images_in(content: Dict[str, Any], folder: str) -> Dict[str, str]:
    """Path by id of the images of a COCO file that lie in ``folder``, in the order of the file."""
    there, stems = list_images(folder), [stem_of(entry['file_name']) for entry in content['images']]
    return {stem: there[stem] for stem in stems if stem in there}


def quadrilateral(entry: Mapping[str, Any]) -> List[float]:
    """Four corners of a COCO annotation: its polygon where that has four, else its box."""
    polygon = entry.get('segmentation')
    if isinstance(polygon, list) and len(polygon) == 1 and len(polygon[0]) == 8:
        return polygon[0]
    x, y, w, h = entry['bbox']
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def stem_of(name: object) -> str:
    """Id of an image from the name of its file."""
    return image_files.stem(str(name))
