"""What a folder of results holds, whichever verb has written it: a :class:`Collection` for each kind of thing in it.

Looked for in the folder and below it: predictions (``coco.json``), submissions (``Task1_<class>.txt``), shards of a
test on whole images, ``detections.bbox.json``, masks (PNG of class numbers), ``scenes.csv``, and pictures of
pretraining. What of images and labels nobody has named is taken from the passport of the test, then from the catalogue.
"""
import os
from typing import Iterator, List

from mtp.errors import MTPError

from . import own, predictions, tested
from .collection import Collection
from .places import Named

_DEPTH = 4
_PASSED_OVER = ('browse', 'data', 'logs', 'tensorboard', 'vis_data')


def find(folder: str, named: Named = Named()) -> List[Collection]:
    """Every :class:`Collection` in a folder of results and below it.

    Raises:
        MTPError: no such folder, nothing in it that can be shown, or images that are not where they should be.
    """
    if not os.path.isdir(folder):
        raise MTPError(f'there is no folder {folder}', hint='make browse RUN=work_dirs/predict, or the folder '
                       'of any test, prediction or reproduction')
    found = []
    for place in _folders(folder):
        mine = own.of(place, named)
        found += [collection for kind in own.KINDS for collection in kind(mine, place)] if mine else [
            collection for kind in KINDS for collection in kind(place, named)]
    if not found:
        raise MTPError('{} holds no results to walk through: no coco.json of a prediction, no Task1_<class>.txt, no '
                       'rank-*.shard of whole images, no masks, no scenes.csv, no pictures of pretraining'.format(
                           folder),
                       hint='make browse RUN=the folder that make test or make predict has written to')
    found.sort(key=lambda each: not (each.boxes or each.masks))  # pictures alone come last
    titles = [each.title for each in found]
    return [each if titles.count(each.title) == 1 else each._replace(title='{} ({})'.format(
        each.title, os.path.relpath(each.source, folder))) for each in found]


def _folders(folder: str) -> Iterator[str]:
    """``folder`` and those below it, hidden ones and links left out."""
    base = folder.rstrip('/').count('/')
    for place, inner, _ in os.walk(folder):
        deep = place.rstrip('/').count('/') - base >= _DEPTH
        inner[:] = [] if deep else sorted(name for name in inner if not name.startswith('.')
                                          and name not in _PASSED_OVER)
        yield place


#: Each kind of results, and the function that finds it: from a folder and what was named to collections.
KINDS = (predictions.predicted, predictions.mapped, predictions.scened, tested.submitted, tested.sharded,
         tested.horizontal, tested.masked, tested.scened, tested.layered, tested.previewed)
