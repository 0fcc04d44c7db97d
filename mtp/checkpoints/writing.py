"""Writing checkpoints: whole or not at all."""
import os

import torch

from mtp.errors import MTPError
from mtp.files import atomic_path


def save(path, state_dict, meta=None, overwrite=False):
    """Write tensors and meta to ``path``, as ``.safetensors`` or in PyTorch's own format.

    Raises:
        MTPError: the file exists and ``overwrite`` is not set.
    """
    if os.path.exists(path) and not overwrite:
        raise MTPError('{} exists'.format(path), hint='choose another name, or add --overwrite')
    with atomic_path(path) as temporary:
        if str(path).endswith('.safetensors'):
            save_file = safetensors().torch.save_file
            tensors = {key: value.clone().contiguous() for key, value in state_dict.items()}  # no shared storage
            save_file(tensors, temporary, metadata={key: str(value) for key, value in (meta or {}).items()})
        else:
            torch.save(dict(meta=meta or {}, state_dict=state_dict), temporary)


def safetensors():
    """The safetensors package, or an error that says how to get it."""
    try:
        import safetensors.torch
    except ImportError:
        raise MTPError('the safetensors package is not installed', hint='pip install safetensors') from None
    return safetensors
