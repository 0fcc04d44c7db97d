"""Reader of DIOR annotations: horizontal (bndbox) and oriented (DIOR-R, robndbox)."""
from typing import Any, Dict, Literal, Optional, Sequence, Union, overload

from mtp.data import catalogue, records, text, xmltree
from mtp.errors import MTPError
from mtp.files import PathLike

CORNERS = tuple(axis + place for place in ('_left_top', '_right_top', '_right_bottom', '_left_bottom')
                for axis in ('x', 'y'))
SIDES = ('xmin', 'ymin', 'xmax', 'ymax')


@overload
def read(path: PathLike, kind: Literal['horizontal'], classes: Optional[Sequence[str]] = None) -> records.Boxes: ...


@overload
def read(path: PathLike, kind: Literal['oriented'], classes: Optional[Sequence[str]] = None) -> records.Polygons: ...


@overload
def read(path: PathLike, kind: str,
         classes: Optional[Sequence[str]] = None) -> Union[records.Boxes, records.Polygons]: ...


def read(path: PathLike, kind: str, classes: Optional[Sequence[str]] = None) -> Union[records.Boxes, records.Polygons]:
    """Objects of one image.

    Args:
        path: an XML file of ``Annotations/Horizontal Bounding Boxes`` or ``Annotations/Oriented Bounding Boxes``.
        kind: ``'horizontal'`` or ``'oriented'``.
        classes: admitted names; None admits all. Names are lower-cased: the files mix cases.

    Returns:
        :class:`records.Boxes` or :class:`records.Polygons`; corners in the order left top, right top, right bottom,
        left bottom of the file.

    Raises:
        MTPError: names file, line and field.
    """
    root = xmltree.parse(path, 'annotation')
    meta: Dict[str, Any] = dict(xmltree.image_size(root, path))
    filename = root.first('filename')
    if filename is not None:
        meta['filename'] = xmltree.plain_name(filename.text, path, filename.line)
    objects = root.all('object')
    if not objects and (root.first('filename') is None or root.first('size') is None):
        raise MTPError('{}: line {}: neither <object> nor <filename> and <size>: this is not a DIOR annotation'.format(
            path, root.line))
    rows = [_object(path, node, kind, classes) for node in objects]
    return records.boxes(rows, meta) if kind == 'horizontal' else records.polygons(rows, meta)


def _object(path: PathLike, node: xmltree.Node, kind: str, classes: Optional[Sequence[str]]) -> records.Row:
    tag = xmltree.child(node, 'name', path)
    name = tag.text.lower() if classes is None else catalogue.class_called(tag.text, classes)
    if not name:
        message, hint = catalogue.strange_class(tag.text, classes or (), 'DIOR')
        raise MTPError(f'{path}: line {tag.line}: field name: {message}', hint=hint)
    # some horizontal files call the container robndbox too
    box = node.first('robndbox') or node.first('bndbox')
    fields = SIDES if kind == 'horizontal' else CORNERS
    if box is None or box.first(fields[0]) is None:
        raise MTPError(f'{path}: line {node.line}: <object> has no {kind} box ({fields[0]} ...)')
    difficult = node.first('difficult')
    return name, [xmltree.number(box, field, path) for field in fields], (
        text.count(difficult.text, path, difficult.line, 'difficult') if difficult is not None else 0)
