"""``python -m mtp.pretrain.preview``: what a pretrained model sees, beside the truth, for all of its tasks."""
import argparse
import os
import shlex
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask

from mtp import numbers
from mtp.boxes.convert import rboxes_to_polygons
from mtp.data import catalogue
from mtp.errors import MTPError, run_main
from mtp.files import atomic_path
from mtp.paths import resolve

from . import preview_layers
from .data import annotations, samples
from .data.batch import normalise
from .engine import checkpoints
from .model.model import PretrainModel
from .tasks import CAPTIONS

SHOWN = 0.3  # least score of a detection that is drawn
SHADE = 0.5  # of a mask's colour

#: What :func:`truth` gives: image, semantic labels, masks, labels.
Truth = Tuple[np.ndarray, np.ndarray, List[np.ndarray], np.ndarray]
#: A colour for each class, BGR.
Colours = Sequence[Sequence[int]]


def main(words: Optional[Sequence[str]] = None) -> None:
    """Write ``<out>/<dataset>_<n>.png``: columns image, then per task truth and prediction. Prints each path.

    Beside them lies the same as layers, for ``make browse``: :mod:`mtp.pretrain.preview_layers`.
    """
    parser = argparse.ArgumentParser(prog='python -m mtp.pretrain.preview', description=__doc__)
    parser.add_argument('--save_path', required=True, help='folder of a pretraining run')
    parser.add_argument('--out', required=True, help='folder for the pictures')
    parser.add_argument('--images', type=numbers.count, default=2, help='training images of each data set')
    parser.add_argument('--score', type=numbers.share, default=SHOWN, help='least score of a detection that is drawn')
    options = parser.parse_args(words)
    found = checkpoints.newest(resolve(options.save_path))
    if found is None:
        raise MTPError(f'{options.save_path} holds no checkpoint of a pretraining run',
                       hint=f'python main_pretrain.py --save_path {shlex.quote(options.save_path)}')
    settings = found.meta['settings']
    model, out = checkpoints.restored_model(found), resolve(options.out)
    for name in settings['datasets']:
        source = annotations.read(name)
        with preview_layers.Layers(out, name, catalogue.get(name).classes, write_png) as layers:
            for index in range(min(options.images, len(source))):
                path = os.path.join(out, f'{name}_{index + 1}.png')
                look, true = seen(model, source, index, settings['image_size']), truth(source, index)
                write_png(path, panel(look, true, source, index, options.score))
                preview_layers.add(layers, index + 1, true, source, index, look.found)
                print(path)


class Seen(NamedTuple):
    """What a model sees in an image: its tasks, what ``predict`` gives, and (height, width) of what it looked at."""
    tasks: Sequence[str]
    found: Dict[str, Any]
    shape: Tuple[int, int]


def seen(model: PretrainModel, source: annotations.Annotations, index: int, side: int) -> Seen:
    """What the model sees in image ``index``, its longer side made ``side`` pixels long."""
    ready, meta = samples.whole(source, index, side)
    found = model.predict(normalise(ready[None], [meta['img_shape']]), [meta], source.name)
    return Seen(tuple(model.tasks), found, tuple(meta['img_shape']))


