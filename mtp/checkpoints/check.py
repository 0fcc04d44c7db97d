"""Is a file whole, is it the published one, and does it fit a model?"""
import json
import os
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from torch import Tensor

from mtp.errors import MTPError
from mtp.files import sha256

MANIFEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, 'weights', 'manifest.json')


def manifest(path: str = MANIFEST) -> Dict[str, Dict[str, Any]]:
    """The entries of ``mtp/weights/manifest.json`` by file name."""
    with open(path, encoding='utf-8') as stream:
        return {entry['name']: entry for entry in json.load(stream)['weights']}


def compare_with_manifest(path: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """One sentence on whether the file at ``path`` is the published one.

    Raises:
        MTPError: its size or sha256 is not the published one.
    """
    entry = entries.get(os.path.basename(path))
    if entry is None:
        return 'not a published weight of the manifest'
    for field, found in (('bytes', os.path.getsize(path)), ('sha256', entry['sha256'] and sha256(path))):
        if entry[field] is not None and entry[field] != found:
            raise MTPError(f'{path}: {field} is {found}, published is {entry[field]}',
                           hint='make weights GET={}'.format(entry['name']))
    return 'the published {}{}'.format(entry['what'], '' if entry['sha256'] else ' by its name; no hash is known')


class Fit:
    """How a state dict fits a model.

    Attributes:
        fitting, missing, left_over: lists of keys; misfits: key -> (shape in the file, shape in the model).
    """

    def __init__(self, state_dict: Mapping[str, Tensor], model_shapes: Mapping[str, Sequence[int]]) -> None:
        self.fitting: List[str] = []
        self.left_over: List[str] = []
        self.misfits: Dict[str, Tuple[Tuple[int, ...], Tuple[int, ...]]] = {}
        for key, value in state_dict.items():
            if key not in model_shapes:
                self.left_over.append(key)
            elif tuple(value.shape) != tuple(model_shapes[key]):
                self.misfits[key] = (tuple(value.shape), tuple(model_shapes[key]))
            else:
                self.fitting.append(key)
        self.missing = [key for key in model_shapes if key not in state_dict]

    @property
    def whole(self) -> bool:
        """Every tensor of the model would be filled and nothing has another shape."""
        return bool(self.fitting) and not self.missing and not self.misfits
