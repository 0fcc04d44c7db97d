"""One training sample: read, place, distort, pack. All of it runs in the loader's processes.

See published.md#augmentation.
"""
from typing import Any, Dict, Optional, Sequence, Tuple

import cv2
import numpy as np
import torch
from pycocotools import mask as coco_mask

from mtp.data import images
from mtp.errors import MTPError
from mtp.tiles import pixels

from ..tasks import CLASS_COUNTS
from . import colour, placement
from .annotations import Annotations
from .batch import DatasetBatch, Truth

IGNORED = 255


def generator(*key: int) -> np.random.Generator:
    """A generator that depends on ``key`` (non-negative integers) alone."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def make(annotations: Annotations, index: int, side: int, rng: np.random.Generator, colour_type: str = 'uint8',
         augment: bool = True) -> Tuple[np.ndarray, np.ndarray, Truth]:
    """Sample of image ``index``, augmented; where every object vanished, of another image drawn at random.

    ``augment=False`` takes the whole image as it is.

    Returns:
        (image (h, w, 3) BGR, seg (h, w) uint8, :class:`Truth`) with h, w <= ``side``; masks are ``side`` x ``side``.

    Raises:
        MTPError: a file is damaged or does not fit its annotation.
    """
    while True:
        size = _size(annotations, index)
        place = placement.draw(size, side, rng) if augment else placement.whole(size, side)
        truth = _truth(annotations, index, place, side)
        if truth is not None:
            break
        index = int(rng.integers(len(annotations)))
    image = read_image(annotations.image(index), size).astype(colour_type, copy=False)
    image = place.image(image)
    if augment:
        image = colour.distort(image, rng).astype(colour_type, copy=False)
    return image, _semantic(annotations, index, place), truth


def _size(annotations: Annotations, index: int) -> Tuple[int, int]:
    """(height, width) of an image."""
    height, width = annotations.sizes[index]
    return int(height), int(width)


def read_image(path: str, size: Sequence[int]) -> np.ndarray:
    """(h, w, 3) uint8 BGR; MTPError when it is damaged or not of the annotated ``size``."""
    try:
        image = pixels.read_image(path)
    except MTPError as error:
        raise MTPError(f'cannot decode the image {path}: {error.args[0]}', hint=error.hint) from None
    if image.shape[:2] != tuple(size):
        raise MTPError('{} has {} x {} pixels (height x width), its annotation says {} x {}'.format(
            path, *image.shape[:2], *size))
    return image


def whole(annotations: Annotations, index: int, side: int) -> Tuple[torch.Tensor, Dict[str, Any]]:
    """Image ``index`` without augmentation, as validation sees it (published.md#augmentation).

    Returns:
        ((3, side, side) uint8 BGR tensor, black right of and below the image; the facts that the heads ask for).

    Raises:
        MTPError: the file is damaged.
    """
    size = _size(annotations, index)
    place = placement.whole(size, side)
    new = place.crop
    image = np.zeros((side, side, 3), np.uint8)
    image[:new[0], :new[1]] = place.image(read_image(annotations.image(index), size))
    meta = dict(img_shape=new, pad_shape=(side, side), ori_shape=size,
                scale_factor=(new[1] / size[1], new[0] / size[0]))
    return torch.from_numpy(image).permute(2, 0, 1).contiguous(), meta


def read_semantic(path: str, size: Sequence[int], classes: int) -> np.ndarray:
    """(h, w) uint8: 0 is background, class k is k + 1 (stored: k, and 255 for what is not labelled)."""
    try:
        label = images.decoded(path, cv2.IMREAD_UNCHANGED)
    except MTPError as error:
        raise MTPError(f'cannot decode the semantic label {path}: {error.args[0]}', hint=error.hint) from None
    if label.ndim != 2 or label.dtype != np.uint8 or label.shape != tuple(size):
        raise MTPError('{} is {} {}; one grey byte a pixel and the image\'s size {} are expected'.format(
            path, label.dtype, label.shape, tuple(size)))
    wrong = (label >= classes) & (label != IGNORED)
    if wrong.any():
        raise MTPError('{}: label {} at row {}, column {}; classes are 0 to {}, and 255'.format(
            path, label[wrong][0], *np.argwhere(wrong)[0], classes - 1))
    return label + np.uint8(1)  # 255 wraps to 0


def _semantic(annotations: Annotations, index: int, place: placement.Placement) -> np.ndarray:
    label = read_semantic(annotations.seg(index), place.size, CLASS_COUNTS[annotations.name])
    return label[place.sources(0)[:, None], place.sources(1)[None]]


def _truth(annotations: Annotations, index: int, place: placement.Placement, side: int) -> Optional[Truth]:
    """Objects in the crop, or None when there were boxes and no pixel of any of them is left."""
    begin, end = annotations.first[index], annotations.first[index + 1]
    boxes, inside = place.boxes(annotations.boxes[begin:end])
    chosen = np.flatnonzero(inside)
    masks, tight = _masks(annotations, begin + chosen, boxes[chosen], place, side)
    solid = (tight[:, 2] > tight[:, 0]) & (tight[:, 3] > tight[:, 1])
    if len(chosen) and not solid.any():
        return None
    rbegin, rend = annotations.rfirst[index], annotations.rfirst[index + 1]
    rboxes, rinside = place.rboxes(annotations.rboxes[rbegin:rend])
    return Truth(
        shape=place.crop, hboxes=torch.from_numpy(tight[solid]), masks=torch.from_numpy(masks[solid]),
        labels=torch.from_numpy(annotations.labels[begin:end][chosen][solid].astype(np.int64)),
        rboxes=torch.from_numpy(rboxes[rinside]), name=annotations.image(index),
        rlabels=torch.from_numpy(annotations.rlabels[rbegin:rend][rinside].astype(np.int64)))


def _masks(annotations: Annotations, instances: np.ndarray, boxes: np.ndarray, place: placement.Placement,
           side: int) -> Tuple[np.ndarray, np.ndarray]:
    """Bitmaps (n, side, side) of ``instances`` in the crop and the boxes (n, 4) around their pixels (zeros: none)."""
    masks, tight = np.zeros((len(instances), side, side), np.uint8), np.zeros((len(instances), 4), np.float32)
    rows, columns = place.sources(0), place.sources(1)
    for mask, box, instance, bounds in zip(masks, tight, instances, boxes):
        # one pixel of room: nearest-neighbour sampling may reach over the scaled box by less than that
        left, top = np.maximum(np.floor(bounds[:2]).astype(int) - 1, 0)
        right, bottom = np.ceil(bounds[2:]).astype(int) + 1
        full = coco_mask.decode(annotations.runs(instance, place.size))
        part = full[rows[top:bottom, None], columns[None, left:right]]
        mask[top:top + part.shape[0], left:left + part.shape[1]] = part
        ys, xs = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
        if len(ys):
            box[:] = left + xs[0], top + ys[0], left + xs[-1] + 1, top + ys[-1] + 1
    return masks, tight


def collate(samples: Sequence[Tuple[np.ndarray, np.ndarray, Truth]], side: int,
            small_crop_label: str = 'padded') -> DatasetBatch:
    """Samples of one data set -> :class:`DatasetBatch`; images padded to ``side`` x ``side``.

    ``small_crop_label``: ``padded`` pads labels with 255 like the image; ``stretched`` only to the batch's largest
    crop, rounded up to 32, as the released code does (published.md#stretched-labels).
    """
    images = torch.zeros(len(samples), 3, side, side, dtype=torch.from_numpy(samples[0][0]).dtype)
    tall = wide = side
    if small_crop_label == 'stretched':
        tall, wide = (-(-max(truth.shape[axis] for _, _, truth in samples) // 32) * 32 for axis in (0, 1))
    segs = torch.full((len(samples), tall, wide), IGNORED, dtype=torch.uint8)
    for slot, (image, seg, _) in enumerate(samples):
        height, width = seg.shape
        images[slot, :, :height, :width] = torch.from_numpy(image).permute(2, 0, 1)
        segs[slot, :height, :width] = torch.from_numpy(seg)
    return DatasetBatch(images, [truth for _, _, truth in samples], segs)
