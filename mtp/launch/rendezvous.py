"""How the processes of one job find each other: torchrun's variables where they are, else worked out from SLURM's.

Runs inside the container, so it needs neither ``scontrol`` nor the network.
"""
from mtp.errors import MTPError
from mtp.launch import hostlist, meeting

# What srun tells each task. The launcher lets these into a container; keep in step with what is read below.
SLURM_VARIABLES = (
    'SLURM_JOB_ID', 'SLURM_STEP_ID', 'SLURM_PROCID', 'SLURM_LOCALID', 'SLURM_NODEID', 'SLURM_STEP_NUM_TASKS',
    'SLURM_NTASKS', 'SLURM_STEP_NODELIST', 'SLURM_JOB_NODELIST', 'SLURM_NODELIST', 'SLURM_NTASKS_PER_NODE',
    'SLURM_CPUS_PER_TASK', 'SLURM_NNODES', 'SLURM_RESTART_COUNT', 'SLURM_ARRAY_TASK_ID', 'SLURMD_NODENAME')
TORCHRUN = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
DEFAULT_PORT = 29500
# Below the range from which Linux draws ports for outgoing connections (32768 and up).
FIRST_PORT, PORTS = 12000, 20000


def prepare(environ):
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


def join(environ):
    """As :func:`prepare`, and where ``srun`` has started several processes, when all of them are there.

    Raises:
        MTPError: as :func:`prepare`; a process that does not come, or images that differ (:mod:`mtp.launch.meeting`).
    """
    found = prepare(environ)
    if in_step(environ) and not ('RANK' in environ and 'WORLD_SIZE' in environ):  # torchrun has met already
        meeting.meet(found, environ)
    return found


def in_step(environ):
    """Whether this process is a task of ``srun``.

    A batch script that starts python by itself has SLURM_PROCID and SLURM_NTASKS too, but is one process and no step:
    it would wait for the others for ever. Only srun sets SLURM_STEP_NUM_TASKS.
    """
    return 'SLURM_PROCID' in environ and 'SLURM_STEP_NUM_TASKS' in environ


def step_port(job, step):
    """Port for a job step: the same on all its nodes, another one for a step of another job on the same node."""
    return FIRST_PORT + (job * 16 + step) % PORTS


def _from_torchrun(environ):
    rank, world = _number(environ, 'RANK'), _number(environ, 'WORLD_SIZE')
    local = _number(environ, 'LOCAL_RANK') if 'LOCAL_RANK' in environ else rank
    return _variables(environ, rank, world, local, '127.0.0.1', DEFAULT_PORT)


def _from_step(environ):
    nodes = hostlist.expand(environ.get('SLURM_STEP_NODELIST') or environ.get('SLURM_JOB_NODELIST') or
                            environ.get('SLURM_NODELIST') or 'localhost')
    port = step_port(_number(environ, 'SLURM_JOB_ID'), int(environ.get('SLURM_STEP_ID') or 0))
    return _variables(environ, _number(environ, 'SLURM_PROCID'), _number(environ, 'SLURM_STEP_NUM_TASKS'),
                      _number(environ, 'SLURM_LOCALID'), nodes[0], port)


def _variables(environ, rank, world, local, address, port):
    if not 0 <= rank < world:
        raise MTPError('process {} of {}: the rank has to be below the number of processes'.format(rank, world),
                       hint='env | grep -E "RANK|WORLD_SIZE|SLURM_"')
    values = (rank, world, local, environ.get('MASTER_ADDR') or address, environ.get('MASTER_PORT') or port)
    return dict(zip(TORCHRUN, map(str, values)))


def _number(environ, name):
    value = environ.get(name, '')
    if not value.isdigit():
        raise MTPError('{} is {!r}; a number is expected'.format(name, value), hint='env | grep {}'.format(name))
    return int(value)
