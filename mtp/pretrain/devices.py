"""Processes and devices of a run: where they meet, what they compute on (spec 4, Init)."""
import os

import torch
from torch import distributed

from mtp.errors import MTPError
from mtp.launch import rendezvous


class Team:
    """This process among those of the run.

    Attributes:
        rank, world, local: as in torch.distributed.
        device: torch.device.
    """

    def __init__(self, rank, world, local, device):
        self.rank, self.world, self.local, self.device = rank, world, local, device

    @property
    def leads(self):
        """Whether this process writes files and talks."""
        return self.rank == 0

    def any(self, flag):
        """Whether ``flag`` holds in any process; all have to ask."""
        if self.world == 1:
            return flag
        value = torch.tensor(int(flag), device=self.device)
        distributed.all_reduce(value, distributed.ReduceOp.MAX)
        return bool(value)

    def mean(self, values):
        """Mean over the processes of a 1-D tensor."""
        if self.world > 1:
            distributed.all_reduce(values)
            values = values / self.world
        return values

    def close(self):
        if self.world > 1 and distributed.is_initialized():
            distributed.destroy_process_group()


def join(options):
    """Find the other processes and take a device. Returns a :class:`Team`."""
    if options.distributed:
        if options.port and 'MASTER_PORT' not in os.environ:
            os.environ['MASTER_PORT'] = str(options.port)
        os.environ.update(rendezvous.join(os.environ))
        rank, world, local = (int(os.environ[name]) for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'))
    else:
        rank, world, local = 0, 1, 0
    device = choose(options.device, local)
    if options.mixed_precision and device.type == 'cpu':
        raise MTPError('--mixed_precision True needs a CUDA device; this run computes on the CPU',
                       hint='--mixed_precision False')
    if world > 1:
        try:
            distributed.init_process_group('nccl' if device.type == 'cuda' else 'gloo', init_method='env://')
        except (RuntimeError, ValueError) as error:
            raise MTPError('process {} of {} could not meet the others at {}:{}: {}'.format(
                rank, world, os.environ['MASTER_ADDR'], os.environ['MASTER_PORT'], error),
                hint='is the port taken? choose another with --port or MASTER_PORT') from error
    return Team(rank, world, local, device)


def choose(wish, local=0):
    """The device behind ``--device``: auto takes a usable GPU, else the CPU and says why.

    Raises:
        MTPError: CUDA is asked for and cannot be used.
    """
    problem = _cuda_problem(local) if wish != 'cpu' else ''
    if wish == 'cuda' and problem:
        raise MTPError('--device cuda: ' + problem, hint='--device cpu')
    if wish == 'cpu' or problem:
        return torch.device('cpu')
    index = local % torch.cuda.device_count()  # tasks may see all GPUs of a node, or only their own
    torch.cuda.set_device(index)
    return torch.device('cuda', index)


def _cuda_problem(local):
    if not torch.cuda.is_available():
        return 'torch {} sees no GPU'.format(torch.__version__)
    major, minor = torch.cuda.get_device_capability(local % torch.cuda.device_count())
    built = [int(name.split('_')[1]) for name in torch.cuda.get_arch_list() if name.startswith('sm_')]
    if built and (major * 10 + minor) // 10 > max(built) // 10:
        return 'the GPU is sm_{}{}, torch {} is built up to sm_{}'.format(major, minor, torch.__version__, max(built))
    return ''
