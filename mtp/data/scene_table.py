"""``scenes.csv``: what a classifier says of scenes, or of windows of rasters, a line each.

Columns: image, x, y, width and height of the window in pixels, class, score; of a test the true class; then the score
of every class as ``score_<class>``, which says the order of the classes too.
"""
import csv
from typing import Iterable, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from mtp.errors import MTPError
from mtp.files import PathLike, atomic_path, check_plain

NAME = 'scenes.csv'
TRUTH, _SCORE = 'truth', 'score_'


class Scene(NamedTuple):
    """One line.

    Attributes:
        image: its file, as the reader is to find it.
        window: x, y, width, height.
        scores: (classes,).
        truth: number of the true class; -1 where it is not known.
    """
    image: str
    window: Sequence[int]
    scores: np.ndarray
    truth: int = -1


class Table(NamedTuple):
    """What a table holds, by columns of n lines.

    Attributes:
        classes: names.
        images: file of each line.
        boxes: (n, 4) float64, x1, y1, x2, y2.
        label, truth: (n,) int64, -1 where no truth is known.
        score: (n,) float64.
    """
    classes: Tuple[str, ...]
    images: Tuple[str, ...]
    boxes: np.ndarray
    label: np.ndarray
    truth: np.ndarray
    score: np.ndarray


def write(path: PathLike, classes: Sequence[str], scenes: Iterable[Scene], judged: bool = False) -> int:
    """Write a table, whole or not at all; returns how many lines it has.

    Args:
        path: of the file.
        classes: names, in the order of the scores.
        scenes: :class:`Scene` of each line.
        judged: whether there is a column of true classes.
    """
    count = 0
    with atomic_path(path) as temporary, open(temporary, 'w', encoding='utf-8', newline='') as stream:
        table = csv.writer(stream)
        table.writerow(['image', 'x', 'y', 'width', 'height', 'class', 'score'] + [TRUTH] * judged
                       + [_SCORE + name for name in classes])
        for scene in scenes:
            best = int(scene.scores.argmax())
            truth = [classes[scene.truth] if scene.truth >= 0 else ''] * judged
            table.writerow([scene.image, *scene.window, classes[best], f'{scene.scores[best]:.6f}', *truth]
                           + [f'{value:.6f}' for value in scene.scores])
            count += 1
    return count


def read(path: PathLike, classes: Optional[Sequence[str]] = None) -> Table:
    """Read a table.

    Args:
        path: of the file.
        classes: names in the order that is wanted; None: as the table has them.

    Raises:
        MTPError: it is none.
    """
    try:
        check_plain(path)
        with open(path, encoding='utf-8', newline='') as stream:
            lines = csv.DictReader(stream)
            rows = list(lines)
            names = tuple(classes if classes is not None else (
                name[len(_SCORE):] for name in lines.fieldnames or () if name.startswith(_SCORE)))
        boxes = np.array([[float(row[key]) for key in ('x', 'y', 'width', 'height')] for row in rows]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        score = np.array([float(row['score']) for row in rows], np.float64)
        if not (np.isfinite(boxes).all() and np.isfinite(score).all()):
            raise ValueError('it holds what is no number')
        label, truth = ([names.index(row[key]) if row.get(key) or key == 'class' else -1 for row in rows]
                        for key in ('class', TRUTH))
        return Table(names, tuple(row['image'] for row in rows), boxes, np.array(label, np.int64),
                     np.array(truth, np.int64), score)
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise MTPError(f'{path} is no table of scenes: {error}',
                       hint='make predict, or make test, writes it again') from None
