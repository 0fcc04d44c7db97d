"""Classes of scenes: a table of images, and for big rasters a grid of windows as polygons.

An image that is at most twice as large as the scenes of the training counts as one scene. A larger one is looked at
window by window; a window at the right or lower border is moved back into the image, and its polygon is the part of the
grid that it stands for, so that polygons do not overlap.
"""
import argparse
import os
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np

from mtp.adapters import environment, inference
from mtp.data import scene_table
from mtp.errors import FAILED, MTPError
from mtp.report import draw
from mtp.tiles import rasters, shards, sources, windows

from . import geojson, outputs, placing
from .geopackage import GeoPackage
from .job import PACKAGE, Config, OfImages
from .team import Team

COLUMNS = (('image', 'TEXT'), ('class', 'TEXT'), ('score', 'REAL'), ('second', 'TEXT'), ('second_score', 'REAL'),
           ('x', 'INTEGER'), ('y', 'INTEGER'))
_WHOLE = 2  # times the side of a scene
_PADDING = (104, 116, 124)


class Job(OfImages):
    """Classes of scenes; see :class:`mtp.predict.job.Prediction`."""

    def __init__(self, cfg: Config, checkpoint: str, options: argparse.Namespace, team: Team,
                 colours: rasters.Colours) -> None:
        toolbox = environment.adapter('scenes')
        super().__init__(toolbox.Classifier(cfg, checkpoint, team.device, options.amp), options, team, colours)
        self.side, self.overlap = options.window or toolbox.side_of(cfg), options.overlap or 0
        if self.overlap >= self.side:
            raise MTPError(f'windows of {self.side} pixels that overlap by {self.overlap} never advance',
                           hint='--overlap 0')
        self.places, self.pieces = {}, []
        for stem, path in self.images.items():
            rasters.size(path, colours)
            size, ground = self.places[stem] = rasters.place_of(path)
            self.pieces += self._pieces(stem, path, size)
        self.names = [scene_table.NAME] + [PACKAGE] * ('gpkg' in options.formats) + [
            stem + '.geojson' for stem in self.images if 'geojson' in options.formats and self.is_mapped(stem)]
        self.mark = self.fingerprint(cfg, checkpoint, side=self.side, overlap=self.overlap)

    def is_whole(self, size: Tuple[int, int]) -> bool:
        """Whether an image of this size is one scene."""
        return not self.options.window and max(size) <= _WHOLE * self.side

    def is_mapped(self, stem: str) -> bool:
        """Whether an image gets polygons: one with a place on the ground, or with several windows."""
        size, ground = self.places[stem]
        return ground is not None or not self.is_whole(size)

    def _pieces(self, stem: str, path: str, size: Tuple[int, int]) -> List[sources.Piece]:
        if self.is_whole(size):
            return [sources.Piece(path, stem, np.array([[0, 0, *size]]), _PADDING, size[0] * size[1])]
        how = windows.Preset(self.side, self.overlap, min_share=0, padding=_PADDING)
        return sources.of_images({stem: path}, how, self.team.world * max(1, self.options.workers), lambda _: size)

    def compute(self) -> None:
        """This process's share of the windows."""
        inference.detect(self.network, self.pieces, self.shards, self.mark, self.settings)

    def write(self) -> None:
        """Everything for people."""
        scores = self._scores()
        count = _write_table(self, scores)
        mapped = [stem for stem in self.images if self.is_mapped(stem)]
        shown = _write_polygons(self, scores, mapped) if set(self.options.formats) & {'gpkg', 'geojson'} else set()
        print(f'{count} scenes of {len(self.network.classes)} classes in {len(self.images)} images')
        print(os.path.join(self.out, scene_table.NAME))
        if shown:
            kinds = ['<image>.geojson'] * ('geojson' in self.options.formats) + [PACKAGE] * (
                'gpkg' in self.options.formats)
            print('{} (coordinates: {})'.format(', '.join(os.path.join(self.out, kind) for kind in kinds),
                                                '; '.join(sorted(shown))))

    def _scores(self) -> Dict[str, np.ndarray]:
        """Window id -> scores (classes,), empty where it holds no data."""
        found = {tile: scores for tile, _, scores, _ in shards.read_shards(self.shards)}
        missing = [tile for piece in self.pieces for tile in piece.tiles if tile not in found]
        if missing:
            raise MTPError(f'{len(missing)} windows are missing, {missing[0]} among them', code=FAILED,
                           hint='start the same command again: it computes what is missing')
        return found


