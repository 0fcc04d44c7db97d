"""Objects in images: pictures, DOTA text, COCO JSON, GeoJSON of images, and one GeoPackage of all."""
import argparse
import contextlib
import functools
import os
from types import ModuleType
from typing import Iterable, List, Optional, Sequence, Tuple

import numpy as np

from mtp import workers
from mtp.adapters import environment, inference, tile_test
from mtp.progress import Progress
from mtp.report import draw
from mtp.tiles import merge, rasters, sources, windows
from mtp.tiles.detections import Detections

from . import outputs
from .job import PACKAGE, Config, OfImages
from .team import Team

_LEAST_OVERLAP = 4  # of a window without a preset: its fourth part


class Job(OfImages):
    """Objects; see :class:`mtp.predict.job.Prediction`."""

    def __init__(self, cfg: Config, checkpoint: str, options: argparse.Namespace, team: Team,
                 colours: rasters.Colours) -> None:
        module = environment.adapter('detector')
        super().__init__(module.Detector(cfg, checkpoint, team.device, options.amp), options, team, colours)
        tiling = _tiling(cfg, options, module)
        self.names = names_of(self.images, self.network.classes, options.formats)
        self.pieces = sources.of_images(self.images, tiling, self.settings.readers,
                                        functools.partial(rasters.size, colours=colours))
        self.merge = tile_test.merging(options, cfg, merge.DEFAULT if self.network.rotated else merge.UPRIGHT)
        self.mark = self.fingerprint(cfg, checkpoint, tiling=tiling)
        self.facts = dict(merge=dict(self.merge._asdict()), score_thr=options.score_thr)

    def compute(self) -> None:
        """This process's share of the windows."""
        inference.detect(self.network, self.pieces, self.shards, self.mark, self.settings)

    def write(self) -> None:
        """Everything for people."""
        options = self.options
        tiles = set(tile for piece in self.pieces for tile in piece.tiles)
        print(self.merge.in_words, flush=True)
        found = merge.merge(self.shards, self.merge.iou_thr, self.merge.rule, options.score_thr, expected=tiles,
                            jobs=os.cpu_count() or 1)
        _write(found, self)


def _tiling(cfg: Config, options: argparse.Namespace, module: ModuleType) -> windows.Preset:
    """How images are cut for the detector of a config."""
    name = options.tiling or cfg.get('tiling')
    if name:
        return windows.preset(name)
    side = module.input_side(cfg)
    return windows.Preset(side, side // _LEAST_OVERLAP)


def names_of(images: Iterable[str], classes: Sequence[str], formats: Sequence[str]) -> List[str]:
    """Paths, relative to the folder, of everything that is written there for people."""
    kinds = ('jpg',) + tuple(kind for kind in formats if kind == 'geojson')
    return ([f'{name}.{kind}' for name in images for kind in kinds] + ['coco.json'] * bool(classes)
            + [PACKAGE] * ('gpkg' in formats) + [f'dota/Task1_{name}.txt' for name in classes])


def _write(found: Detections, job: Job) -> None:
    """Write everything about ``found``, and say so."""
    texts, options = os.path.join(job.out, 'dota'), job.options
    for name in found.classes:  # of an earlier call with another threshold; the mark says that it is ours
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(texts, f'Task1_{name}.txt'))
    outputs.dota(found, texts)
    begin = np.searchsorted(found.image, np.arange(len(found.images) + 1))
    tasks = [(name, job.images[name], found.select(slice(begin[number], begin[number + 1]))._replace(images=(name,)))
             for number, name in enumerate(found.images)]
    work = functools.partial(_write_image, out=job.out, colours=job.colours, options=options)
    sizes, grounds, shown, progress = {}, {}, set(), Progress('write', total=len(tasks))
    for name, size, ground, what in workers.run(work, tasks, options.workers):
        sizes[name], grounds[name] = size, ground
        shown.add(what)
        progress.update()
    if 'gpkg' in options.formats:
        colours = dict(zip(found.classes, draw.palette_of(found.classes)))
        with job.package() as package:
            assert package is not None  # since it is asked for
            for name, _, mine in tasks:
                outputs.layer(mine, name, grounds[name], package, options.wgs84, colours)
    progress.close()
    outputs.coco(found, sizes, os.path.join(job.out, 'coco.json'))
    print(f'{len(found.score)} objects with a score of at least {options.score_thr} in {len(found.images)} images')
    kinds = ['<image>.jpg'] + ['<image>.geojson'] * ('geojson' in options.formats) + [PACKAGE] * (
        'gpkg' in options.formats) + ['coco.json', 'dota/Task1_<class>.txt']
    print('{} (coordinates: {})'.format(', '.join(os.path.join(job.out, kind) for kind in kinds),
                                        '; '.join(sorted(shown))))


def _write_image(task: Tuple[str, str, Detections], out: str, colours: rasters.Colours,
                 options: argparse.Namespace) -> Tuple[str, Tuple[str, int, int], Optional[rasters.Ground], str]:
    """Write GeoJSON and picture of one image: its id, (file name, width, height), ground, what its coordinates are."""
    name, path, mine = task
    raster = rasters.Raster(path, colours)
    shown = outputs.geojson(mine, name, raster.ground, os.path.join(
        out, name + '.geojson') if 'geojson' in options.formats else '', options.wgs84)
    pixels = raster.overview(options.max_side)
    rboxes = mine.rbox.copy()
    rboxes[:, :4] *= pixels.shape[1] / raster.width
    draw.save(os.path.join(out, name + '.jpg'), draw.draw_detections(
        pixels, rboxes, mine.label, mine.score, mine.classes, draw.palette_of(mine.classes), options.score_thr,
        options.max_side))
    return name, (os.path.basename(path), raster.width, raster.height), raster.ground, shown
