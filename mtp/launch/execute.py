"""Running a plan: a few lines, since everything was decided before."""
import os
import signal
import subprocess
import sys
import uuid
from types import FrameType
from typing import Callable, Dict, Iterable, Mapping, Optional, Sequence

from mtp import processes
from mtp.distributed import handshake
from mtp.errors import MTPError
from mtp.files import write_text
from mtp.launch import plan as planning

KILLED = 128 + signal.SIGKILL


def run(plan: planning.Plan) -> int:
    """Run the commands of ``plan`` in turn; the exit code of the first that fails, or 0.

    Raises:
        MTPError: something that the commands need is missing; nothing was started or made.
    """
    planning.check(plan)
    if plan.reason:
        sys.stderr.write(plan.reason + '\n')
    for text in plan.warnings:
        sys.stderr.write(f'warning: {text}\n')
    for folder in plan.makes:
        _make(os.path.join(plan.root, folder))
    if plan.script:
        write_text(os.path.join(plan.root, plan.script.path), plan.script.text)
    for item in plan.commands:
        code = call(item.words, dict(os.environ, **dict(item.environment, **_token(item.words))), plan.root)
        if code == KILLED and item.words[0] == 'srun':
            raise MTPError('srun was killed from outside (SIGKILL); its job may go on without it', hint=(
                'squeue --me, then scancel and the number of the job; what was saved is kept'), code=code)
        if code:
            return code
    return 0


def _make(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise MTPError(f'cannot make the folder {folder}: {error.strerror}',
                       hint='let results go elsewhere: MTP_WORK_ROOT=folder, the same command behind it')


def _token(words: Sequence[str]) -> Dict[str, str]:
    """What the processes of a job step sign their meeting with. Servers without SLURM would each draw their own."""
    return {} if words[0] != 'srun' or os.environ.get(handshake.TOKEN) else {handshake.TOKEN: uuid.uuid4().hex}


def tied(number: int) -> Callable[[], None]:
    """What a child runs before its program: a group of its own, and signal ``number`` when we die, even by SIGKILL."""
    end_with_parent = processes.end_with_parent(number)

    def prepare() -> None:
        os.setpgrp()
        end_with_parent()

    return prepare


def call(words: Iterable[str], environment: Mapping[str, str], folder: str) -> int:
    """Exit code of one command; signals that reach us reach it exactly once.

    It gets a process group of its own: else Ctrl-C would reach it twice, from the terminal and from us, and srun takes
    two interrupts within a second as an order to kill the job.
    """
    child = subprocess.Popen(list(words), cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                             preexec_fn=tied(signal.SIGTERM))

    def forward(number: int, frame: Optional[FrameType]) -> None:
        del frame
        child.send_signal(number)

    before = processes.listen((signal.SIGINT,) + processes.GENTLE, forward)
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code
