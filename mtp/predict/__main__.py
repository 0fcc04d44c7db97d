"""``python -m mtp.predict IMAGE… --config … --checkpoint …``: pictures, DOTA text, COCO JSON, GeoJSON of images."""
import argparse
import functools
import hashlib
import importlib
import os

import numpy as np

from mtp import paths
from mtp.adapters import command, environment, inference, submission, tile_test
from mtp.data.converting import natural
from mtp.errors import OK, MTPError, run_main
from mtp.progress import Progress
from mtp.report import draw
from mtp.tiles import merge, sources, windows, workers

from . import outputs, rasters

_LEAST_OVERLAP = 4  # of a window without a preset: its fourth part


def main(argv=None):
    cli = environment.command_line()
    options = _parser(cli.DictAction).parse_args(argv)
    detector, tiling = _detector(cli, options)
    images = find_images(options.images)
    out = paths.resolve(options.out)
    colours = rasters.Colours(options.bands and tuple(options.bands), options.stretch and tuple(options.stretch))
    settings = inference.Settings(0, 1, options.batch_size, options.workers,
                                  functools.partial(rasters.Raster, colours=colours))
    pieces = sources.of_images(images, tiling, settings.readers, functools.partial(rasters.size, colours=colours))
    mark = submission.fingerprint(
        dict(model=detector.cfg.model.to_dict(), tiling=tiling, amp=options.amp, colours=colours,
             images=_state(images)), detector.checkpoint)
    shards = os.path.join(out, 'shards')
    inference.detect(detector, pieces, shards, mark, settings)
    threshold = options.iou_thr or (0.1 if detector.rotated else 0.5)
    tiles = set(tile for piece in pieces for tile in piece.tiles)
    found = merge.merge(shards, threshold, options.rule, options.score_thr, expected=tiles, jobs=os.cpu_count() or 1)
    write(found, images, out, colours, options)
    return OK


def _parser(dict_action):
    parser = argparse.ArgumentParser(prog='python -m mtp.predict', description='Find objects in any image: PNG, JPEG, '
                                     'GeoTIFF and whatever else GDAL reads, of any size and depth.')
    parser.add_argument('images', nargs='+', metavar='IMAGE', help='files, or folders of them')
    parser.add_argument('--config', required=True, help='config of a detector, as for tools/test.py')
    parser.add_argument('--checkpoint', required=True, help='its weights')
    parser.add_argument('--out', default='work_dirs/predict', help='folder to write to (default: %(default)s)')
    parser.add_argument('--tiling', choices=sorted(windows.PRESETS), help="how to cut (default: the config's)")
    parser.add_argument('--score-thr', type=float, default=0.3, help='lowest score (default: %(default)s)')
    parser.add_argument('--iou-thr', type=float, help='of the NMS (default: 0.1, horizontal boxes 0.5)')
    parser.add_argument('--rule', choices=merge.RULES, default='ge', help='drop at IoU >= (CPU) or > (CUDA) it')
    parser.add_argument('--bands', nargs='+', type=int, metavar='N', help='bands for red, green, blue, from 1')
    parser.add_argument('--stretch', nargs=2, type=float, metavar=('LOW', 'HIGH'),
                        help='values that become black and white (default: 8 bits as they are, else the 0.5th and '
                        '99.5th percentile of each band)')
    parser.add_argument('--wgs84', action='store_true', help="GeoJSON in longitude and latitude, not the raster's "
                        'coordinate system')
    parser.add_argument('--batch-size', type=int, default=1, help='windows a forward pass (default: %(default)s)')
    parser.add_argument('--workers', type=int, default=2, help='processes that read images, and draw (default: '
                        '%(default)s)')
    parser.add_argument('--amp', action='store_true', help='mixed precision, on a GPU')
    parser.add_argument('--max-side', type=int, default=draw.MAX_SIDE, help='of a picture (default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=dict_action, default={}, metavar='KEY=VALUE',
                        help='settings that take the place of those in the config')
    return parser