def _windows_of(job: Job, scores: Mapping[str, np.ndarray]) -> Iterator[Tuple[str, np.ndarray, np.ndarray]]:
    """Yield (id of the image, window (4,), scores) of every window that holds data, by image, from top to bottom."""
    for piece in job.pieces:
        for tile, window in zip(piece.tiles, () if piece.windows is None else piece.windows):
            if len(scores[tile]):
                yield piece.stem, window, scores[tile]


def _write_table(job: Job, scores: Mapping[str, np.ndarray]) -> int:
    """``scenes.csv``: a line a window; returns how many."""
    return scene_table.write(os.path.join(job.out, scene_table.NAME), job.network.classes, (
        scene_table.Scene(os.path.basename(job.images[stem]), [*window[:2], *(window[2:] - window[:2])], found)
        for stem, window, found in _windows_of(job, scores)))


def _write_polygons(job: Job, scores: Mapping[str, np.ndarray], mapped: Sequence[str]) -> Set[str]:
    """Windows as polygons; returns what the coordinates are."""
    by_image, shown = {stem: [] for stem in mapped}, set()
    for stem, window, found in _windows_of(job, scores):
        if stem in by_image:
            by_image[stem].append((window, found))
    with job.package() as package:
        for stem, rows in by_image.items():
            shown.add(_polygons_of(stem, rows, job, package))
    return shown


def _polygons_of(stem: str, rows: Sequence[Tuple[np.ndarray, np.ndarray]], job: Job,
                 package: Optional[GeoPackage]) -> str:
    """Add the windows of one image to the package, and to a GeoJSON of its own."""
    size, ground = job.places[stem]
    system = placing.system_of(ground, job.options.wgs84, coded='geojson' in job.options.formats)
    rings = _cells(np.array([window for window, _ in rows]).reshape(-1, 4), size,
                   0 if job.is_whole(size) else job.side, job.overlap)
    rings = placing.closed(placing.place(rings, ground, system))
    attributes = [_attributes(stem, window, found, job.network.classes) for window, found in rows]
    if package:
        colours = dict(zip(job.network.classes, draw.palette_of(job.network.classes)))
        layer = package.layer(outputs.layer_name('scenes', system), system, COLUMNS, colours)
        layer.boxes(rings, list(zip(*attributes)) or [()] * len(COLUMNS))
    if 'geojson' in job.options.formats:
        with geojson.collection(os.path.join(job.out, stem + '.geojson'), stem, system) as add:
            for ring, values in zip(rings, attributes):
                add([ring], dict(zip([name for name, _ in COLUMNS[1:]], values[1:])))
    return system.name


def _attributes(stem: str, window: np.ndarray, found: np.ndarray,
                classes: Sequence[str]) -> Tuple[str, str, float, str, float, int, int]:
    """One value for each of :data:`COLUMNS`."""
    second, best = np.argsort(found, kind='stable')[-2:] if len(found) > 1 else (0, 0)
    return (stem, classes[best], round(float(found[best]), 6), classes[second], round(float(found[second]), 6),
            int(window[0]), int(window[1]))


def _cells(found: np.ndarray, size: Tuple[int, int], side: int, overlap: int) -> np.ndarray:
    """Corners (n, 4, 2) in pixels of what each window (n, 4) stands for.

    Where windows overlap, the next one begins in the middle of what they share; without overlap asked for, a last one
    that was moved back begins where the one before it ends.
    """
    sides = []
    for axis in (0, 1):
        begins = windows.starts(size[axis], side, overlap) if side else np.zeros(1, np.int64)
        ends = begins[:-1] + side
        edges = np.concatenate([[0], (begins[1:] + ends) / 2 if overlap else ends, [size[axis]]])
        at = np.searchsorted(begins, found[:, axis])
        sides.append((edges[at], edges[at + 1]))
    (x_start, x_stop), (y_start, y_stop) = sides
    return np.stack([x_start, y_start, x_stop, y_start, x_stop, y_stop, x_start, y_stop], axis=1).reshape(-1, 4, 2)
