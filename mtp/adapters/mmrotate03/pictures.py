"""What MMDetection 2 opens images with, so that what cannot be read is named (:mod:`mtp.adapters.reading`)."""
import os

import mmcv
from mmdet.datasets.pipelines import LoadImageFromFile

from mtp.adapters import reading


def install() -> None:
    """Change the toolbox's own step in place, once."""
    if getattr(mmcv.imfrombytes, '__wrapped__', None) is not None:
        return
    mmcv.imfrombytes = reading.decoder(mmcv.imfrombytes)
    LoadImageFromFile.__call__ = reading.naming(LoadImageFromFile.__call__, _path)


def _path(results: dict) -> str:
    return os.path.join(results['img_prefix'] or '', results['img_info']['filename'])
