"""Reading PyTorch files without running what is in them.

A pickle is a program. Its steps are looked through before one is taken (:mod:`mtp.pickled`), and what they can name is
containers, numbers, texts, NumPy arrays, and our own functions that make tensors; everything else is refused by name.
Both file formats of ``torch.save`` are read here from their bytes: no version of torch is asked to unpickle anything.
"""
import mmap
import os
import struct
import zipfile
from typing import Any, BinaryIO, Dict, Optional, Tuple

import torch

from mtp import faults
from mtp.checkpoints import tensors
from mtp.checkpoints.tensors import ConfigDict, HistoryBuffer, Namespace, StandIn  # noqa: F401  (what a file may hold)
from mtp.errors import MTPError
from mtp.pickled import Damaged, Refused, Steps, measure
from mtp.pickled.machine import Names
from mtp.terminal import shown

_LEGACY_MAGIC = 0x1950a86a20f9469cfc6c
_LEGACY_PROTOCOL = 1001
_BLOCK = 16 << 20
_PLAIN_NAMES: Names = {}  # the first parts of a legacy file hold numbers, texts and dicts


class _Archive:
    """The zip format of torch: ``<name>/data.pkl`` and ``<name>/data/<key>``, stored as they are."""

    def __init__(self, path: str, archive: zipfile.ZipFile) -> None:
        self.archive, self.size, self.left = archive, os.path.getsize(path), os.path.getsize(path)
        names = [name for name in archive.namelist() if name == 'data.pkl' or name.endswith('/data.pkl')]
        if len(names) != 1:
            raise Damaged('it is a zip archive without PyTorch data' if not names else
                          f'it is a zip archive with {len(names)} times PyTorch data')
        self.members: Dict[str, zipfile.ZipInfo] = {}
        for member in archive.infolist():
            if member.filename in self.members:
                raise Damaged('two members of its archive have one name')
            self.members[member.filename] = member
        self.prefix = names[0][:-len('data.pkl')]
        self.flat: Dict[str, torch.Tensor] = {}

    def content(self, name: str) -> bytearray:
        """Bytes of a member, as a bytearray. All that are read together are no more than the file has."""
        member = self.members.get(self.prefix + name)
        if member is None:
            raise Damaged(f'the member {shown(name)} is missing')
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise Refused(f'a compressed or encrypted member {shown(name)} (PyTorch stores them plain)')
        self.left -= member.file_size
        if self.left < 0:
            raise Damaged('its members are larger than the file')
        data, at = bytearray(member.file_size), 0
        with self.archive.open(member) as stream:
            while at < len(data):
                block = stream.read(min(_BLOCK, len(data) - at))
                if not block:
                    raise Damaged(f'the member {shown(name)} ends in the middle')
                data[at:at + len(block)] = block
                at += len(block)
            if stream.read(1):  # reading to the end makes zipfile compare the check sum
                raise Damaged(f'the member {shown(name)} is longer than it says')
        return data

    def storage(self, key: str, dtype: torch.dtype, numel: int, view: Optional[tensors.View]) -> torch.Tensor:
        """The flat tensor of a storage; it is read once."""
        if view is not None:
            raise Damaged('a storage that is part of another')
        if key not in self.flat:
            self.flat[key] = tensors.flat_tensor(self.content('data/' + key), dtype, numel)
        if self.flat[key].dtype != dtype or self.flat[key].numel() < numel:
            raise Damaged('a storage is described in two ways')
        return self.flat[key]

    def read(self) -> Any:
        """The object in the file."""
        if 'big' in (bytes(self.content('byteorder')).decode('latin1')
                     if self.prefix + 'byteorder' in self.members else ''):
            raise Refused('numbers in big-endian order')
        maker = tensors.Rebuilder(self.storage, self.size)
        steps = Steps(bytes(self.content('data.pkl')), 0, maker.names)
        value = steps.run(persistent=maker.storage)
        measure(value, steps.size, tensors.LEAVES, tensors.INSIDE)
        return value


def _read_zip(path: str) -> Any:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, struct.error, OverflowError) as error:
        faults.not_of_the_file(error)
        raise Damaged(shown(str(error) or type(error).__name__)) from None
    with archive:
        try:
            return _Archive(path, archive).read()
        except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, RuntimeError, ValueError,
                struct.error, OverflowError) as error:  # zipfile on a damaged archive
            faults.not_of_the_file(error)
            raise Damaged(shown(str(error) or type(error).__name__)) from None


