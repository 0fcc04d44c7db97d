"""Sample of SAMRS: the SOTA, SIOR and FAST subsets as their archives unpack, with masks, boxes and rotated boxes."""
import os
from typing import Any, Dict, Iterable, List, Mapping, Sequence

import numpy as np
from pycocotools import mask as coco_mask

from mtp.data import catalogue
from mtp.data.samples import annotations, scenes, writing

SIZE = 512  # pixels; the real patches have 1024 (SOTA, FAST) and 800 (SIOR)
OBJECTS = 24  # tried per image; about three of four find room
CLASS_OF = {
    'sota': {'plane': 'plane', 'ship': 'ship', 'vehicle': 'small-vehicle', 'storage-tank': 'storage-tank',
             'tennis-court': 'tennis-court'},
    'sior': {'plane': 'airplane', 'ship': 'ship', 'vehicle': 'vehicle', 'storage-tank': 'storagetank',
             'tennis-court': 'tenniscourt'},
    'fast': {'plane': 'Boeing737', 'ship': 'Dry-Cargo-Ship', 'vehicle': 'Small-Car', 'tennis-court': 'Tennis-Court',
             'baseball-diamond': 'Baseball-Field'},
}
STEMS = {'sota': 'P{:04d}__512__0___0', 'sior': '{:05d}', 'fast': 'train_{}__512__0___0'}


def write(folder: str, seed: int = 0, images: int = 24) -> None:
    """Write the three subsets below ``folder`` (the ``samrs`` folder).

    Args:
        folder: an empty folder.
        seed: the pictures are a function of it and of ``images``.
        images: images of each subset; a quarter of them, at least one, is the valid part.
    """
    for number, subset in enumerate(CLASS_OF):
        rng = np.random.default_rng((seed, 1, number))
        stems = [STEMS[subset].format(index + (subset == 'sior')) for index in range(images)]
        valid = max(1, images // 4) if images > 1 else 0
        parts = {'train': stems[:images - valid], 'valid': stems[images - valid:] or stems}
        dataset = catalogue.get(subset)
        for split, members in parts.items():
            writing.save_text(_path(folder, dataset.splits[split].listing), _lines(members))
        for stem in stems:
            _write_image(folder, dataset, stem, _scene(rng, subset))
        if subset == 'sior':
            _write_dior_parts(folder, rng, parts, test=max(1, images // 4))


def _path(folder: str, catalogue_path: str) -> str:
    """Path below ``folder`` of a catalogue path that starts with ``samrs/``."""
    return os.path.join(folder, catalogue_path.split('/', 1)[1])


def _lines(items: Iterable[str]) -> str:
    return ''.join(item + '\n' for item in items)


def _scene(rng: np.random.Generator, subset: str) -> scenes.Scene:
    return scenes.paint(rng, SIZE, SIZE, list(CLASS_OF[subset]), OBJECTS)


def _write_image(folder: str, dataset: catalogue.Dataset, stem: str, scene: scenes.Scene) -> None:
    split = dataset.splits['train']
    writing.save_image(os.path.join(_path(folder, split.images), stem + split.image_suffix), scene.image)
    masks = [scenes.full_mask(scene, item) for item in scene.items]
    names = [CLASS_OF[dataset.name][item.kind] for item in scene.items]
    labels = [dataset.classes.index(name) for name in names]
    writing.save_pickle(os.path.join(_path(folder, split.labels), stem + '.pkl'),
                        [_instance(dataset.name, *row) for row in zip(scene.items, masks, names, labels)])
    gray = np.full(scene.image.shape[:2], 255, np.uint8)
    for mask, label in zip(masks, labels):  # a later object covers an earlier one, as in SAMRS
        gray[mask > 0] = label
    semantic = _path(folder, dataset.files['semantic'])
    writing.save_image(os.path.join(semantic, stem + '.png'), gray)
    table = np.full((256, 3), 255, np.uint8)
    table[:len(dataset.palette)] = dataset.palette
    writing.save_image(os.path.join(os.path.dirname(semantic), 'color', stem + '.png'), table[gray])
    polygons = [item.polygon for item in scene.items]
    rotated = os.path.join(_path(folder, dataset.files['rotated']), stem + dataset.files['rotated_suffix'])
    if dataset.name == 'sior':
        _write_dior_xml(folder, stem, scene, names)
    else:
        writing.save_text(rotated, annotations.dota_text(polygons, names, labels))


def _instance(subset: str, item: scenes.Item, mask: np.ndarray, name: str, label: int) -> Dict[str, Any]:
    rle = coco_mask.encode(mask)
    rle['counts'] = rle['counts'].decode('ascii')
    low, high = item.polygon.min(0), item.polygon.max(0)
    box = np.concatenate([low, high])
    boxes = {'bbox': box} if subset == 'sior' else {'rbox': item.polygon.astype(np.float64), 'rhbox': box}
    return dict(boxes, mask=rle, label=label, category=name, size=np.int64(mask.sum()))


def _write_dior_xml(folder: str, stem: str, scene: scenes.Scene, names: Sequence[str]) -> None:
    height, width = scene.image.shape[:2]
    polygons = [item.polygon for item in scene.items]
    # the official files write some names with capitals; readers compare them lower-cased
    written = [name.capitalize() if name == 'storagetank' else name for name in names]
    oriented = catalogue.get('diorr').splits['train'].labels
    horizontal = catalogue.get('dior').splits['trainval'].labels
    writing.save_text(os.path.join(_path(folder, oriented), stem + '.xml'),
                      annotations.dior_oriented(stem + '.jpg', width, height, polygons, written))
    writing.save_text(os.path.join(_path(folder, horizontal), stem + '.xml'),
                      annotations.dior_horizontal(stem + '.jpg', width, height, polygons, written))


def _write_dior_parts(folder: str, rng: np.random.Generator, parts: Mapping[str, List[str]], test: int) -> None:
    """The test part and the lists that DIOR and DIOR-R read; SIOR shares their folder."""
    dataset = catalogue.get('diorr')
    stems = [f'{index:05d}' for index in range(11726, 11726 + test)]
    for stem in stems:
        scene = _scene(rng, 'sior')
        writing.save_image(os.path.join(_path(folder, dataset.splits['test'].images), stem + '.jpg'), scene.image)
        _write_dior_xml(folder, stem, scene, [CLASS_OF['sior'][item.kind] for item in scene.items])
    lists = {'train': parts['train'], 'val': parts['valid'], 'test': stems}
    lists['trainval'] = sorted(set(parts['train'] + parts['valid']))
    for name, members in lists.items():
        writing.save_text(os.path.join(folder, 'dior', 'ImageSets', 'Main', name + '.txt'), _lines(members))
