"""From a test's shards to a submission and pictures of whole images; planned and checked before the test begins."""
import contextlib
import hashlib
import json
import os
import shutil
from typing import Any, Iterable, Iterator, List, Mapping, NamedTuple, Optional, TYPE_CHECKING

from mtp import files, locks, ownership, paths, submit
from mtp.adapters import command
from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.tiles import merge
from mtp.tiles.pixels import list_images

if TYPE_CHECKING:  # it imports this module
    from mtp.adapters.tile_test import Source

# Generous guesses of what is written: 100 detections a tile, twice 200 lines an image, a picture of 2048 pixels.
_TILE_BYTES, _IMAGE_BYTES, _PICTURE_BYTES, _SPARE_BYTES = 2700, 40000, 700000, 64 << 20


class Plan(NamedTuple):
    """Where the results of a test go."""

    dataset: str  # name in the catalogue
    shards: str  # folder of the detections of each tile
    images: str  # folder of the uncut test images
    out: Optional[str]  # folder of the submission, None when none is wanted
    pictures: Optional[str]  # folder of pictures, None when none are wanted
    threshold: float  # lowest score in the pictures
    merge: merge.Rule  # by which the tiles of an image are merged


def plan(dataset: str, fallback: str, out: Optional[str] = None, images: Optional[str] = None,
         pictures: Optional[str] = None, threshold: float = 0.3, option: str = '--out',
         rule: merge.Rule = merge.DEFAULT) -> Plan:
    """A :class:`Plan`; whatever is missing or cannot be written is said now, not after hours of work.

    Args:
        dataset: name in the catalogue.
        fallback: folder for the shards of a test without submission.
        out: folder of the submission. Its shards lie beside it, so that the folder itself can be packed and handed on.
        images: folder of the uncut test images; the catalogue's, when not given.
        pictures: folder for pictures.
        threshold: lowest score in the pictures.
        option: of the command line that names another folder for the submission.
        rule: by which the tiles of an image are merged.
    """
    out, pictures = out and paths.resolve(out).rstrip('/'), pictures and paths.resolve(pictures)
    images = paths.resolve(images or 'data/' + catalogue.get(dataset).source['test'].images)
    if out or pictures:
        command.require_folder(images, 'folder of uncut test images')
    if out:
        ownership.check(out, 'test', option)
    if pictures:
        ownership.check(pictures, 'pictures', '--show-dir')
    return Plan(dataset, out + '.shards' if out else os.path.join(fallback, 'shards'), images, out, pictures, threshold,
                rule)


def check(plan: Plan, source: 'Source') -> None:
    """What can be known to go wrong at the end is said before the test begins.

    Args:
        plan: a :class:`Plan`.
        source: a :class:`mtp.adapters.tile_test.Source`.

    Raises:
        MTPError: tiles of an image that is not there, an image without tiles, or too little room on the disk.
    """
    ids = source.images
    if plan.out or plan.pictures:
        found = list_images(plan.images)
        if not plan.out:  # pictures of some images are welcome
            found = {image: found[image] for image in ids if image in found}
        else:
            submit.check_ids(found)
        submit.check_images(ids, found, plan.images)
    needed = {plan.shards: len(source.tiles) * _TILE_BYTES, plan.out: len(ids) * _IMAGE_BYTES,
              plan.pictures: len(ids) * _PICTURE_BYTES}
    room = {}
    for folder, size in needed.items():
        if folder:
            above = _existing(folder)
            device = os.stat(above).st_dev
            room[device] = above, room.get(device, (above, _SPARE_BYTES))[1] + size
    for above, size in room.values():
        free = shutil.disk_usage(above).free
        if free < size:
            raise MTPError('the disk of {} has {:.1f} GiB left, and the results of this test take about {:.1f}'.format(
                above, free / 2 ** 30, size / 2 ** 30), hint='make room, or write to another folder')


@contextlib.contextmanager
def held(plan: Plan, leads: bool) -> Iterator[None]:
    """Hold the folders that a test writes to; ``leads`` is of the first process, which does it for all."""
    with contextlib.ExitStack() as stack:
        for folder in filter(None, (plan.shards, plan.out)):
            stack.enter_context(locks.hold(folder, 'test', leads))
        yield


def _existing(folder: str) -> str:
    """``folder``, or the nearest above it that exists."""
    folder = os.path.abspath(folder)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def fingerprint(settings: Mapping[str, Any], checkpoint: str) -> str:
    """Text that differs when results of two tests must not be mixed.

    Args:
        settings: whatever decides the detections beside the weights: network, pipeline.
        checkpoint: path of the weights.
    """
    text = json.dumps(settings, sort_keys=True, default=str) + files.sha256(checkpoint)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def finish(plan: Plan, tiles: Iterable[str], whole: bool = False) -> List[str]:
    """Merge the shards, draw and package; returns the paths of the submission.

    Args:
        plan: a :class:`Plan`.
        tiles: ids of all tiles of the test; a missing one is an error.
        whole: they are whole images.
    """
    if not (plan.out or plan.pictures):
        return []
    print(plan.merge.in_words, flush=True)
    detections = merge.merge(plan.shards, plan.merge.iou_thr, plan.merge.rule, expected=set(tiles), whole_images=whole,
                             jobs=os.cpu_count() or 1)
    if plan.pictures:
        from mtp.report import draw
        draw.detections(detections, plan.images, plan.pictures, threshold=plan.threshold)
    if not plan.out:
        return []
    # a test that was killed while it packed has left some of these, and one that is begun anew all of them
    ownership.claim(plan.out, 'test', submit.leaves(plan.out))
    ownership.clear(plan.out)
    return submit.package(detections, plan.dataset, plan.out, images=plan.images)
