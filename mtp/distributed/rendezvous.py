"""How the processes of one job find each other: torchrun's variables where they are, else worked out from SLURM's.

Runs inside the container, so it needs neither ``scontrol`` nor the network.
"""
import socket
import subprocess
from typing import Container, Dict, Mapping

from mtp import numbers
from mtp.distributed import handshake, hostlist
from mtp.errors import MTPError

# What srun tells each task. The launcher lets these into a container; keep in step with what is read below.
SLURM_VARIABLES = (
    'SLURM_JOB_ID', 'SLURM_STEP_ID', 'SLURM_PROCID', 'SLURM_LOCALID', 'SLURM_NODEID', 'SLURM_STEP_NUM_TASKS',
    'SLURM_NTASKS', 'SLURM_STEP_NODELIST', 'SLURM_JOB_NODELIST', 'SLURM_NODELIST', 'SLURM_NTASKS_PER_NODE',
    'SLURM_CPUS_PER_TASK', 'SLURM_NNODES', 'SLURM_RESTART_COUNT', 'SLURM_ARRAY_TASK_ID', 'SLURMD_NODENAME')
TORCHRUN = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
DEFAULT_PORT = 29500
SCONTROL_SECONDS = 10
# Below the range from which Linux draws ports for outgoing connections (32768 and up).
FIRST_PORT, PORTS = 12000, 20000
_met = []  # a process meets the others once, however often it asks who it is


def prepare(environ: Mapping[str, str]) -> Dict[str, str]:
    """Variables that ``torch.distributed`` needs with ``init_method='env://'``.

    Args:
        environ: mapping with the process's environment; it is not changed. Typical use:
            ``os.environ.update(rendezvous.prepare(os.environ))``.

    Returns:
        dict: ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR``, ``MASTER_PORT``, all strings. What the user or
        torchrun has set for the master is kept.

    Raises:
        MTPError: variables that contradict each other or are no numbers.
    """
    if 'RANK' in environ and 'WORLD_SIZE' in environ:  # torchrun, also one that was started inside an allocation
        return _from_torchrun(environ)
    if in_step(environ):
        return _from_step(environ)
    return _variables(environ, 0, 1, 0, '127.0.0.1', DEFAULT_PORT)


def join(environ: Mapping[str, str], by_hand: bool = False) -> Dict[str, str]:
    """As :func:`prepare`, and where ``srun`` has started several processes, when all of them are there.

    Args:
        environ: as for :func:`prepare`.
        by_hand: processes that something else than srun and torchrun has started (mpirun, a loop) meet as well.

    Raises:
        MTPError: as :func:`prepare`; a process that does not come, or images that differ (:mod:`.handshake`).
    """
    found = prepare(environ)
    told = 'RANK' in environ and 'WORLD_SIZE' in environ
    if not _met and (by_hand and 'TORCHELASTIC_RUN_ID' not in environ if told else in_step(environ)):
        handshake.meet(found, environ)  # those of torchrun have met already
        if by_hand:
            _met.append(found['RANK'])
    return found


def in_step(environ: Container[str]) -> bool:
    """Whether this process is a task of ``srun``.

    A batch script that starts python by itself has SLURM_PROCID and SLURM_NTASKS too, but is one process and no step:
    it would wait for the others for ever. Only srun sets SLURM_STEP_NUM_TASKS.
    """
    return 'SLURM_PROCID' in environ and 'SLURM_STEP_NUM_TASKS' in environ


def step_port(job: int, step: int) -> int:
    """Port for a job step: the same on all its nodes, another one for a step of another job on the same node."""
    return FIRST_PORT + (job * 16 + step) % PORTS


def _from_torchrun(environ: Mapping[str, str]) -> Dict[str, str]:
    rank, world = _number(environ, 'RANK'), _number(environ, 'WORLD_SIZE')
    local = _number(environ, 'LOCAL_RANK') if 'LOCAL_RANK' in environ else rank
    return _variables(environ, rank, world, local, '127.0.0.1', DEFAULT_PORT)


def _from_step(environ: Mapping[str, str]) -> Dict[str, str]:
    nodes = hostlist.expand(environ.get('SLURM_STEP_NODELIST') or environ.get('SLURM_JOB_NODELIST') or
                            environ.get('SLURM_NODELIST') or 'localhost')
    step = _number(environ, 'SLURM_STEP_ID') if environ.get('SLURM_STEP_ID') else 0
    port = step_port(_number(environ, 'SLURM_JOB_ID'), step)
    return _variables(environ, _number(environ, 'SLURM_PROCID'), _number(environ, 'SLURM_STEP_NUM_TASKS'),
                      _number(environ, 'SLURM_LOCALID'),
                      environ.get('MASTER_ADDR') or address(nodes[0]), port)


def address(name: str) -> str:
    """Where the node ``name`` is reached: its name, or what SLURM knows where that is a name of SLURM's alone.

    An image has no scontrol: there task.sh has asked before.
    """
    try:
        socket.getaddrinfo(name, None)
        return name
    except (OSError, UnicodeError):
        pass
    try:
        said = subprocess.check_output(['scontrol', '--oneliner', 'show', 'node', name], stderr=subprocess.DEVNULL,
                                       stdin=subprocess.DEVNULL, timeout=SCONTROL_SECONDS).decode('utf-8', 'replace')
    except (OSError, subprocess.SubprocessError):
        return name  # the meeting will say that nobody knows it
    found = [word.split('=', 1)[1] for word in said.split() if word.startswith('NodeAddr=')]
    return found[0] if found else name


def _variables(environ: Mapping[str, str], rank: int, world: int, local: int, address: str,
               port: int) -> Dict[str, str]:
    if not 0 <= rank < world:
        raise MTPError(f'process {rank} of {world}: the rank has to be below the number of processes',
                       hint='env | grep -E "RANK|WORLD_SIZE|SLURM_"')
    if environ.get('MASTER_PORT'):
        port = numbers.of_setting('MASTER_PORT', environ['MASTER_PORT'], numbers.port, 'unset MASTER_PORT')
    values = (rank, world, local, environ.get('MASTER_ADDR') or address, port)
    return dict(zip(TORCHRUN, map(str, values)))


def _number(environ: Mapping[str, str], name: str) -> int:
    value = environ.get(name, '')
    if not numbers.digits(value):
        raise MTPError(f'{name} is {value!r}; a number is expected', hint=f'env | grep {name}')
    return int(value)
