"""Exact intersection over union of rotated boxes, pair by pair, vectorised.

The steps and their order follow what mmcv's operator computes (both boxes shifted by the midpoint of their centres, 16
edge against edge tests, 8 corner inside tests, hull of the points found), so that a result near a threshold falls on
the same side. Only the hull differs: the points of a convex intersection are ordered around their mean instead of
scanned.
"""
from typing import Tuple

import numpy as np

_CHUNK = 2048  # pairs worked on at a time: the intermediate arrays stay in the processor's cache
_TINY_AREA = 1e-14
_PARALLEL = 1e-14

_Pair = Tuple[np.ndarray, np.ndarray]


def polygon_areas(polygons: np.ndarray) -> np.ndarray:
    """Areas of polygons (shoelace), (n, 2k) -> (n,) float64, not negative."""
    corners = np.asarray(polygons, dtype=np.float64)
    corners = corners.reshape(len(corners), corners.shape[-1] // 2, 2)
    x, y = corners[..., 0] - corners[:, :1, 0], corners[..., 1] - corners[:, :1, 1]
    return np.abs((x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)) / 2


def rotated_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of ``first[i]`` with ``second[i]``.

    Args:
        first: (n, 5) cx, cy, w, h, theta in radians.
        second: (n, 5).

    Returns:
        (n,) float64. A box with an area below 1e-14 has IoU 0 with everything.
    """
    first = np.asarray(first, dtype=np.float64).reshape(-1, 5)
    second = np.asarray(second, dtype=np.float64).reshape(-1, 5)
    result = np.empty(len(first))
    for start in range(0, len(first), _CHUNK):
        part = slice(start, start + _CHUNK)
        result[part] = _iou_chunk(np.ascontiguousarray(first[part].T), np.ascontiguousarray(second[part].T))
    return result


def rotated_iou_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of every box of ``first`` (n, 5) with every box of ``second`` (m, 5): (n, m) float64.

    Only pairs whose axis-aligned bounds meet are computed, so a sparse matrix is cheap.
    """
    from .pairs import bounds_of_rboxes, overlapping_pairs
    first = np.asarray(first, dtype=np.float64).reshape(-1, 5)
    second = np.asarray(second, dtype=np.float64).reshape(-1, 5)
    matrix = np.zeros((len(first), len(second)))
    i, j = overlapping_pairs(bounds_of_rboxes(first), other=bounds_of_rboxes(second))
    matrix[i, j] = rotated_iou(first[i], second[j])
    return matrix


def _iou_chunk(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``a``, ``b``: (5, n) rows cx, cy, w, h, theta -> (n,)."""
    area_a, area_b = a[2] * a[3], b[2] * b[3]
    shift_x, shift_y = (a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0
    ax, ay = _corners(a, a[0] - shift_x, a[1] - shift_y)
    bx, by = _corners(b, b[0] - shift_x, b[1] - shift_y)
    x, y, found = _intersection_points(ax, ay, bx, by)
    shared = _hull_area(x, y, found)
    iou = np.zeros_like(shared)
    solid = ~((area_a < _TINY_AREA) | (area_b < _TINY_AREA))
    np.divide(shared, area_a + area_b - shared, out=iou, where=solid)
    return iou


def _corners(box: np.ndarray, cx: np.ndarray, cy: np.ndarray) -> _Pair:
    """Corner coordinates in cyclic order, two (4, n) arrays."""
    half_cos, half_sin = np.cos(box[4]) * 0.5, np.sin(box[4]) * 0.5
    w, h = box[2], box[3]
    x0, y0 = cx - half_sin * h - half_cos * w, cy + half_cos * h - half_sin * w
    x1, y1 = cx + half_sin * h - half_cos * w, cy - half_cos * h - half_sin * w
    return np.stack([x0, x1, 2 * cx - x0, 2 * cx - x1]), np.stack([y0, y1, 2 * cy - y0, 2 * cy - y1])


def _intersection_points(ax: np.ndarray, ay: np.ndarray, bx: np.ndarray,
                         by: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where edges cross (16) and corners of one box inside the other (8): x, y, found, each (24, n)."""
    n = ax.shape[1]
    x, y, found = np.empty((24, n)), np.empty((24, n)), np.empty((24, n), dtype=bool)
    aex, aey, bex, bey = _edges(ax), _edges(ay), _edges(bx), _edges(by)
    for i in range(4):
        rows = slice(4 * i, 4 * i + 4)
        det = bex * aey[i] - bey * aex[i]
        dx, dy = bx - ax[i], by - ay[i]
        parallel = np.abs(det) <= _PARALLEL
        det[parallel] = 1.0
        t = (bex * dy - bey * dx) / det
        u = (aex[i] * dy - aey[i] * dx) / det
        x[rows], y[rows] = ax[i] + aex[i] * t, ay[i] + aey[i] * t
        found[rows] = (t >= 0) & (t <= 1) & (u >= 0) & (u <= 1) & ~parallel
    x[16:20], y[16:20], found[16:20] = ax, ay, _inside(ax, ay, bx, by, bex, bey)
    x[20:], y[20:], found[20:] = bx, by, _inside(bx, by, ax, ay, aex, aey)
    return x, y, found


def _edges(corners: np.ndarray) -> np.ndarray:
    """Vectors from each corner to the next, (4, n)."""
    return np.roll(corners, -1, axis=0) - corners


def _inside(px: np.ndarray, py: np.ndarray, x: np.ndarray, y: np.ndarray, ex: np.ndarray, ey: np.ndarray) -> np.ndarray:
    """Which of the points (4, n) lie in the closed rectangle with corners ``x``, ``y`` and edges ``ex``, ``ey``."""
    dx, dy = px - x[0], py - y[0]
    along, across = dx * ex[0] + dy * ey[0], -(dx * ex[3] + dy * ey[3])
    width, height = ex[0] * ex[0] + ey[0] * ey[0], ex[3] * ex[3] + ey[3] * ey[3]
    return (along >= 0) & (across >= 0) & (along <= width) & (across <= height)


def _hull_area(x: np.ndarray, y: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Area of the convex polygon through the found points, (24, n) -> (n,); 0 where fewer than three were found."""
    count = found.sum(axis=0)
    # Two boxes rarely share more than 8 points: gather the found ones in front, and drop the empty columns.
    row, pair = np.nonzero(found)
    slot = (np.cumsum(found, axis=0) - 1)[row, pair]
    points = np.zeros((2, found.shape[1], max(int(count.max(initial=0)), 1)))
    points[0, pair, slot], points[1, pair, slot] = x[row, pair], y[row, pair]
    x, y = points
    missing = np.arange(x.shape[1]) >= count[:, None]
    x, y = np.where(missing, x[:, :1], x), np.where(missing, y[:, :1], y)
    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    order = np.argsort(_turn(dx, dy), axis=1)
    x, y = np.take_along_axis(x, order, axis=1), np.take_along_axis(y, order, axis=1)
    x, y = x - x[:, :1], y - y[:, :1]
    area = np.abs((x[:, :-1] * y[:, 1:] - y[:, :-1] * x[:, 1:]).sum(axis=1)) / 2
    return np.where(count > 2, area, 0.0)


def _turn(dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """A number that grows with the angle of (dx, dy), cheaper than arctan2."""
    length = np.abs(dx) + np.abs(dy)
    ratio = dx / np.where(length > 0, length, 1.0)
    return np.where(dy < 0, ratio - 1.0, 1.0 - ratio)
