"""What tests and pretraining have left: submissions, shards, COCO results, masks, pictures."""
import glob
import os
from typing import Dict, Iterator, List, Sequence

import numpy as np

from mtp.data import catalogue, scene_table
from mtp.errors import MTPError
from mtp.report import draw
from mtp.submit.score import Truth
from mtp.tiles.pixels import list_images

from . import detections, truths
from .collection import Boxes, Collection, Masks
from .places import Named, Run, boxed, images_of, mark_of, require_dataset, run_of

BOXES = 'detections.bbox.json'  # what a test with COCO labels leaves
MASKED = ('segmentation', 'change detection')


def submitted(place: str, named: Named) -> Iterator[Collection]:
    """Result texts of a test on tiles."""
    if not glob.glob(os.path.join(glob.escape(place), 'Task1_*.txt')) or mark_of(place).get('verb') == 'predict' \
            or os.path.basename(place) == 'dota':
        return
    run = run_of(place)
    dataset = require_dataset(place, named, run)
    folder = images_of(place, named, run, dataset)
    images = list_images(folder)
    yield boxed(catalogue.get(dataset).title, place, images, detections.of_texts(place, dataset, images), named,
                 dataset, folder, 'official')


def sharded(place: str, named: Named) -> Iterator[Collection]:
    """Shards of a test on whole images, whose truth is known."""
    if not glob.glob(os.path.join(glob.escape(place), 'rank-*.shard')) or not os.path.basename(place).startswith(
            'shards-'):
        return
    run = run_of(place)
    dataset = require_dataset(place, named, run)
    folder = images_of(place, named, run, dataset)
    images = list_images(folder)
    yield boxed(catalogue.get(dataset).title, place, images, detections.of_shards(place, images), named, dataset,
                 folder, 'mmrotate')


def horizontal(place: str, named: Named) -> Iterator[Collection]:
    """Upright boxes of a test whose labels are a COCO file."""
    path = os.path.join(place, BOXES)
    if not os.path.isfile(path):
        return
    run = run_of(place)
    dataset, said = require_dataset(place, named, run), run.evaluator.get('ann_file')
    labels = named.truth or isinstance(said, str) and run.below(said)
    if not labels or not os.path.isfile(labels):
        raise MTPError('{}: the labels of this test are not there{}'.format(path, f': no file {labels}' * bool(
            labels)), hint="ARGS='--truth FILE' with the COCO file of its labels")
    folder, content = images_of(place, named, run, dataset, uncut=False), truths.load_coco(labels)
    images = truths.images_in(content, folder)
    results = detections.of_coco_results(path, content, images)
    yield boxed(catalogue.get(dataset).title, place, images, results, named._replace(truth=labels), dataset, folder,
                 'mmrotate')


def scened(place: str, named: Named) -> Iterator[Collection]:
    """Classes that a test of classification has given to its images: each image is an object as large as itself."""
    path = os.path.join(place, scene_table.NAME)
    if mark_of(place).get('verb') == 'predict' or not os.path.isfile(path):
        return
    table, run = scene_table.read(path), run_of(place)
    images = dict(zip(_ids(table.images), _whereabouts(table.images, run, named, path)))
    if len(images) < len(table.images):
        raise MTPError(f'{path} is no table of a test: it has one image twice', hint='make test writes it again')
    number, known = np.arange(len(images)), table.truth >= 0
    truth = Truth(tuple(images), number[known], table.truth[known], truths.corners(table.boxes[known]),
                  np.zeros(int(known.sum()), bool))
    published = next((each for each in map(catalogue.get, catalogue.names()) if each.classes == table.classes), None)
    yield Collection(published.title if published else run.name or 'scenes', place, images, table.classes,
                     published.palette if published else draw.palette_of(table.classes),
                     boxes=Boxes(detections.of_scenes(table, number), truth, known, 'mmrotate'), least=0)


def _ids(files: Sequence[str]) -> List[str]:
    """What each image is called: its stem, and where folders of classes have some alike, these before it."""
    stems = [truths.stem_of(file) for file in files]
    if len(set(stems)) == len(stems):
        return stems
    above = os.path.commonpath([os.path.dirname(file) for file in files])
    return [os.path.relpath(file, above) for file in files]


