"""What of the found objects is right, and what kind of mistake the others are: by the rule of the scorer.

Nothing is decided here: :mod:`mtp.submit.score` matches, :mod:`mtp.submit.details` names false detections. Both go
through the detections by falling score, so that leaving out all below a score changes nothing above it: one verdict a
detection holds for every position of the score slider, and an object counts as missed from the score of its hit on.
"""
from typing import NamedTuple

import numpy as np

from mtp.submit import details, score

#: What the page calls a detection: no truth is known of the image; a hit; the kinds of false ones; on a difficult
#: object, which neither counts for nor against it.
CODES = ('unjudged', 'hit') + details.KINDS + ('ignored',)
UNJUDGED, HIT, IGNORED = 0, 1, len(CODES) - 1


class Verdicts(NamedTuple):
    """Verdicts, row by row.

    Attributes:
        code: (n,) index into :data:`CODES` of each detection.
        iou: (n,) with the best object of its class, 0 where none touches.
        hit_by: (m,) the detection that hits each object, -1 where none does.
    """
    code: np.ndarray
    iou: np.ndarray
    hit_by: np.ndarray


def judge(found: score.Found, truth: score.Truth, known: np.ndarray, mode: str, threshold: float = 0.5) -> Verdicts:
    """Judge the detections of all images.

    Args:
        found: :class:`~mtp.submit.score.Found`.
        truth: :class:`~mtp.submit.score.Truth`, whose images ``found`` counts in.
        known: (images,) bool, of which images the truth is known, if only that there is no object.
        mode: one of :data:`mtp.submit.score.MODES`.
        threshold: IoU of a hit.

    Returns:
        :class:`Verdicts`.
    """
    matches = score.match(*found, truth, mode)
    hit, counted = score.hits(matches.order, matches, truth, mode, threshold)
    code = np.full(len(found.label), IGNORED, dtype=np.int64)
    kinds = details.false_kinds(found, matches, truth, mode, threshold)
    code[kinds >= 0] = kinds[kinds >= 0] + HIT + 1
    hits = matches.order[hit]
    code[hits] = HIT
    code[~known[found.image]] = UNJUDGED
    hit_by = np.full(len(truth.label), -1, dtype=np.int64)
    hit_by[matches.best[hits]] = hits
    return Verdicts(code, matches.iou, hit_by)
