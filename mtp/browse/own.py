"""Tests of data of one's own: the passport keeps the config, and that says classes, images and labels."""
import functools
import glob
import os
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple

from mtp.data import dota
from mtp.errors import MTPError
from mtp.report import draw
from mtp.submit import score
from mtp.tiles.pixels import list_images

from . import detections, truths
from .collection import Boxes, Collection, Masks
from .places import Named, Run, run_of
from .tested import BOXES

BEFORE, AFTER = 'img_path_from', 'img_path_to'


class Own(NamedTuple):
    """What a config of one's own says of the images that were tested.

    Attributes:
        title: name of the run, for people.
        classes: names, in the order of their numbers.
        images: folder of the tiles; ``later`` that of the second date, or None.
        labels: folder of DOTA texts or of masks, or a COCO file; None where the config names none.
    """
    title: str
    classes: Tuple[str, ...]
    images: str
    later: Optional[str]
    labels: Optional[str]


def of(place: str, named: Named) -> Optional[Own]:
    """:class:`Own` of the test whose results ``place`` holds; None without any, or of a data set of the catalogue."""
    if not any(holds(place) for holds in (_has_shards, _has_boxes, _has_masks)):
        return None  # most folders: neither passport nor images are asked for
    run = run_of(place)
    dataset = _dict(_dict(run.config.get('test_dataloader')).get('dataset'))
    root, classes = dataset.get('data_root'), _dict(dataset.get('metainfo')).get('classes')
    if named.dataset or run.dataset or not isinstance(root, str) or root.startswith('data/') or not (
            isinstance(classes, (list, tuple)) and classes and all(isinstance(name, str) for name in classes)):
        return None
    prefix = _dict(dataset.get('data_prefix'))
    images = next((prefix[key] for key in ('img_path', 'img', BEFORE) if isinstance(prefix.get(key), str)), None)
    labels = next((said for said in (prefix.get('seg_map_path'), dataset.get('ann_file')) if isinstance(said, str)
                   and said), None)
    if images is None:
        return None
    folder = named.images or _below(run, root, images)
    if not os.path.isdir(folder):
        raise MTPError(f'the images of {place} are not there: no folder {folder}',
                       hint="ARGS='--images FOLDER' with the folder of the images that were tested")
    known = named.truth or labels and _below(run, root, labels)
    later = prefix.get(AFTER)
    return Own(run.name, tuple(classes), folder,
               _below(run, root, later) if isinstance(later, str) else None,
               known if known and os.path.exists(known) else None)


def _dict(said: object) -> Dict[str, Any]:
    return said if isinstance(said, dict) else {}


def _below(run: Run, root: str, said: str) -> str:
    return os.path.normpath(os.path.join(run.below(root), said))


def _has_shards(place: str) -> bool:
    return os.path.basename(place).startswith('shards-') and bool(
        glob.glob(os.path.join(glob.escape(place), 'rank-*.shard')))


def _has_boxes(place: str) -> bool:
    return os.path.isfile(os.path.join(place, BOXES))


def _has_masks(place: str) -> bool:
    return os.path.basename(place) == 'masks'


def sharded(mine: Own, place: str) -> Iterator[Collection]:
    """Shards of rotated boxes."""
    if _has_shards(place):
        images = list_images(mine.images)
        classes, found = detections.of_shards(place, images)
        labels, (truth, known) = mine.labels, truths.none(images)
        if labels:
            truth, known = truths.placed(images, functools.partial(
                score.read_labels, labels, (dota.read, '.txt'), classes), labels, '.txt')
        yield Collection(mine.title, place, images, classes, draw.palette_of(classes),
                         boxes=Boxes(found, truth, known, 'mmrotate'))


def horizontal(mine: Own, place: str) -> Iterator[Collection]:
    """Upright boxes; the images are those of the COCO file of their labels."""
    if _has_boxes(place) and mine.labels and os.path.isfile(mine.labels):
        content = truths.load_coco(mine.labels)
        images = truths.images_in(content, mine.images)
        classes, found = detections.of_coco_results(os.path.join(place, BOXES), content, images)
        truth, known = truths.read(mine.labels, None, images, classes)
        yield Collection(mine.title, place, images, classes, draw.palette_of(classes),
                         boxes=Boxes(found, truth, known, 'mmrotate'))


def masked(mine: Own, place: str) -> Iterator[Collection]:
    """Masks of class numbers, of a segmentation or of changes."""
    if _has_masks(place):
        found = list_images(place)
        images = {stem: path for stem, path in list_images(mine.images).items() if stem in found}
        truth = list_images(mine.labels) if mine.labels and os.path.isdir(mine.labels) else {}
        background = 0 if mine.classes[0] in ('background', 'unchanged') else -1
        if images:
            yield Collection(
                mine.title, place, images, mine.classes, draw.palette_of(mine.classes),
                masks=Masks(found, {stem: path for stem, path in truth.items() if stem in images}, 0, 0, background),
                later=list_images(mine.later) if mine.later and os.path.isdir(mine.later) else {})


KINDS = (sharded, horizontal, masked)
