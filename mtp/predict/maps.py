"""Maps of classes (segmentation) and of changes (pairs): GeoTIFF of classes, polygons of each class.

The polygons of a map of changes are those of what has changed: class 0 is none of them.
"""
import argparse
import contextlib
import functools
import os
from types import ModuleType
from typing import ContextManager, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mtp import workers
from mtp.adapters import dense, environment
from mtp.errors import FAILED, MTPError
from mtp.files import write_text
from mtp.progress import Progress
from mtp.tiles import blend, parts, rasters

from . import cog, geojson, geopackage, inputs, outputs, placing, polygons, styles
from .job import PACKAGE, Config, Prediction
from .team import Team

COLUMNS = (('image', 'TEXT'), ('class', 'TEXT'), ('pixels', 'INTEGER'))


class Job(Prediction):
    """Maps of classes or changes; see :class:`mtp.predict.job.Prediction`."""

    def __init__(self, cfg: Config, checkpoint: str, options: argparse.Namespace, team: Team,
                 colours: rasters.Colours) -> None:
        toolbox = environment.adapter('dense')
        super().__init__(toolbox.Network(cfg, checkpoint, team.device, options.amp), options, team, colours)
        self.side, self.overlap = _windows(cfg, options, toolbox)
        pairs = inputs.find_pairs(options.before, options.after) if self.network.pair else [
            inputs.Input(stem, (path,)) for stem, path in inputs.find_images(options.images).items()]
        self.files = [path for pair in pairs for path in pair.paths]
        self.images, self.grounds = [], {}
        for pair in pairs:
            size, self.grounds[pair.stem] = _size_and_ground(pair, colours)
            self.images.append(dense.Image(pair.stem, pair.paths, blend.grid(*size, self.side, self.overlap)))
        self.names = names_of(self.images, options)
        self.mark = self.fingerprint(cfg, checkpoint, side=self.side, overlap=self.overlap, scores=options.scores)

    @property
    def where(self) -> Dict[str, str]:
        """Id of each image -> its file; of a pair, the later one."""
        return {image.stem: image.paths[-1] for image in self.images}

    def compute(self) -> None:
        """This process's share of the windows."""
        pack = functools.partial(parts.packed, scores_too=self.options.scores)
        dense.run(self.network, self.images, self.overlap, self.shards, self.mark, self.settings, pack)

    def write(self) -> None:
        """Everything for people."""
        options = self.options
        tasks = [(image, self.grounds[image.stem]) for image in self.images]
        work = functools.partial(_write_image, out=self.out, folder=self.shards, classes=self.classes, mark=self.mark,
                                 scores_too=options.scores)
        progress = Progress('maps', total=len(tasks))
        for _ in workers.run(work, tasks, options.workers):
            progress.update()
        progress.close()
        shown = {placing.system_of(ground, options.wgs84).name for ground in self.grounds.values()}
        count = _write_polygons(self) if set(options.formats) & {'gpkg', 'geojson'} else 0
        print('maps of {} in {} images{}'.format(
            'changes' if self.network.pair else f'{len(self.classes)} classes', len(tasks),
            f', {count} polygons' if count else ''))
        kinds = ['<image>.tif'] + ['<image>.scores.tif'] * options.scores + ['<image>.geojson'] * (
            'geojson' in options.formats) + [PACKAGE] * ('gpkg' in options.formats)
        print('{} (polygons: {})'.format(', '.join(os.path.join(self.out, kind) for kind in kinds),
                                         '; '.join(sorted(shown))))


def _windows(cfg: Config, options: argparse.Namespace, toolbox: ModuleType) -> Tuple[int, int]:
    """Side and overlap of windows, as asked for or as the config says."""
    side, overlap = (options.window, options.window // 4) if options.window else toolbox.side_of(cfg)
    overlap = overlap if options.overlap is None else options.overlap
    if overlap >= side:
        raise MTPError(f'windows of {side} pixels that overlap by {overlap} never advance',
                       hint=f'--overlap {side // 4}')
    return side, overlap


def _size_and_ground(pair: inputs.Input, colours: rasters.Colours) -> Tuple[Tuple[int, int], Optional[rasters.Ground]]:
    if len(pair.paths) == 2:
        return inputs.check_pair(pair, colours)
    rasters.size(pair.paths[0], colours)
    return rasters.place_of(pair.paths[0])


def names_of(images: Iterable[dense.Image], options: argparse.Namespace) -> List[str]:
    """Paths, relative to the folder, of everything that is written there for people."""
    kinds = ['tif', 'qml'] + ['scores.tif'] * options.scores + ['geojson'] * ('geojson' in options.formats)
    return [f'{image.stem}.{kind}' for image in images for kind in kinds] + [PACKAGE] * (
        'gpkg' in options.formats)


def _write_image(task: Tuple[dense.Image, Optional[rasters.Ground]], out: str, folder: str,
                 classes: Mapping[str, Sequence[int]], mark: str, scores_too: bool) -> str:
    """Write the map of one image, and the scores."""
    image, ground = task
    scratch, grid = os.path.join(folder, image.stem), image.grid
    path = os.path.join(out, image.stem)
    cog.write(path + '.tif', _pieces(image, folder, mark, slice(0, 1)), (1, grid.width, grid.height), ground, scratch,
              classes)
    write_text(path + '.qml', styles.classes(classes))
    if scores_too:
        cog.write(path + '.scores.tif', _pieces(image, folder, mark, slice(1, None)),
                  (len(classes), grid.width, grid.height), ground, scratch)
    return image.stem


def _pieces(image: dense.Image, folder: str, mark: str, planes: slice) -> Iterator[np.ndarray]:
    """Yield the numbers of an image from top to bottom."""
    for row in range(len(image.grid.y)):
        path = parts.path_of(folder, image.stem, row)
        found = parts.read(path)
        if found is None or found[1] != mark:
            raise MTPError(f'{path} is missing or damaged', code=FAILED,
                           hint='start the same command again: it computes what is missing')
        yield found[0][planes]


def _write_polygons(job: Job) -> int:
    """Polygons of all maps, as the options say; returns how many."""
    count, progress = 0, Progress('polygons of maps', total=len(job.images))
    with job.package() as package:
        for image in job.images:
            count += _polygons_of(image.stem, job, package)
            progress.update(note=f'{count} polygons')
    progress.close(f'{count} polygons')
    return count


def _polygons_of(stem: str, job: Job, package: Optional[geopackage.GeoPackage]) -> int:
    """Add the polygons of one map to the package and to a GeoJSON of its own; returns how many there are."""
    ground, path, names = job.grounds[stem], os.path.join(job.out, stem), list(job.classes)
    labels, count = range(int(job.network.pair), len(names)), 0
    system = placing.system_of(ground, job.options.wgs84, coded='geojson' in job.options.formats)
    kind = 'changes' if job.network.pair else 'classes'
    layer = package and package.layer(outputs.layer_name(kind, system), system, COLUMNS,
                                      {names[label]: job.classes[names[label]] for label in labels})
    collection: ContextManager[Optional[geojson.Add]] = geojson.collection(path + '.geojson', stem, system) \
        if 'geojson' in job.options.formats else contextlib.nullcontext()
    with collection as add:
        for some in polygons.areas(path + '.tif', labels, ground, system, job.options.simplify):
            count += len(some)
            if layer:
                layer.polygons([area.rings for area in some],
                               ([stem] * len(some), [names[area.label] for area in some],
                                [area.pixels for area in some]))
            if add:
                for area in some:
                    add(area.rings, {'class': names[area.label], 'pixels': area.pixels})
    return count