def panel(look: Seen, true: Truth, source: annotations.Annotations, index: int, least_score: float) -> np.ndarray:
    """One row of pictures (h, w, 3) BGR of image ``index``, drawn in its own pixels, shown as large as it was seen.

    Args:
        look: :class:`Seen`.
        true: of :func:`truth`.
        source: of annotations.
        index: of the image in it.
        least_score: of a detection that is drawn.
    """
    (image, seg, masks, labels), found, side = true, look.found, max(look.shape)
    colours = [colour[::-1] for colour in catalogue.get(source.name).palette]  # BGR
    factor = side / max(image.shape[:2])
    pen = max(round(2 / factor), 1)
    pictures = [('', image)]
    for task in look.tasks:
        if task == 'ss':
            pair = [shade_classes(image, label, colours) for label in (seg, found['ss'][0].numpy())]
        elif task == 'is':
            pair = [shade_objects(image, *objects, colours, pen) for objects in (
                (masks, labels), confident(found['is'][0], 'masks', least_score))]
        else:
            own = slice(source.rfirst[index], source.rfirst[index + 1])
            pair = [outline(image, *objects, colours, pen) for objects in (
                (source.rboxes[own], source.rlabels[own]), confident(found['rd'][0], 'bboxes', least_score))]
        pictures += zip((f'{CAPTIONS[task]}: {what}' for what in ('truth', 'found')), pair)
    new = look.shape[::-1]
    return np.concatenate([titled(cv2.resize(picture, new, interpolation=cv2.INTER_AREA), text or source.name)
                           for text, picture in pictures], 1)


def truth(source: annotations.Annotations, index: int) -> Truth:
    """What is known of an image: (h, w, 3) BGR, (h, w) semantic labels, (n, h, w) masks and their (n,) labels."""
    size = tuple(int(edge) for edge in source.sizes[index])
    seg = samples.read_semantic(source.seg(index), size, len(catalogue.get(source.name).classes))
    rows = range(source.first[index], source.first[index + 1])
    masks = [coco_mask.decode(source.runs(row, size)) for row in rows]
    return samples.read_image(source.image(index), size), seg, masks, source.labels[rows.start:rows.stop]


def confident(found: InstanceData, field: str, least_score: float) -> Tuple[np.ndarray, np.ndarray]:
    """(values of ``field``, labels) of the detections with a score of ``least_score`` or more, as arrays."""
    keep = found.scores >= least_score
    return getattr(found, field)[keep].numpy(), found.labels[keep]


def shade_classes(image: np.ndarray, label: np.ndarray, colours: Colours) -> np.ndarray:
    """``image`` (h, w, 3) BGR with each class of ``label`` (h, w) in its colour; 0 is background and stays."""
    table = np.array([(0, 0, 0)] + list(colours), np.float32)
    shaded = image * (1 - SHADE) + table[label] * SHADE
    return np.where(label[..., None] > 0, shaded, image).astype(np.uint8)


def shade_objects(image: np.ndarray, masks: Iterable[np.ndarray], labels: np.ndarray, colours: Colours,
                  pen: int = 1) -> np.ndarray:
    """``image`` (h, w, 3) BGR with the pixels of each of ``masks`` (h, w) in its class's colour and a white rim."""
    picture = image.copy()
    for mask, label in zip(masks, labels):
        inside = mask.astype(bool)
        picture[inside] = (picture[inside] * (1 - SHADE) + np.array(colours[int(label)]) * SHADE).astype(np.uint8)
        rims, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, rims, -1, (255, 255, 255), pen)
    return picture


def outline(image: np.ndarray, rboxes: np.ndarray, labels: np.ndarray, colours: Colours, pen: int = 2) -> np.ndarray:
    """``image`` with each rotated box (cx cy w h in pixels, theta in radians) outlined in its class's colour."""
    picture = image.copy()
    for polygon, label in zip(rboxes_to_polygons(rboxes), labels):
        corners = np.round(polygon.reshape(1, 4, 2)).astype(np.int32)
        cv2.polylines(picture, corners, True, tuple(int(value) for value in colours[int(label)]), pen)
    return picture


def titled(picture: np.ndarray, text: str) -> np.ndarray:
    """``picture`` with a line of text above and a white column at its right."""
    head = np.full((18, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(head, text, (3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.pad(np.concatenate([head, picture]), ((0, 0), (0, 4), (0, 0)), constant_values=255)


def write_png(path: str, picture: np.ndarray) -> None:
    """Write a picture (h, w, 3) uint8 BGR."""
    with atomic_path(path) as temporary:
        with open(temporary, 'wb') as stream:
            stream.write(cv2.imencode('.png', picture)[1].tobytes())


if __name__ == '__main__':
    run_main(main)
