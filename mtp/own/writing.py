"""Records written in a layout: the other direction of what the readers do, to a hundredth of a pixel and better.

Images are linked or copied as they are. A part that the folder says (train, val, test) becomes a folder, or a list.
"""
import json
import os
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Sequence, Tuple
from xml.sax.saxutils import escape

import cv2
import numpy as np

from mtp.data import coco, dior, geotiff, outputs, raster_files
from mtp.errors import MTPError
from mtp.files import write_text
from mtp.own import classes as class_names
from mtp.own.folder import Folder
from mtp.own.records import Record, Shape


class Job(NamedTuple):
    """What is written where.

    Attributes:
        folder: that the records are of.
        out: folder to fill.
        classes: names in order.
        size: (width, height) of each image.
        names: what each image is called there, without suffix.
    """
    folder: Folder
    out: str
    classes: Tuple[str, ...]
    size: Dict[str, Tuple[int, int]]
    names: Dict[str, str]

    def number(self, shape: Shape) -> int:
        """Number of the class of an object."""
        return self.classes.index(class_names.plain(shape.name))

    def place(self, *words: str) -> str:
        """A path in the folder to fill; empty words are left out."""
        return os.path.join(self.out, *filter(None, words))

    def image(self, record: Record, *folders: str) -> str:
        """Put the image of a record into a folder; returns its name there."""
        name = self.names[record.image] + os.path.splitext(record.image)[1].lower()
        outputs.link(self.folder.path(record.image), self.place(*folders, name))
        return name


def corners(shape: Shape) -> np.ndarray:
    """(4, 2): a ring of four as it is, else the smallest rotated box around all points."""
    if len(shape.rings) == 1 and len(shape.rings[0]) == 4:
        return shape.rings[0]
    return cv2.boxPoints(cv2.minAreaRect(np.concatenate(shape.rings).astype(np.float32)))


def dota(records: Sequence[Record], job: Job) -> None:
    """images, labelTxt."""
    for record in records:
        job.image(record, record.part, 'images')
        rows = [f'{_numbers(corners(shape).ravel())} {class_names.plain(shape.name)} {shape.difficult}\n'
                for shape in record.shapes]
        write_text(job.place(record.part, 'labelTxt', job.names[record.image] + '.txt'), ''.join(rows))


def yolo(records: Sequence[Record], job: Job) -> None:
    """images, labels with upright boxes, data.yaml."""
    _yolo(records, job, _upright)


def yolo_obb(records: Sequence[Record], job: Job) -> None:
    """images, labels with four corners, data.yaml."""
    _yolo(records, job, lambda shape, size: (corners(shape) / size).clip(0, 1))


def yolo_seg(records: Sequence[Record], job: Job) -> None:
    """images, labels with outlines, data.yaml."""
    _yolo(records, job, _outline)


def _upright(shape: Shape, size: np.ndarray) -> np.ndarray:
    low, high = (np.clip(each / size, 0, 1) for each in np.split(shape.bounds(), 2))
    return np.stack([(low + high) / 2, high - low])


def _outline(shape: Shape, size: np.ndarray) -> np.ndarray:
    if len(shape.rings) > 1:
        raise MTPError('{}: {} has {} outlines, and a line of YOLO holds one'.format(
            shape.where, shape.name, len(shape.rings)), hint='--to coco, which holds several')
    return (shape.rings[0] / size).clip(0, 1)


def _yolo(records: Sequence[Record], job: Job, shares: Callable[[Shape, np.ndarray], np.ndarray]) -> None:
    for record in records:
        job.image(record, record.part, 'images')
        size = np.array(job.size[record.image], np.float64)
        rows = [f'{job.number(shape)} {_numbers(shares(shape, size).ravel(), 8)}\n'
                for shape in record.shapes]
        write_text(job.place(record.part, 'labels', job.names[record.image] + '.txt'), ''.join(rows))
    places = ''.join('{}: {}images\n'.format(part or 'train', part and part + '/') for part in _parts(records))
    names = ''.join('  {}: {}\n'.format(*pair) for pair in enumerate(job.classes))
    write_text(job.place('data.yaml'), f'{places}nc: {len(job.classes)}\nnames:\n{names}')


def coco_json(records: Sequence[Record], job: Job) -> None:
    """images, annotations/<part>.json."""
    for part in _parts(records):
        rows = [_entry(record, job) for record in records if record.part == part]
        coco.write(job.place('annotations', (part or 'instances') + '.json'), job.classes, rows)


