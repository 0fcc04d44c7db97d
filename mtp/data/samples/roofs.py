"""Houses: roofs with a lit and a shaded side, and their outlines."""
from typing import List, Tuple

import cv2
import numpy as np

COLOURS = ((196, 92, 70), (206, 196, 184), (120, 132, 150), (176, 160, 120))


def outlines(rng: np.random.Generator, ground: np.ndarray, step: int = 70, share: float = 1.0) -> List[np.ndarray]:
    """Closed outlines (5, 2) float64 in pixels, on a loose grid, all corners where ``ground`` (height, width) is true.

    ``share`` of the places of the grid have a house.
    """
    rings = []
    height, width = ground.shape
    for y in range(45, height - 44, step):
        for x in range(45, width - 44, step):
            half = rng.uniform(14, 26, 2)
            angle = rng.uniform(-0.3, 0.3)
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            ring = (np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) * half) @ turn + (x, y)
            column, row = ring.astype(int).T
            if rng.random() < share and ground[row, column].all():
                rings.append(ring)
    return rings


def draw(rng: np.random.Generator, image: np.ndarray, rings: List[np.ndarray]) -> None:
    """Draw houses with these outlines into ``image`` (uint8 or float32 RGB), shadow first."""
    for ring in rings:
        colour = np.array(COLOURS[rng.integers(len(COLOURS))])
        cv2.fillPoly(image, [np.round(ring + 4).astype(np.int32)], (40, 44, 40))
        shaded = np.concatenate([ring[:2], ring[1:3].mean(0)[None], ring[[3, 0]].mean(0)[None]])
        for part, light in ((ring, 1.0), (shaded, 0.8)):
            cv2.fillPoly(image, [np.round(part - 0.5).astype(np.int32)], (colour * light).astype(int).tolist())


def mask(shape: Tuple[int, ...], rings: List[np.ndarray], value: int = 1) -> np.ndarray:
    """Mask (height, width) uint8 of the outlines, as :func:`draw` fills them."""
    result = np.zeros(shape, np.uint8)
    for ring in rings:
        cv2.fillPoly(result, [np.round(ring - 0.5).astype(np.int32)], value)
    return result
