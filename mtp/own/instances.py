"""The layout of COCO: one JSON file a part, with images, annotations and categories."""
import json
import posixpath
from typing import Any, Dict, List, Mapping, Tuple

import numpy as np

from mtp.errors import MTPError
from mtp.own.folder import Folder, part_of
from mtp.own.records import Asked, Found, Record, Shape, box, ring
from mtp.own.texts import attempt


def evidence(folder: Folder) -> List[str]:
    """JSON files that begin like one of COCO, or have its three members."""
    return [name for name in folder.ending('.json') if _looks_so(folder.path(name))]


def _looks_so(path: str) -> bool:
    try:
        with open(path, 'rb') as stream:
            head = stream.read(1 << 16)
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - (1 << 16)))
            both = head + stream.read()
    except OSError:
        return False
    return sum(word in both for word in (b'"images"', b'"annotations"', b'"categories"')) >= 2


def read(folder: Folder, files: List[str], asked: Asked) -> Found:
    """Boxes and outlines of every file; a class is numbered by its category's place among the ids."""
    by_name = _Places(folder)
    records, orphans, classes, table, listed = [], [], (), '', set()
    for name in files:
        content = _load(folder.path(name))
        own = tuple(content['categories'][key] for key in sorted(content['categories']))
        if classes and own != classes:
            raise MTPError('{} and {} have different categories: {} and {}'.format(
                folder.path(table), folder.path(name), ', '.join(classes[:5]), ', '.join(own[:5])),
                hint='write the same categories into both')
        classes, table = own, table or name
        for entry in content['images']:
            image = by_name.find(name, entry['file_name'])
            if not image:
                orphans.append('{} ({})'.format(name, entry['file_name']))
                continue
            listed.add(image)
            rows = attempt(asked, _shapes, folder.path(name), content, entry, asked.task)
            if rows is not None:
                records.append(Record(image, part_of(name, True) or part_of(image), name, tuple(rows)))
    records += [Record(image, part_of(image)) for image in folder.images() if image not in listed]
    return Found(tuple(records), classes, table, tuple(orphans), tuple(files))


class _Places:
    """Where the images of a JSON file lie."""

    def __init__(self, folder: Folder) -> None:
        self.names, self.by_base = set(folder.images()), {}
        for name in folder.images():
            self.by_base.setdefault(posixpath.basename(name), []).append(name)

    def find(self, source: str, file_name: str) -> str:
        """The image called ``file_name`` in ``source``: from the folder on, beside it, or by its last name."""
        plain = posixpath.normpath(file_name.replace('\\', '/'))
        for place in (plain, posixpath.normpath(posixpath.join(posixpath.dirname(source), plain))):
            if place in self.names:
                return place
        fitting = [name for name in self.by_base.get(posixpath.basename(plain), ()) if name.endswith('/' + plain)
                   or posixpath.basename(plain) == plain]
        part = part_of(source, True)
        same = [name for name in fitting if part_of(name) == part] or fitting
        if len(same) > 1:
            raise MTPError('{} names {}, which can be {} or {}'.format(source, file_name, *same[:2]),
                           hint='write the folder into file_name')
        return same[0] if same else ''


def _load(path: str) -> Dict[str, Any]:
    """``images``, ``categories`` {id: name} and ``annotations`` {image id: [annotation]} of a file."""
    try:
        with open(path, encoding='utf-8-sig') as stream:
            found = json.load(stream)
        images, annotations, categories = (found[key] for key in ('images', 'annotations', 'categories'))
        names = {entry['id']: str(entry['name']) for entry in categories}
        by_image = {entry['id']: [] for entry in images}
        for entry in images:
            if not isinstance(entry['file_name'], str):
                raise ValueError('file_name of image {} is no text'.format(entry['id']))
        sorted(names)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MTPError('{}: not COCO: {}'.format(path, f'no member {error}' if isinstance(error, KeyError)
                                                 else error),
                       hint='export it again as COCO: images, annotations, categories') from None
    for number, each in enumerate(annotations):
        if not isinstance(each, dict) or each.get('image_id') not in by_image:
            raise MTPError('{}: annotation {}: image_id {!r} is no image of the file'.format(
                path, number, each.get('image_id') if isinstance(each, dict) else each),
                hint='export it again as COCO')
        by_image[each['image_id']].append(each)
    return dict(images=images, categories=names, annotations=by_image)


def _shapes(path: str, content: Mapping[str, Any], entry: Mapping[str, Any], task: str) -> List[Shape]:
    rows = []
    for each in content['annotations'][entry['id']]:
        where = 'annotation {}'.format(each.get('id'))
        if each.get('category_id') not in content['categories']:
            raise MTPError('{}: {}: category_id {!r} is none of its categories'.format(
                path, where, each.get('category_id')), hint='mend it, or LENIENT=1 leaves the image out')
        rings = _rings(path, where, each, task)
        rows.append(Shape(content['categories'][each['category_id']], rings, where, int(bool(each.get('iscrowd')))))
    return rows


def _rings(path: str, where: str, each: Mapping[str, Any], task: str) -> Tuple[np.ndarray, ...]:
    outline = each.get('segmentation')
    try:
        if outline and isinstance(outline, dict):
            if task in ('rotated', 'segmentation'):
                raise MTPError('{}: {}: its segmentation is run lengths (RLE), and TASK={} needs polygons'.format(
                    path, where, task), hint='export polygons; or TASK=horizontal, which reads bbox')
            outline = None
        if outline and task != 'horizontal':
            if any(np.size(part) % 2 for part in outline):
                raise ValueError('an outline with an odd count of numbers')
            rings = tuple(ring(part) for part in outline)
            if all(len(part) > 2 for part in rings):
                return rings
            raise ValueError('an outline of fewer than three points')
        numbers = [float(number) for number in each['bbox']]
        if len(numbers) == 8:
            return (ring(numbers),)
        x, y, width, height = numbers
        return (box(x, y, x + width, y + height),)
    except (KeyError, TypeError, ValueError) as error:
        raise MTPError('{}: {}: no box or outline can be read: {}'.format(
            path, where, f'it has no {error}' if isinstance(error, KeyError) else error),
            hint='bbox is x, y, width, height; segmentation is lists of x, y, x, y ...') from None
