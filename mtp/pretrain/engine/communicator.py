"""The processes of a run: where they meet, what they tell each other (published.md#processes)."""
import argparse
import datetime
import os
from typing import Any, Callable, List, Optional

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous as rendezvous_at

from mtp import processes, talk
from mtp.distributed import rendezvous
from mtp.errors import MTPError

from . import devices, heartbeat

MEETING = datetime.timedelta(minutes=5)  # for the processes to find each other: a cold disk makes some start late


class Communicator:
    """This process among those of the run.

    Attributes:
        rank, world, local: as in torch.distributed.
        device: torch.device.
    """

    def __init__(self, rank: int, world: int, local: int, device: torch.device,
                 heartbeat: Optional[heartbeat.Heartbeat] = None) -> None:
        self.rank, self.world, self.local, self.device, self.heartbeat = rank, world, local, device, heartbeat
        # objects travel on the processors: NCCL would take them through GPU memory
        self._talk = distributed.new_group(backend='gloo') if world > 1 else None

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` holds in any process; all have to ask."""
        if self.world == 1:
            return flag
        value = torch.tensor(int(flag), device=self.device)
        distributed.all_reduce(value, distributed.ReduceOp.MAX)
        return bool(value)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Mean over the processes of a 1-D tensor."""
        if self.world > 1:
            distributed.all_reduce(values)
            values = values / self.world
        return values

    def gather(self, part: Any) -> Optional[List[Any]]:
        """List of every process's ``part`` (anything that pickles), in order of rank; None in all but the first."""
        if self.world == 1:
            return [part]
        parts = [None] * self.world if self.is_main else None
        distributed.gather_object(part, parts, group=self._talk)
        return parts

    def first(self, work: Callable[[], Any]) -> Any:
        """``work()`` of the first process, in all of them; its MTPError reaches them all, too."""
        answer: List[Any] = [None]
        if self.is_main:
            try:
                answer = [work()]
            except MTPError as error:
                answer = [error]
        if self.world > 1:
            distributed.broadcast_object_list(answer, group=self._talk)
        if isinstance(answer[0], MTPError):
            raise answer[0]
        return answer[0]

    def wait(self) -> None:
        """Until all processes are here."""
        self.any(False)

    def close(self) -> None:
        """Leave in good order, after success."""
        if self.heartbeat:
            self.wait()  # the first process holds the store open until all are done
            self.heartbeat.close()
        if self.world > 1 and distributed.is_initialized():
            distributed.destroy_process_group()
            processes.parted()

    def fail(self, error: Exception) -> Exception:
        """Tell the others of ``error``; returns what this process should raise: their error, when that came first."""
        return self.heartbeat.explain(error) if self.heartbeat else error


def join(options: argparse.Namespace) -> Communicator:
    """Find the other processes and take a device. Returns a :class:`Communicator`."""
    if options.distributed:
        if options.port and 'MASTER_PORT' not in os.environ:
            os.environ['MASTER_PORT'] = str(options.port)
        os.environ.update(rendezvous.join(os.environ, by_hand=True))
        rank, world, local = (int(os.environ[name]) for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'))
    else:
        rank, world, local = 0, 1, 0
    device = devices.choose(options.device, local)
    return Communicator(rank, world, local, device, _meet(rank, world, device) if world > 1 else None)


def _meet(rank: int, world: int, device: torch.device) -> heartbeat.Heartbeat:
    """Start torch.distributed. Returns the :class:`~mtp.pretrain.engine.heartbeat.Heartbeat` of this process."""
    try:
        store, _, _ = next(rendezvous_at('env://', timeout=MEETING))
        backend = 'nccl' if device.type == 'cuda' else 'gloo'
        log = talk.listen() if backend == 'nccl' else ''
        distributed.init_process_group(backend, store=store, rank=rank, world_size=world)
        talk.begun(distributed, log)
        # a connection of its own: a call on the other one may wait, and the heartbeat must not
        agent = os.environ.get('TORCHELASTIC_RESTART_COUNT', '')
        own = distributed.TCPStore(os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']), world, False, MEETING,
                                   wait_for_workers=False)
        beating = heartbeat.Heartbeat(distributed.PrefixStore('heartbeat/' + agent, own), rank, world)
    except (RuntimeError, ValueError) as error:
        raise MTPError('process {} of {} could not meet the others at {}:{}: {}'.format(
            rank, world, os.environ['MASTER_ADDR'], os.environ['MASTER_PORT'], error),
            hint='is the port taken, or did another process fail before? another port: --port or MASTER_PORT'
        ) from error
    beating.start()
    return beating
