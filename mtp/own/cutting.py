"""From records to what training reads: tiles of one size with DOTA text, COCO, masks, pairs or lists."""
import collections
import functools
import os
import shlex
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

import cv2
import numpy as np

from mtp import ownership
from mtp.data import coco, converting, images, outputs, rasterize, stamps
from mtp.errors import MTPError
from mtp.files import write_text
from mtp.own import classes, values
from mtp.own.examine import Plan
from mtp.own.folder import stem
from mtp.own.records import WITH_OBJECTS, Record, Shape
from mtp.tiles import annotations
from mtp.tiles.cut import windows_of
from mtp.tiles.pixels import read_image
from mtp.tiles.windows import Preset, tile_id, window_positions

VERB = 'own data'
LARGEST = {'rotated': 1024, 'horizontal': 1024, 'segmentation': 1024, 'change': 256}  # sides of tiles, pixels
OVERLAP = 200 / 1024  # of tiles with objects, as DOTA is cut
STRIDE = 32  # that a network's maps divide by
#: What is put into the folder of the data.
MADE = ('*/images/*', '*/annfiles/*.txt', '*/labels/*.png', '*/A/*.png', '*/B/*.png', '*/label/*.png', '*.json',
        '*.txt')


_Tile = Tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # see :func:`_tiles`


class Cut(NamedTuple):
    """How the images of a plan are cut; ``names`` is what each image is called in the tiles."""
    root: str
    out: str
    task: str
    classes: Tuple[str, ...]
    meaning: values.Meaning
    how: Preset
    names: Dict[str, str]
    size: Dict[str, Tuple[int, int]]


