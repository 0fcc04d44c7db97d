"""Whether somebody asked this process to stop. Standard library only: it listens before anything heavy is imported."""
import signal
from types import FrameType
from typing import Iterable, Optional

from mtp.processes import GENTLE, listen


class Stop:
    """What the signals of this process said.

    Attributes:
        asked: name of the signal that asked for the end of the run; '' while none did.
    """

    asked = ''

    def listen(self, numbers: Iterable[int] = GENTLE) -> None:
        """Remember these signals instead of dying of them. A second Ctrl-C stops at once."""
        listen(numbers, self._note)

    def _note(self, number: int, _: Optional[FrameType]) -> None:
        self.asked = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)


STOP = Stop()  # signals belong to the process
