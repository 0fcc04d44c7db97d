"""Detections as the verbs leave them, as one kind of columns: (classes, :class:`~mtp.submit.score.Found`)."""
import json
from typing import Any, Collection, Iterable, Mapping, Sequence, Tuple

import numpy as np

from mtp.boxes import rboxes_to_polygons
from mtp.data import catalogue, scene_table
from mtp.data import images as image_files
from mtp.errors import MTPError
from mtp.files import check_plain
from mtp.submit import results
from mtp.submit.score import Found
from mtp.tiles import merge

from .truths import corners, quadrilateral, stem_of


def of_texts(place: str, dataset: str, images: Collection[str]) -> Tuple[Tuple[str, ...], Found]:
    """From ``Task1_<class>.txt`` of a data set.

    Raises:
        MTPError: a file that cannot be read, or an image that is not there.
    """
    classes = catalogue.get(dataset).classes
    found = results.require(place, dataset)
    label = np.array([classes.index(name) for name in found.classes], dtype=np.int64)[found.label]
    return classes, Found(_numbers(found.images, found.image, images, place), label, found.score, found.polygon)


def of_shards(place: str, images: Collection[str]) -> Tuple[Tuple[str, ...], Found]:
    """From the shards of a test on whole images."""
    found = merge.merge(place, whole_images=True)
    return found.classes, Found(_numbers(found.images, found.image, images, place), found.label,
                                found.score.astype(np.float64), rboxes_to_polygons(found.rbox))


def of_coco(content: Mapping[str, Any], images: Iterable[str], path: str) -> Found:
    """From the content of the COCO file ``path`` of a prediction."""
    number = {name: index for index, name in enumerate(images)}
    label = {entry['id']: index for index, entry in enumerate(content['categories'])}
    stems = {entry['id']: number[stem_of(entry['file_name'])] for entry in content['images']}
    rows = content['annotations']
    try:
        return Found(np.array([stems[row['image_id']] for row in rows], dtype=np.int64),
                     np.array([label[row['category_id']] for row in rows], dtype=np.int64),
                     np.array([row['score'] for row in rows], dtype=np.float64),
                     np.array([quadrilateral(row) for row in rows], dtype=np.float64).reshape(-1, 8))
    except (KeyError, TypeError, ValueError) as error:
        raise MTPError(f'{path}: an annotation lacks {error}', hint='make predict writes it again') from None


def of_scenes(table: scene_table.Table, image: np.ndarray) -> Found:
    """From a table of scenes, whose lines are of the images with these numbers (n,): each window is an object."""
    return Found(image, table.label, table.score, corners(table.boxes))


def of_coco_results(path: str, content: Mapping[str, Any], images: Collection[str]) -> Tuple[Tuple[str, ...], Found]:
    """From a list of results in COCO's form, about the images and categories of the COCO file ``content``."""
    classes = tuple(str(entry['name']) for entry in content['categories'])
    try:
        check_plain(path)
        with open(path, encoding='utf-8') as stream:
            rows = json.load(stream)
        stems = {entry['id']: stem_of(entry['file_name']) for entry in content['images']}
        mine = [row for row in rows if stems.get(row['image_id']) in images]
        known = dict(images=content['images'], categories=content['categories'], annotations=mine)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MTPError(f'{path} is no list of COCO results: {error}',
                       hint='make test writes it again') from None
    known['images'] = [entry for entry in content['images'] if stems[entry['id']] in images]
    return classes, of_coco(known, images, path)


def _numbers(names: Sequence[str], image: np.ndarray, images: Iterable[str], place: str) -> np.ndarray:
    """``image`` (n,), which counts in ``names``, as numbers that count in ``images``."""
    number = {name: index for index, name in enumerate(images)}
    names = [image_files.one_form(name) for name in names]
    missing = [name for name in names if name not in number]
    if missing:
        raise MTPError('{} images of {} are not in the folder of the images, for example {}'.format(
            len(missing), place, missing[0]), hint="ARGS='--images FOLDER' with the folder of the original images")
    return np.array([number[name] for name in names], dtype=np.int64)[image] if len(names) else image
