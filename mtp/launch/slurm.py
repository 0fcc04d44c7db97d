"""How many processes, on which nodes: plain, torchrun or srun. Pure."""
import re
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

from mtp import numbers
from mtp.distributed import tokens
from mtp.errors import MTPError
from mtp.launch import choice, containers
from mtp.launch.plan import Command, Problem, command
from mtp.launch.settings import DEFAULT_JOB, Settings

if TYPE_CHECKING:
    from mtp.launch.host import Host
    from mtp.launch.jobs import Job

TORCHRUN = ('-m', 'torch.distributed.run')
CAREFUL = ('-m', 'mtp.distributed.torchrun')  # the same, once the port is free and all servers are there
CARDS = ('gpu', 'dcu')  # entries of GRES that are cards, a process each


def tool_launcher(settings: Settings) -> str:
    """What the toolboxes call it in ``--launcher``: ``none``, ``pytorch`` or ``slurm``."""
    if settings.launcher == 'slurm':
        return 'slurm'
    return 'pytorch' if settings.nodes * settings.gpus > 1 else 'none'


def spread(runtime: str, settings: Settings, host: 'Host', job: 'Job') -> Command:
    """The :class:`Command` that starts ``job`` in ``runtime`` with as many processes as the settings ask for."""
    alone = settings.nodes == 1 and (settings.launcher == 'local' or job.processes == 1)
    if settings.launcher == 'slurm':
        wrapped = containers.wrap(runtime, settings, host, job, ('-u',) + job.script, alone)
        return command(tuple(srun(settings, host, job)) + wrapped.words, wrapped.environment)
    if job.processes == 1:
        return containers.wrap(runtime, settings, host, job, ('-u',) + job.script, alone)
    return containers.wrap(runtime, settings, host, job, torchrun(settings, host) + job.script, alone)


def srun(settings: Settings, host: 'Host', job: 'Job') -> List[str]:
    """Words of ``srun`` for ``job``, in the order of the published guide.

    In a batch job the script's head says how much; srun hears of it from there, but for the cores of a task.
    """
    cores = f'--cpus-per-task={settings.cpus_per_task}'
    if settings.submit:
        return ['srun', cores, '--kill-on-bad-exit=1'] + list(settings.srun_args)
    words = ['srun', '-J', settings.job] + (['-p', settings.partition] if settings.partition else [])
    words += ['--time=' + settings.time_limit] if settings.time_limit else []
    words += _cards(settings, host, job)
    words += [f'--ntasks={tasks(settings, job)}', f'--ntasks-per-node={each(settings, job)}', cores]
    return words + ['--kill-on-bad-exit=1'] + list(settings.srun_args)


def each(settings: Settings, job: 'Job') -> int:
    """Tasks on one node."""
    return settings.gpus if job.distributed else 1


def tasks(settings: Settings, job: 'Job') -> int:
    """Tasks of the whole job."""
    return each(settings, job) * (settings.nodes if job.distributed else 1)


def job_name(settings: Settings, jobs: Sequence['Job']) -> str:
    """JOB as the user says it, else by what is done: ``finetune-<config>``, ``finetune-3-configs`` for an array."""
    if settings.job != DEFAULT_JOB or not jobs:
        return settings.job
    return jobs[0].name if len(jobs) == 1 else '{}-{}-configs'.format(jobs[0].name.split('-')[0], len(jobs))


def directives(settings: Settings, host: 'Host', job: 'Job', name: str) -> List[str]:
    """The head of a batch script for ``job``: ``#SBATCH`` lines that say how much of the cluster it takes."""
    words = ['--job-name=' + name] + (['--partition=' + settings.partition] if settings.partition else [])
    words += _cards(settings, host, job)
    words += ['--time=' + settings.time_limit] if settings.time_limit else []
    nodes = settings.nodes if job.distributed else 1
    words += [f'--nodes={nodes}', f'--ntasks={tasks(settings, job)}',
              f'--ntasks-per-node={each(settings, job)}', f'--cpus-per-task={settings.cpus_per_task}']
    return [directive(word) for word in words]


def directive(word: str) -> str:
    """``word`` as a line of a batch script's head, where sbatch splits at blanks and ends at ``#`` what is not quoted.

    Raises:
        MTPError: a line end or another control character, which would put a line of its own into the script.
    """
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in word):
        raise MTPError(f'{word!r} cannot stand in the head of a batch script: it holds a line end or another control '
                       'character', hint='write it into SBATCH_ARGS without it, or rename the folder')
    quoted = '"{}"'.format(re.sub(r'(["\\])', r'\\\1', word)) if re.search(r'[\s"\'#\\]', word) else word
    return '#SBATCH ' + quoted


