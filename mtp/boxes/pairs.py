"""Which boxes can meet at all: candidate pairs from axis-aligned bounds, by a sweep in horizontal strips."""
from typing import Optional, Tuple

import numpy as np

#: Bounds are widened by this many pixels, far more than any rounding in the exact test that follows.
MARGIN = 1e-3

_Pair = Tuple[np.ndarray, np.ndarray]


def bounds_of_rboxes(rboxes: np.ndarray) -> np.ndarray:
    """Axis-aligned bounds of rotated boxes: (n, 5) -> (n, 4) float64 x_min, y_min, x_max, y_max."""
    rboxes = np.asarray(rboxes, dtype=np.float64).reshape(-1, 5)
    cos, sin = np.abs(np.cos(rboxes[:, 4])), np.abs(np.sin(rboxes[:, 4]))
    half_x = (rboxes[:, 2] * cos + rboxes[:, 3] * sin) / 2
    half_y = (rboxes[:, 2] * sin + rboxes[:, 3] * cos) / 2
    x, y = rboxes[:, 0], rboxes[:, 1]
    return np.stack([x - half_x, y - half_y, x + half_x, y + half_y], axis=1)


def bounds_of_polygons(polygons: np.ndarray) -> np.ndarray:
    """Axis-aligned bounds of polygons: (n, 2k) -> (n, 4) float64."""
    corners = np.asarray(polygons, dtype=np.float64)
    corners = corners.reshape(len(corners), corners.shape[-1] // 2, 2)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def overlapping_pairs(bounds: np.ndarray, groups: Optional[np.ndarray] = None, other: Optional[np.ndarray] = None,
                      other_groups: Optional[np.ndarray] = None) -> _Pair:
    """Pairs of boxes of the same group whose bounds, widened by :data:`MARGIN`, overlap.

    The plane is cut into strips about twice as high as a box; in each strip a sweep along x finds the neighbours, so
    the cost goes with the number of pairs and not with the square of the number of boxes. A pair that meets in several
    strips is reported in the first of them only.

    Args:
        bounds: (n, 4) x_min, y_min, x_max, y_max, finite.
        groups: (n,) integers; only boxes of one group are paired. None: all are one group.
        other: (m, 4), optional: pair ``bounds`` with ``other`` instead of with itself.
        other_groups: (m,) groups of ``other``.

    Returns:
        i, j: int64 arrays. Within one set each pair appears once, i < j; with ``other`` i counts in ``bounds``, j in
        ``other``. Sorted by (i, j).
    """
    first = len(bounds)
    bounds = np.asarray(bounds, dtype=np.float64).reshape(-1, 4)
    groups = np.zeros(first, dtype=np.int64) if groups is None else np.asarray(groups, dtype=np.int64)
    if other is not None:
        other_groups = np.zeros(len(other), dtype=np.int64) if other_groups is None else np.asarray(other_groups)
        bounds = np.concatenate([bounds, np.asarray(other, dtype=np.float64).reshape(-1, 4)])
        groups = np.concatenate([groups, other_groups.astype(np.int64)])
    if not len(bounds):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    bounds = bounds + np.array([-MARGIN, -MARGIN, MARGIN, MARGIN]) / 2
    low, high = _strips(bounds)
    i, j = _sweep(bounds, groups, low, high)
    if other is not None:
        crossing = (i < first) != (j < first)
        i, j = i[crossing], j[crossing]
        i, j = np.minimum(i, j), np.maximum(i, j) - first
    else:
        i, j = np.minimum(i, j), np.maximum(i, j)
    order = np.lexsort((j, i))
    return i[order], j[order]


def _strips(bounds: np.ndarray) -> _Pair:
    """First and last strip of each box: two (n,) int64."""
    heights = bounds[:, 3] - bounds[:, 1]
    height = max(2 * float(heights.mean()), 1e-6)
    origin = bounds[:, 1].min()
    low = np.floor((bounds[:, 1] - origin) / height).astype(np.int64)
    return low, np.floor((bounds[:, 3] - origin) / height).astype(np.int64)


