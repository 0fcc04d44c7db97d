"""What a pretrained model sees as layers: the image, masks of class numbers, boxes; ``make browse`` lays them over it.

Below ``<out>/layers/<dataset>``: ``images``, ``ss`` and ``ss_truth`` (0 is background, class k has the number k + 1),
``is.json``, ``is_truth.json``, ``rd.json`` and ``rd_truth.json`` in COCO's form, all in pixels of the image.
"""
import os
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Type

import numpy as np

from mtp.boxes.convert import rboxes_to_polygons
from mtp.files import write_json

from .data.annotations import Annotations

FOLDER = 'layers'


class Layers:
    """Layers of the images of one data set; a context manager, which writes the tables of boxes at its end.

    Args:
        out: folder of the pictures.
        name: of the data set.
        classes: their names.
        write_png: function of path and pixels.
    """

    def __init__(self, out: str, name: str, classes: Sequence[str],
                 write_png: Callable[[str, np.ndarray], None]) -> None:
        self.folder, self.name, self.classes, self.write_png = os.path.join(out, FOLDER, name), name, classes, write_png
        self.images, self.rows = [], {}

    def __enter__(self) -> 'Layers':
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        for title, rows in self.rows.items() if kind is None else ():
            write_json(os.path.join(self.folder, title + '.json'), dict(
                images=self.images, annotations=rows,
                categories=[dict(id=number, name=each) for number, each in enumerate(self.classes)]), indent=None)

    def image(self, number: int, pixels: np.ndarray) -> None:
        """A new image: its number, and (h, w, 3) BGR; what follows belongs to it."""
        file = f'{self.name}_{number}.png'
        self._save('images', file, pixels)
        self.images.append(dict(id=number, file_name=file, width=pixels.shape[1], height=pixels.shape[0]))

    def classes_of(self, title: str, label: np.ndarray) -> None:
        """Semantic classes (h, w) under a title: ``ss`` or ``ss_truth``."""
        self._save(title, self.images[-1]['file_name'], np.asarray(label).astype(np.uint8))

    def boxes(self, title: str, polygons: np.ndarray, labels: np.ndarray, scores: Optional[np.ndarray] = None) -> None:
        """Objects: corners (n, 8), labels (n,), scores (n,) of what was found."""
        rows, image = self.rows.setdefault(title, []), self.images[-1]['id']
        for index, (polygon, label) in enumerate(zip(polygons, labels)):
            low, high = polygon.reshape(4, 2).min(0), polygon.reshape(4, 2).max(0)
            entry = dict(id=len(rows) + 1, image_id=image, category_id=int(label), iscrowd=0,
                         bbox=np.round([*low, *(high - low)], 2).tolist(),
                         segmentation=[np.round(polygon, 2).tolist()])
            rows.append(entry if scores is None else dict(entry, score=round(float(scores[index]), 6)))

    def _save(self, folder: str, file: str, pixels: np.ndarray) -> None:
        os.makedirs(os.path.join(self.folder, folder), exist_ok=True)
        self.write_png(os.path.join(self.folder, folder, file), pixels)


def add(layers: Layers, number: int, truth: Tuple[np.ndarray, np.ndarray, List[np.ndarray], np.ndarray],
        source: Annotations, index: int, found: Dict[str, Any]) -> None:
    """Everything about one image.

    Args:
        layers: :class:`Layers`.
        number: of the image, from 1.
        truth: (image, semantic labels, masks, labels), of :func:`mtp.pretrain.preview.truth`.
        source: of annotations, ``index`` in it.
        found: of the model's ``predict``.
    """
    image, seg, masks, labels = truth
    layers.image(number, image)
    if 'ss' in found:
        layers.classes_of('ss', found['ss'][0].numpy())
        layers.classes_of('ss_truth', seg)
    if 'is' in found:
        mine = found['is'][0]
        layers.boxes('is', bounds_of(mine.masks.numpy()), mine.labels.numpy(), mine.scores.numpy())
        layers.boxes('is_truth', bounds_of(masks), labels)
    if 'rd' in found:
        mine, own = found['rd'][0], slice(source.rfirst[index], source.rfirst[index + 1])
        layers.boxes('rd', rboxes_to_polygons(mine.bboxes.numpy()), mine.labels.numpy(), mine.scores.numpy())
        layers.boxes('rd_truth', rboxes_to_polygons(source.rboxes[own]), source.rlabels[own])


def bounds_of(masks: Iterable[np.ndarray]) -> np.ndarray:
    """Corners (n, 8) of the upright boxes around masks (n, h, w)."""
    boxes = []
    for mask in masks:
        rows, columns = np.flatnonzero(np.any(mask, axis=1)), np.flatnonzero(np.any(mask, axis=0))
        y0, y1 = (rows[0], rows[-1] + 1) if len(rows) else (0, 0)
        x0, x1 = (columns[0], columns[-1] + 1) if len(columns) else (0, 0)
        boxes.append([x0, y0, x1, y0, x1, y1, x0, y1])
    return np.array(boxes, np.float64).reshape(-1, 8)
