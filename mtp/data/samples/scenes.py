"""A made-up aerial image: water, grass and concrete with objects standing on them, and the exact truth about them."""
import math
from typing import List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from mtp.data.samples import shapes

TERRAIN = ('water', 'grass', 'concrete')


class Item(NamedTuple):
    """One object of a scene."""

    kind: str
    polygon: np.ndarray  # (4, 2) float64: head left, head right, tail right, tail left; clockwise on screen, pixels
    mask: np.ndarray  # (h, w) bool, the pixels it covers, inside its window
    corner: Tuple[int, int]  # x, y of the window in the image


class Scene(NamedTuple):
    """An image (height, width, 3) uint8 RGB and what stands in it."""

    image: np.ndarray
    items: List[Item]


def full_mask(scene: Scene, item: Item) -> np.ndarray:
    """Mask of ``item`` in the size of the image, (height, width) uint8 of 0 and 1, Fortran order (as RLE wants it)."""
    mask = np.zeros(scene.image.shape[:2], np.uint8, order='F')
    x, y = item.corner
    mask[y:y + item.mask.shape[0], x:x + item.mask.shape[1]] = item.mask
    return mask


def paint(rng: np.random.Generator, width: int, height: int, kinds: Sequence[str], count: int) -> Scene:
    """Make one scene.

    Args:
        rng: ``numpy.random.Generator``; the scene is a function of its state and the other arguments.
        width: pixels.
        height: pixels.
        kinds: which objects to draw, keys of :data:`shapes.KINDS`.
        count: how many to try to place; in a crowded image fewer find room.
    """
    image, terrain = land(rng, width, height)
    taken = np.zeros((height, width), np.uint8)
    grounds = {name: np.flatnonzero(terrain == index) for index, name in enumerate(TERRAIN)}
    items: List[Item] = []
    for number in range(count):
        kind = kinds[number % len(kinds)]  # every kind gets its turn: classes stay balanced
        place = _find_place(rng, kind, terrain, grounds[shapes.KINDS[kind].terrain], taken)
        if place is not None:
            items.append(put(rng, image, kind, *place))
    order = rng.permutation(len(items))
    return Scene(finish(rng, image), [items[index] for index in order])


def land(rng: np.random.Generator, width: int, height: int) -> Tuple[np.ndarray, np.ndarray]:
    """Ground without objects: image (height, width, 3) float32 and terrain (height, width) uint8, index in TERRAIN."""
    terrain = _terrain(rng, width, height)
    return _ground(rng, terrain), terrain


