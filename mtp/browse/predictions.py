"""What ``make predict`` has left: objects, maps of classes and changes, classes of scenes."""
import os
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Tuple

import numpy as np

from mtp import paths
from mtp.data import catalogue, scene_table
from mtp.errors import MTPError
from mtp.report import draw
from mtp.tiles.pixels import list_images

from . import detections, truths
from .collection import Boxes, Collection, Masks
from .places import Named, boxed, mark_of


def predicted(place: str, named: Named) -> Iterator[Collection]:
    """Objects that ``make predict`` has found."""
    mark, path = mark_of(place), os.path.join(place, 'coco.json')
    if mark.get('verb') != 'predict' or not os.path.isfile(path):
        return
    content = truths.load_coco(path)
    images = _predicted_images([truths.stem_of(entry['file_name']) for entry in content['images']], mark, named, path)
    classes = tuple(str(entry['name']) for entry in content['categories'])
    dataset = named.dataset or _called_so(classes)
    folder = named.images or (os.path.dirname(next(iter(images.values()))) if images else None)
    yield boxed('prediction', place, images, (classes, detections.of_coco(content, images, path)), named, dataset,
                 folder, 'official')


def mapped(place: str, named: Named) -> Iterator[Collection]:
    """Maps of classes or changes that ``make predict`` has made, ``<image>.tif`` each."""
    mark = mark_of(place)
    stems = [stem for stem in _said(mark, 'images') if os.path.isfile(os.path.join(place, stem + '.tif'))]
    if mark.get('verb') != 'predict' or not stems:
        return
    images, classes = _predicted_images(stems, mark, named, place), tuple(_said(mark, 'classes'))
    truth = {stem: path for stem, path in list_images(named.truth).items() if stem in images} if named.truth else {}
    found = {stem: os.path.join(place, stem + '.tif') for stem in images}
    yield Collection('map', place, images, classes, draw.palette_of(classes), masks=Masks(
        found, truth, 0, 0, 0 if classes[:1] in (('background',), ('unchanged',)) else -1))


def scened(place: str, named: Named) -> Iterator[Collection]:
    """Classes of scenes, or of the windows of a raster, that ``make predict`` has given."""
    mark, path = mark_of(place), os.path.join(place, scene_table.NAME)
    if mark.get('verb') != 'predict' or not os.path.isfile(path):
        return
    classes = tuple(_said(mark, 'classes'))
    images = _predicted_images(list(_said(mark, 'images')), mark, named, path)
    table = scene_table.read(path, classes)
    number = {os.path.basename(file): index for index, file in enumerate(images.values())}
    strange = [name for name in table.images if name not in number]
    if strange:
        raise MTPError(f'{path}: the mark of the folder knows no image {strange[0]}', hint='make predict writes both '
                       'again')
    found = detections.of_scenes(table, np.array([number[name] for name in table.images], np.int64))
    yield Collection('scenes', place, images, classes, draw.palette_of(classes),
                     boxes=Boxes(found, *truths.none(images), 'official'), least=0)


def _said(mark: Mapping[str, Any], key: str) -> Dict[str, Any]:
    """A table that a mark holds; empty where it has none."""
    return mark[key] if isinstance(mark.get(key), dict) else {}


def _called_so(classes: Tuple[str, ...]) -> Optional[str]:
    """The data set with just these classes, or None."""
    return next((name for name in catalogue.names() if catalogue.get(name).classes == classes
                 and 'detection' in catalogue.get(name).task), None)


def _predicted_images(stems: Sequence[str], mark: Mapping[str, Any], named: Named, path: str) -> Dict[str, str]:
    """Path by id of the images of a prediction: where they were, or in the folder that was named."""
    there = list_images(named.images) if named.images else {}
    found = {stem: there.get(stem) or paths.resolve(str(_said(mark, 'images').get(stem, ''))) for stem in stems}
    missing = [stem for stem in stems if not os.path.isfile(found[stem])]
    if missing:
        raise MTPError('{}: {} of {} images are not there, for example {}'.format(
            path, len(missing), len(stems), found[missing[0]] or missing[0]),
            hint="ARGS='--images FOLDER' with the folder of the images")
    return found