class _Legacy:
    """Several pickles in a row, then the storages' bytes in the order of a list of keys."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0
        self.flat: Dict[str, torch.Tensor] = {}
        self.described: Dict[str, Tuple[torch.dtype, int]] = {}

    def next(self) -> Any:
        """The value of the next pickle, which is plain."""
        steps = Steps(self.data, self.at, _PLAIN_NAMES)
        self.at = steps.stop
        return steps.run()

    def describe(self, key: str, dtype: torch.dtype, numel: int, view: Optional[tensors.View]) -> torch.Tensor:
        """First reading: which storages there are; the bytes come behind. Nothing is made of them yet."""
        known = self.described.setdefault(key, (dtype, numel))
        if known[0] != dtype or known[1] < numel:
            raise Damaged('a storage is described in two ways')
        return torch.empty(0, dtype=dtype)

    def storage(self, key: str, dtype: torch.dtype, numel: int, view: Optional[tensors.View]) -> torch.Tensor:
        """Second reading: the flat tensor, or a part of it."""
        flat = self.flat.get(key)
        if flat is None:
            raise Damaged('a storage is missing')
        if view is None:
            return flat
        if view[1] + view[2] > flat.numel():
            raise Damaged('a part of a storage that reaches beyond it')
        return flat[view[1]:view[1] + view[2]]

    def read(self) -> Any:
        """The object in the file."""
        if self.next() != _LEGACY_MAGIC or self.next() != _LEGACY_PROTOCOL:
            raise Damaged('it is a pickle, but not one that PyTorch wrote')
        self.next()  # description of the machine that wrote it
        survey = tensors.Rebuilder(self.describe, len(self.data))
        steps = Steps(self.data, self.at, survey.names)
        self.at = steps.stop
        for name in ('_rebuild_tensor', '_rebuild_tensor_v2'):
            survey.names['torch._utils', name] = tensors.Maker(name, lambda *_: torch.empty(0))
        steps.run(persistent=survey.storage)
        self._bytes()
        maker = tensors.Rebuilder(self.storage, len(self.data))
        value = steps.run(maker.names, maker.storage)
        measure(value, steps.size, tensors.LEAVES, tensors.INSIDE)
        return value

    def _bytes(self) -> None:
        keys = self.next()
        if type(keys) is not list or any(type(key) is not str or key not in self.described for key in keys):
            raise Damaged('its list of storages is none')
        for key in keys:
            dtype, wanted = self.described[key]
            numel, = struct.unpack('<q', self._take(8))
            if numel < wanted or key in self.flat:
                raise Damaged('a storage is shorter than it says')
            self.flat[key] = tensors.flat_tensor(bytearray(self._take(numel * tensors.item_size(dtype))), dtype, numel)

    def _take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise Damaged('it ends in the middle')
        self.at += count
        return self.data[self.at - count:self.at]


def _read_legacy(path: str, stream: BinaryIO) -> Any:
    if not os.path.getsize(path):
        raise Damaged('it is empty')
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[257:262] == b'ustar':
            raise Refused('a tar archive, the format of PyTorch before 0.2')
        return _Legacy(data).read()


def read(path: str) -> Any:
    """The object in the PyTorch file at ``path``, tensors on the CPU, contiguous, in the bytes of the file.

    Raises:
        MTPError: no such file, damaged or truncated, or it holds something that is not on the list.
    """
    try:
        if not os.path.isfile(path):
            problem = 'there is something else than a plain file' if os.path.lexists(path) else 'no checkpoint'
            raise MTPError(f'{problem} at {shown(path, 500)}',
                           hint='check the path, or see mtp/weights/manifest.json')
        with open(path, 'rb') as stream:
            is_zip = stream.read(4) == b'PK\x03\x04'
            return _read_zip(path) if is_zip else _read_legacy(path, stream)
    except Refused as error:
        raise MTPError('{} holds {}, which is refused: a checkpoint needs tensors, arrays, numbers, text and '
                       'containers only, and loading more could run code'.format(path, shown(str(error))),
                       hint='load it where you trust it and save its state_dict alone, or as .safetensors') from None
    except Damaged as error:
        raise MTPError(f'{path} is not a whole PyTorch checkpoint: {error}',
                       hint='compare its sha256 and size with the source and fetch it again') from None
    except MemoryError:
        raise MTPError('{} needs more memory than there is'.format(path),
                       hint='it has {} bytes; close other programs, or take another machine'.format(
                           os.path.getsize(path))) from None
    except OSError as error:
        raise MTPError(f'cannot read the checkpoint {path}: {error.strerror or error}',
                       hint='check the path and who may read it') from None
