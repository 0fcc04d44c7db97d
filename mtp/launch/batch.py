"""The script that ``SUBMIT=1`` hands to ``sbatch``. Pure: a text from settings, host, jobs. It starts ``batch.sh``."""
import hashlib
import os
import shlex
from typing import TYPE_CHECKING, Iterable, List, Sequence, Tuple

from mtp.errors import MTPError
from mtp.launch import slurm
from mtp.launch.plan import Command, Plan, Problem, Script, command, render_command

if TYPE_CHECKING:
    from mtp.launch.host import Host
    from mtp.launch.jobs import Job
    from mtp.launch.settings import Settings

LEAD_SECONDS = 300  # before the time limit: for the step at hand and the checkpoint of the largest network
FOLDER = 'work_dirs/slurm'  # scripts and logs
MARK = 'mtp:'  # in the comment of a job, before what stands for a place it writes to


def plan(settings: 'Settings', host: 'Host', prepared: Sequence[Tuple['Job', Command]], reason: str,
         problems: Iterable[Problem], makes: Iterable[str]) -> Plan:
    """The :class:`Plan` that submits ``prepared``, a list of (job, command): one job, or an array of them.

    The script lies beside its log, so that what was submitted can be read later.
    """
    folder = '{}/slurm'.format(settings.work_root.rstrip('/'))
    name = slurm.job_name(settings, [job for job, _ in prepared])
    script = Script(f'{folder}/{name}.sbatch', text(settings, host, prepared, name, folder))
    commands = (command(('sbatch', script.path)),)
    problems = list(problems) + busy(settings, host, [job for job, _ in prepared])
    return Plan(reason, host.root, commands, tuple(problems), tuple(makes) + (folder,), script)


def text(settings: 'Settings', host: 'Host', prepared: Sequence[Tuple['Job', Command]], name: str, folder: str) -> str:
    """The batch script."""
    job = prepared[0][0]
    lines = ['#!/usr/bin/env bash'] + slurm.directives(settings, host, job, name)
    names, marks = [each.name for each, _ in prepared], [mark(settings, host, each) for each, _ in prepared]
    lines += [slurm.directive(word) for word in own_directives(settings, host, names, folder, marks)]
    lines += [slurm.directive(word) for word in settings.sbatch_args]
    lines += ['',
              '# What is preempted, cut short by its time limit or loses a node goes on by itself: mtp/launch/batch.sh',
              'cd ' + shlex.quote(host.root)]
    calls = [_call(each, item) for each, item in prepared]
    if len(calls) == 1:
        return '\n'.join(lines + ['exec ' + calls[0]]) + '\n'
    cases = ['{})\n  exec {}\n  ;;'.format(number, call.replace('\n', '\n  ')) for number, call in enumerate(calls)]
    return '\n'.join(lines + ['case "$SLURM_ARRAY_TASK_ID" in'] + cases + ['esac']) + '\n'


def mark(settings: 'Settings', host: 'Host', job: 'Job') -> str:
    """What a job of the queue says of the place it writes to: short, the same for the same place, and no path."""
    place = job.kept or f'{job.name} in {settings.data_root}'
    path = os.path.normpath(os.path.join(host.root, place))
    return hashlib.sha256(path.encode('utf-8', 'surrogateescape')).hexdigest()[:12]


def busy(settings: 'Settings', host: 'Host', jobs: Iterable['Job']) -> List[Problem]:
    """A :class:`Problem` for each job that waits or runs already and writes where one of ``jobs`` would."""
    found = []
    for job in jobs:
        own = mark(settings, host, job)
        for number, name, state, comment in host.queue:
            if MARK + own in comment.split(','):
                found.append(Problem('job {} ({}, {}) writes to {} already'.format(
                    number, name, state.lower(), job.kept or settings.data_root),
                    'make status; scancel {}, or another SAVE_PATH or MTP_WORK_ROOT for this one'.format(number)))
    return found


def own_directives(settings: 'Settings', host: 'Host', names: Sequence[str], folder: str,
                   marks: Sequence[str] = ()) -> List[str]:
    """What makes a job come back, where it writes, and for an array what each task does."""
    place = os.path.join(host.root, folder).replace('%', '%%')  # a % is a pattern of sbatch's
    if '\\' in place:
        raise MTPError(f'{place!r} holds a backslash, behind which sbatch replaces no %j in the name of a log',
                       hint='MTP_WORK_ROOT=folder without one')
    log = os.path.join(place, '%x-%A_%a.log' if len(names) > 1 else '%x-%j.log')
    words = [f'--array=0-{len(names) - 1}'] if len(names) > 1 else []
    # All tasks of an array have one name: make status reads in the comment which is which. Behind: where each writes.
    told = (list(names) if len(names) > 1 else []) + [MARK + each for each in marks]
    words += ['--comment=' + ','.join(told)] if told else []
    # B: only the batch shell hears it, and tells srun. Appending: a job that comes back goes on in its log.
    return words + ['--requeue', f'--signal=B:USR1@{lead(settings.time_limit)}', '--open-mode=append',
                    '--output=' + log]


def lead(time_limit: str) -> int:
    """Seconds before the time limit at which the job is told; a quarter of a short one, which has to do something."""
    if not time_limit:
        return LEAD_SECONDS
    days, dash, clock = time_limit.rpartition('-')
    parts = [int(part) for part in clock.split(':')]
    # man sbatch: 90 is minutes, 90:30 minutes and seconds; behind days 12 is hours, 12:30 hours and minutes
    units = (3600, 60, 1) if dash or len(parts) == 3 else (60, 1)
    total = int(days or 0) * 86400 + sum(part * unit for part, unit in zip(parts, units))
    return max(1, min(LEAD_SECONDS, total // 4))


def _call(job: 'Job', item: Command) -> str:
    words = ['bash', 'mtp/launch/batch.sh', '--name', job.name, '--kept', job.kept]
    words += ['--again', job.resume] if job.resume else []
    # Variables go in front of the program that needs them: exec takes none.
    pairs = ['{}={}'.format(*pair) for pair in sorted(item.environment.items())]
    environment = ['env'] + pairs if pairs else []
    return render_command(command(words + environment + list(item.words)))
