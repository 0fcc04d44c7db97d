"""The one table of layouts, and which of them a folder has. A layout more is an entry of LAYOUTS."""
import os
from typing import List, Sequence, Tuple

from mtp.errors import MTPError
from mtp.own import instances, pictures, texts, vectors, writing, xmls
from mtp.own.folder import Folder
from mtp.own.records import WITH_OBJECTS, Layout

OUTLINED = WITH_OBJECTS + ('segmentation',)
LAYOUTS = (
    Layout('dota', 'DOTA text: x1 y1 ... x4 y4 class difficulty', WITH_OBJECTS, texts.evidence('dota'),
           texts.read_dota, writing.dota),
    Layout('yolo', 'YOLO text: class x y width height', ('horizontal',), texts.evidence('yolo'),
           texts.reader_of_yolo('yolo'), writing.yolo),
    Layout('yolo-obb', 'YOLO-OBB text: class x1 y1 ... x4 y4', WITH_OBJECTS, texts.evidence('yolo-obb'),
           texts.reader_of_yolo('yolo-obb'), writing.yolo_obb),
    Layout('yolo-seg', 'YOLO text with outlines: class x1 y1 x2 y2 ...', OUTLINED, texts.evidence('yolo-seg'),
           texts.reader_of_yolo('yolo-seg'), writing.yolo_seg),
    Layout('voc', 'XML: Pascal VOC, DIOR, DIOR-R, FAIR1M', WITH_OBJECTS, xmls.evidence, xmls.read,
           writing.voc),
    Layout('coco', 'COCO JSON', OUTLINED, instances.evidence, instances.read, writing.coco_json),
    Layout('vector', 'GeoJSON or GeoPackage beside GeoTIFFs', OUTLINED, vectors.evidence, vectors.read,
           writing.vector),
    Layout('masks', 'images and masks', ('segmentation',), pictures.mask_evidence, pictures.read_masks),
    Layout('pairs', 'pairs of images and a mask of change', ('change',), pictures.pair_evidence, pictures.read_pairs),
    Layout('classes', 'one folder a class', ('classification',), pictures.class_evidence, pictures.read_classes),
)


def names() -> Tuple[str, ...]:
    """Of all layouts."""
    return tuple(layout.name for layout in LAYOUTS)


def choose(folder: Folder, task: str = '', asked: str = '') -> Tuple[Layout, List[str]]:
    """The layout of a folder, and the files that speak for it.

    Args:
        folder: to look at.
        task: one that the layout has to serve; '' asks for any.
        asked: the name of a layout; '' finds it out.

    Raises:
        MTPError: none is recognised, two are, or it does not serve the task.
    """
    found = [(layout, layout.evidence(folder)) for layout in LAYOUTS if asked in ('', layout.name)]
    found = _less_obb_among_outlines([(layout, files) for layout, files in found if files])
    if not found:
        empty = [name for name in folder.names if _is_empty(folder.path(name))]
        raise MTPError('{} has no layout that is known{}: {} files, {} of them images, the first {}{}'.format(
            folder.root, ' as ' + asked if asked else '', len(folder.names), len(folder.images()), folder.names[0],
            f'; {len(empty)} empty (0 bytes): {empty[0]}' if empty else ''),
            hint='docs/own-data.md shows a folder for each task' if len(folder.images()) < len(folder.names) else
            'put labels beside the images, or each class into a folder of its own: docs/own-data.md')
    fitting = [(layout, files) for layout, files in found if task in ('',) + layout.tasks]
    if not fitting:
        layout, files = found[0]
        raise MTPError(f'{folder.root} holds {layout.title} ({files[0]}), from which {task} cannot be learnt',
            hint='TASK={} behind the same command'.format(' or TASK='.join(layout.tasks)))
    if len(fitting) > 1:
        (first, one), (second, two) = fitting[:2]
        raise MTPError('{} mixes two layouts: {} ({}) is {}, {} ({}) is {}'.format(
            folder.root, one[0], _files(one), first.title, two[0], _files(two), second.title),
            hint='LAYOUT={} or LAYOUT={} behind the same command, or move one kind away'.format(
                first.name, second.name))
    return fitting[0]


def _is_empty(path: str) -> bool:
    return os.path.isfile(path) and not os.path.getsize(path)


def _files(names: Sequence[str]) -> str:
    return '1 file' if len(names) == 1 else f'{len(names)} files'


def _less_obb_among_outlines(found: List[Tuple[Layout, List[str]]]) -> List[Tuple[Layout, List[str]]]:
    """An outline of four points looks like a rotated box: among others it is an outline."""
    if 'yolo-seg' in [layout.name for layout, _ in found]:
        return [(layout, files) for layout, files in found if layout.name != 'yolo-obb']
    return found
