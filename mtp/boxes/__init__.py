"""Geometry of rotated boxes in NumPy, float64: conventions, polygons, exact IoU, non-maximum suppression.

A rotated box (``rbox``) is ``(cx, cy, w, h, theta)``: centre and sides in pixels, ``theta`` in radians, positive =
clockwise on the screen (y points down). A polygon is ``(x1, y1, ..., x4, y4)``.
"""
from .convert import best_begin, min_area_rboxes, polygons_to_rboxes, rboxes_to_polygons, regularise_le90
from .iou import polygon_areas, rotated_iou, rotated_iou_matrix
from .nms import rotated_nms
from .pairs import bounds_of_polygons, bounds_of_rboxes, overlapping_pairs, overlaps_between

__all__ = [
    'best_begin', 'bounds_of_polygons', 'bounds_of_rboxes', 'min_area_rboxes', 'overlapping_pairs', 'overlaps_between',
    'polygon_areas', 'polygons_to_rboxes', 'rboxes_to_polygons', 'regularise_le90', 'rotated_iou', 'rotated_iou_matrix',
    'rotated_nms',
]
