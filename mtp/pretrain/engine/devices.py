"""What a process computes on, and in which number format."""
import argparse
import resource
from typing import Optional

import torch

from mtp import devices
from mtp.errors import MTPError


def half(options: argparse.Namespace, device: torch.device) -> Optional[str]:
    """Number format of ``--mixed_precision`` on ``device``: None, ``fp16`` or ``bf16``.

    Raises:
        MTPError: the device cannot compute in it.
    """
    if not options.mixed_precision:
        return None
    name = {'cuda': 'fp16', 'cpu': 'bf16'}[device.type] if options.amp_dtype == 'auto' else options.amp_dtype
    if name == 'fp16' and device.type == 'cpu':
        raise MTPError('--amp_dtype fp16 needs a CUDA device; this run computes on the CPU', hint='--amp_dtype bf16')
    if name == 'bf16' and device.type == 'cuda' and torch.cuda.get_device_capability(device)[0] < 8:
        raise MTPError('--amp_dtype bf16 needs a GPU of compute capability 8.0; {} has {}.{}'.format(
            torch.cuda.get_device_name(device), *torch.cuda.get_device_capability(device)), hint='--amp_dtype fp16')
    return name


def memory(device: torch.device) -> int:
    """Most memory that this process has held so far, in MiB: of the GPU, or of the machine when that computes."""
    if device.type == 'cuda':
        return round(torch.cuda.max_memory_allocated(device) / 2 ** 20)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # Linux counts in KiB


def choose(wish: str, local: int = 0) -> torch.device:
    """The device behind ``--device``: auto takes a usable GPU, else the CPU and says why.

    Raises:
        MTPError: CUDA is asked for and cannot be used.
    """
    problem, hint = devices.problem(local) if wish != 'cpu' else ('', '')
    if wish == 'cuda' and problem:
        raise MTPError('a card was asked for (--device cuda), but ' + problem, hint=hint)
    if problem:
        devices.warn(problem)
    if wish == 'cpu' or problem:
        return torch.device('cpu')
    index = local % torch.cuda.device_count()  # tasks may see all GPUs of a node, or only their own
    torch.cuda.set_device(index)
    return torch.device('cuda', index)
