"""Whatever opens a checkpoint while a toolbox runs goes through our reader, and fetches nothing.

The toolboxes have ways of their own to a checkpoint: ``--resume``, ``init_cfg``, addresses, model zoos. All of them end
in ``CheckpointLoader.load_checkpoint``, ``torch.load`` or ``torch.hub``, so these are replaced, by the package of
either adapter before it imports anything else. What a config does by itself is trusted (SECURITY.md); a file is not.
"""
import importlib
import importlib.machinery
import importlib.util
import io
import os
import shutil
import sys
import tempfile
from types import ModuleType
from typing import Any, Callable, Dict, Optional, Sequence, Type, Union

import torch

from mtp.checkpoints import files
from mtp.checkpoints.unpickle import HistoryBuffer
from mtp.errors import MTPError
from mtp.paths import resolve

#: Where torch.load is told to put tensors; functions and tables are not asked here.
Where = Union[None, str, torch.device, Callable[..., Any], Dict[str, str]]

_TORCHS_OWN = torch.load
# Names that hold paths of files which the toolboxes' hooks remove when a better checkpoint comes.
_PATHS = ('best_ckpt', 'last_ckpt')


def install(loader: Optional[Type[Any]] = None, history: Optional[Type[Any]] = None) -> None:
    """Replace the ways to a checkpoint in this process; once is enough.

    Args:
        loader: the toolbox's ``CheckpointLoader`` class.
        history: the toolbox's ``HistoryBuffer``, which takes the place of the one in a file.
    """
    torch.load = _torch_load
    torch.storage._load_from_bytes = _of_a_message
    for name in ('load_state_dict_from_url', 'download_url_to_file', 'load'):
        setattr(torch.hub, name, _not_fetched)
    setattr(importlib.import_module('torch.utils.model_zoo'), 'load_url', _not_fetched)
    _after_import('huggingface_hub.file_download', 'hf_hub_download')
    if loader is not None:
        loader.load_checkpoint = classmethod(_toolbox_load)
    if history is not None:
        _Here.history = history


class _Here:
    """What the environment of this process has."""

    history: Type[Any] = HistoryBuffer


def opened(path: Union[str, 'os.PathLike[str]'], map_location: Where = None) -> Any:
    """What is in the checkpoint ``path``, for a toolbox that goes on from it: inert, with paths of its own folder only.

    Raises:
        MTPError: see :func:`mtp.checkpoints.files.content`.
    """
    path = resolve(os.path.expanduser(os.fspath(path)))
    return settled(files.content(path), os.path.dirname(os.path.abspath(path)), map_location)


def settled(content: Any, folder: str, map_location: Where = None) -> Any:
    """``content`` of a checkpoint without what a toolbox would run or remove on its behalf.

    A resumed run reads ``meta['config']`` as a Python file, and its hooks remove the best checkpoint of before by its
    recorded path. The text is left out (nobody needs it); a path becomes the file of that name in ``folder``, that of
    the checkpoint, or is left out too.
    """
    if isinstance(content, dict):
        meta, hub = content.get('meta'), content.get('message_hub')
        if isinstance(meta, dict):
            meta.pop('config', None)
            own_paths(meta.get('hook_msgs'), folder)
        own_paths(hub.get('runtime_info') if isinstance(hub, dict) else None, folder)
    return _revived(content, _device(map_location))


def own_paths(entries: Any, folder: str) -> None:
    """Recorded paths of checkpoints in ``entries`` become those of the same name in ``folder``, or go."""
    if not isinstance(entries, dict):
        return
    for name in [name for name in entries if isinstance(name, str) and name.startswith(_PATHS)]:
        own = os.path.join(folder, os.path.basename(entries[name])) if isinstance(entries[name], str) else ''
        if own.endswith('.pth') and os.path.isfile(own):
            entries[name] = own
        else:
            del entries[name]
    kept = entries.get('keep_ckpt_ids')
    if kept is not None and not (isinstance(kept, list) and all(type(number) is int for number in kept)):
        del entries['keep_ckpt_ids']