def _sweep(bounds: np.ndarray, groups: np.ndarray, low: np.ndarray, high: np.ndarray) -> _Pair:
    """Overlapping pairs (i, j), each once, unordered."""
    box, step = _expand(high - low + 1)
    strip = low[box] + step
    lane = (groups[box] - groups.min()) * (high.max() + 1) + strip
    # One line through all groups and strips: starts and ends sorted together, starts first where they are equal
    # because the sort is stable. All that a box meets starts between its own start and its own end.
    n = len(box)
    order = np.lexsort((np.concatenate([bounds[box, 0], bounds[box, 2]]), np.tile(lane, 2)))
    starts = order[order < n]
    started = np.cumsum(order < n)
    position = np.empty(2 * n, dtype=np.int64)
    position[order] = started
    own, until = position[starts], position[starts + n]
    left, step = _expand(until - own)
    right = starts[own[left] + step]
    left = starts[left]
    i, j = box[left], box[right]
    meet = (bounds[i, 1] <= bounds[j, 3]) & (bounds[j, 1] <= bounds[i, 3])
    meet &= strip[left] == np.maximum(low[i], low[j])
    return i[meet], j[meet]


def _expand(counts: np.ndarray) -> _Pair:
    """``counts`` (n,) -> for each unit its owner and its number within the owner: two (sum,) int64."""
    owner = np.repeat(np.arange(len(counts)), counts)
    ends = np.cumsum(counts)
    return owner, np.arange(len(owner)) - np.repeat(ends - counts, counts)


def overlaps_between(rboxes: np.ndarray, i: np.ndarray, j: np.ndarray) -> _Pair:
    """Bounds of the area that boxes ``i[k]`` and ``j[k]`` share, far cheaper than the area itself.

    Seen from one box of a pair, the other one lies between the largest rectangle of the first one's direction inside
    it, and the least one around it; and the other way round.

    Args:
        rboxes: (n, 5).
        i, j: (k,) integers.

    Returns:
        (k,) float64 at least, (k,) float64 at most.
    """
    cx, cy, w, h, theta = np.ascontiguousarray(np.asarray(rboxes, dtype=np.float64).T)
    cos, sin = np.cos(theta), np.sin(theta)
    dx, dy = cx[j] - cx[i], cy[j] - cy[i]
    cos_i, sin_i, cos_j, sin_j = cos[i], sin[i], cos[j], sin[j]
    c, s = np.abs(cos_i * cos_j + sin_i * sin_j), np.abs(sin_j * cos_i - cos_j * sin_i)
    half = (w[i] / 2, h[i] / 2), (w[j] / 2, h[j] / 2)
    first = _as_seen_from(half[0], half[1], np.abs(dx * cos_i + dy * sin_i), np.abs(dy * cos_i - dx * sin_i), c, s)
    second = _as_seen_from(half[1], half[0], np.abs(dx * cos_j + dy * sin_j), np.abs(dy * cos_j - dx * sin_j), c, s)
    return np.maximum(first[0], second[0]), np.minimum(first[1], second[1])


def _as_seen_from(own: _Pair, other: _Pair, x: np.ndarray, y: np.ndarray, c: np.ndarray, s: np.ndarray) -> _Pair:
    """Bounds of the shared area, from the box with half sides ``own``; ``other`` lies ``x``, ``y`` from it, turned by
    an angle with cosine ``c`` and sine ``s``; signs do not matter."""
    around = other[0] * c + other[1] * s, other[0] * s + other[1] * c
    # Corners (p, q) of a rectangle inside touch both sides: p*c + q*s = w/2 and p*s + q*c = h/2.
    det = c * c - s * s
    safe = np.where(np.abs(det) > 1e-3, det, np.inf)
    inside = (other[0] * c - other[1] * s) / safe, (other[1] * c - other[0] * s) / safe
    most = _shared_length(own[0], around[0], x) * _shared_length(own[1], around[1], y)
    least = _shared_length(own[0], inside[0], x) * _shared_length(own[1], inside[1], y)
    return np.where((inside[0] > 0) & (inside[1] > 0), least, 0.0), most


def _shared_length(first: np.ndarray, second: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Of two intervals of half lengths ``first``, ``second``, whose centres are ``distance`` apart."""
    return np.maximum(np.minimum(np.minimum(2 * first, 2 * second), first + second - distance), 0.0)
