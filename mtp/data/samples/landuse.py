"""Scenes of one land use each: what the classes of EuroSAT and RESISC-45 look like from above, in a few strokes.

A scene is a square with sides of 1, drawn as a list of strokes from the ground up; :data:`SCENES` says which for every
class. Places, directions and shades are drawn anew for each image, so no two images of a class are alike.
"""
import math
from functools import partial
from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union

import cv2
import numpy as np

from mtp.data.samples import scenes, shapes

Colour = shapes.Colour
Step = Union[float, Tuple[float, float]]  # distance of places, or that across and that along
Stroke = Callable[[np.random.Generator, np.ndarray], None]
WATER, DEEP, SHALLOW = (52, 84, 108), (26, 52, 84), (98, 142, 142)
GRASS, MEADOW, OLIVE, FOREST = (104, 124, 70), (126, 152, 82), (118, 114, 74), (44, 66, 40)
SAND, SOIL, ROCK, SNOW = (206, 184, 140), (146, 112, 78), (126, 114, 102), (236, 240, 244)
ASPHALT, CONCRETE, PAINT, RAIL = (88, 88, 92), (158, 156, 150), (232, 230, 220), (112, 98, 88)
CROPS = ((176, 156, 92), (128, 146, 66), (148, 116, 78), (92, 120, 58), (192, 176, 118))
ROOFS = ((176, 92, 70), (196, 190, 182), (120, 128, 140), (158, 140, 112))
HALLS = ((214, 216, 218), (150, 160, 172), (188, 176, 160))


def draw(rng: np.random.Generator, kind: str, size: int) -> np.ndarray:
    """An image (size, size, 3) uint8 RGB of land use ``kind``, a key of :data:`SCENES`."""
    image = np.empty((size, size, 3), np.float32)
    for stroke in SCENES[kind]:
        stroke(rng, image)
    return scenes.finish(rng, image)


def _shade(rng: np.random.Generator, colour: Colour, spread: float = 0.08) -> Tuple[float, ...]:
    """``colour`` a little lighter or darker, and hardly of another hue."""
    return tuple((rng.uniform(1 - spread, 1 + spread) * rng.uniform(0.98, 1.02, 3) * colour).tolist())