def side(plan: Plan) -> int:
    """Side of the tiles: the usual one where an image is larger, else that of the largest image."""
    longest = max(max(plan.size[record.image]) for record in plan.records)
    most = LARGEST.get(plan.task, longest)
    return min(most, max(2 * STRIDE, -(-longest // STRIDE) * STRIDE))


def prepare(plan: Plan, out: str, jobs: int) -> Dict[str, Dict[str, int]]:
    """Fill ``out`` with what training reads; made from the same files already, it is left as it is.

    Returns:
        ``{part: {'tiles': n, 'objects': m}}``.

    Raises:
        MTPError: ``out`` was made from other files, or is not ours, or the disk is full.
    """
    cut = _cut(plan, out)
    used = sorted({name for record in plan.records for name in (record.image, record.after, record.mask, record.labels)
                   if name})
    said = [(record.image, record.part, record.kind, [shape.name for shape in record.shapes])
            for record in plan.records]
    mark = converting.fingerprint([1, plan.task, plan.classes.names, list(cut.how), plan.meaning, said],
                                  [plan.folder.path(name) for name in used])
    there = ownership.read(out)
    if there.get('state') == 'complete' and there['fingerprint'] != mark:
        raise MTPError('{} was made from other files, or with other classes or another split'.format(out),
                       hint='rm -r {} and the same command again; what was trained before does not fit it'.format(
                           shlex.quote(os.path.dirname(out))))
    options = Options(jobs)
    with stamps.filling(out, VERB, mark, MADE, options) as filling:
        if not filling.needed:
            return there['counts']
        counts = _fill(plan, cut, options)
        ownership.put(out, dict(ownership.read(out), counts=counts))
    return counts


class Options:
    """What converters are told; see :mod:`mtp.data.converting`."""

    overwrite = dry_run = lenient = False

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs


def _cut(plan: Plan, out: str) -> Cut:
    length = side(plan)
    overlap = int(length * OVERLAP) if plan.task in WITH_OBJECTS else 0
    return Cut(plan.folder.root, out, plan.task, plan.classes.names, plan.meaning, Preset(length, overlap),
               short_names(plan.records), plan.size)


def short_names(records: Sequence[Record]) -> Dict[str, str]:
    """{image: what it is called in what is written}: its stem, with its folders where two have one."""
    stems = [stem(record.image) for record in records]
    double = {each for each, count in collections.Counter(stems).items() if count > 1}
    return {record.image: stem(record.image.replace('/', '-')) if each in double or record.kind else each
            for each, record in zip(stems, records)}


def _fill(plan: Plan, cut: Cut, options: Options) -> Dict[str, Dict[str, int]]:
    counts, rows = {}, {}
    work = functools.partial(_MAKERS[plan.task], cut=cut)
    for record, made in zip(plan.records, converting.run(work, plan.records, options, 'own data', [])):
        part = counts.setdefault(record.part, dict(tiles=0, objects=0))
        part['tiles'] += len(made)
        part['objects'] += sum(len(each) if isinstance(each, list) else 0 for _, each in made)
        rows.setdefault(record.part, []).extend(made)
    for part, made in rows.items():
        if plan.task == 'horizontal':
            coco.write(os.path.join(cut.out, part + '.json'), cut.classes, made)
        if plan.task == 'classification':
            write_text(os.path.join(cut.out, part + '.txt'), ''.join('{} {}\n'.format(*pair) for pair in made))
    return counts


def _rotated(record: Record, cut: Cut) -> List[tuple]:
    """Tiles and DOTA text of one image; a tile without objects is left out of what is trained on."""
    made = []
    for tile, window, pixels, indices, is_cut, polygons in _tiles(record, cut, _corners):
        names = [classes.plain(shape.name) for shape in record.shapes]
        difficult = [shape.difficult for shape in record.shapes]
        text = annotations.lines(polygons, names, difficult, indices, is_cut, window[0], window[1])
        outputs.save_image(os.path.join(cut.out, record.part, 'images', tile + '.png'), pixels)
        write_text(os.path.join(cut.out, record.part, 'annfiles', tile + '.txt'), text)
        made.append((tile, indices.tolist()))
    return made


def _horizontal(record: Record, cut: Cut) -> List[tuple]:
    """Tiles of one image, and COCO's entries of each."""
    made = []
    for tile, window, pixels, indices, _, _ in _tiles(record, cut, lambda shape: _box(shape.bounds())):
        outputs.save_image(os.path.join(cut.out, record.part, 'images', tile + '.png'), pixels)
        entries = [_entry(record.shapes[index], cut, window) for index in indices]
        made.append((dict(file_name=tile + '.png', width=pixels.shape[1], height=pixels.shape[0]), entries))
    return made


def _entry(shape: Shape, cut: Cut, window: np.ndarray) -> str:
    low, high = np.split(shape.bounds(), 2)
    low, high = (np.clip(each, window[:2], window[2:]) - window[:2] for each in (low, high))
    width, height = (high - low).tolist()
    return coco.compact(dict(category_id=cut.classes.index(classes.plain(shape.name)), iscrowd=0,
                             area=round(width * height, 2), bbox=np.round([*low, width, height], 2).tolist()))


def _tiles(record: Record, cut: Cut, corners_of: Callable[[Shape], np.ndarray]) -> Iterator[_Tile]:
    """(id, window, pixels, indices, cut, polygons) of each tile that is worth writing."""
    polygons = np.array([corners_of(shape) for shape in record.shapes], np.float32).reshape(-1, 8)
    for tile, window, pixels in windows_of(os.path.join(cut.root, record.image), cut.how, cut.names[record.image]):
        indices, is_cut = annotations.assign(polygons, window[None], cut.how.min_inside)[0]
        if len(indices) or record.part != 'train':
            yield tile, window, pixels, indices, is_cut, polygons


def _corners(shape: Shape) -> np.ndarray:
    """Eight numbers: a ring of four as it is, else the smallest rotated box around all points."""
    if len(shape.rings) == 1 and len(shape.rings[0]) == 4:
        return shape.rings[0].ravel()
    return cv2.boxPoints(cv2.minAreaRect(np.concatenate(shape.rings).astype(np.float32))).ravel()


def _box(bounds: np.ndarray) -> np.ndarray:
    xmin, ymin, xmax, ymax = bounds
    return np.array([xmin, ymin, xmax, ymin, xmax, ymax, xmin, ymax])


def _segmentation(record: Record, cut: Cut) -> List[tuple]:
    """Tiles and masks of one image."""
    path = os.path.join(cut.root, record.image)
    mask = values.numbers(os.path.join(cut.root, record.mask), cut.meaning) if record.mask else _drawn(record, cut)
    made = []
    for tile, window, pixels in windows_of(path, cut.how, cut.names[record.image]):
        part = _crop(mask, window, values.IGNORED)
        if (part == values.IGNORED).all():
            continue
        for folder, image in (('images', pixels), ('labels', part)):
            outputs.save_image(os.path.join(cut.out, record.part, folder, tile + '.png'), image)
        made.append((tile, None))
    return made


def _drawn(record: Record, cut: Cut) -> np.ndarray:
    width, height = cut.size[record.image]
    mask = np.zeros((height, width), np.uint8)
    for shape in record.shapes:
        rasterize.fill(mask, shape.rings, cut.classes.index(classes.plain(shape.name)))
    return mask


def _crop(mask: np.ndarray, window: Iterable[int], padding: int) -> np.ndarray:
    x_start, y_start, x_stop, y_stop = (int(value) for value in window)
    inside = mask[y_start:y_stop, x_start:x_stop]
    rows, columns = y_stop - y_start - inside.shape[0], x_stop - x_start - inside.shape[1]
    return np.pad(inside, ((0, rows), (0, columns)), constant_values=padding)


def _change(record: Record, cut: Cut) -> List[tuple]:
    """Patches of a pair and its mask."""
    mask = values.changed(os.path.join(cut.root, record.mask))
    layers = [('label', mask)] + [(role, read_image(os.path.join(cut.root, name)))
                                  for role, name in (('A', record.image), ('B', record.after))]
    made = []
    for window in window_positions(mask.shape[1], mask.shape[0], cut.how):
        tile = tile_id(cut.names[record.image], window)
        for role, pixels in layers:
            part = _crop(pixels, window, 0) if pixels.ndim == 2 else np.stack(
                [_crop(pixels[..., band], window, 0) for band in range(3)], 2)
            outputs.save_image(os.path.join(cut.out, record.part, role, tile + '.png'), part)
        made.append((tile, None))
    return made


def _classification(record: Record, cut: Cut) -> List[tuple]:
    """The image by itself: linked where the toolbox can read it, else as PNG."""
    path, name = os.path.join(cut.root, record.image), cut.names[record.image].replace(' ', '_')
    target = os.path.join(cut.out, record.part, 'images', name)
    suffix = os.path.splitext(path)[1].lower()
    with open(path, 'rb') as stream:
        head = stream.read(25)
    if head.startswith(images.JPEG) or head.startswith(images.PNG) and head[24] == 8:
        outputs.link(path, target + suffix)
    else:
        suffix = '.png'
        outputs.save_image(target + suffix, read_image(path))
    return [(f'{record.part}/images/{name}{suffix}', cut.classes.index(classes.plain(record.kind)))]


_MAKERS = {'rotated': _rotated, 'horizontal': _horizontal, 'segmentation': _segmentation, 'change': _change,
           'classification': _classification}
