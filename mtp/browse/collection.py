"""What a page shows: collections of images with what was found in them and what is known to be there."""
from typing import Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from mtp.submit.score import Found, Truth


class Boxes(NamedTuple):
    """Objects with corners, in all images of a collection.

    Attributes:
        found: :class:`~mtp.submit.score.Found`, which counts in the images of ``truth``; scores in 0..1.
        truth: :class:`~mtp.submit.score.Truth` that lists all images.
        known: (images,) bool, of which images the truth is known.
        mode: one of :data:`mtp.submit.score.MODES`.
    """
    found: Found
    truth: Truth
    known: np.ndarray
    mode: str


class Masks(NamedTuple):
    """Masks of class numbers.

    Attributes:
        found, truth: path by image id, where there is one.
        found_first, truth_first: number of the first class in their files; what is no class there is left out.
        background: index of the class that is nothing, or -1.
    """
    found: Dict[str, str]
    truth: Dict[str, str]
    found_first: int
    truth_first: int
    background: int


class Collection(NamedTuple):
    """Images of one kind.

    Attributes:
        title: for people.
        source: folder that it comes from.
        images: path by image id, in order.
        classes: names.
        palette: RGB of each class.
        boxes, masks: what lies over the images; both None where there are pictures alone.
        later: path by image id of the same place at a later date, where there is one.
        least: score in percent from which detections are shown until somebody says otherwise.
    """
    title: str
    source: str
    images: Dict[str, str]
    classes: Tuple[str, ...] = ()
    palette: Sequence[Sequence[int]] = ()
    boxes: Optional[Boxes] = None
    masks: Optional[Masks] = None
    later: Dict[str, str] = {}
    least: int = 30

    def in_words(self) -> str:
        """One line for the terminal: what it holds."""
        said = [f'{self.title}: {len(self.images)} images']
        if self.boxes:
            truth = int(self.boxes.known.sum())
            said.append(f'{len(self.boxes.found.label)} detections')
            said.append(f'truth of {truth} images, {len(self.boxes.truth.label)} objects' if truth else
                        'no truth, so no verdicts')
        if self.masks:
            said.append(f'{len(self.masks.found)} masks found, {len(self.masks.truth)} known')
        return ', '.join(said)