def _rotation(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _fill(image: np.ndarray, points: Union[np.ndarray, Sequence[np.ndarray]], colour: Colour) -> None:
    """Fill the polygon of ``points`` (n, 2), in units of the scene."""
    corners = np.round((np.asarray(points) * image.shape[0] - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(image, [corners], colour, cv2.LINE_AA, 4)


def _box(centre: np.ndarray, width: float, length: float, angle: float) -> np.ndarray:
    return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, length / 2) @ _rotation(angle).T + centre


def _disc(centre: np.ndarray, radius: float, start: float = 0.0, turn: float = 2 * math.pi) -> np.ndarray:
    angles = np.linspace(start, start + turn, 49)
    return np.asarray(centre) + radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def _line(image: np.ndarray, points: np.ndarray, width: float, colour: Colour) -> None:
    """A bent line of ``width``, at least a pixel."""
    places = np.round((np.asarray(points) * image.shape[0] - 0.5) * 16).astype(np.int32)
    cv2.polylines(image, [places], False, colour, max(1, round(width * image.shape[0])), cv2.LINE_AA, 4)


def _field(rng: np.random.Generator, image: np.ndarray, cells: int) -> np.ndarray:
    """Smooth noise (size, size) with ``cells`` features across."""
    size = image.shape[0]
    return scenes.noise(rng, size, size, max(2, size // cells))


# The strokes: (rng, image, ...)

def ground(rng: np.random.Generator, image: np.ndarray, colour: Colour, rough: float = 8, cells: int = 6) -> None:
    """Cover everything, lighter and darker by ``rough`` grey levels."""
    shade = rough * _field(rng, image, cells) + rough / 2 * rng.standard_normal(image.shape[:2])
    image[:] = np.float32(_shade(rng, colour)) + shade[..., None]


def patches(rng: np.random.Generator, image: np.ndarray, colour: Colour, share: float, cells: int = 4,
            edge: float = 0.1) -> None:
    """Smooth islands of ``colour`` over ``share`` of the scene; ``edge`` is how softly they end."""
    field = _field(rng, image, cells)
    cover = np.clip((field - np.quantile(field, 1 - share)) / edge + 0.5, 0, 1)[..., None]
    image += cover * (np.float32(_shade(rng, colour)) + 4 * _field(rng, image, 16)[..., None] - image)


def middle(rng: np.random.Generator, image: np.ndarray, colour: Colour, radius: float, inside: bool = True,
           edge: float = 0.05) -> None:
    """One round, ragged area of ``colour`` about the middle, or everything but that."""
    size = image.shape[0]
    y, x = np.mgrid[0:size, 0:size] / size - rng.uniform(0.42, 0.58, (2, 1, 1))
    depth = (radius + 0.07 * _field(rng, image, 5) - np.hypot(x, y)) / edge
    cover = np.clip((depth if inside else -depth) + 0.5, 0, 1)[..., None]
    image += cover * (np.float32(_shade(rng, colour)) - image)


def half(rng: np.random.Generator, image: np.ndarray, colour: Colour, border: Optional[Colour] = None) -> None:
    """``colour`` on one side of a wavy shore, with a pale ``border``."""
    size, angle = image.shape[0], rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    depth = x * math.cos(angle) + y * math.sin(angle) + 0.05 * _field(rng, image, 4)
    image += np.clip(depth / 0.02 + 0.5, 0, 1)[..., None] * (np.float32(_shade(rng, colour)) - image)
    if border:
        near = np.exp(-(depth / 0.05) ** 2)[..., None]
        image += near * (np.float32(border) - image)


def band(rng: np.random.Generator, image: np.ndarray, colour: Colour, width: float, bend: float = 0.0,
         marks: Optional[Colour] = None) -> None:
    """A strip across the whole scene: road, river, runway; ``marks`` is the colour of its middle line."""
    along = np.linspace(-1, 1, 41)
    across = bend * np.sin(along * rng.uniform(3, 5) + rng.uniform(0, 6)) + rng.uniform(-0.1, 0.1)
    points = np.stack([across, along], 1) @ _rotation(rng.uniform(0, math.pi)).T + 0.5
    _line(image, points, width, _shade(rng, colour))
    if marks:
        _line(image, points, width / 14, marks)


def strips(rng: np.random.Generator, image: np.ndarray, *parts: Tuple[Colour, float, float],
           angle: Optional[float] = None, place: Sequence[float] = (0.5, 0.5)) -> None:
    """Straight bands beside and upon each other: (colour, width, distance from the middle) each."""
    turn = _rotation(rng.uniform(0, math.pi) if angle is None else angle)
    for colour, width, shift in parts:
        _line(image, np.array([(shift, -1), (shift, 1)]) @ turn.T + place, width, _shade(rng, colour, 0.04))


def crossing(rng: np.random.Generator, image: np.ndarray, width: float) -> None:
    """Two roads through one place."""
    angle, place = rng.uniform(0, math.pi), rng.uniform(0.4, 0.6, 2)
    for part in ((ASPHALT, width, 0), (PAINT, width / 14, 0)):  # marks lie on both roads
        for turn in (0, math.pi / 2):
            strips(rng, image, part, angle=angle + turn, place=place)


def over(rng: np.random.Generator, image: np.ndarray, width: float) -> None:
    """A road that crosses what is there, with railings and the shadow below it."""
    strips(rng, image, ((50, 54, 56), 1.3 * width, 0.03), (PAINT, 1.25 * width, 0), (ASPHALT, width, 0))


def courts(rng: np.random.Generator, image: np.ndarray) -> None:
    """Playing fields side by side with lines along the border and across the middle."""
    turn = rng.uniform(0, math.pi)
    for place in _grid(rng, (0.4, 0.62), 0, 1, turn):
        colour = _shade(rng, ((168, 92, 64), (72, 110, 152), (92, 128, 84))[rng.integers(3)])
        for scale, paint in ((1, colour), (0.86, PAINT), (0.8, colour)):
            _fill(image, _box(place, 0.32 * scale, 0.54 * scale, turn), paint)
        _fill(image, _box(place, 0.26, 0.012, turn), PAINT)
        _fill(image, _disc(place, 0.04), PAINT)


def rows(rng: np.random.Generator, image: np.ndarray, colour: Colour, count: int, width: float = 0.4,
         wave: float = 0.0) -> None:
    """Parallel lines over everything, ``count`` across; ``wave`` bends them like contour lines."""
    size, angle = image.shape[0], rng.uniform(0, math.pi)
    y, x = np.mgrid[0:size, 0:size] / size
    place = (x * math.cos(angle) + y * math.sin(angle)) * count + wave * _field(rng, image, 3) + rng.uniform()
    on = np.clip((width - np.abs(place % 1 - 0.5) * 2) * size / count / 2 + 0.5, 0, 1)[..., None]
    image += 0.8 * on * (np.float32(colour) - image)


def dots(rng: np.random.Generator, image: np.ndarray, colours: Sequence[Colour], step: Step, radius: float,
         share: float = 1.0, jitter: float = 0.3) -> None:
    """Round things on a turned grid: trees, bushes, plants, each with its shadow."""
    for place in _grid(rng, step, jitter, share):
        size = radius * rng.uniform(0.8, 1.2)
        _fill(image, _disc(place + size / 3, size), (34.0, 44.0, 32.0))
        _fill(image, _disc(place, size), _shade(rng, colours[rng.integers(len(colours))], 0.15))


def boxes(rng: np.random.Generator, image: np.ndarray, colours: Sequence[Colour], step: Step, width: float,
          length: float, share: float = 1.0, jitter: float = 0.1, shadow: float = 0.3,
          angle: Optional[float] = None) -> None:
    """Oblong things on a turned grid: houses, halls, cars, boats, fields; ``shadow`` in widths."""
    turn = rng.uniform(0, math.pi / 2) if angle is None else angle
    for place in _grid(rng, step, jitter, share, turn):
        form = _box(place, width * rng.uniform(0.8, 1.2), length * rng.uniform(0.8, 1.2), turn)
        if shadow:
            _fill(image, form + shadow * width, (44.0, 46.0, 46.0))
        colour = _shade(rng, colours[rng.integers(len(colours))], 0.12)
        _fill(image, form, colour)
        if shadow:  # the side of the roof that lies away from the sun
            dark = tuple(0.82 * value for value in colour)
            _fill(image, [form[:2].mean(0), form[1], form[2], form[2:].mean(0)], dark)


def _grid(rng: np.random.Generator, step: Step, jitter: float, share: float,
          angle: Optional[float] = None) -> np.ndarray:
    """Places (n, 2) on a grid with distances ``step`` (a number, or across and along), turned as a whole."""
    across, along = step if isinstance(step, tuple) else (step, step)
    u, v = np.meshgrid(np.arange(-0.8, 0.8, across), np.arange(-0.8, 0.8, along))
    places = np.stack([u.ravel(), v.ravel()], 1) + rng.uniform(-jitter, jitter, (u.size, 2)) * (across, along)
    places = places @ _rotation(rng.uniform(0, math.pi) if angle is None else angle).T + 0.5
    return places[(rng.random(len(places)) < share) & (np.abs(places - 0.5) < 0.6).all(1)]


def circles(rng: np.random.Generator, image: np.ndarray, radius: float = 0.16) -> None:
    """Fields that a turning arm waters."""
    for place in _grid(rng, 2.15 * radius, 0, 1, 0.0) + rng.uniform(-0.1, 0.1, 2):
        _fill(image, _disc(place, radius), _shade(rng, CROPS[rng.integers(len(CROPS))]))
        start = rng.uniform(0, 2 * math.pi)
        _fill(image, np.vstack([place, _disc(place, radius, start, rng.uniform(0.4, 1.6))]), _shade(rng, CROPS[1]))


def rings(rng: np.random.Generator, image: np.ndarray, *colours_and_radii: Tuple[Colour, float],
          stretch: float = 1.0) -> None:
    """Ovals inside each other, in the middle: stadium, track, roundabout."""
    turn, place = _rotation(rng.uniform(0, math.pi)), rng.uniform(0.46, 0.54, 2)
    for colour, radius in colours_and_radii:
        _fill(image, _disc((0, 0), radius) * (1, stretch) @ turn.T + place, _shade(rng, colour, 0.04))


def objects(rng: np.random.Generator, image: np.ndarray, kind: str, count: int, length: float) -> None:
    """``count`` objects of :mod:`~mtp.data.samples.shapes`, about ``length`` long, in places of their own."""
    size, cells = image.shape[0], max(1, math.ceil(math.sqrt(count)))
    angle = rng.uniform(0, 2 * math.pi)
    for cell in rng.permutation(cells * cells)[:count]:
        place = (np.array(divmod(int(cell), cells)) + rng.uniform(0.42, 0.58, 2)) / cells
        long = length * size * rng.uniform(0.85, 1.1)
        turn = angle + rng.uniform(-0.2, 0.2)
        corners = scenes.corners(place * size, turn, long * shapes.KINDS[kind].aspect, long)
        scenes.put(rng, image, kind, long, corners)


def peaks(rng: np.random.Generator, image: np.ndarray) -> None:
    """Mountains lit from one side, with snow on top."""
    height = _field(rng, image, 3) + 0.5 * _field(rng, image, 7) + 0.2 * _field(rng, image, 15)
    slope = np.gradient(height)
    image += (900 / 256 * image.shape[0] * (slope[0] + slope[1]))[..., None].clip(-70, 70)
    top = np.clip((height - np.quantile(height, 0.85)) * 6, 0, 1)[..., None]
    image += top * (np.float32(SNOW) - image)


def building(rng: np.random.Generator, image: np.ndarray, colour: Colour, width: float, length: float,
             parts: int) -> None:
    """One big building of several wings about a common middle."""
    turn, place = rng.uniform(0, math.pi), rng.uniform(0.45, 0.55, 2)
    wings = [_box(place, width, length, turn + math.pi * part / parts) for part in range(parts)]
    for form in wings:
        _fill(image, form + 0.03, (46.0, 48.0, 46.0))
    for number, form in enumerate(wings):
        _fill(image, form, tuple((1 - 0.1 * number) * value for value in _shade(rng, colour, 0.04)))
    _fill(image, _disc(place, 0.35 * width), tuple(0.75 * float(value) for value in colour))


def quay(rng: np.random.Generator, image: np.ndarray) -> None:
    """A pier with boats on both sides."""
    angle = rng.uniform(0, math.pi)
    for shift in (-0.25, 0.25):
        middle_line = _rotation(angle) @ (shift, 0) + 0.5
        _fill(image, _box(middle_line, 0.03, 1.6, angle), _shade(rng, CONCRETE))
        for along in np.arange(-0.6, 0.6, 0.09):
            for side in (-0.075, 0.075):
                place = _rotation(angle) @ (shift + side, along) + 0.5
                _fill(image, _box(place, 0.1, 0.045, angle), _shade(rng, PAINT, 0.1))


def towers(rng: np.random.Generator, image: np.ndarray) -> None:
    """Cooling towers and what rises from them."""
    for place in _grid(rng, 0.3, 0.05, 1, rng.uniform(0, math.pi))[:12:3]:
        for colour, radius in ((CONCRETE, 0.1), (PAINT, 0.085), (ASPHALT, 0.06)):
            _fill(image, _disc(place, radius), _shade(rng, colour, 0.04))
    patches(rng, image, (232, 232, 232), 0.12, 3, 0.6)


_grass, _land = partial(ground, colour=GRASS), partial(ground, colour=OLIVE)
_town, _sea = partial(ground, colour=CONCRETE), partial(ground, colour=DEEP, rough=4)
_trees = partial(dots, colours=(FOREST, (62, 84, 46)), step=0.13, radius=0.03, share=0.4)
_road = partial(band, colour=ASPHALT, width=0.06, marks=PAINT)

#: class -> strokes, from the ground up. EuroSAT's images are 640 m wide, RESISC-45's from 50 m to a few kilometres.
SCENES: Dict[str, List[Stroke]] = {
    # EuroSAT
    'AnnualCrop': [_land, partial(boxes, colours=CROPS, step=(0.5, 0.4), width=0.49, length=0.39, jitter=0, shadow=0)],
    'Forest': [partial(ground, colour=FOREST), partial(dots, colours=(FOREST, (36, 56, 34)), step=0.07, radius=0.035)],
    'HerbaceousVegetation': [partial(ground, colour=OLIVE, rough=16, cells=12), partial(
        patches, colour=GRASS, share=0.3)],
    'Highway': [_land, partial(patches, colour=MEADOW, share=0.4), partial(
        band, colour=CONCRETE, width=0.12, marks=ASPHALT)],
    'Industrial': [_town, partial(boxes, colours=HALLS, step=(0.42, 0.3), width=0.32, length=0.22, shadow=0.08)],
    'Pasture': [partial(ground, colour=MEADOW, rough=3), partial(band, colour=FOREST, width=0.02), partial(
        dots, colours=(FOREST,), step=0.3, radius=0.03, share=0.3)],
    'PermanentCrop': [partial(ground, colour=SOIL, rough=4), partial(rows, colour=(74, 98, 52), count=12, width=0.45)],
    'Residential': [_grass, partial(boxes, colours=ROOFS, step=0.15, width=0.09, length=0.11), partial(
        band, colour=ASPHALT, width=0.04)],
    'River': [_land, partial(patches, colour=GRASS, share=0.5), partial(band, colour=WATER, width=0.2, bend=0.15)],
    'SeaLake': [_sea],
    # RESISC-45
    'airplane': [_town, partial(rows, colour=(144, 142, 136), count=4, width=0.03), partial(
        objects, kind='plane', count=3, length=0.42)],
    'airport': [_grass, partial(band, colour=ASPHALT, width=0.09, marks=PAINT), partial(
        building, colour=PAINT, width=0.12, length=0.5, parts=2), partial(objects, kind='plane', count=4, length=0.13)],
    'baseball_diamond': [_grass, _trees, partial(objects, kind='baseball-diamond', count=1, length=0.45)],
    'basketball_court': [_town, courts],
    'beach': [partial(ground, colour=SAND, rough=4), partial(half, colour=SHALLOW, border=PAINT)],
    'bridge': [partial(ground, colour=WATER, rough=5), partial(over, width=0.1)],
    'chaparral': [partial(ground, colour=SAND, rough=6), partial(
        dots, colours=((84, 92, 58), (70, 80, 52)), step=0.08, radius=0.024, share=0.8, jitter=0.5)],
    'church': [_grass, _trees, partial(building, colour=(176, 104, 84), width=0.18, length=0.6, parts=2)],
    'circular_farmland': [partial(ground, colour=SOIL), circles],
    'cloud': [_sea, partial(patches, colour=SNOW, share=0.4, edge=0.7)],
    'commercial_area': [partial(ground, colour=ASPHALT), partial(
        boxes, colours=HALLS + ROOFS, step=0.26, width=0.2, length=0.2, shadow=0.25)],
    'dense_residential': [partial(ground, colour=ASPHALT, rough=4), partial(
        boxes, colours=ROOFS, step=0.1, width=0.08, length=0.085, jitter=0.05)],
    'desert': [partial(ground, colour=SAND, rough=5), partial(
        rows, colour=(184, 158, 112), count=7, width=0.35, wave=0.8)],
    'forest': [partial(ground, colour=FOREST), partial(
        dots, colours=(FOREST, (62, 84, 46), (52, 76, 52)), step=0.06, radius=0.034)],
    'freeway': [_land, lambda rng, image: strips(
        rng, image, (ASPHALT, 0.36, 0), (GRASS, 0.05, 0), (PAINT, 0.008, 0.1), (PAINT, 0.008, -0.1))],
    'golf_course': [partial(ground, colour=(84, 108, 60)), partial(patches, colour=(136, 172, 96), share=0.45), partial(
        dots, colours=(SAND,), step=0.3, radius=0.04, share=0.6), _trees],
    'ground_track_field': [_grass, lambda rng, image: rings(
        rng, image, ((176, 84, 66), 0.42), (PAINT, 0.36), ((176, 84, 66), 0.35), (MEADOW, 0.29), stretch=0.6)],
    'harbor': [partial(ground, colour=WATER, rough=4), quay],
    'industrial_area': [_town, partial(boxes, colours=HALLS, step=(0.36, 0.5), width=0.3, length=0.42, shadow=0.06),
                        partial(objects, kind='storage-tank', count=4, length=0.1)],
    'intersection': [_grass, partial(boxes, colours=ROOFS, step=0.25, width=0.14, length=0.16, share=0.7), partial(
        crossing, width=0.14)],
    'island': [_sea, partial(middle, colour=SHALLOW, radius=0.32), partial(middle, colour=(74, 98, 56), radius=0.24)],
    'lake': [partial(ground, colour=(82, 104, 60)), _trees, partial(middle, colour=WATER, radius=0.3)],
    'meadow': [partial(ground, colour=MEADOW, rough=7, cells=20)],
    'medium_residential': [_grass, partial(boxes, colours=ROOFS, step=0.2, width=0.12, length=0.14), _road, _trees],
    'mobile_home_park': [_grass, partial(boxes, colours=(PAINT, (206, 206, 200)), step=(0.09, 0.17), width=0.04,
                                         length=0.13, jitter=0.03), partial(band, colour=ASPHALT, width=0.04)],
    'mountain': [partial(ground, colour=ROCK, rough=4), peaks],
    'overpass': [_grass, partial(band, colour=ASPHALT, width=0.16, marks=PAINT), partial(over, width=0.16)],
    'palace': [_grass, partial(rows, colour=(136, 160, 96), count=6, width=0.3), partial(
        building, colour=(196, 150, 96), width=0.2, length=0.66, parts=4)],
    'parking_lot': [partial(ground, colour=ASPHALT, rough=3), partial(
        boxes, colours=((196, 36, 36), (40, 66, 170), (228, 228, 226), (24, 26, 30)), step=(0.07, 0.14), width=0.045,
        length=0.095, share=0.8, jitter=0.02, shadow=0.1)],
    'railway': [_land, _trees, lambda rng, image: strips(rng, image, (RAIL, 0.26, 0), *(
        (PAINT, 0.01, shift) for shift in (-0.085, -0.045, 0.045, 0.085)))],
    'railway_station': [partial(ground, colour=RAIL), partial(rows, colour=(196, 190, 180), count=14, width=0.12),
                        partial(boxes, colours=HALLS, step=(0.5, 1.2), width=0.16, length=0.8, jitter=0, shadow=0.1)],
    'rectangular_farmland': [_land, partial(
        boxes, colours=CROPS, step=(0.24, 0.34), width=0.22, length=0.32, jitter=0, shadow=0)],
    'river': [partial(ground, colour=FOREST), partial(patches, colour=GRASS, share=0.5), partial(
        band, colour=WATER, width=0.14, bend=0.2)],
    'roundabout': [_grass, _trees, partial(crossing, width=0.1), lambda rng, image: rings(
        rng, image, (ASPHALT, 0.3), (MEADOW, 0.18), (FOREST, 0.08))],
    'runway': [_grass, partial(band, colour=ASPHALT, width=0.24, marks=PAINT)],
    'sea_ice': [partial(ground, colour=DEEP), partial(patches, colour=SNOW, share=0.65, cells=9, edge=0.05)],
    'ship': [_sea, partial(objects, kind='ship', count=2, length=0.55)],
    'snowberg': [partial(ground, colour=SNOW, rough=3), peaks],
    'sparse_residential': [_grass, _trees, partial(boxes, colours=ROOFS, step=0.45, width=0.13, length=0.16)],
    'stadium': [_town, lambda rng, image: rings(
        rng, image, (ASPHALT, 0.46), (PAINT, 0.43), ((120, 124, 160), 0.39), ((176, 84, 66), 0.29), (MEADOW, 0.26),
        stretch=0.78)],
    'storage_tank': [partial(ground, colour=SOIL), partial(objects, kind='storage-tank', count=5, length=0.24)],
    'tennis_court': [_grass, partial(objects, kind='tennis-court', count=4, length=0.42)],
    'terrace': [partial(ground, colour=MEADOW), partial(rows, colour=SOIL, count=12, width=0.4, wave=1.6)],
    'thermal_power_station': [_town, partial(
        boxes, colours=HALLS, step=0.5, width=0.3, length=0.4, shadow=0.06), towers],
    'wetland': [partial(ground, colour=(88, 92, 58), rough=10), partial(
        patches, colour=(56, 70, 66), share=0.4, cells=9), partial(band, colour=(64, 82, 84), width=0.05, bend=0.25)],
}
