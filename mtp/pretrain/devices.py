"""Processes and devices of a run: where they meet, what they compute on (spec 4, Init)."""
import datetime
import os
import resource

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous as rendezvous_at

from mtp.errors import MTPError
from mtp.launch import rendezvous

from . import watch

MEETING = datetime.timedelta(minutes=5)  # for the processes to find each other: a cold disk makes some start late


class Team:
    """This process among those of the run.

    Attributes:
        rank, world, local: as in torch.distributed.
        device: torch.device.
    """

    def __init__(self, rank, world, local, device, watcher=None):
        self.rank, self.world, self.local, self.device, self.watcher = rank, world, local, device, watcher
        # objects travel on the processors: NCCL would take them through GPU memory
        self._talk = distributed.new_group(backend='gloo') if world > 1 else None

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

    def gather(self, part):
        """List of every process's ``part`` (anything that pickles), in order of rank; None in all but the first."""
        if self.world == 1:
            return [part]
        parts = [None] * self.world if self.leads else None
        distributed.gather_object(part, parts, group=self._talk)
        return parts

    def first(self, work):
        """``work()`` of the first process, in all of them; its MTPError reaches them all, too."""
        answer = [None]
        if self.leads:
            try:
                answer = [work()]
            except MTPError as error:
                answer = [error]
        if self.world > 1:
            distributed.broadcast_object_list(answer, group=self._talk)
        if isinstance(answer[0], MTPError):
            raise answer[0]
        return answer[0]

    def wait(self):
        """Until all processes are here."""
        self.any(False)

    def close(self):
        """Leave in good order, after success."""
        if self.watcher:
            self.wait()  # the first process holds the store open until all are done
            self.watcher.close()
        if self.world > 1 and distributed.is_initialized():
            distributed.destroy_process_group()

    def fail(self, error):
        """Tell the others of ``error``; returns what this process should raise: their error, when that came first."""
        return self.watcher.explain(error) if self.watcher else error


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
    return Team(rank, world, local, device, _meet(rank, world, device) if world > 1 else None)


def _meet(rank, world, device):
    """Start torch.distributed. Returns the :class:`~mtp.pretrain.watch.Watch` of this process."""
    try:
        store, _, _ = next(rendezvous_at('env://', timeout=MEETING))
        backend = 'nccl' if device.type == 'cuda' else 'gloo'
        distributed.init_process_group(backend, store=store, rank=rank, world_size=world)
        # a connection of its own: a call on the other one may wait, and the watch must not
        agent = os.environ.get('TORCHELASTIC_RESTART_COUNT', '')
        own = distributed.TCPStore(os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']), world, False, MEETING,
                                   wait_for_workers=False)
        watcher = watch.Watch(distributed.PrefixStore('watch/' + agent, own), rank, world)
    except (RuntimeError, ValueError) as error:
        raise MTPError('process {} of {} could not meet the others at {}:{}: {}'.format(
            rank, world, os.environ['MASTER_ADDR'], os.environ['MASTER_PORT'], error),
            hint='is the port taken, or did another process fail before? another port: --port or MASTER_PORT'
        ) from error
    watcher.start()
    return watcher


def half(options, device):
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


def memory(device):
    """Most memory that this process has held so far, in MiB: of the GPU, or of the machine when that computes."""
    if device.type == 'cuda':
        return round(torch.cuda.max_memory_allocated(device) / 2 ** 20)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # Linux counts in KiB


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
