"""Between rotated boxes and polygons, and the le90 convention."""
import numpy as np

#: Cyclic orders in which the corners of a quadrilateral can be written, first corner first.
_CYCLES = np.array([[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2]])


def rboxes_to_polygons(rboxes: np.ndarray, normalise: bool = True) -> np.ndarray:
    """Corners of rotated boxes, clockwise on the screen.

    Args:
        rboxes: (n, 5) cx, cy, w, h (pixels), theta (radians).
        normalise: start each polygon at its best begin point (:func:`best_begin`), as DOTA result files do.

    Returns:
        (n, 8) float64. The corner formula is the centre +- (w/2)(cos, sin) +- (h/2)(-sin, cos), which is the same
        geometry for every angle convention.
    """
    rboxes = np.asarray(rboxes, dtype=np.float64).reshape(-1, 5)
    centre, (w, h, theta) = rboxes[:, :2], rboxes[:, 2:].T
    cos, sin = np.cos(theta), np.sin(theta)
    along = np.stack([w / 2 * cos, w / 2 * sin], axis=1)
    across = np.stack([-h / 2 * sin, h / 2 * cos], axis=1)
    corners = [centre - along - across, centre + along - across, centre + along + across, centre - along + across]
    polygons = np.concatenate(corners, axis=1)
    return best_begin(polygons) if normalise else polygons


def best_begin(polygons: np.ndarray) -> np.ndarray:
    """Rotate the corner order so that the corners lie nearest to those of the axis-aligned bounds.

    Of the four cyclic orders the one with the least sum of distances to the bounds' corners (top left, top right,
    bottom right, bottom left) is taken, the first of equals. The sum is formed term by term, in corner order, so that
    ties fall as they do in MMRotate 0.3.4.

    Args:
        polygons: (n, 8).

    Returns:
        (n, 8) float64, the same corners.
    """
    corners = np.asarray(polygons, dtype=np.float64).reshape(-1, 4, 2)
    low, high = corners.min(axis=1), corners.max(axis=1)
    targets = np.stack([low, np.stack([high[:, 0], low[:, 1]], 1), high, np.stack([low[:, 0], high[:, 1]], 1)], axis=1)
    costs = []
    for cycle in _CYCLES:
        offsets = corners[:, cycle] - targets
        distances = np.sqrt(offsets[..., 0] * offsets[..., 0] + offsets[..., 1] * offsets[..., 1])
        costs.append(((distances[:, 0] + distances[:, 1]) + distances[:, 2]) + distances[:, 3])
    chosen = _CYCLES[np.argmin(costs, axis=0)]
    return np.take_along_axis(corners, chosen[..., None], axis=1).reshape(-1, 8)


def regularise_le90(rboxes: np.ndarray) -> np.ndarray:
    """The same boxes with w >= h and theta in [-pi/2, pi/2).

    Args:
        rboxes: (n, 5).

    Returns:
        (n, 5) float64.
    """
    rboxes = np.array(rboxes, dtype=np.float64).reshape(-1, 5)
    tall = rboxes[:, 2] < rboxes[:, 3]
    rboxes[tall, 2:4] = rboxes[tall, 3:1:-1]
    rboxes[tall, 4] += np.pi / 2
    theta = (rboxes[:, 4] + np.pi / 2) % np.pi - np.pi / 2
    inside = (rboxes[:, 4] >= -np.pi / 2) & (rboxes[:, 4] < np.pi / 2)
    # An angle already in range is left bit for bit; a reduced one may round up to the open end.
    theta[theta >= np.pi / 2] = -np.pi / 2
    rboxes[:, 4] = np.where(inside, rboxes[:, 4], theta)
    return rboxes


def polygons_to_rboxes(polygons: np.ndarray) -> np.ndarray:
    """Rotated boxes of polygons that are rectangles: the inverse of :func:`rboxes_to_polygons`, without fitting.

    The centre is the mean of the corners, the sides are the means of opposite sides, the angle is that of the longer
    side, so rounding in the corners averages out.

    Args:
        polygons: (n, 8), corners in order, either sense.

    Returns:
        (n, 5) float64, le90.
    """
    corners = np.asarray(polygons, dtype=np.float64).reshape(-1, 4, 2)
    first = (corners[:, 1] - corners[:, 0] + corners[:, 2] - corners[:, 3]) / 2
    second = (corners[:, 2] - corners[:, 1] + corners[:, 3] - corners[:, 0]) / 2
    w, h = np.hypot(*first.T), np.hypot(*second.T)
    longer = np.where((w >= h)[:, None], first, second)
    theta = np.arctan2(longer[:, 1], longer[:, 0])
    sides = np.stack([np.maximum(w, h), np.minimum(w, h), theta], axis=1)
    return regularise_le90(np.concatenate([corners.mean(axis=1), sides], axis=1))


def min_area_rboxes(polygons: np.ndarray) -> np.ndarray:
    """Least-area rectangles around polygons (OpenCV's rotating calipers, float32 corners), le90.

    Args:
        polygons: (n, 2k) corners; k >= 2.

    Returns:
        (n, 5) float64. A polygon without area gives a box without area; nothing is dropped.
    """
    import cv2  # here, so that the rest of the package runs where OpenCV is not installed
    polygons = np.asarray(polygons, dtype=np.float32)
    boxes = np.empty((len(polygons), 5), dtype=np.float64)
    for box, polygon in zip(boxes, polygons):
        (box[0], box[1]), (box[2], box[3]), degrees = cv2.minAreaRect(polygon.reshape(-1, 2))
        box[4] = degrees / 180 * np.pi
    return regularise_le90(boxes)
