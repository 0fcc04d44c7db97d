"""NumPy's arrays, scalars and dtypes out of pickles.

A dtype is made from its name, never from a state: NumPy believes a state, and one that lies about its fields or size
makes bytes of the file into pointers. An array gets exactly the bytes it announces.
"""
import re
from typing import Any

import numpy as np

from mtp.pickled.machine import Maker, Pending
from mtp.pickled.program import Damaged, Refused

_NAME = re.compile(r'[<>=|]?(?:b1|i[1248]|u[1248]|f[248]|f16|c8|c16|c32|[SU][1-9][0-9]{0,5})')
MAX_DIMENSIONS = 32
MAX_SIDE = 2**40  # product of the sides that are not 0, of an array without elements


class Dtype(Pending):
    """A dtype by its name; its state may add the order of its bytes and repeat its size."""

    def __init__(self, name: Any, align: Any = False, copy: Any = True) -> None:
        if type(name) is not str or not _NAME.fullmatch(name):
            raise Refused('a numpy dtype that is none of plain numbers and texts')
        self.dtype = np.dtype(name)

    def build(self, state: Any) -> np.dtype:
        if type(state) is not tuple or len(state) not in (8, 9) or state[1] not in ('<', '>', '=', '|'):
            raise Damaged('a numpy dtype with a state of another kind')
        if any(item is not None for item in state[2:5]) or state[5] not in (-1, self.dtype.itemsize):
            raise Refused('a numpy dtype with fields or another size')
        return self.dtype.newbyteorder(state[1])


def _dtype(value: Any) -> np.dtype:
    value = value.dtype if isinstance(value, Dtype) else value
    if not isinstance(value, np.dtype):
        raise Damaged(f'an array whose dtype is a {type(value).__name__}')
    return value


def _sides(shape: Any) -> int:
    if type(shape) is not tuple or len(shape) > MAX_DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        raise Damaged('an array whose shape is no tuple of numbers')
    count, whole = 1, 1
    for side in shape:
        count, whole = count * side, whole * (side or 1)
    if whole > MAX_SIDE:
        raise Refused('an array larger than any file')
    return count


def numbers(data: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    """The array of ``shape`` in the bytes ``data``, on its own.

    Raises:
        Damaged: the bytes are not as many as the shape says, or no values of the dtype.
    """
    dtype, count = _dtype(dtype), _sides(shape)
    if type(data) not in (bytes, bytearray) or len(data) != count * dtype.itemsize:
        raise Damaged('an array whose bytes do not make its shape')
    flat = np.frombuffer(data, dtype, count) if count else np.empty(0, dtype)
    if dtype.kind == 'b' and count and flat.view(np.uint8).max() > 1:
        raise Damaged('a truth value that is neither 0 nor 1')
    if dtype.kind == 'U' and count and flat.view(np.dtype(np.uint32).newbyteorder(dtype.byteorder)).max() > 0x10ffff:
        raise Damaged('a text with characters that do not exist')
    return flat.reshape(shape, order=order).copy(order)


class Array(Pending):
    """An array without its bytes yet."""

    def __init__(self, subtype: Any, shape: Any, kind: Any) -> None:
        if subtype is not NDARRAY:
            raise Refused('a numpy array of another type')

    def build(self, state: Any) -> np.ndarray:
        if type(state) is not tuple or len(state) not in (4, 5):
            raise Damaged('a numpy array with a state of another kind')
        shape, dtype, fortran, data = state[-4:]
        return numbers(data, dtype, shape, 'F' if fortran is True else 'C')


def _scalar(dtype: Any, data: Any = b'') -> np.generic:
    return numbers(data, dtype, (1,), 'C')[0]


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    return numbers(data, dtype, shape, 'F' if order == 'F' else 'C')


def _encode(text: Any, encoding: Any = 'latin1') -> bytes:
    """How pickles of protocol 2 write bytes."""
    if type(text) is not str or encoding not in ('latin1', 'latin-1'):
        raise Refused('_codecs.encode with other arguments')
    return text.encode('latin1')


def _bytes(*arguments: Any) -> bytes:
    """Old protocols write empty bytes as a call of ``bytes``."""
    if arguments:
        raise Refused('a call of bytes with arguments')
    return b''


NDARRAY = Maker('numpy.ndarray', None)
LEAVES = (np.ndarray, np.generic, np.dtype)
NAMES = {('numpy', 'ndarray'): NDARRAY, ('numpy', 'dtype'): Maker('numpy.dtype', Dtype),
         ('_codecs', 'encode'): Maker('_codecs.encode', _encode)}
for _module in ('builtins', '__builtin__'):
    NAMES[_module, 'bytes'] = Maker('bytes', _bytes)
for _package in ('numpy.core', 'numpy._core'):
    NAMES[_package + '.multiarray', '_reconstruct'] = Maker('numpy._reconstruct', Array)
    NAMES[_package + '.multiarray', 'scalar'] = Maker('numpy.scalar', _scalar)
    NAMES[_package + '.numeric', '_frombuffer'] = Maker('numpy._frombuffer', _from_buffer)