def _whereabouts(files: Sequence[str], run: Run, named: Named, path: str) -> List[str]:
    """Where the images of a table lie: as it says, or below the folder that was named.

    Raises:
        MTPError: one is not there.
    """
    found = [_below(named.images, file) if named.images else run.below(file) for file in files]
    missing = [place for place in found if not os.path.isfile(place)]
    if missing:
        raise MTPError(f'{path}: {len(missing)} of {len(files)} images are not there, for example {missing[0]}',
                       hint="ARGS='--images FOLDER' with the folder of the images")
    return found


def _below(folder: str, file: str) -> str:
    """``file`` in ``folder``, or in the folder of its class there."""
    above, name = os.path.split(file)
    inner = os.path.join(folder, os.path.basename(above), name)
    return inner if os.path.isfile(inner) else os.path.join(folder, name)


def masked(place: str, named: Named) -> Iterator[Collection]:
    """Masks of class numbers that a test has written."""
    if mark_of(place).get('verb') != 'test' or not glob.glob(os.path.join(glob.escape(place), '*.png')):
        return
    run = run_of(place)
    dataset = require_dataset(place, named, run)
    known = catalogue.get(dataset)
    if known.task not in MASKED:
        return
    folder, found = images_of(place, named, run, dataset, uncut=False), list_images(place)
    images = {stem: path for stem, path in list_images(folder).items() if stem in found}
    if not images:
        raise MTPError(f'none of the masks in {place} has an image in {folder}',
                       hint="ARGS='--images FOLDER' with the folder of the images")
    labels = named.truth or truths.beside(folder, dataset)
    truth = {stem: path for stem, path in list_images(labels).items() if stem in images} if labels else {}
    background = 0 if known.classes[0] in ('background', 'unchanged') and dataset != 'loveda' else -1
    later = _later(folder) if known.task == 'change detection' else {}
    yield Collection(known.title, place, images, known.classes, known.palette, masks=Masks(
        found, truth, 0, 1 if dataset == 'loveda' else 0, background), later=later)


def _later(folder: str) -> Dict[str, str]:
    """Path by id of the images of the later date: they lie in B beside A."""
    other = os.path.join(os.path.dirname(os.path.abspath(folder)), 'B')
    return list_images(other) if os.path.isdir(other) and not os.path.samefile(other, folder) else {}


def previewed(place: str, named: Named) -> Iterator[Collection]:
    """Pictures of pretraining, which have truth and predictions side by side."""
    if os.path.basename(place) == 'preview' and glob.glob(os.path.join(glob.escape(place), '*.png')):
        yield Collection('pretraining', place, list_images(place))


#: What a preview of pretraining has as boxes: task -> words for people.
LAYERS = {'is': 'instances', 'rd': 'rotated boxes'}


def layered(place: str, named: Named) -> Iterator[Collection]:
    """What a pretrained model sees, as layers over the images: ``layers/<dataset>`` of a preview."""
    name, folder = os.path.basename(place), os.path.join(place, 'images')
    if os.path.basename(os.path.dirname(os.path.abspath(place))) != 'layers' or not os.path.isdir(folder) \
            or name not in catalogue.names():
        return
    known, images = catalogue.get(name), list_images(folder)
    if os.path.isdir(os.path.join(place, 'ss')):
        found, truth = (list_images(os.path.join(place, title)) for title in ('ss', 'ss_truth'))
        yield Collection(f'pretraining, {name}: classes', place, images, known.classes, known.palette,
                         masks=Masks(found, truth, 1, 1, -1))
    for task, words in LAYERS.items():
        path = os.path.join(place, task + '.json')
        if os.path.isfile(path):
            seen = detections.of_coco(truths.load_coco(path), images, path)
            there, sure = truths.of_coco(os.path.join(place, task + '_truth.json'), images, known.classes)
            yield Collection(f'pretraining, {name}: {words}', place, images, known.classes, known.palette,
                             boxes=Boxes(seen, there, sure, 'mmrotate'))
