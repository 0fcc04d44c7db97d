"""Merge the detections of tiles to those of whole images; ``python -m mtp.submit.merge`` does it and packs them.

As MMRotate 0.3.4 merges: the tile's offset is added to the centres in float32, everything else is float64, then rotated
NMS for each image and class. The rule of its CPU operator, IoU >= threshold, is the default; ``--rule gt`` is that of
CUDA. The result does not depend on how many shards there are: the tiles of an image are taken in the order of their
windows.

Memory is bounded: images are worked on in blocks, by all cores; only what survives is kept.
"""
import functools
from typing import Any, Collection, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

import numpy as np

from mtp import files, workers
from mtp.boxes import rotated_nms
from mtp.boxes.nms import RULES
from mtp.data import images as image_files
from mtp.data.converting import natural
from mtp.errors import MTPError
from mtp.progress import Progress

from . import shards
from .detections import Detections
from .pixels import list_images
from .windows import Preset, parse_tile_id, tile_id, window_positions

__all__ = ['Detections', 'expected_tiles', 'merge']

_BLOCK = 30000  # detections worked on at a time
_WRITTEN = "merge = dict(iou_thr=0.1, rule='ge')"

_Block = List[Tuple[int, int, int, shards.Entry]]  # index of the image, offset x and y of the tile, its detections
_Columns = Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # image, label, score, box


class Rule(NamedTuple):
    """When the worse of two boxes of a class and an image goes.

    Attributes:
        iou_thr: IoU in (0, 1], compared as float32.
        rule: ``'ge'``: at that IoU and above, as MMRotate on a CPU; ``'gt'``: above it, as with CUDA.
    """
    iou_thr: float = 0.1
    rule: str = 'ge'

    def __str__(self) -> str:
        return 'IoU {} {:g}, as on {}'.format('>=' if self.rule == 'ge' else '>', self.iou_thr,
                                              'a CPU' if self.rule == 'ge' else 'CUDA')

    @property
    def in_words(self) -> str:
        """One line for the terminal."""
        return f'merge: of two boxes of a class in an image the worse one goes at {self}'


#: Where a config says nothing: rotated boxes as MMRotate merges them, and upright ones, which overlap more.
DEFAULT, UPRIGHT = Rule(), Rule(iou_thr=0.5)


def rule_of(settings: Optional[Mapping[str, Any]], default: Rule = DEFAULT) -> Rule:
    """The :class:`Rule` of a config's ``merge = dict(iou_thr=0.1, rule='ge')``; what is left away is as in ``default``.

    Raises:
        MTPError: another key, or a value that cannot be.
    """
    settings = dict(settings or {})
    unknown = sorted(set(settings) - set(Rule._fields))
    if unknown:
        raise MTPError('merge has no {}; it has {}'.format(', '.join(unknown), ', '.join(Rule._fields)),
                       hint=f'in the config: {_WRITTEN}')
    made = default._replace(**settings)
    if isinstance(made.iou_thr, bool) or not isinstance(made.iou_thr, (int, float)) or not 0 < made.iou_thr <= 1:
        raise MTPError(f'merge: iou_thr is {made.iou_thr!r}; it has to be a number above 0 and at most 1',
                       hint=f'--iou-thr 0.1, or in the config: {_WRITTEN}')
    if made.rule not in RULES:
        raise MTPError('merge: rule is {!r}; it can be {}'.format(made.rule, ', '.join(RULES)),
                       hint=f'--rule ge, or in the config: {_WRITTEN}')
    return made