def gres(settings: Settings, host: 'Host') -> str:
    """``gpu:4``: as asked (``dcu`` and ``gpu:a100`` get the number), else by the kind of card; '' without cards."""
    if settings.gres:
        return ','.join(_counted(entry, settings) for entry in settings.gres.split(','))
    return '' if choice.accelerator(settings, host) == 'none' else f'gpu:{settings.gpus}'


def _cards(settings: Settings, host: 'Host', job: 'Job') -> List[str]:
    asked = gres(settings, host) if job.card or job.distributed else ''
    return ['--gres=' + asked] if asked else []


def _counted(entry: str, settings: Settings) -> str:
    """An entry of GRES with the number of cards; SLURM takes one where none is said."""
    named = entry.split(':')[0] in CARDS
    return f'{entry}:{settings.gpus}' if named and _number(entry) is None else entry


def _number(entry: str) -> Optional[int]:
    """The number at the end of an entry, ``gpu:a100:4(S:0)``; None where there is none."""
    match = re.search(r':([0-9]+)(\(.*\))?$', entry)
    return int(match.group(1)) if match else None


def torchrun(settings: Settings, host: 'Host') -> Tuple[str, ...]:
    """Words after ``python`` that start ``GPUS`` processes here; with more nodes, as one of them."""
    words: Tuple[str, ...] = CAREFUL if settings.port or settings.nodes > 1 else TORCHRUN
    words += (f'--nproc_per_node={settings.gpus}',)
    if settings.nodes > 1:
        words += (f'--nnodes={settings.nodes}', '--node_rank=' + (settings.node_rank or '0'),
                  '--master_addr=' + (settings.master_addr or '127.0.0.1'))
    # One fixed port would let two jobs on one machine meet; nodes of one job have to agree, so there it is fixed.
    port = settings.port or ('29500' if settings.nodes > 1 else str(host.free_port))
    return words + ('--master_port=' + port,)


def problems(settings: Settings, host: 'Host') -> Tuple[Problem, ...]:
    """What the chosen way of starting still lacks."""
    found = []
    if settings.launcher == 'slurm' and 'srun' not in host.tools:
        found.append(Problem('{}, but there is no srun on this machine'.format(
            'SUBMIT=1' if settings.submit else 'LAUNCHER=slurm'), 'log in to the cluster, or LAUNCHER=local'))
    few = [entry for entry in settings.gres.split(',') if entry.split(':')[0] in CARDS
           and (_number(entry) or settings.gpus) < settings.gpus]
    if settings.launcher == 'slurm' and few:
        found.append(Problem('GRES={} gives {} cards a node, but GPUS={} starts as many processes there'.format(
            settings.gres, _number(few[0]), settings.gpus), 'GPUS={}, or GRES={}'.format(
                _number(few[0]), re.sub(r':[0-9]+(\(.*\))?$', ':{}'.format(settings.gpus), few[0]))))
    unknown = [name for name in settings.partition.split(',') if host.partitions and name not in host.partitions]
    if settings.launcher == 'slurm' and settings.partition and unknown:
        found.append(Problem('there is no partition {}; the cluster has {}'.format(
            ', '.join(unknown), ', '.join(host.partitions)), 'sinfo, then PARTITION=name'))
    if settings.launcher == 'local' and settings.nodes > 1:
        rank = settings.node_rank
        if not numbers.digits(rank) or int(rank) >= settings.nodes or not settings.master_addr:
            found.append(Problem('NODES={} without SLURM: every node has to know its number and the first node; '
                                 'NODE_RANK is {!r}, MASTER_ADDR is {!r}'.format(settings.nodes, rank,
                                                                                settings.master_addr),
                                 'on each node: make ... NODES={} NODE_RANK=0 (1, 2 ...) MASTER_ADDR=host-of-node-0'
                                 .format(settings.nodes)))
        elif not tokens.loopback(settings.master_addr) and not settings.environ.get(tokens.TOKEN):
            found.append(Problem('NODES={} without SLURM: the servers sign what they say to each other with {}, and it '
                                 'is not set here'.format(settings.nodes, tokens.TOKEN), tokens.SAY))
    return tuple(found)
