"""What tests and pretraining have left: submissions, shards, COCO results, masks, pictures."""
import glob
import os
from typing import Dict, Iterator

from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.tiles.pixels import list_images

from . import detections, truths
from .collection import Boxes, Collection, Masks
from .places import Named, boxed, images_of, mark_of, require_dataset, run_of

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
