"""Small runs to walk through, as the verbs leave them: a submission of DOTA with truth, masks, a prediction."""
import json
import os

import cv2
import numpy as np

from mtp import ownership
from mtp.data import catalogue, scene_table

SIDE = 700
#: x, y of the middle of each true object, all of 40 x 20 pixels: a plane, a ship, a ship, a difficult plane.
TRUE = (('plane', 100, 100, 0), ('ship', 300, 100, 0), ('ship', 500, 100, 0), ('plane', 100, 400, 1))
#: What is found: class, x, y, score; what it is, in the words of the page.
FOUND = (('plane', 101, 100, 0.9, 'hit'), ('plane', 100, 101, 0.5, 'duplicate'),
         ('ship', 318, 100, 0.8, 'localisation'), ('plane', 500, 100, 0.7, 'wrong_class'),
         ('ship', 500, 101, 0.4, 'hit'), ('ship', 600, 600, 0.6, 'background'),
         ('plane', 100, 401, 0.95, 'ignored'))


def corners(x, y, width=40, height=20):
    return [x - width / 2, y - height / 2, x + width / 2, y - height / 2, x + width / 2, y + height / 2,
            x - width / 2, y + height / 2]


def picture(path, side=SIDE, seed=0):
    """An image with a quarter of each colour, so that a screenshot tells where it lies."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pixels = np.zeros((side, side, 3), dtype=np.uint8)
    half = side // 2
    pixels[:half, :half], pixels[:half, half:], pixels[half:, :half] = (200, 60, 60), (60, 160, 60), (60, 60, 180)
    pixels[half:, half:] = np.random.default_rng(seed).integers(90, 110, (side - half, side - half, 3))
    cv2.imwrite(path, pixels)


def submission(home, names=('a',), extra=''):
    """A submission of DOTA-v1.0, its images and the truth of the first: the folder of the run.

    Args:
        home: below it a data root ``data`` and the run ``run`` are made.
        names: of the images; all have the same detections.
        extra: lines for the texts of planes.
    """
    data = os.path.join(home, 'data', 'dotav1', 'test')
    for seed, name in enumerate(names):
        picture(os.path.join(data, 'images', name + '.png'), seed=seed)
    write(os.path.join(data, 'truth', names[0] + '.txt'), ''.join(
        '{} {} {}\n'.format(' '.join(map(str, corners(x, y))), kind, hard) for kind, x, y, hard in TRUE))
    texts = {}
    for name in names:
        for kind, x, y, score, _ in FOUND:
            texts.setdefault(kind, []).append('{} {} {}\n'.format(name, score, ' '.join(map(str, corners(x, y)))))
    run = os.path.join(home, 'run')
    for kind, lines in texts.items():
        write(os.path.join(run, 'submit', f'Task1_{kind}.txt'), ''.join(lines) + extra * (kind == 'plane'))
    return run


def masks(home):
    """Masks of WHU, half of the first quarter wrong: the folder of the run."""
    data = os.path.join(home, 'data', 'whu_cd_patch_dataset', 'test')
    picture(os.path.join(data, 'A', 'pair.png'), 600)
    os.makedirs(os.path.join(data, 'B'))
    cv2.imwrite(os.path.join(data, 'B', 'pair.png'), np.full((600, 600, 3), 77, dtype=np.uint8))
    truth = np.zeros((600, 600), dtype=np.uint8)
    truth[:300, :300] = 255
    found = np.zeros((600, 600), dtype=np.uint8)
    found[:300, :150] = found[400:420, 400:420] = 1
    run = os.path.join(home, 'run')
    for path, pixels in ((os.path.join(data, 'label', 'pair.png'), truth), (os.path.join(run, 'pair.png'), found)):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        cv2.imwrite(path, pixels)
    ownership.put(run, dict(mtp_output=1, verb='test', version='', fingerprint='', made=['*.png']))
    return run


def prediction(home, names=('a',), classes=('plane', 'ship')):
    """What ``make predict`` leaves of images that lie in ``home``: the folder of the run."""
    run, paths = os.path.join(home, 'predict'), {}
    for name in names:
        paths[name] = os.path.join(home, 'somewhere', name + '.png')
        picture(paths[name])
    write(os.path.join(run, 'coco.json'), json.dumps(dict(
        images=[dict(id=number, file_name=name + '.png', width=SIDE, height=SIDE)
                for number, name in enumerate(names, 1)],
        categories=[dict(id=number, name=name) for number, name in enumerate(classes, 1)],
        annotations=[dict(id=1, image_id=1, category_id=2, score=0.75, bbox=[10, 20, 30, 40],
                          segmentation=[corners(60, 70)])])))
    ownership.put(run, dict(mtp_output=1, verb='predict', version='', fingerprint='', made=['coco.json'],
                            images=paths))
    return run


def scenes(home):
    """A test of classification: one image right, one wrong, with scores that a detection would not show: the folder."""
    run, images = os.path.join(home, 'run'), []
    for name in ('right', 'wrong'):
        images.append(os.path.join(home, 'somewhere', name + '.png'))
        picture(images[-1])
    os.makedirs(run)
    scene_table.write(os.path.join(run, 'scenes.csv'), ('airport', 'beach', 'forest', 'lake', 'town'), [
        scene_table.Scene(image, (0, 0, SIDE, SIDE), np.array([.24, .19, .19, .19, .19]), truth)
        for truth, image in enumerate(images)], True)
    return run


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(text)


def classes():
    return catalogue.get('dotav1').classes
