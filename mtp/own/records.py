"""What every reader of a layout gives: one record an image, whatever the files were."""
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

TASKS = ('rotated', 'horizontal', 'segmentation', 'change', 'classification')
WITH_OBJECTS = ('rotated', 'horizontal')


class Shape(NamedTuple):
    """One object.

    Attributes:
        name: class, as the file has it.
        rings: (k, 2) float64 arrays of x, y in pixels, the corner of the first pixel at 0; holes and parts are told
            apart by the even-odd rule. A box is one ring of four.
        where: in its file, for messages: ``line 3``, ``annotation 17``.
        difficult: as in DOTA text.
    """
    name: str
    rings: Tuple[np.ndarray, ...]
    where: str
    difficult: int = 0

    def bounds(self) -> np.ndarray:
        """xmin, ymin, xmax, ymax."""
        points = np.concatenate(self.rings)
        return np.concatenate([points.min(0), points.max(0)])


class Record(NamedTuple):
    """One image with what is known of it; files are named relative to the folder.

    Attributes:
        image: the image; of a pair, that of the earlier date.
        part: 'train', 'val' or 'test' where the folder says so, else ''.
        labels: file with its labels, '' where it has none.
        shapes: its objects.
        after: the image of the later date, of a pair.
        mask: image of class numbers or colours.
        kind: class of the whole image.
    """
    image: str
    part: str = ''
    labels: str = ''
    shapes: Tuple[Shape, ...] = ()
    after: str = ''
    mask: str = ''
    kind: str = ''


class Found(NamedTuple):
    """What a reader gives.

    Attributes:
        records: in natural order of the images.
        classes: names in the order that a table states; () where no table does.
        table: the file that states it, or ''.
        orphans: (label file, what it is for) without an image.
        used: further files that were understood.
        notes: sentences for the user.
        colours: RGB of each class, where masks are in colours; ().
    """
    records: Tuple[Record, ...]
    classes: Tuple[str, ...] = ()
    table: str = ''
    orphans: Tuple[str, ...] = ()
    used: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()
    colours: Tuple[Tuple[int, int, int], ...] = ()


class Asked(NamedTuple):
    """What the user asked for: a task, classes in order (or ()), and whether to leave out what cannot be read.

    ``problems`` takes what was left out.
    """
    task: str
    classes: Tuple[str, ...] = ()
    lenient: bool = False
    problems: List[str] = []


class Layout(NamedTuple):
    """One layout of folders and files.

    Attributes:
        name: as LAYOUT= takes it.
        title: for people.
        tasks: that it can be used for.
        evidence: function of a :class:`~mtp.own.folder.Folder` to the files that speak for this layout.
        read: function of (folder, evidence, :class:`Asked`) to a :class:`Found`.
        write: function of (records, :class:`~mtp.own.writing.Job`) that writes them so; None where nothing does.
    """
    name: str
    title: str
    tasks: Tuple[str, ...]
    evidence: Callable
    read: Callable
    write: Optional[Callable] = None


def ring(corners: Union[np.ndarray, Sequence[Any]]) -> np.ndarray:
    """(k, 2) float64 of a flat or nested list of coordinates."""
    return np.asarray(corners, np.float64).reshape(-1, 2)


def box(xmin: float, ymin: float, xmax: float, ymax: float) -> np.ndarray:
    """The ring of an upright box, clockwise on the screen from the left upper corner."""
    return np.array([[xmin, ymin], [xmax, ymin], [xmax, ymax], [xmin, ymax]], np.float64)