def _entry(record: Record, job: Job) -> Tuple[Dict[str, Any], List[str]]:
    name = job.image(record, record.part, 'images')
    width, height = job.size[record.image]
    place = '/'.join(filter(None, (record.part, 'images', name)))
    return dict(file_name=place, width=width, height=height), [_annotation(shape, job) for shape in record.shapes]


def _annotation(shape: Shape, job: Job) -> str:
    low, high = np.split(shape.bounds(), 2)
    return coco.compact(dict(
        category_id=job.number(shape), iscrowd=int(bool(shape.difficult)), area=round(_area(shape), 2),
        bbox=np.round([*low, *(high - low)], 4).tolist(),
        segmentation=[np.round(ring.ravel(), 4).tolist() for ring in shape.rings]))


def _area(shape: Shape) -> float:
    """Of the outer ring less the others, which lie in it."""
    areas = [abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2 for x, y in (ring.T for ring in shape.rings)]
    return float(2 * max(areas) - sum(areas))


def voc(records: Sequence[Record], job: Job) -> None:
    """JPEGImages, Annotations, ImageSets/Main: upright boxes for every reader, and DIOR-R's corners of turned ones."""
    for record in records:
        name = job.image(record, 'JPEGImages')
        text = '<annotation>\n<filename>{}</filename>\n<size><width>{}</width><height>{}</height></size>\n'.format(
            escape(name), *job.size[record.image])
        text += ''.join(map(_object, record.shapes)) + '</annotation>\n'
        write_text(job.place('Annotations', job.names[record.image] + '.xml'), text)
    for part in filter(None, _parts(records)):
        names = [job.names[record.image] + '\n' for record in records if record.part == part]
        write_text(job.place('ImageSets', 'Main', part + '.txt'), ''.join(names))


def _object(shape: Shape) -> str:
    box = corners(shape)
    turned = len(set(box[:, 0].tolist())) > 2 or len(set(box[:, 1].tolist())) > 2
    boxes = _tags('bndbox', dior.SIDES, shape.bounds())
    boxes += _tags('robndbox', dior.CORNERS, box.ravel()) if turned else ''
    return f'<object><name>{escape(shape.name)}</name><difficult>{shape.difficult}</difficult>{boxes}</object>\n'


def _tags(kind: str, names: Iterable[str], values: Iterable[float]) -> str:
    inner = ''.join(f'<{name}>{_numbers([value])}</{name}>' for name, value in zip(names, values))
    return f'<{kind}>{inner}</{kind}>'


def vector(records: Sequence[Record], job: Job) -> None:
    """GeoTIFFs, a GeoJSON beside each in the coordinates of its image."""
    for record in records:
        path = job.folder.path(record.image)
        if os.path.splitext(path)[1].lower() not in ('.tif', '.tiff'):
            raise MTPError(f'{path} is no GeoTIFF, so what is drawn over it has no place on the ground',
                           hint='--to coco, or another layout in pixels')
        grid = geotiff.read(path)
        job.image(record, record.part)
        top = dict(type='FeatureCollection', name=job.names[record.image], crs=_system(path),
                   features=[_feature(shape, grid) for shape in record.shapes])
        write_text(job.place(record.part, job.names[record.image] + '.geojson'), json.dumps(top) + '\n')


def _system(path: str) -> Dict[str, Any]:
    with raster_files.open_raster(path) as opened:
        authority = opened.crs.to_authority() if opened.crs else None
    if not authority:
        raise MTPError(f'{path} has no coordinate system with a code, by which GeoJSON names it',
                       hint='--to coco, or another layout in pixels')
    return dict(type='name', properties=dict(name='urn:ogc:def:crs:{}::{}'.format(*authority)))


def _feature(shape: Shape, grid: geotiff.Grid) -> Dict[str, Any]:
    a, b, c, d, e, f = grid.to_ground
    rings = [ring @ np.array([[a, d], [b, e]]) + (c, f) for ring in shape.rings]
    closed = [np.concatenate([ring, ring[:1]]).tolist() for ring in rings]
    return dict(type='Feature', properties={'class': shape.name, 'difficult': shape.difficult},
                geometry=dict(type='Polygon', coordinates=closed))


def _parts(records: Iterable[Record]) -> List[str]:
    return sorted({record.part for record in records})


def _numbers(values: Iterable[float], digits: int = 4) -> str:
    """Numbers with blanks between them, without zeros at their ends."""
    return ' '.join('{:.{}f}'.format(value, digits).rstrip('0').rstrip('.') for value in values)
