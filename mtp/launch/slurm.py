"""How many processes, on which nodes: plain, torchrun or srun. Pure."""
from mtp.launch import containers
from mtp.launch.plan import Problem, command
from mtp.launch.settings import DEFAULT_JOB

TORCHRUN = ('-m', 'torch.distributed.run')


def tool_launcher(settings):
    """What the toolboxes call it in ``--launcher``: ``none``, ``pytorch`` or ``slurm``."""
    if settings.launcher == 'slurm':
        return 'slurm'
    return 'pytorch' if settings.nodes * settings.gpus > 1 else 'none'


def spread(runtime, settings, host, job):
    """The :class:`Command` that starts ``job`` in ``runtime`` with as many processes as the settings ask for."""
    alone = settings.nodes == 1 and (settings.launcher == 'local' or job.processes == 1)
    if settings.launcher == 'slurm':
        wrapped = containers.wrap(runtime, settings, host, job, ('-u',) + job.script, alone)
        return command(tuple(srun(settings, host, job)) + wrapped.words, wrapped.environment)
    if job.processes == 1:
        return containers.wrap(runtime, settings, host, job, ('-u',) + job.script, alone)
    return containers.wrap(runtime, settings, host, job, torchrun(settings, host) + job.script, alone)


def srun(settings, host, job):
    """Words of ``srun`` for ``job``, in the order of the published guide.

    In a batch job the script's head says how much; srun hears of it from there, but for the cores of a task.
    """
    cores = '--cpus-per-task={}'.format(settings.cpus_per_task)
    if settings.submit:
        return ['srun', cores, '--kill-on-bad-exit=1'] + list(settings.srun_args)
    words = ['srun', '-J', settings.job] + (['-p', settings.partition] if settings.partition else [])
    words += ['--gres=' + gres(settings, host)] if job.distributed and gres(settings, host) else []
    words += ['--ntasks={}'.format(tasks(settings, job)), '--ntasks-per-node={}'.format(each(settings, job)), cores]
    return words + ['--kill-on-bad-exit=1'] + list(settings.srun_args)


def each(settings, job):
    """Tasks on one node."""
    return settings.gpus if job.distributed else 1


def tasks(settings, job):
    """Tasks of the whole job."""
    return each(settings, job) * (settings.nodes if job.distributed else 1)


def job_name(settings, jobs):
    """JOB as the user says it, else by what is done: ``finetune-<config>``, ``finetune-3-configs`` for an array."""
    if settings.job != DEFAULT_JOB or not jobs:
        return settings.job
    return jobs[0].name if len(jobs) == 1 else '{}-{}-configs'.format(jobs[0].name.split('-')[0], len(jobs))


def directives(settings, host, job, name):
    """The head of a batch script for ``job``: ``#SBATCH`` lines that say how much of the cluster it takes."""
    words = ['--job-name=' + name] + (['--partition=' + settings.partition] if settings.partition else [])
    words += ['--gres=' + gres(settings, host)] if job.distributed and gres(settings, host) else []
    nodes = settings.nodes if job.distributed else 1
    words += ['--nodes={}'.format(nodes), '--ntasks={}'.format(tasks(settings, job)),
              '--ntasks-per-node={}'.format(each(settings, job)), '--cpus-per-task={}'.format(settings.cpus_per_task)]
    return ['#SBATCH ' + word for word in words]


def gres(settings, host):
    """``gpu:4``: as asked (a bare ``dcu`` gets the number), else by the kind of card; '' without cards."""
    if settings.gres:
        return settings.gres if ':' in settings.gres else '{}:{}'.format(settings.gres, settings.gpus)
    return '' if containers.accelerator(settings, host) == 'none' else 'gpu:{}'.format(settings.gpus)


def torchrun(settings, host):
    """Words after ``python`` that start ``GPUS`` processes here; with more nodes, as one of them."""
    words = TORCHRUN + ('--nproc_per_node={}'.format(settings.gpus),)
    if settings.nodes > 1:
        words += ('--nnodes={}'.format(settings.nodes), '--node_rank=' + (settings.node_rank or '0'),
                  '--master_addr=' + (settings.master_addr or '127.0.0.1'))
    # One fixed port would let two jobs on one machine meet; nodes of one job have to agree, so there it is fixed.
    port = settings.port or ('29500' if settings.nodes > 1 else str(host.free_port))
    return words + ('--master_port=' + port,)


def problems(settings, host):
    """What the chosen way of starting still lacks."""
    found = []
    if settings.launcher == 'slurm' and 'srun' not in host.tools:
        found.append(Problem('{}, but there is no srun on this machine'.format(
            'SUBMIT=1' if settings.submit else 'LAUNCHER=slurm'), 'log in to the cluster, or LAUNCHER=local'))
    unknown = [name for name in settings.partition.split(',') if host.partitions and name not in host.partitions]
    if settings.launcher == 'slurm' and settings.partition and unknown:
        found.append(Problem('there is no partition {}; the cluster has {}'.format(
            ', '.join(unknown), ', '.join(host.partitions)), 'sinfo, then PARTITION=name'))
    if settings.launcher == 'local' and settings.nodes > 1:
        rank = settings.node_rank
        if not rank.isdigit() or int(rank) >= settings.nodes or not settings.master_addr:
            found.append(Problem('NODES={} without SLURM: every node has to know its number and the first node; '
                                 'NODE_RANK is {!r}, MASTER_ADDR is {!r}'.format(settings.nodes, rank,
                                                                                settings.master_addr),
                                 'on each node: make ... NODES={} NODE_RANK=0 (1, 2 ...) MASTER_ADDR=host-of-node-0'
                                 .format(settings.nodes)))
    return tuple(found)