def _detector(cli, options):
    """The detector of the config, not loaded yet, and how images are cut for it."""
    wanted = argparse.Namespace(config=options.config, cfg_options=options.cfg_options, work_dir=None, launcher='none',
                                local_rank=None, rehearse=False)
    cfg = cli.load(wanted, 'test')
    module = importlib.import_module('mtp.adapters.{}.detector'.format(environment.name()))
    device = tile_test.device(0, options.amp)
    detector = module.Detector(cfg, command.require_file(options.checkpoint, 'checkpoint'), device, options.amp)
    name = options.tiling or cfg.get('tiling')
    if name:
        return detector, windows.preset(name)
    side = module.input_side(cfg)
    return detector, windows.Preset(side, side // _LEAST_OVERLAP)


def find_images(names):
    """Images that are named, or lie in folders that are named: id -> path. The id is the file's stem.

    Raises:
        MTPError: nothing there, or two images of one stem.
    """
    found = {}
    for name in map(paths.resolve, names):
        listed = sorted(os.listdir(name), key=natural) if os.path.isdir(name) else [None]
        for entry in listed:
            path = name if entry is None else os.path.join(name, entry)
            stem, suffix = os.path.splitext(os.path.basename(path))
            if entry is not None and (suffix.lower() not in rasters.SUFFIXES or entry.startswith('.')):
                continue
            if not os.path.isfile(path):
                raise MTPError('there is no image {}'.format(path))
            if stem in found and not os.path.samefile(found[stem], path):
                raise MTPError('{} and {} share one image id'.format(found[stem], path), hint='give one of them')
            found[stem] = path
    if not found:
        raise MTPError('no image in {}'.format(' '.join(names)), hint='images end in ' + ', '.join(rasters.SUFFIXES))
    return found


def _state(images):
    """Text that differs when an image does: results of one are not those of another that has its name."""
    facts = [(stem, os.stat(path).st_size, os.stat(path).st_mtime_ns) for stem, path in sorted(images.items())]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def write(found, images, out, colours, options):
    """Write everything about ``found`` below ``out``, and say so."""
    texts = os.path.join(out, 'dota')
    for name in os.listdir(texts) if os.path.isdir(texts) else ():  # of an earlier call with another threshold
        os.unlink(os.path.join(texts, name))
    outputs.dota(found, texts)
    begin = np.searchsorted(found.image, np.arange(len(found.images) + 1))
    tasks = [(name, images[name], found.select(slice(begin[number], begin[number + 1]))._replace(images=(name,)))
             for number, name in enumerate(found.images)]
    work = functools.partial(_write_image, out=out, colours=colours, options=options)
    sizes, shown, progress = {}, set(), Progress('write', total=len(tasks))
    for name, size, what in workers.run(work, tasks, options.workers):
        sizes[name] = size
        shown.add(what)
        progress.update()
    progress.close()
    outputs.coco(found, sizes, os.path.join(out, 'coco.json'))
    print('{} objects with a score of at least {} in {} images'.format(
        len(found.score), options.score_thr, len(found.images)))
    print('{0}/<image>.jpg, {0}/<image>.geojson ({1}), {0}/coco.json, {0}/dota/Task1_<class>.txt'.format(
        out, '; '.join(sorted(shown))))


def _write_image(task, out, colours, options):
    """Write GeoJSON and picture of one image: its id, (file name, width, height), and what its coordinates are."""
    name, path, mine = task
    raster = rasters.Raster(path, colours)
    shown = outputs.geojson(mine, name, raster.ground, os.path.join(out, name + '.geojson'), options.wgs84)
    pixels = raster.overview(options.max_side)
    rboxes = mine.rbox.copy()
    rboxes[:, :4] *= pixels.shape[1] / raster.width
    draw.save(os.path.join(out, name + '.jpg'), draw.draw_detections(
        pixels, rboxes, mine.label, mine.score, mine.classes, draw.palette_of(mine.classes), options.score_thr,
        options.max_side))
    return name, (os.path.basename(path), raster.width, raster.height), shown


if __name__ == '__main__':
    run_main(main)
