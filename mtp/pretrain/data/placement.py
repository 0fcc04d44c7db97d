"""Flip, resize and crop as one placement of the crop's pixels in the original image (published.md#augmentation).

Masks and labels are sampled at the crop's pixels only: nothing of full size is flipped, resized or stacked
(published.md#full-size-masks). The pixels are those that flipping, resizing (OpenCV, nearest) and cropping one after
the other give.
"""
import dataclasses
from typing import Tuple

import cv2
import numpy as np


@dataclasses.dataclass
class Placement:
    """Where a crop lies.

    Attributes:
        size: (height, width) of the original.
        flip: (vertical, horizontal).
        resized: (height, width) after resizing.
        offset: (y, x) of the crop in the resized image.
        crop: (height, width) of the crop.
    """

    size: tuple
    flip: tuple
    resized: tuple
    offset: tuple
    crop: tuple

    @property
    def scale(self) -> Tuple[float, float]:
        """(vertical, horizontal) factor of the resizing."""
        return tuple(new / old for new, old in zip(self.resized, self.size))

    def sources(self, axis: int) -> np.ndarray:
        """Original row (axis 0) or column (axis 1) that each row or column of the crop shows, by nearest neighbour."""
        step = 1.0 / (self.resized[axis] / self.size[axis])  # OpenCV's own order of divisions
        places = np.floor((self.offset[axis] + np.arange(self.crop[axis])) * step).astype(np.int64)
        places = np.minimum(places, self.size[axis] - 1)
        return self.size[axis] - 1 - places if self.flip[axis] else places

    def image(self, image: np.ndarray) -> np.ndarray:
        """The crop of ``image`` (h, w, 3), bilinear."""
        if any(self.flip):
            image = cv2.flip(image, {(True, False): 0, (False, True): 1, (True, True): -1}[self.flip])
        if self.resized != self.size:
            image = cv2.resize(image, self.resized[::-1], interpolation=cv2.INTER_LINEAR)
        (y, x), (height, width) = self.offset, self.crop
        return np.ascontiguousarray(image[y:y + height, x:x + width])

    def boxes(self, boxes: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Upright boxes (n, 4) in the crop, clipped to it, and which of them still touch it."""
        boxes = boxes.copy()
        for axis, (low, high) in ((0, (1, 3)), (1, (0, 2))):
            if self.flip[axis]:
                boxes[:, [low, high]] = self.size[axis] - boxes[:, [high, low]]
            boxes[:, [low, high]] *= np.float32(self.scale[axis])
            boxes[:, [low, high]] = boxes[:, [low, high]].clip(0, self.resized[axis]) - self.offset[axis]
            boxes[:, [low, high]] = boxes[:, [low, high]].clip(0, self.crop[axis])
        inside = (boxes[:, 0] < self.crop[1]) & (boxes[:, 1] < self.crop[0]) & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
        return boxes, inside

    def rboxes(self, rboxes: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Rotated boxes (n, 5) in the crop, not clipped, and which have their centre in it."""
        x, y, w, h, angle = rboxes.T.copy()
        vertical, horizontal = self.flip
        x = self.size[1] - x if horizontal else x
        y = self.size[0] - y if vertical else y
        angle = -angle if vertical != horizontal else angle
        scale_y, scale_x = (np.float32(value) for value in self.scale)
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = x * scale_x - self.offset[1], y * scale_y - self.offset[0]
        w = w * np.sqrt((scale_x * cos) ** 2 + (scale_y * sin) ** 2)
        h = h * np.sqrt((scale_x * sin) ** 2 + (scale_y * cos) ** 2)
        angle = np.arctan2(scale_x * sin, scale_y * cos)  # as mmrotate writes it; the factors differ by rounding only
        inside = (x >= 0) & (y >= 0) & (x <= self.crop[1]) & (y <= self.crop[0])
        return np.stack([x, y, w, h, angle], 1).astype(np.float32), inside


def whole(size: Tuple[int, int], side: int) -> Placement:
    """The placement of the whole image, as large as ``side`` x ``side`` allows."""
    factor = side / max(size)
    resized = tuple(max(int(edge * factor + 0.5), 1) for edge in size)
    return Placement(tuple(size), (False, False), resized, (0, 0), resized)


def draw(size: Tuple[int, int], side: int, rng: np.random.Generator) -> Placement:
    """A random placement of a crop of at most ``side`` x ``side`` pixels in an image of ``size`` (height, width)."""
    coin = rng.random()
    flip = (0.25 <= coin < 0.75, coin < 0.25 or 0.5 <= coin < 0.75)  # horizontal, vertical, both, none: a quarter each
    target = int(side * rng.uniform(0.5, 2.0))
    factor = target / max(size)
    resized = tuple(int(edge * factor + 0.5) for edge in size)
    crop = tuple(min(side, edge) for edge in resized)
    offset = tuple(int(rng.integers(0, edge - part + 1)) for edge, part in zip(resized, crop))
    return Placement(tuple(size), flip, resized, offset, crop)
