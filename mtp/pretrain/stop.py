"""Whether somebody asked this process to stop. Standard library only: it listens before anything heavy is imported."""
import signal

GENTLE = (signal.SIGTERM, signal.SIGUSR1)  # what schedulers send some time before they kill


class Stop:
    """What the signals of this process said.

    Attributes:
        asked: name of the signal that asked for the end of the run; '' while none did.
    """

    asked = ''

    def listen(self, numbers=GENTLE):
        """Remember these signals instead of dying of them. A second Ctrl-C stops at once."""
        for number in numbers:
            signal.signal(number, self._note)

    def _note(self, number, _):
        self.asked = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)


STOP = Stop()  # signals belong to the process
