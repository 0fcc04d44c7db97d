"""A test on tiles as both environments run it: options, where the tiles come from, what marks it, inference."""
import argparse
import os
import sys
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

import torch

from mtp import numbers, paths
from mtp.adapters import command, inference, submission
from mtp.adapters.kinds import Config
from mtp.errors import MTPError
from mtp.tiles import merge, sources, windows
from mtp.tiles.pixels import list_images


class Source(NamedTuple):
    """The tiles of a test.

    Attributes:
        pieces: see :mod:`mtp.tiles.sources`.
        whole: the tiles are whole images: no name says where in an image it lies.
        cut: windows are cut on the fly.
    """
    pieces: Tuple[sources.Piece, ...]
    whole: bool
    cut: bool

    @property
    def tiles(self) -> List[str]:
        """Ids of all tiles."""
        return [tile for piece in self.pieces for tile in piece.tiles]

    @property
    def images(self) -> List[str]:
        """Ids of the images that the tiles are of, in order."""
        ids = (piece.stem if self.whole or piece.windows is not None else windows.parse_tile_id(piece.stem)[0]
               for piece in self.pieces)
        return list(dict.fromkeys(ids))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of a test on tiles."""
    parser.add_argument('--images', help='folder of the uncut test images')
    parser.add_argument('--cut', nargs='?', const='config', choices=['config'] + sorted(windows.PRESETS),
                        metavar='PRESET', help='cut windows of the uncut images on the fly instead of reading tiles: '
                        "as the config's data set is cut, or as PRESET ({})".format(', '.join(sorted(windows.PRESETS))))
    parser.add_argument('--batch-size', type=numbers.count, help="tiles a forward pass (default: the config's)")
    parser.add_argument('--workers', type=numbers.not_negative,
                        help="processes that read tiles (default: the config's)")
    parser.add_argument('--amp', action='store_true', help='mixed precision, on a GPU')
    add_merging(parser)


def add_merging(parser: argparse._ActionsContainer) -> None:
    """Options of the merge of tiles, for :func:`merging`."""
    parser.add_argument('--iou-thr', type=numbers.overlap,
                        help='merge: IoU at which the worse of two boxes of a class in an '
                        "image goes (default: the config's merge.iou_thr, else {:g}, upright boxes {:g})".format(
                            merge.DEFAULT.iou_thr, merge.UPRIGHT.iou_thr))
    parser.add_argument('--rule', choices=merge.RULES, help='merge: it goes at that IoU and above (ge, as on a CPU), '
                        f"or above it (gt, as with CUDA; default: the config's merge.rule, else {merge.DEFAULT.rule})")


def source(cut: Optional[str], folder: str, files: Callable[[], Dict[str, str]], images: str, tiling: Optional[str],
           readers: int) -> Source:
    """The :class:`Source` of a test. Says in one line when windows are cut on the fly.

    Args:
        cut: what ``--cut`` says: None, ``'config'`` or the name of a preset.
        folder: where the config says that the tiles lie.
        files: function without arguments to the tiles in ``folder``: id -> path.
        images: folder of the uncut images.
        tiling: name of the preset by which the config's tiles are cut, or None.
        readers: number of processes that read.

    Raises:
        MTPError: neither tiles nor images are there; an image's header cannot be read.
    """
    if not cut and os.path.isdir(folder):
        return _of_files(files())
    name = tiling if cut in (None, 'config') else cut
    if not cut and not (name and images and os.path.isdir(images)):
        raise MTPError('there is no folder of tiles {}, and no folder of uncut images {}'.format(folder, images or ''),
                       hint='put images there, or name their folder with --images (MTP_DATA_ROOT is {!r} now)'.format(
                           paths.root('data')))
    if not name:
        raise MTPError('the config does not say how its images are cut (tiling)', hint='--cut PRESET')
    command.require_folder(images, 'folder of uncut test images')
    if not cut or os.environ.get('RANK', '0') == '0':
        sys.stderr.write('{}windows are cut on the fly from the images in {} ({})\n'.format(
            '' if cut else f'no folder {folder}: ', images, name))
    return Source(tuple(sources.of_images(list_images(images), windows.preset(name), readers)), False, True)


def _of_files(files: Dict[str, str]) -> Source:
    whole = not any(map(windows.looks_cut, files))
    if whole:  # it may be a mistake: it is said
        sys.stderr.write('warning: no tile is named <image>__<window>__<x>___<y>; all are taken for whole images\n')
    return Source(tuple(sources.of_files(files, whole)), whole, False)


def merging(args: argparse.Namespace, cfg: Config, default: merge.Rule = merge.DEFAULT) -> merge.Rule:
    """The :class:`mtp.tiles.merge.Rule` of a test or prediction, which is written into ``cfg['merge']`` for the record.

    The detections of the tiles do not depend on it: a test that is done is merged anew by another rule, without the
    network. It says so where the model's own NMS, which rules within a tile, was changed and the merge was not.

    Args:
        args: options, for ``iou_thr`` and ``rule``.
        cfg: the config, of either generation.
        default: where neither says anything.
    """
    asked = dict(iou_thr=args.iou_thr, rule=args.rule)
    asked = {key: value for key, value in asked.items() if value is not None}
    made = merge.rule_of(dict(cfg.get('merge') or {}, **asked), default)
    cfg['merge'] = dict(made._asdict())  # as an attribute it is a method of mmengine's configs
    nms = ((cfg.model.get('test_cfg') or {}).get('rcnn') or {}).get('nms') or {}
    inside = nms.get('iou_threshold', nms.get('iou_thr'))
    if inside not in (None, made.iou_thr) and os.environ.get('RANK', '0') == '0':
        sys.stderr.write('model.test_cfg.rcnn.nms ({:g}) rules within a tile; whole images are merged at {:g} '
                         '(--iou-thr {:g} for the same)\n'.format(inside, made.iou_thr, inside))
    return made


def mark(args: argparse.Namespace, settings: Mapping[str, Any], tiling: Optional[str], checkpoint: str) -> str:
    """Fingerprint of a test: tiles from files and cut on the fly are the same tiles.

    Args:
        args: options, for ``cut`` and ``amp``.
        settings: whatever decides the detections beside the weights.
        tiling: of the config.
        checkpoint: path.
    """
    name = tiling if args.cut in (None, 'config') else args.cut
    return submission.fingerprint(dict(settings, tiling=name, amp=args.amp), checkpoint)


def device(local: int, amp: bool = False) -> Optional[int]:
    """Number of this process's GPU, or None where there is none.

    Raises:
        MTPError: mixed precision without a GPU.
    """
    if not torch.cuda.is_available():
        if amp:
            raise MTPError('--amp needs a GPU, and torch sees none', hint='leave --amp away')
        return None
    number = local % torch.cuda.device_count()
    torch.cuda.set_device(number)
    return number


def detect(detector: inference.Detector, found: Source, folder: str, mark: str,
           settings: inference.Settings) -> inference.Spent:
    """:func:`mtp.adapters.inference.detect` on all ranks; every rank waits for the slowest, also one that failed."""
    try:
        return inference.detect(detector, found.pieces, folder, mark, settings)
    finally:
        if settings.world > 1:
            torch.distributed.barrier()
