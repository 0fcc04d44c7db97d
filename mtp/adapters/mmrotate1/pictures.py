"""What OpenMMLab 2 opens images and masks with, so that what cannot be read is named (:mod:`mtp.adapters.reading`)."""
import importlib
import importlib.util
from typing import Any, Callable, Dict

import mmcv
from mmcv import transforms

from mtp.adapters import reading
from mtp.data import images


def install() -> None:
    """Change the toolboxes' own steps in place, once: others inherit from them."""
    if getattr(mmcv.imfrombytes, '__wrapped__', None) is not None:
        return
    mmcv.imfrombytes = reading.decoder(mmcv.imfrombytes)
    image, mask = transforms.LoadImageFromFile, transforms.LoadAnnotations
    image.transform = reading.naming(image.transform, _there('img_path'))
    name_masks(mask)
    if importlib.util.find_spec('mmseg'):
        name_masks(importlib.import_module('mmseg.datasets.transforms').LoadAnnotations)


def name_masks(step: type) -> None:
    """Let a step with a ``_load_seg_map`` of its own name the mask that it cannot read."""
    step._load_seg_map = reading.naming(  # type: ignore[attr-defined]
        step._load_seg_map, _there('seg_map_path'))  # type: ignore[attr-defined]


def _there(key: str) -> Callable[[Dict[str, Any]], str]:
    """Function of a step's results to the file that ``key`` names, whose name may be there in another form of Unicode.

    A list, or the image whose mask it is, says the name, and what the step opens has to be what is there.
    """
    def path_of(results: Dict[str, Any]) -> str:
        results[key] = images.as_there(results[key])
        return results[key]

    return path_of
