"""Reading label pickles without running what is in them."""
import os

from mtp.errors import MTPError
from mtp.files import PathLike
from mtp.pickled import Damaged, Refused, Steps, arrays, measure
from mtp.pickled.plain import NAMES as PLAIN
from mtp.terminal import shown

MAX_BYTES = 1 << 30
SOURCE = 'get the file again from where the data set is published'
NAMES = dict(arrays.NAMES)
NAMES.update((key, PLAIN[key]) for key in PLAIN if key[1] in ('set', 'frozenset', 'OrderedDict'))


def load(path: PathLike) -> object:
    """The value pickled in ``path``: containers, strings, numbers and NumPy arrays only.

    Raises:
        MTPError: the file is missing, damaged, or names anything else.
    """
    data = _content(path)
    try:
        value = Steps(data, 0, NAMES).run(encoding='latin1')
        measure(value, len(data), leaves=arrays.LEAVES)
        return value
    except Refused as error:
        raise MTPError(f'{path} holds {shown(str(error))}, which label files have no business with',
                       hint=SOURCE) from None
    except Damaged as error:
        raise MTPError(f'{path} is not a readable pickle: {error}', hint=SOURCE) from None


def _content(path: PathLike) -> bytes:
    try:
        if not os.path.isfile(path) and os.path.exists(path):  # a FIFO would wait for ever
            raise MTPError(f'{path} is no plain file', hint=SOURCE)
        with open(path, 'rb') as stream:
            if os.path.getsize(path) > MAX_BYTES:
                raise MTPError(f'{path} is larger than {MAX_BYTES >> 20} MiB, which no label file is',
                               hint=SOURCE)
            return stream.read()
    except OSError as error:
        raise MTPError(f'cannot read {path}: {error.strerror or error}') from None