def _device(map_location: Where) -> Optional[torch.device]:
    """Where tensors go; None leaves them on the CPU, as functions that say so do."""
    return torch.device(map_location) if isinstance(map_location, (str, torch.device)) else None


def _revived(value: Any, device: Optional[torch.device]) -> Any:
    """The same with tensors on ``device`` and histories of the toolbox's kind; dicts and lists stay who they are."""
    if isinstance(value, torch.Tensor):
        return value if device is None else value.to(device)
    if isinstance(value, HistoryBuffer):
        return _history(value)
    if isinstance(value, dict):
        for key in list(value):
            value[key] = _revived(value[key], device)
    elif isinstance(value, list):
        value[:] = [_revived(item, device) for item in value]
    elif type(value) is tuple:
        value = tuple(_revived(item, device) for item in value)
    return value


def _history(held: HistoryBuffer) -> Any:
    state = held.state if isinstance(held.state, dict) else {}
    values: Any = state.get('_log_history')
    counts: Any = state.get('_count_history')
    longest = state.get('max_length', 1000000)
    if _Here.history is HistoryBuffer or any(getattr(part, 'ndim', None) != 1 for part in (values, counts)) \
            or len(values) != len(counts) or values.dtype.kind not in 'fiu' or counts.dtype.kind not in 'fiu' \
            or type(longest) is not int or longest < 1:
        return held
    return _Here.history(values, counts, longest)


def _toolbox_load(cls: Type[Any], filename: str, map_location: Where = None, logger: Any = None) -> Any:
    """In place of ``CheckpointLoader.load_checkpoint``, for every scheme of addresses."""
    return opened(filename, map_location)


def _torch_load(f: Any, map_location: Where = None, *_: Any, **__: Any) -> Any:
    """In place of ``torch.load``."""
    if isinstance(f, (str, os.PathLike)):
        return opened(f, map_location)
    if isinstance(f, io.IOBase) or hasattr(f, 'read'):
        with tempfile.NamedTemporaryFile(suffix='.pth') as copy:
            shutil.copyfileobj(f, copy)
            copy.flush()
            return settled(files.content(copy.name), os.path.dirname(copy.name), map_location)
    raise MTPError(f'torch.load of a {type(f).__name__}, which is no file')


def _of_a_message(data: bytes) -> Any:
    """Storage of a tensor in a pickle, which names ``torch.storage._load_from_bytes`` and ends in ``torch.load``.

    So processes of one run send each other what they have found. No file comes this way: whoever reads pickles of
    others has run what they hold before this is called.
    """
    return _TORCHS_OWN(io.BytesIO(data))


_of_a_message.__module__, _of_a_message.__qualname__ = 'torch.storage', '_load_from_bytes'  # by that name it is pickled


def _not_fetched(*words: Any, **named: Any) -> None:
    """In place of functions that fetch: the first of their words, or the one that says where, is named."""
    given = [str(word) for word in list(words) + [named[name] for name in sorted(named)] if isinstance(word, str)]
    address = next((word for word in given if '://' in word), None)
    if address is None:
        address = 'network://' + '/'.join(given[:2])  # huggingface: owner/name, file; torch.hub: owner/name, model
    files.content(address)  # it raises


class _Patching:
    """A finder that puts :func:`_not_fetched` into a module as soon as somebody imports it."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def find_spec(self, fullname: str, path: Optional[Sequence[str]] = None,
                  target: Optional[ModuleType] = None) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                setattr(module, self.name, _not_fetched)

            setattr(spec.loader, 'exec_module', exec_module)
        return spec


def _after_import(module: str, name: str) -> None:
    if module in sys.modules:
        setattr(sys.modules[module], name, _not_fetched)
    elif not any(isinstance(finder, _Patching) and finder.module == module for finder in sys.meta_path):
        sys.meta_path.insert(0, _Patching(module, name))
