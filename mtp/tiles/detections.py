"""Detections of a data set, column by column."""
from typing import NamedTuple, Tuple, Union

import numpy as np


class Detections(NamedTuple):
    """Detections in original-image pixels, sorted by image, then class, then falling score.

    Attributes:
        classes: names; ``label`` counts in them.
        images: image ids, also those without a detection.
        image: (n,) int64, index into ``images``.
        label: (n,) int64, index into ``classes``.
        score: (n,) float32.
        rbox: (n, 5) float64 cx, cy, w, h, theta in radians.
    """
    classes: Tuple[str, ...]
    images: Tuple[str, ...]
    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    rbox: np.ndarray

    def select(self, chosen: Union[np.ndarray, slice]) -> 'Detections':
        """The detections that ``chosen`` (a mask or indices) picks; images and classes stay."""
        return self._replace(image=self.image[chosen], label=self.label[chosen], score=self.score[chosen],
                             rbox=self.rbox[chosen])
