"""What a checkpoint may name, and how tensors are made of the bytes of the file."""
import re
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import torch

from mtp.pickled import Damaged, Maker, Refused, arrays, plain

DTYPES = {name + 'Storage': dtype for name, dtype in dict(
    Double=torch.float64, Float=torch.float32, Half=torch.float16, BFloat16=torch.bfloat16, Long=torch.int64,
    Int=torch.int32, Short=torch.int16, Char=torch.int8, Byte=torch.uint8, Bool=torch.bool,
    ComplexFloat=torch.complex64, ComplexDouble=torch.complex128, Untyped=torch.uint8).items()}
_DTYPE_NAMES = ('float64', 'double', 'float32', 'float', 'float16', 'half', 'bfloat16', 'int64', 'long', 'int32', 'int',
                'int16', 'short', 'int8', 'uint8', 'bool', 'complex64', 'complex128')
_DEVICE = re.compile(r'[a-z]{1,16}(:[0-9]{1,3})?')
MAX_DIMENSIONS = 32
MAX_SIDE = 2**40  # product of the sides that are not 0, of a tensor without elements
COPIES = 4  # bytes that may be copied to make tensors contiguous, for each byte of their storages


View = Tuple[str, int, int]  # a part of a storage in old files: its own key, where it begins, numbers


class StandIn:
    """Holds what a class outside the list was built from (``arguments``) and its ``state``; does nothing."""

    state: Any = None

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state


class HistoryBuffer(StandIn):
    """In place of mmengine's."""


class Namespace(StandIn):
    """In place of argparse's, which MAE checkpoints carry."""


class ConfigDict(dict):
    """In place of those of mmengine, mmcv and addict."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.update(state)


class Storage:
    """A flat tensor that owns bytes of the file. ``kind`` is its dtype where a pickle only names it."""

    __slots__ = ('flat',)

    def __init__(self, flat: torch.Tensor) -> None:
        self.flat = flat


def item_size(dtype: torch.dtype) -> int:
    """Bytes of one number."""
    return torch.empty(0, dtype=dtype).element_size()


def flat_tensor(data: bytearray, dtype: torch.dtype, numel: int) -> torch.Tensor:
    """The first ``numel`` numbers in the bytearray ``data``.

    Raises:
        Damaged: it is shorter, or holds a truth value that is neither 0 nor 1.
    """
    if len(data) < numel * item_size(dtype):
        raise Damaged('a storage is shorter than it says')
    if not numel:
        return torch.empty(0, dtype=dtype)
    if dtype == torch.bool and torch.frombuffer(data, dtype=torch.uint8, count=numel).max() > 1:
        raise Damaged('a truth value that is neither 0 nor 1')
    return torch.frombuffer(data, dtype=dtype, count=numel)


class Rebuilder:
    """Makes the tensors of one file: inside their storages, contiguous, of no more bytes than the file can pay.

    Args:
        fetch: function (key, dtype, numel, view) that gives the flat tensor behind a persistent id.
        size: bytes of the file.
    """

    def __init__(self, fetch: Callable[[str, torch.dtype, int, Optional[View]], torch.Tensor], size: int) -> None:
        self.fetch, self.budget = fetch, COPIES * size
        self.names = dict(NAMES)
        for name in ('_rebuild_tensor', '_rebuild_tensor_v2'):
            self.names['torch._utils', name] = Maker('torch._utils.' + name, self.tensor)

    def storage(self, saved: Any) -> Storage:
        """A :class:`Storage` for a persistent id."""
        if type(saved) is not tuple or len(saved) not in (5, 6) or saved[0] != 'storage' \
                or not isinstance(saved[1], torch.dtype) or type(saved[2]) is not str or not _counts(saved[4]):
            raise Damaged('a storage of an unknown kind')
        view = saved[5] if len(saved) == 6 else None
        if view is not None and (type(view) is not tuple or len(view) != 3 or not _counts(*view[1:])):
            raise Damaged('a view of a storage of an unknown kind')
        return Storage(self.fetch(saved[2], saved[1], saved[4], view))

    def tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> torch.Tensor:
        """A tensor of ``storage``; the trailing arguments are hooks and flags."""
        if type(storage) is not Storage or type(size) is not tuple or type(stride) is not tuple \
                or len(size) != len(stride) or len(size) > MAX_DIMENSIONS or not _counts(offset, *size, *stride):
            raise Damaged('a tensor without a size, or one that reaches beyond its storage')
        flat, numel, sides = storage.flat, 1, 1
        for side in size:
            numel, sides = numel * side, sides * (side or 1)
        if numel == 0:
            if sides > MAX_SIDE:
                raise Refused('a tensor larger than any file')
            return torch.empty(size, dtype=flat.dtype)
        last = offset + sum((side - 1) * step for side, step in zip(size, stride))
        if last >= flat.numel() or numel > flat.numel():
            raise Damaged('a tensor that reaches beyond its storage')
        if _is_contiguous(size, stride):
            return flat[offset:offset + numel].view(size)
        self.budget -= numel * flat.element_size()
        if self.budget < 0:
            raise Refused('views whose copies are far larger than the file')
        return torch.as_strided(flat, size, stride, offset).contiguous()


def _counts(*values: Any) -> bool:
    return all(type(value) is int and 0 <= value < 2**62 for value in values)


def _is_contiguous(size: Sequence[int], stride: Sequence[int]) -> bool:
    step = 1
    for side, own in zip(reversed(size), reversed(stride)):
        if side != 1 and own != step:
            return False
        step *= side
    return True


def _parameter(data: Any, *_: Any) -> torch.Tensor:
    if not isinstance(data, torch.Tensor):
        raise Damaged('a parameter that is no tensor')
    return data


def _size(sides: Any = ()) -> torch.Size:
    if type(sides) not in (tuple, list) or not _counts(*sides):
        raise Damaged('a size that is not made of numbers')
    return torch.Size(sides)


def _device(name: Any, index: Any = None) -> torch.device:
    if type(name) is not str or not _DEVICE.fullmatch(name) or index is not None and not _counts(index):
        raise Refused('a device of another kind')
    return torch.device(name) if index is None else torch.device(name, index)


def _config_dict(content: Any = None) -> ConfigDict:
    """mmengine 0.10 writes its configs as a call with a dict."""
    if content is not None and not isinstance(content, dict):
        raise Damaged('a config that is no dict')
    return ConfigDict(content or {})


def _namespace(*arguments: Any) -> Namespace:
    return Namespace(*arguments)


def _getattr(owner: Any, name: Any) -> StandIn:
    """mmengine's HistoryBuffer pickles a list of its own methods as ``getattr(HistoryBuffer, name)``."""
    if owner is not _HISTORY or type(name) is not str:
        raise Refused('builtins.getattr of something else than HistoryBuffer')
    return StandIn(name)