def merge(folder: files.PathLike, iou_threshold: float = DEFAULT.iou_thr, rule: str = DEFAULT.rule,
          score_threshold: float = 0.0, whole_images: bool = False, expected: Optional[Collection[str]] = None,
          jobs: int = 1) -> Detections:
    """Detections of a data set from its shards.

    Args:
        folder: of shards.
        iou_threshold: of the NMS; compared as float32.
        rule: ``'ge'`` as on the CPU or ``'gt'`` as on CUDA.
        score_threshold: detections below it are left out before the NMS.
        whole_images: the test ran on whole images: their ids hold no offset.
        expected: ids of all tiles there should be, to notice missing ones; see :func:`expected_tiles`.
        jobs: processes.

    Returns:
        :class:`Detections`.

    Raises:
        MTPError: bad arguments; no shards; tiles missing; a damaged shard whose loss cannot be excluded.
    """
    found = shards.contents(folder)
    _check_complete(folder, found, expected)
    images, blocks = _plan(found.entries.values(), whole_images)
    work = functools.partial(_merge_block, classes=len(found.classes), iou_threshold=iou_threshold, rule=rule,
                             score_threshold=score_threshold)
    progress = Progress('merge', total=len(images))
    parts = []
    for part, count in workers.run(work, sorted(blocks, key=_size, reverse=True), jobs):  # the largest first
        parts.append(part)
        progress.update(count)
    progress.close()
    parts.sort(key=lambda part: part[0])  # by first image
    columns = [np.concatenate(column) for column in zip(*(part[1] for part in parts))] if parts else _nothing()
    return Detections(found.classes, tuple(images), *columns)


def expected_tiles(images: files.PathLike, how: Preset) -> Set[str]:
    """Ids of all tiles of a folder of images, from the sizes in their headers.

    Args:
        images: folder.
        how: :class:`~mtp.tiles.windows.Preset`.
    """
    tiles = set()
    for stem, path in list_images(images).items():
        width, height = image_files.size(path)
        tiles.update(tile_id(stem, window) for window in window_positions(width, height, how))
    return tiles


def _check_complete(folder: files.PathLike, found: shards.Contents, expected: Optional[Collection[str]]) -> None:
    if expected is not None:
        missing = sorted(set(expected) - set(found.entries), key=natural)
        if missing:
            raise MTPError('{} of {} tiles are missing in {}, for example {}'.format(
                len(missing), len(expected), folder, missing[0]), hint='start the test again; it does the missing ones')
    elif found.damaged:
        path, _, reason = found.damaged[0]
        raise MTPError(f'{path}: {reason}; its tiles may be lost',
                       hint='start the test again; it does the lost tiles, or say which there are with --preset')


def _plan(entries: Iterable[shards.Entry], whole_images: bool) -> Tuple[List[str], List[_Block]]:
    """Image ids in natural order, and blocks of them: lists of (image index, x, y, entry), in order."""
    tiles = {}
    for entry in entries:
        image, window, x, y = (entry.tile, 0, 0, 0) if whole_images else parse_tile_id(entry.tile)
        tiles.setdefault(image, []).append(((window, x, y), entry))
    images = sorted(tiles, key=natural)
    blocks, block, size = [], [], 0
    for index, image in enumerate(images):
        for (_, x, y), entry in sorted(tiles[image]):
            block.append((index, x, y, entry))
            size += entry.count
        if size >= _BLOCK:
            blocks.append(block)
            block, size = [], 0
    if block:
        blocks.append(block)
    return images, blocks


def _size(block: _Block) -> int:
    return sum(entry.count for _, _, _, entry in block)


def _merge_block(block: _Block, classes: int, iou_threshold: float, rule: str,
                 score_threshold: float) -> Tuple[Tuple[int, _Columns], int]:
    index, x, y, entries = zip(*block)
    box, score, label = shards.PayloadReader().read(entries)
    counts = [entry.count for entry in entries]
    image = np.repeat(np.array(index, dtype=np.int64), counts)
    box = box.copy()
    box[:, :2] += np.repeat(np.float32([x, y]).T, counts, axis=0)  # in float32, as the reference; the rest is float64
    wanted = score >= np.float32(score_threshold)
    image, label, score, box = image[wanted], label[wanted], score[wanted], box[wanted].astype(np.float64)
    kept = rotated_nms(box, score, iou_threshold, rule, groups=image * classes + label)
    columns = (image[kept], label[kept], score[kept], box[kept])
    return (index[0], columns), len(set(index))


def _nothing() -> _Columns:
    return (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 5)))


if __name__ == '__main__':
    from mtp import moved
    moved.run('mtp.submit.merge')
