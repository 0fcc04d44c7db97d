"""The script that ``SUBMIT=1`` hands to ``sbatch``. Pure: a text from settings, host, jobs. It starts ``batch.sh``."""
import os
import shlex

from mtp.launch import slurm
from mtp.launch.plan import Plan, Script, command, render_command

LEAD_SECONDS = 300  # before the time limit: for the step at hand and the checkpoint of the largest network
FOLDER = 'work_dirs/slurm'  # scripts and logs


def plan(settings, host, prepared, reason, problems, makes):
    """The :class:`Plan` that submits ``prepared``, a list of (job, command): one job, or an array of them.

    The script lies beside its log, so that what was submitted can be read later.
    """
    folder = '{}/slurm'.format(settings.work_root.rstrip('/'))
    name = slurm.job_name(settings, [job for job, _ in prepared])
    script = Script('{}/{}.sbatch'.format(folder, name), text(settings, host, prepared, name, folder))
    commands = (command(('sbatch', script.path)),)
    return Plan(reason, host.root, commands, tuple(problems), tuple(makes) + (folder,), script)


def text(settings, host, prepared, name, folder):
    """The batch script."""
    job = prepared[0][0]
    lines = ['#!/usr/bin/env bash'] + slurm.directives(settings, host, job, name)
    lines += ['#SBATCH ' + word for word in own_directives(settings, host, len(prepared), folder)]
    lines += ['#SBATCH ' + word for word in settings.sbatch_args]
    lines += ['',
              '# What is preempted, cut short by its time limit or loses a node goes on by itself: mtp/launch/batch.sh',
              'cd ' + shlex.quote(host.root)]
    calls = [_call(job, item) for job, item in prepared]
    if len(calls) == 1:
        return '\n'.join(lines + ['exec ' + calls[0]]) + '\n'
    cases = ['{})\n  exec {}\n  ;;'.format(number, call.replace('\n', '\n  ')) for number, call in enumerate(calls)]
    return '\n'.join(lines + ['case "$SLURM_ARRAY_TASK_ID" in'] + cases + ['esac']) + '\n'


def own_directives(settings, host, count, folder):
    """What makes a job come back, and where it writes."""
    log = os.path.join(host.root, folder, '%x-%A_%a.log' if count > 1 else '%x-%j.log')
    words = ['--time=' + settings.time_limit] if settings.time_limit else []
    words += ['--array=0-{}'.format(count - 1)] if count > 1 else []
    # B: only the batch shell hears it, and tells srun. Appending: a job that comes back goes on in its log.
    return words + ['--requeue', '--signal=B:USR1@{}'.format(lead(settings.time_limit)), '--open-mode=append',
                    '--output=' + log]


def lead(time_limit):
    """Seconds before the time limit at which the job is told; a quarter of a short one, which has to do something."""
    if not time_limit:
        return LEAD_SECONDS
    days, dash, clock = time_limit.rpartition('-')
    parts = [int(part) for part in clock.split(':')]
    # man sbatch: 90 is minutes, 90:30 minutes and seconds; behind days 12 is hours, 12:30 hours and minutes
    units = (3600, 60, 1) if dash or len(parts) == 3 else (60, 1)
    total = int(days or 0) * 86400 + sum(part * unit for part, unit in zip(parts, units))
    return max(1, min(LEAD_SECONDS, total // 4))


def _call(job, item):
    words = ['bash', 'mtp/launch/batch.sh', '--kept', job.kept] + (['--again', job.resume] if job.resume else [])
    # Variables go in front of the program that needs them: exec takes none.
    pairs = ['{}={}'.format(*pair) for pair in sorted(item.environment.items())]
    environment = ['env'] + pairs if pairs else []
    return render_command(command(words + environment + list(item.words)))
