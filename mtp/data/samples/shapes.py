"""Small objects as seen from above, drawn in a box of their own: head at the top, tail at the bottom.

A shape is drawn in unit coordinates, ``u`` from the left (0) to the right (1) side and ``v`` from the head (0) to the
tail (1), at :data:`OVERSAMPLING` times its final size, and touches all four sides of its box, so that the box is exact.
"""
import math
from typing import Callable, Dict, List, NamedTuple, Sequence, Tuple, Union

import cv2
import numpy as np

OVERSAMPLING = 4

Colour = Sequence[float]  # RGB
WHITE = (236, 236, 232)
DARK = (38, 42, 50)


class Brush:
    """A blank patch and the strokes that fill it.

    Args:
        width: final width in pixels (across the heading).
        length: final length in pixels (along the heading).
    """

    def __init__(self, width: float, length: float) -> None:
        self.shape = (max(2, round(length * OVERSAMPLING)), max(2, round(width * OVERSAMPLING)))
        self.colour = np.zeros(self.shape + (3,), np.uint8)
        self.alpha = np.zeros(self.shape, np.uint8)

    def polygon(self, points: Union[np.ndarray, Sequence[Tuple[float, float]]], colour: Colour) -> None:
        """Fill a polygon given as (u, v) corners."""
        # cv2 takes coordinates of pixel centres, here with 4 fractional bits
        size = np.array([self.shape[1], self.shape[0]], np.float64)
        corners = np.round((np.asarray(points, np.float64) * size - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(self.colour, [corners], colour, shift=4)
        cv2.fillPoly(self.alpha, [corners], 255, shift=4)

    def rectangle(self, u0: float, v0: float, u1: float, v1: float, colour: Colour) -> None:
        """Fill the rectangle between two corners."""
        self.polygon([(u0, v0), (u1, v0), (u1, v1), (u0, v1)], colour)

    def ellipse(self, u: float, v: float, ru: float, rv: float, colour: Colour) -> None:
        """Fill an ellipse with centre (u, v) and radii ru, rv."""
        turns = np.linspace(0, 2 * np.pi, 49)[:-1]
        self.polygon(np.stack([u + ru * np.cos(turns), v + rv * np.sin(turns)], 1), colour)

    def frame(self, u0: float, v0: float, u1: float, v1: float, pixels: float, colour: Colour) -> None:
        """Outline a rectangle with lines ``pixels`` wide (in final pixels)."""
        du = pixels * OVERSAMPLING / self.shape[1]
        dv = pixels * OVERSAMPLING / self.shape[0]
        for box in ((u0, v0, u1, v0 + dv), (u0, v1 - dv, u1, v1), (u0, v0, u0 + du, v1), (u1 - du, v0, u1, v1)):
            self.rectangle(*box, colour)


def _shade(colour: Colour, factor: float) -> Tuple[int, ...]:
    return tuple(int(min(255, max(0, channel * factor))) for channel in colour)


def _pick(rng: np.random.Generator, colours: Sequence[Colour]) -> Tuple[int, ...]:
    return _shade(colours[rng.integers(len(colours))], rng.uniform(0.9, 1.06))


def plane(brush: Brush, rng: np.random.Generator) -> None:
    """Airliner: round fuselage, swept wings with engines, tail plane, dark cockpit."""
    body = _pick(rng, [WHITE, (222, 226, 232), (206, 208, 210)])
    wing = _shade(body, 0.86)
    livery = _pick(rng, [(176, 38, 44), (32, 72, 150), (220, 140, 30), (60, 120, 90)])
    brush.polygon([(0.5, 0.3), (0.0, 0.64), (0.0, 0.7), (0.5, 0.58), (1.0, 0.7), (1.0, 0.64)], wing)
    brush.polygon([(0.5, 0.82), (0.3, 0.94), (0.3, 0.99), (0.5, 0.96), (0.7, 0.99), (0.7, 0.94)], wing)
    for u in (0.27, 0.73):
        brush.rectangle(u - 0.035, 0.4, u + 0.035, 0.52, _shade(body, 0.62))
    brush.polygon([(0.5, 0.0), (0.455, 0.04), (0.44, 0.12), (0.44, 0.76), (0.485, 1.0), (0.515, 1.0), (0.56, 0.76),
                   (0.56, 0.12), (0.545, 0.04)], body)
    brush.rectangle(0.488, 0.8, 0.512, 1.0, livery)
    brush.rectangle(0.46, 0.045, 0.54, 0.075, DARK)


def ship(brush: Brush, rng: np.random.Generator) -> None:
    """Cargo ship: pointed bow, deck with hatches, white bridge house near the stern."""
    hull = _pick(rng, [(120, 44, 40), (54, 60, 72), (70, 74, 70)])
    deck = _pick(rng, [(164, 96, 78), (132, 138, 140), (150, 124, 96)])
    outline = [(0.5, 0.0), (0.88, 0.12), (1.0, 0.24), (1.0, 0.94), (0.86, 1.0), (0.14, 1.0), (0.0, 0.94), (0.0, 0.24),
               (0.12, 0.12)]
    brush.polygon(outline, hull)
    brush.polygon([(0.5 + (u - 0.5) * 0.76, 0.5 + (v - 0.5) * 0.94) for u, v in outline], deck)
    hatch = _pick(rng, [(196, 176, 120), (88, 104, 132), (176, 84, 60), (206, 206, 198)])
    for v in np.arange(0.24, 0.7, 0.125):
        brush.rectangle(0.24, v, 0.76, v + 0.085, _shade(hatch, rng.uniform(0.85, 1.1)))
    brush.rectangle(0.14, 0.77, 0.86, 0.9, WHITE)
    brush.rectangle(0.36, 0.84, 0.64, 0.94, _shade(hull, 1.5))


def vehicle(brush: Brush, rng: np.random.Generator) -> None:
    """Car: rounded body, dark windscreen and rear window, lighter roof."""
    paint = _pick(rng, [(196, 36, 36), (40, 66, 170), (228, 228, 226), (24, 26, 30), (214, 176, 40)])
    brush.polygon([(0.14, 0.0), (0.86, 0.0), (1.0, 0.08), (1.0, 0.93), (0.88, 1.0), (0.12, 1.0), (0.0, 0.93),
                   (0.0, 0.08)], paint)
    brush.polygon([(0.1, 0.26), (0.9, 0.26), (0.8, 0.42), (0.2, 0.42)], DARK)
    brush.polygon([(0.2, 0.78), (0.8, 0.78), (0.88, 0.88), (0.12, 0.88)], DARK)
    brush.rectangle(0.18, 0.43, 0.82, 0.77, _shade(paint, 1.12))


def storage_tank(brush: Brush, rng: np.random.Generator) -> None:
    """Floating-roof tank: bright rim, roof lit from one side, a hub in the middle."""
    roof = _pick(rng, [(226, 226, 220), (206, 212, 214), (222, 212, 192)])
    brush.ellipse(0.5, 0.5, 0.5, 0.5, _shade(roof, 0.62))
    brush.ellipse(0.5, 0.5, 0.46, 0.46, _shade(roof, 1.08))
    brush.ellipse(0.5, 0.5, 0.41, 0.41, _shade(roof, 0.7))
    for step in range(6):  # the lit side, in steps that the reduction to the final size blends
        brush.ellipse(0.5 + 0.02 * step, 0.5 + 0.02 * step, 0.4 - 0.03 * step, 0.4 - 0.03 * step,
                      _shade(roof, 0.74 + 0.05 * step))
    brush.ellipse(0.5, 0.5, 0.07, 0.07, _shade(roof, 0.5))


def tennis_court(brush: Brush, rng: np.random.Generator) -> None:
    """Tennis court: surround, playing field in another colour, white lines and a net across."""
    surround, field = [((58, 116, 74), (44, 92, 150)), ((150, 74, 58), (62, 124, 80)),
                       ((64, 122, 84), (160, 84, 64))][rng.integers(3)]
    brush.rectangle(0, 0, 1, 1, _shade(surround, rng.uniform(0.9, 1.08)))
    brush.rectangle(0.14, 0.12, 0.86, 0.88, field)
    brush.frame(0.14, 0.12, 0.86, 0.88, 1.1, WHITE)
    brush.frame(0.23, 0.12, 0.77, 0.88, 1.0, WHITE)
    brush.frame(0.23, 0.31, 0.77, 0.69, 1.0, WHITE)
    brush.rectangle(0.485, 0.31, 0.515, 0.69, WHITE)
    brush.rectangle(0.06, 0.49, 0.94, 0.51, DARK)


def baseball_diamond(brush: Brush, rng: np.random.Generator) -> None:
    """Baseball field: a quarter disc of grass, bare infield, grass square inside it, home plate at the tail."""
    grass = _pick(rng, [(96, 150, 62), (112, 160, 74)])
    soil = _pick(rng, [(186, 134, 84), (172, 116, 76)])
    turns = np.linspace(-math.pi / 4, math.pi / 4, 25)

    # radius 1 fills the box: its width is 2 sin(45 deg) times its length
    def sector(radius: float) -> List[Tuple[float, float]]:
        return [(0.5, 1.0)] + [(0.5 + radius * math.sin(t) / math.sqrt(2), 1 - radius * math.cos(t)) for t in turns]

    brush.polygon(sector(1.0), _shade(soil, 0.86))
    brush.polygon([(0.5 + (u - 0.5) * 0.93, 0.985 + (v - 1) * 0.95) for u, v in sector(1.0)], grass)
    brush.polygon(sector(0.62), soil)
    half = 0.2
    brush.polygon([(0.5, 0.95), (0.5 + half, 0.95 - half * math.sqrt(2)), (0.5, 0.95 - 2 * half * math.sqrt(2)),
                   (0.5 - half, 0.95 - half * math.sqrt(2))], _shade(grass, 1.08))
    brush.ellipse(0.5, 0.95 - half * math.sqrt(2), 0.035, 0.05, soil)


class Kind(NamedTuple):
    """How one kind of object is drawn and where it stands."""

    draw: Callable
    aspect: float  # width / length
    lengths: Tuple[float, float]  # pixels
    terrain: str
    shadow: float  # height of the object as the offset of its shadow, in pixels
    turns: bool = True  # False for what looks the same from all sides: its box is drawn upright, as annotators do


KINDS: Dict[str, Kind] = {
    'plane': Kind(plane, 0.94, (56, 90), 'concrete', 3.0),
    'ship': Kind(ship, 0.3, (56, 90), 'water', 1.5),
    'vehicle': Kind(vehicle, 0.5, (26, 34), 'concrete', 1.5),
    'storage-tank': Kind(storage_tank, 1.0, (28, 52), 'grass', 3.5, turns=False),
    'tennis-court': Kind(tennis_court, 0.54, (56, 80), 'grass', 0.0),
    'baseball-diamond': Kind(baseball_diamond, math.sqrt(2), (44, 60), 'grass', 0.0),
}


def patch(kind: str, rng: np.random.Generator, length: float) -> Tuple[np.ndarray, np.ndarray]:
    """Draw one object.

    Args:
        kind: a key of :data:`KINDS`.
        rng: ``numpy.random.Generator`` for its colours.
        length: pixels from head to tail.

    Returns:
        Colour (h, w, 3) and cover (h, w), float32 in 0..255 and 0..1; h = round(length).
    """
    brush = Brush(length * KINDS[kind].aspect, length)
    KINDS[kind].draw(brush, rng)
    size = (max(1, round(brush.shape[1] / OVERSAMPLING)), max(1, round(brush.shape[0] / OVERSAMPLING)))
    cover = brush.alpha.astype(np.float32) / 255
    colour = brush.colour.astype(np.float32) * cover[..., None]
    return cv2.resize(colour, size, interpolation=cv2.INTER_AREA), cv2.resize(cover, size, interpolation=cv2.INTER_AREA)
