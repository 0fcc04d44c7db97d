"""Writing checkpoints: whole or not at all."""
import json
import os
from types import ModuleType
from typing import Any, BinaryIO, Dict, Mapping, Optional

import torch

from mtp.errors import FAILED, MTPError
from mtp.files import PathLike, atomic_path


def save(path: PathLike, state_dict: Mapping[str, torch.Tensor], meta: Optional[Mapping[str, Any]] = None,
         overwrite: bool = False) -> None:
    """Write tensors and meta to ``path``, as ``.safetensors`` or in PyTorch's own format.

    Raises:
        MTPError: the file exists and ``overwrite`` is not set.
    """
    if os.path.exists(path) and not overwrite:
        raise MTPError(f'{path} exists', hint='choose another name, or add --overwrite')
    if os.path.isfile(path) and not _looks_like_one(path):
        raise MTPError(f'{path} is there, and is no checkpoint: it is left alone', hint='choose another name')
    with atomic_path(path) as temporary:
        if str(path).endswith('.safetensors'):
            _dump_tensors(state_dict, temporary, {key: str(value) for key, value in (meta or {}).items()}, path)
        else:
            dump(dict(meta=meta or {}, state_dict=state_dict), temporary)


def _looks_like_one(path: PathLike) -> bool:
    """Whether a file begins as a checkpoint does, of either format."""
    with open(path, 'rb') as stream:
        head = stream.read(16)
    return head.startswith((b'PK\x03\x04', b'\x80\x02')) or head[8:9] == b'{' and head[5:8] == bytes(3)


class _Sink:
    """A file for ``torch.save`` that keeps the first error to itself: raised inside torch, it ends the process."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.error: Optional[OSError] = None

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                self.stream.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        pass


def dump(content: Any, path: str) -> None:
    """``torch.save``, with an OSError where the disk refuses."""
    with open(path, 'wb') as stream:
        sink = _Sink(stream)
        torch.save(content, sink)
        if sink.error:
            raise sink.error


def _dump_tensors(state_dict: Mapping[str, torch.Tensor], temporary: str, metadata: Dict[str, str],
                  path: PathLike) -> None:
    package = safetensors()
    tensors = {key: value.clone().contiguous() for key, value in state_dict.items()}  # no shared storage
    try:
        package.torch.save_file(tensors, temporary, metadata=metadata)
    except package.SafetensorError as error:
        raise MTPError(f'cannot write {path}: {error}', hint='df -h . : make room, or choose another name',
                       code=FAILED) from None
    _sort_metadata(temporary)


def _sort_metadata(path: str) -> None:
    """Put the metadata of a safetensors file in order, in place: the package writes them in another one each time, and
    equal weights would have unequal check sums.
    """
    with open(path, 'r+b') as stream:
        size = int.from_bytes(stream.read(8), 'little')
        header = json.loads(stream.read(size).decode('utf-8'))
        if '__metadata__' in header:
            header['__metadata__'] = dict(sorted(header['__metadata__'].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(',', ':')).encode('utf-8')
        if len(text) <= size:  # it is the same text in another order, and blanks behind it
            stream.seek(8)
            stream.write(text.ljust(size))


def safetensors() -> ModuleType:
    """The safetensors package, or an error that says how to get it."""
    try:
        import safetensors.torch
    except ImportError:
        raise MTPError('the safetensors package is not installed', hint='pip install safetensors') from None
    return safetensors
