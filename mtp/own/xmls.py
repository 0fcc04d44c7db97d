"""Layouts with an XML file an image: Pascal VOC, DIOR, DIOR-R, FAIR1M."""
from typing import List

import numpy as np

from mtp.data import dior, fair1m, text, xmltree
from mtp.errors import MTPError
from mtp.own.folder import Folder, Matcher, listed_parts, part_of, stem
from mtp.own.records import Asked, Found, Record, Shape, box
from mtp.own.texts import attempt


def evidence(folder: Folder) -> List[str]:
    """XML files whose root is <annotation>."""
    return [name for name in folder.ending('.xml') if b'<annotation' in text.read_bytes(folder.path(name))[:2000]]


def read(folder: Folder, files: List[str], asked: Asked) -> Found:
    """Boxes, or corners where a file has them; lists in ImageSets/Main say the parts."""
    names = folder.images()
    matcher, labels, orphans = Matcher(names), {}, []
    for name in files:
        image = matcher.find(name)
        orphans += [] if image else [name]
        if image in labels:
            raise MTPError(f'{labels[image]} and {name} are both labels of {image}',
                           hint='LAYOUT=voc reads one of them: move the other away')
        labels.update({image: name} if image else {})
    parts, lists = listed_parts(folder)
    records = []
    for image in names:
        label = labels.get(image, '')
        shapes = attempt(asked, objects, folder.path(label)) if label else ()
        if shapes is not None:
            part = parts.get(stem(image)) or part_of(image) or part_of(label)
            records.append(Record(image, part, label, tuple(shapes)))
    return Found(tuple(records), orphans=tuple(orphans), used=tuple(labels.values()) + tuple(lists))


def objects(path: str) -> List[Shape]:
    """Objects of one file."""
    root = xmltree.parse(path, 'annotation')
    if root.first('objects') is not None:
        rows = fair1m.read(path)
        return [Shape(name, (corners,), f'object {number}') for number, (name, corners) in
                enumerate(zip(rows.names, rows.polygons), 1)]
    return [_object(path, node) for node in root.all('object')]


def _object(path: str, node: xmltree.Node) -> Shape:
    name = xmltree.child(node, 'name', path).text
    mark = node.first('difficult')
    difficult = text.count(mark.text, path, mark.line, 'difficult') if mark is not None and mark.text else 0
    place = next((node.first(tag) for tag in ('robndbox', 'bndbox', 'polygon') if node.first(tag) is not None), None)
    if not name or place is None:
        raise MTPError('{}: line {}: <object> has no {}'.format(path, node.line, 'box' if name else 'name'),
                       hint='mend this file, or LENIENT=1 leaves the image out')
    return Shape(name, (_ring(path, place),), f'line {node.line}', difficult)


def _ring(path: str, place: xmltree.Node) -> np.ndarray:
    if place.first(dior.CORNERS[0]) is not None:
        return np.array([xmltree.number(place, field, path) for field in dior.CORNERS]).reshape(4, 2)
    if place.first('angle') is not None:  # roLabelImg: centre, sides, radians clockwise
        x, y, width, height, angle = (xmltree.number(place, field, path) for field in ('cx', 'cy', 'w', 'h', 'angle'))
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        return np.array([np.array([x, y]) + a * along * width / 2 + b * across * height / 2 for a, b in signs])
    if place.first('x1') is not None:
        names = [child.tag for child in place.children]
        return np.array([[xmltree.number(place, 'x' + tag[1:], path), xmltree.number(place, 'y' + tag[1:], path)]
                         for tag in names if tag.startswith('x')])
    return box(*(xmltree.number(place, side, path) for side in dior.SIDES))
