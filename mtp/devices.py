"""The card a run was asked to compute on, or the reason why torch cannot use it."""
import argparse
import ctypes
import glob
import importlib.util
import os
import socket
import sys
from typing import Iterable, List, Tuple

import torch

from mtp import fatbin
from mtp.errors import MTPError

CONTAINER = ('/.dockerenv', '/run/.containerenv', '/.singularity.d')
HIDING = ('CUDA_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES', 'ROCR_VISIBLE_DEVICES')
# What cuInit answers, where it says more than a number (CUDA driver API, CUresult).
ANSWERS = {100: 'the driver finds no card', 803: 'the driver and its libcuda.so.1 are of different versions',
           804: 'this libcuda.so.1 does not serve this kind of card', 999: 'the driver is in an unknown state'}
_warned: List[str] = []


def add_option(parser: argparse.ArgumentParser) -> None:
    """``--device``: whether a run without a card is an error."""
    parser.add_argument('--device', choices=('auto', 'cuda'), default='auto', help='cuda: end where torch can use no '
                        'card; auto (default): compute on the processors there')


def require(wish: str, local: int = 0) -> None:
    """See to it that nobody who asked for a card computes without one.

    Args:
        wish: ``cuda``, ``auto`` or ``cpu``.
        local: which process of this machine.

    Raises:
        MTPError: a card is asked for and cannot be used, or torch sees one that it has no code for.
    """
    if wish == 'cpu':
        return
    reason, hint = problem(local)
    if reason and (wish == 'cuda' or torch.cuda.is_available()):
        raise MTPError('a card was asked for (--device cuda), but ' + reason if wish == 'cuda' else reason, hint=hint)
    if reason:
        warn(reason)


def warn(reason: str) -> None:
    """Say once why the processors compute, where the machine has a card after all."""
    if plugged() and not _warned and os.environ.get('LOCAL_RANK', '0') == '0':
        _warned.append(reason)
        sys.stderr.write(f'warning: the processors compute, although this machine has a card: {reason}\n')


def plugged() -> bool:
    """Whether the kernel of this machine shows a card to this process."""
    return os.path.exists('/dev/nvidiactl') or os.path.exists('/dev/kfd')


def problem(local: int = 0) -> Tuple[str, str]:
    """(why torch cannot use a card, what to do about it); two empty texts where it can."""
    if not torch.cuda.is_available():
        why, hint = unseen()
        return f'torch {torch.__version__} sees none: {why}', hint
    capability = torch.cuda.get_device_capability(local % torch.cuda.device_count())
    if serves(torch.cuda.get_arch_list(), capability):
        return operators(capability)
    built = ', '.join(name for name in torch.cuda.get_arch_list() if name.startswith('sm_'))
    return ('the card is sm_{}{}, and torch {} has code for {}'.format(*(capability + (torch.__version__, built))),
            'another card or VARIANT (make doctor); ACCEL=none (--device cpu) computes on the processors')


def operators(capability: Tuple[int, int]) -> Tuple[str, str]:
    """(why the operators compiled here cannot run on a card of (major, minor), what to do); two empty texts else.

    Found now, and not at the first kernel in the middle of a run. Operators for processors alone have none to look at.
    """
    spec = importlib.util.find_spec('mmcv')
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in glob.glob(os.path.join(folder, '_ext*.so')):
            try:
                built = fatbin.architectures(path)
            except (OSError, fatbin.Unreadable):
                continue  # whoever loads it says more
            names = ['sm_{}{}'.format(*each) for each in built]
            if built and not serves(names, capability):
                return ('the card is sm_{}{}, and the operators in {} have code for {}'.format(
                    *(tuple(capability) + (path, ', '.join(names)))), 'make doctor; ACCEL=none (--device cpu) computes '
                    'on the processors')
    return '', ''


def serves(built: Iterable[str], capability: Tuple[int, int]) -> bool:
    """Whether code for the architectures ``built`` (``sm_70``, ``compute_70``) runs on a card of (major, minor).

    Machine code runs on cards of its own major number from its minor number on, ``compute_…`` on every later card.
    """
    split = [name.split('_') for name in built]
    numbers = [(kind, divmod(int(''.join(filter(str.isdigit, rest))), 10)) for kind, rest in split if kind != 'gfx'
               and rest[:1].isdigit()] if all(len(each) == 2 for each in split) else []
    return not numbers or any(number <= tuple(capability) and (kind == 'compute' or number[0] == capability[0])
                              for kind, number in numbers)


def unseen() -> Tuple[str, str]:
    """(why torch sees no card, what to do), looked for from the nearest cause to the farthest."""
    hip = getattr(torch.version, 'hip', None)
    if not torch.version.cuda and not hip:
        return 'it was built for processors', 'make doctor, which names the VARIANT for this card'
    for name in HIDING:
        if os.environ.get(name, 'unset') in ('', '-1', 'NoDevFiles'):
            return f'{name}={os.environ[name]!r} hides every card', 'unset ' + name
    device, flag = ('/dev/kfd', '--rocm') if hip else ('/dev/nvidiactl', '--nv')
    if not os.path.exists(device):
        return _no_device(device, flag)
    return ('ROCm finds no card behind /dev/kfd', 'rocm-smi') if hip else _driver()


def _no_device(device: str, flag: str) -> Tuple[str, str]:
    if any(map(os.path.exists, CONTAINER)):
        return ('there is no {} in this container: {} is missing, or this node ({}) has no card'.format(
            device, f'{flag} (apptainer) or --gpus all (docker)', socket.gethostname()),
            f'apptainer exec {flag}, docker run --gpus all (ACCEL=nv says either); nvidia-smi on the node')
    return (f'no driver of a card is loaded on {socket.gethostname()} (no {device})',
            'nvidia-smi, or another machine; ACCEL=none (--device cpu) computes on the processors')


def _driver() -> Tuple[str, str]:
    try:
        answer = ctypes.CDLL('libcuda.so.1').cuInit(0)
    except OSError:
        return ('the driver is loaded, but its libcuda.so.1 is not here',
                'apptainer: --nv; docker: --gpus all; nvidia-smi')
    reason = ANSWERS.get(answer, f'the driver is older than the CUDA {torch.version.cuda} of torch')
    return f'{reason} (cuInit: {answer})', 'nvidia-smi; make doctor'
