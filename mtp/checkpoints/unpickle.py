"""Reading PyTorch files without running what is in them.

A pickle is a program. The one thing it can do to us is call what ``find_class`` hands out, so this unpickler hands out
containers, numbers, strings, NumPy arrays, and its own functions that make tensors; everything else is refused by name.
Both file formats of ``torch.save`` are read here from their bytes: no version of torch is asked to unpickle anything.
"""
import collections
import os
import pickle
import struct
import zipfile

import numpy as np
import torch

from mtp.errors import MTPError

_LEGACY_MAGIC = 0x1950a86a20f9469cfc6c
_LEGACY_PROTOCOL = 1001
_DTYPES = {name + 'Storage': dtype for name, dtype in dict(
    Double=torch.float64, Float=torch.float32, Half=torch.float16, BFloat16=torch.bfloat16, Long=torch.int64,
    Int=torch.int32, Short=torch.int16, Char=torch.int8, Byte=torch.uint8, Bool=torch.bool,
    ComplexFloat=torch.complex64, ComplexDouble=torch.complex128, Untyped=torch.uint8).items()}


class Refused(pickle.UnpicklingError):
    """The pickle asks for something that is not on the list."""


class StandIn:
    """Holds what a class outside the list was built from (``arguments``) and its ``state``; does nothing."""

    state = None

    def __new__(cls, *arguments):
        self = object.__new__(cls)
        self.arguments = arguments
        return self

    def __init__(self, *arguments):
        pass

    def __setstate__(self, state):
        self.state = state


class HistoryBuffer(StandIn):
    """In place of mmengine's."""


class Namespace(StandIn):
    """In place of argparse's, which MAE checkpoints carry."""


class ConfigDict(dict):
    """In place of those of mmengine, mmcv and addict."""

    def __setstate__(self, state):
        if isinstance(state, dict):
            self.update(state)


class _Function:
    """A function of ours in the hands of a pickle: it can be called, its attributes stay as they are."""

    __slots__ = ('call',)

    def __init__(self, call):
        self.call = call

    def __call__(self, *arguments):
        return self.call(*arguments)

    def __setstate__(self, state):
        raise Refused('a change of the function {}'.format(self.call.__name__))


def _encode(text, encoding='latin1'):
    """How pickles of protocol 2 write bytes."""
    if encoding not in ('latin1', 'latin-1', 'utf-8', 'ascii'):
        raise Refused('_codecs.encode with encoding {!r}'.format(encoding))
    return str(text).encode(encoding)


def _array(subtype, shape, kind):
    if subtype is not np.ndarray:
        raise Refused('numpy array of type {!r}'.format(subtype))
    return np.ndarray.__new__(np.ndarray, shape, kind)


def _scalar(dtype, data=b''):
    if dtype.hasobject:
        raise Refused('numpy scalar that holds an object')
    return np.frombuffer(data, dtype=dtype, count=1)[0]


def _getattr(owner, name):
    """mmengine's HistoryBuffer pickles a list of its own methods as ``getattr(HistoryBuffer, name)``."""
    if owner is not HistoryBuffer or not isinstance(name, str):
        raise Refused('builtins.getattr of {!r}'.format(owner))
    return StandIn(name)


def _rebuild_tensor(storage, offset, size, stride, *_):
    """A view of ``storage`` (a flat tensor here); the trailing arguments are hooks and flags."""
    need = offset + sum((n - 1) * step for n, step in zip(size, stride)) + 1 if all(size) else 0
    if min((offset, 0) + tuple(size) + tuple(stride)) < 0 or need > storage.numel():
        raise pickle.UnpicklingError('a tensor of size {} reaches beyond its storage'.format(tuple(size)))
    return torch.as_strided(storage, tuple(size), tuple(stride), offset)


def _rebuild_parameter(data, *_):
    return data


_ADMITTED = {
    ('collections', 'OrderedDict'): collections.OrderedDict,
    ('collections', 'Counter'): collections.Counter,  # milestones of MultiStepLR
    ('collections', 'defaultdict'): collections.defaultdict,
    ('_codecs', 'encode'): _Function(_encode),
    ('numpy', 'ndarray'): np.ndarray,
    ('numpy', 'dtype'): np.dtype,
    ('torch', 'Size'): torch.Size,
    ('torch', 'device'): torch.device,
    ('torch._utils', '_rebuild_tensor'): _Function(_rebuild_tensor),
    ('torch._utils', '_rebuild_tensor_v2'): _Function(_rebuild_tensor),
    ('torch._utils', '_rebuild_parameter'): _Function(_rebuild_parameter),
    ('argparse', 'Namespace'): Namespace,
    ('builtins', 'getattr'): _Function(_getattr),
    ('__builtin__', 'getattr'): _Function(_getattr),
}
for _module in ('builtins', '__builtin__'):
    for _type in (set, frozenset, list, dict, tuple, int, float, bool, str, bytes, bytearray, complex, slice, object):
        _ADMITTED[_module, _type.__name__] = _type
