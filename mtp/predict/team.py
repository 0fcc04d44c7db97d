"""The processes of a prediction: who this one is, and where all of them meet."""
from typing import NamedTuple, Optional

import torch

from mtp.adapters import environment


class Team(NamedTuple):
    """Which of how many processes this is.

    Attributes:
        rank, world: from 0; how many.
        device: number of its GPU; None for the CPU.
    """
    rank: int = 0
    world: int = 1
    device: Optional[int] = None

    @property
    def leads(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def join(self) -> None:
        """Find the others, and wait until the first has made the folder ours: none writes there before."""
        environment.join(self.world)
        self.meet()

    def meet(self) -> None:
        """Wait for all."""
        if self.world > 1:
            torch.distributed.barrier()