def _names() -> Dict[Tuple[str, str], Any]:
    found = dict(arrays.NAMES)
    found.update(plain.NAMES)
    for name in _DTYPE_NAMES:
        found['torch', name] = getattr(torch, name)
    for module in ('torch', 'torch.storage'):
        found.update(((module, name), dtype) for name, dtype in DTYPES.items())
    found.update({
        ('torch', 'Size'): Maker('torch.Size', _size), ('torch', 'device'): Maker('torch.device', _device),
        ('torch._utils', '_rebuild_parameter'): Maker('torch._utils._rebuild_parameter', _parameter),
        ('argparse', 'Namespace'): Maker('argparse.Namespace', _namespace)})
    for module in plain.MODULES:
        found[module, 'getattr'] = Maker('builtins.getattr', _getattr)
    for module in ('mmengine.logging.history_buffer', 'mmengine.logging'):
        found[module, 'HistoryBuffer'] = _HISTORY
        for method in ('mean', 'max', 'min', 'current', 'update', 'statistics'):
            found[module, 'HistoryBuffer.' + method] = Maker('HistoryBuffer.' + method, None)
    for module, name in (('mmengine.config.config', 'ConfigDict'), ('mmengine.config', 'ConfigDict'),
                         ('mmcv.utils.config', 'ConfigDict'), ('addict.addict', 'Dict')):
        found[module, name] = Maker(name, _config_dict)
    return found


_HISTORY = Maker('HistoryBuffer', HistoryBuffer)
NAMES = _names()
LEAVES = arrays.LEAVES + (torch.Tensor, torch.Size, torch.dtype, torch.device)
INSIDE = ((StandIn, lambda held: (held.arguments, held.state)),)