for _module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
    _ADMITTED[_module, '_reconstruct'] = _Function(_array)
    _ADMITTED[_module, 'scalar'] = _Function(_scalar)
for _name in ('mmengine.logging.history_buffer', 'mmengine.logging'):
    _ADMITTED[_name, 'HistoryBuffer'] = HistoryBuffer
for _name in ('mmengine.config.config', 'mmengine.config', 'mmcv.utils.config'):
    _ADMITTED[_name, 'ConfigDict'] = ConfigDict
_ADMITTED['addict.addict', 'Dict'] = ConfigDict


class _Unpickler(pickle.Unpickler):
    """``storage(key, dtype, numel)`` gives the flat tensor behind a persistent id."""

    def __init__(self, stream, storage):
        super().__init__(stream, encoding='utf-8')
        self.storage = storage

    def find_class(self, module, name):
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        if module in ('torch', 'torch.storage') and name in _DTYPES:
            return _DTYPES[name]
        if module == 'torch' and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        raise Refused('{}.{}'.format(module, name))

    def persistent_load(self, saved):
        if not isinstance(saved, tuple) or len(saved) < 5 or saved[0] != 'storage' \
                or not isinstance(saved[1], torch.dtype) or not isinstance(saved[4], int) or saved[4] < 0:
            raise pickle.UnpicklingError('unknown kind of storage')
        return self.storage(str(saved[2]), saved[1], saved[4], saved[5] if len(saved) > 5 else None)


def _item_size(dtype):
    return torch.empty(0, dtype=dtype).element_size()


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name == 'data.pkl' or name.endswith('/data.pkl')]
        if len(names) != 1:
            raise pickle.UnpicklingError('it is a zip archive without PyTorch data')
        prefix = names[0][:-len('data.pkl')]
        storages = {}

        def storage(key, dtype, numel, view):
            if key not in storages:
                data = bytearray(archive.read('{}data/{}'.format(prefix, key)))
                if len(data) < numel * _item_size(dtype):
                    raise EOFError('storage {} is shorter than it says'.format(key))
                empty = torch.empty(0, dtype=dtype)  # frombuffer refuses nothing to read
                storages[key] = torch.frombuffer(data, dtype=dtype, count=numel) if numel else empty
            if storages[key].dtype != dtype or storages[key].numel() < numel:
                raise pickle.UnpicklingError('storage {} is described in two ways'.format(key))
            return storages[key]

        with archive.open(names[0]) as stream:
            return _Unpickler(stream, storage).load()


def _read_legacy(path):
    """Several pickles in a row, then the storages' bytes in the order of a list of keys."""
    size, storages = os.path.getsize(path), {}

    def storage(key, dtype, numel, view):
        if key not in storages:
            if numel * _item_size(dtype) > size:
                raise EOFError('storage {} is longer than the file'.format(key))
            storages[key] = torch.empty(numel, dtype=dtype)
        return storages[key] if view is None else storages[key][view[1]:view[1] + view[2]]

    with open(path, 'rb') as stream:
        def load():
            return _Unpickler(stream, storage).load()

        if load() != _LEGACY_MAGIC or load() != _LEGACY_PROTOCOL:
            raise pickle.UnpicklingError('it is a pickle, but not one that PyTorch wrote')
        load()  # description of the machine that wrote it
        value = load()
        for key in load():
            target = storages[str(key)]
            numel, = struct.unpack('<q', stream.read(8))
            data = bytearray(stream.read(numel * target.element_size()))
            if numel != target.numel() or len(data) != numel * target.element_size():
                raise EOFError('storage {} is incomplete'.format(key))
            if numel:
                target.copy_(torch.frombuffer(data, dtype=target.dtype))
        return value


def read(path):
    """The object in the PyTorch file at ``path``, tensors on the CPU.

    Raises:
        MTPError: no such file, damaged or truncated, or it holds something that is not on the list.
    """
    if not os.path.isfile(path):
        raise MTPError('no checkpoint at {}'.format(path), hint='check the path, or see weights/manifest.json')
    try:
        with open(path, 'rb') as stream:
            is_zip = stream.read(4) == b'PK\x03\x04'
        return _read_zip(path) if is_zip else _read_legacy(path)
    except Refused as error:
        raise MTPError('{} holds {}, which is refused: a checkpoint needs tensors, arrays, numbers, text and '
                       'containers only, and loading more could run code'.format(path, error),
                       hint='load it where you trust it and save its state_dict alone, or as .safetensors') from None
    except (pickle.UnpicklingError, EOFError, zipfile.BadZipFile, struct.error, KeyError, ValueError, TypeError,
            AttributeError, IndexError, RuntimeError, OverflowError, MemoryError) as error:
        raise MTPError('{} is not a whole PyTorch checkpoint: {}'.format(path, error or type(error).__name__),
                       hint='compare its sha256 and size with the source and fetch it again') from error