def finish(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """What the sensor makes of ``image`` (float32): noise, 8 bits."""
    return np.clip(image + 3 * rng.standard_normal(image.shape, np.float32), 0, 255).astype(np.uint8)


def noise(rng: np.random.Generator, width: int, height: int, cell: int) -> np.ndarray:
    """Smooth noise in about -1..1 with features ``cell`` pixels wide."""
    grid = rng.normal(0, 0.6, (height // cell + 3, width // cell + 3)).astype(np.float32)
    smooth = cv2.resize(grid, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
    return smooth[cell:cell + height, cell:cell + width]


def _terrain(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Three bands across the image in a random direction and order; (height, width) uint8, index into TERRAIN."""
    angle = rng.uniform(0, 2 * math.pi)
    x, y = np.arange(width, dtype=np.float32) - width / 2, np.arange(height, dtype=np.float32) - height / 2
    along = np.float32(math.cos(angle)) * x[None, :] + np.float32(math.sin(angle)) * y[:, None]
    reach = (abs(math.cos(angle)) * width + abs(math.sin(angle)) * height) / 2
    along = along / reach + 12 / reach * noise(rng, width, height, 48)
    edges = np.array([-1 / 4, 1 / 4]) + rng.uniform(-0.1, 0.1, 2)
    order = rng.permutation(3).astype(np.uint8)
    return order[(along > edges[0]).astype(np.intp) + (along > edges[1])]


def _ground(rng: np.random.Generator, terrain: np.ndarray) -> np.ndarray:
    """Colours of the ground, (height, width, 3) float32."""
    height, width = terrain.shape
    colours = np.float32([(42, 78, 104), (96, 112, 66), (150, 148, 142)])  # in the order of TERRAIN
    colours += rng.uniform(-9, 9, (3, 1)).astype(np.float32) + rng.uniform(-3, 3, (3, 3)).astype(np.float32)
    strength = np.float32([(5, 3, 1), (10, 8, 6), (5, 3, 4)])[terrain]
    shade = strength[..., 0] * noise(rng, width, height, 40) + strength[..., 1] * noise(rng, width, height, 5)
    shade += strength[..., 2] * rng.standard_normal((height, width), np.float32)
    image = colours[terrain] + shade[..., None]
    _trees(rng, image, terrain)
    _slabs(rng, image, terrain)
    # a pale shore, and soft borders between the bands
    water = (terrain == TERRAIN.index('water')).astype(np.float32)
    shore = cv2.GaussianBlur(water, (0, 0), 3)
    shore = (2 * shore * (1 - shore))[..., None]
    return image + shore * (np.float32([196, 184, 150]) - image)


def _trees(rng: np.random.Generator, image: np.ndarray, terrain: np.ndarray) -> None:
    """Dark round crowns on the grass: something to tell objects from."""
    height, width = terrain.shape
    for _ in range(height * width // 9000):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        if TERRAIN[terrain[y, x]] == 'grass':
            radius = int(rng.integers(4, 9))
            cv2.circle(image, (x + 2, y + 2), radius, (44.0, 56.0, 34.0), -1, cv2.LINE_AA)
            cv2.circle(image, (x, y), radius, (62.0, 84.0, 46.0), -1, cv2.LINE_AA)


def _slabs(rng: np.random.Generator, image: np.ndarray, terrain: np.ndarray) -> None:
    """Joints and a yellow line on the concrete."""
    height, width = terrain.shape
    lines = np.zeros((height, width), np.uint8)
    angle, step = rng.uniform(0, math.pi), 64
    across = np.array([math.cos(angle), math.sin(angle)])
    along = np.array([-across[1], across[0]])
    centre, reach = np.array([width, height]) / 2, max(width, height)
    for offset in range(-reach, reach, step):
        middle = centre + across * offset
        p, q = middle - along * reach, middle + along * reach
        value = 2 if offset % (step * 4) == 0 else 1
        cv2.line(lines, tuple(int(v) for v in p), tuple(int(v) for v in q), value, value)
    concrete = terrain == TERRAIN.index('concrete')
    image[concrete & (lines == 1)] -= 14
    image[concrete & (lines == 2)] = (196, 170, 84)


def corners(centre: np.ndarray, angle: float, width: float, length: float) -> np.ndarray:
    """Box corners, head left first, clockwise on screen, (4, 2) float64."""
    heading = np.array([math.cos(angle), math.sin(angle)])
    right = np.array([-heading[1], heading[0]])  # y grows downwards
    head, side = heading * length / 2, right * width / 2
    return np.array([centre + head - side, centre + head + side, centre - head + side, centre - head - side])


def _find_place(rng: np.random.Generator, kind: str, terrain: np.ndarray, ground: np.ndarray, taken: np.ndarray,
                tries: int = 20) -> Optional[Tuple[float, np.ndarray]]:
    """A free box wholly on the right ground: (length, corners), or None when none of ``tries`` fits.

    ``ground`` holds the flat indices of the pixels of that ground: only these are tried as centres.
    """
    if not len(ground):
        return None
    height, width = terrain.shape
    wanted = TERRAIN.index(shapes.KINDS[kind].terrain)
    length = float(round(rng.uniform(*shapes.KINDS[kind].lengths)))
    across = float(round(length * shapes.KINDS[kind].aspect * shapes.OVERSAMPLING)) / shapes.OVERSAMPLING
    for _ in range(tries):
        y, x = divmod(int(ground[rng.integers(len(ground))]), width)
        if taken[y, x]:
            continue
        centre = np.array([x, y]) + rng.random(2)
        angle = rng.uniform(-math.pi, math.pi) if shapes.KINDS[kind].turns else -math.pi / 2
        roomy = corners(centre, angle, across + 10, length + 10)
        if roomy.min() < 1 or roomy[:, 0].max() > width - 1 or roomy[:, 1].max() > height - 1:
            continue
        x0, y0 = np.floor(roomy.min(0)).astype(int)
        x1, y1 = np.ceil(roomy.max(0)).astype(int)
        inside = np.zeros((y1 - y0 + 1, x1 - x0 + 1), np.uint8)
        cv2.fillPoly(inside, [np.round(roomy - (x0, y0)).astype(np.int32)], 1)
        inside = inside[:height - y0, :width - x0].astype(bool)
        window = (slice(y0, y0 + inside.shape[0]), slice(x0, x0 + inside.shape[1]))
        if (terrain[window][inside] == wanted).all() and not taken[window][inside].any():
            taken[window][inside] = 1
            return length, corners(centre, angle, across, length)
    return None


def put(rng: np.random.Generator, image: np.ndarray, kind: str, length: float, polygon: np.ndarray) -> Item:
    """Blend one object and its shadow into ``image``; return the Item."""
    colour, cover = shapes.patch(kind, rng, length)
    x0, y0 = np.floor(polygon.min(0)).astype(int) - 8
    x1, y1 = np.ceil(polygon.max(0)).astype(int) + 8
    x0, y0 = max(0, x0), max(0, y0)
    x1, y1 = min(image.shape[1], x1), min(image.shape[0], y1)
    # three corners fix the map; both sides count pixel centres, hence the halves
    source = np.float32([(0, 0), (cover.shape[1], 0), (cover.shape[1], cover.shape[0])]) - 0.5
    target = np.float32(polygon[:3] - (x0, y0)) - 0.5
    matrix = cv2.getAffineTransform(source, target)
    size = (int(x1 - x0), int(y1 - y0))
    colour = cv2.warpAffine(colour, matrix, size, flags=cv2.INTER_LINEAR)
    cover = cv2.warpAffine(cover, matrix, size, flags=cv2.INTER_LINEAR)
    window = image[y0:y1, x0:x1]
    offset = shapes.KINDS[kind].shadow
    if offset:
        shift = np.float32([[1, 0, offset], [0, 1, offset]])
        shadow = cv2.GaussianBlur(cv2.warpAffine(cover, shift, size), (0, 0), 1.0)
        window *= 1 - 0.5 * shadow[..., None]
    window *= 1 - cover[..., None]
    window += colour
    return Item(kind, polygon, cover >= 0.5, (int(x0), int(y0)))
