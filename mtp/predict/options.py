"""The command line of a prediction."""
import argparse
from typing import Type

from mtp import devices, numbers
from mtp.adapters.tile_test import add_merging
from mtp.report import draw
from mtp.tiles import windows

FORMATS = ('gpkg', 'geojson', 'none')


def parser(dict_action: Type[argparse.Action]) -> argparse.ArgumentParser:
    """The parser of ``python -m mtp.predict``.

    Args:
        dict_action: the toolbox's argparse action for ``key=value`` words.
    """
    made = argparse.ArgumentParser(prog='python -m mtp.predict', description='Apply a model to any image: PNG, JPEG, '
                                   'GeoTIFF, JPEG 2000 and BMP, of any size and depth. The config says what it does: '
                                   'find objects, map classes, map changes, or classify scenes.')
    made.add_argument('images', nargs='*', metavar='IMAGE', help='files, or folders of them')
    made.add_argument('--before', nargs='+', metavar='IMAGE', default=[], help='change detection: files or a folder')
    made.add_argument('--after', nargs='+', metavar='IMAGE', default=[], help='the same places later: as many files in '
                      'the same order, or a folder with files of the same names')
    made.add_argument('--config', required=True, help='as for tools/test.py')
    made.add_argument('--checkpoint', required=True, help='its weights')
    made.add_argument('--out', default='work_dirs/predict', help='folder to write to (default: %(default)s)')
    made.add_argument('--formats', nargs='+', choices=FORMATS, default=['gpkg', 'geojson'],
                      help='of polygons (default: gpkg geojson)')
    made.add_argument('--wgs84', action='store_true', help="longitude and latitude, not the raster's coordinate system")
    _how_to_read(made)
    _how_to_compute(made)
    _of_detections(made)
    _of_maps(made)
    made.add_argument('--cfg-options', nargs='+', action=dict_action, default={}, metavar='KEY=VALUE',
                      help='settings that take the place of those in the config')
    made.add_argument('--rehearse', action='store_true', help='with the weights of a rehearsal: a reduced network')
    made.add_argument('--local_rank', '--local-rank', type=numbers.not_negative,
                      help=argparse.SUPPRESS)  # torch.distributed.launch
    return made


def _how_to_read(made: argparse.ArgumentParser) -> None:
    made.add_argument('--bands', nargs='+', type=numbers.count, metavar='N', help='bands for red, green, blue, from 1')
    made.add_argument('--stretch', nargs=2, type=numbers.real, metavar=('LOW', 'HIGH'),
                      help='values that become black and white (default: 8 bits as they are, else the 0.5th and '
                      '99.5th percentile of each band)')
    made.add_argument('--workers', type=numbers.not_negative, default=2,
                      help='processes that read images, and write (default: '
                      '%(default)s)')


def _how_to_compute(made: argparse.ArgumentParser) -> None:
    made.add_argument('--batch-size', type=numbers.count, default=1,
                      help='windows a forward pass (default: %(default)s)')
    made.add_argument('--amp', action='store_true', help='mixed precision, on a GPU')
    devices.add_option(made)


def _of_detections(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group('objects')
    group.add_argument('--tiling', choices=sorted(windows.PRESETS), help="how to cut (default: the config's)")
    group.add_argument('--score-thr', type=numbers.share, default=0.3, help='lowest score (default: %(default)s)')
    add_merging(group)
    group.add_argument('--max-side', type=numbers.jpeg_side, default=draw.MAX_SIDE,
                       help='of a picture (default: %(default)s)')


def _of_maps(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group('maps of classes and changes, and scenes')
    group.add_argument('--window', type=numbers.count, metavar='PIXELS',
                       help="side of a window (default: the config's)")
    group.add_argument('--overlap', type=numbers.not_negative, metavar='PIXELS',
                       help="of windows (default: the config's; scenes 0)")
    group.add_argument('--scores', action='store_true', help='maps: write the scores of all classes too')
    group.add_argument('--simplify', type=numbers.length, default=0, metavar='PIXELS',
                       help='maps: let outlines leave the '
                       'pixels by so much (default: they follow them)')
