"""``make status`` and ``make logs``: what became of the jobs that SUBMIT=1 handed to SLURM.

Nothing is recorded at submission: SLURM knows what waits and runs, and the log of each job, ``<name>-<id>.log`` below
``work_dirs/slurm``, holds what ``batch.sh`` said last, and why SLURM ended it. So jobs of other checkouts and of
scripts handed in by hand show. A task of an array shows under the name of its config: the comment of the job lists
them.
"""
import os
import re
import shutil
import subprocess
import sys
from typing import Iterable, List, Match, NamedTuple, Optional, Sequence, Tuple

from mtp import numbers
from mtp.errors import OK, MTPError, run_main
from mtp.launch import ledger
from mtp.launch.settings import DEFAULT_JOB, TRUE, Settings, from_environ
from mtp.terminal import harmless

_LOG = re.compile(r'^(?P<name>.+)-(?P<id>\d+(?:_\d+)?)\.log$')
_SAID = re.compile(r'^\[mtp\] (\S+ \S+) (.*)$')
_START = re.compile(r'^job \S+ on \S+, start \d+(?:: (?P<name>.+))?$')
# What slurmstepd writes into the log of a job that it ends, whatever the job has come to say; newer ones begin with the
# time in place of their name, and name the signal.
_ENDED = re.compile(r'^(?:slurmstepd\S*:|\[\S+\]) error: \*\*\* JOB \S+ ON \S+ CANCELLED AT (\S+?)'
                    r'(?: DUE [Tt][Oo] (.+?))? \*\*\*$')
_WHY = {None: 'cancelled', 'SIGNAL Terminated': 'cancelled', 'PREEMPTION': 'preempted', 'JOB REQUEUE': 'requeued',
        'TIME LIMIT': 'out of time', 'NODE FAILURE': 'node failed'}
QUEUE = '%i|%j|%T|%M|%k|%R'  # id, name, state, time used, comment, nodes or reason
ANSWER_SECONDS = 30
HEAD_BYTES, TAIL_BYTES, LINES, SHOWN = 1 << 14, 1 << 16, 40, 20

Job = NamedTuple('Job', [('id', str), ('name', str), ('state', str), ('time', str), ('where', str), ('log', str)])


def status(settings: Settings, root: str, queue: Iterable[str]) -> str:
    """Text of ``make status``.

    Args:
        queue: lines of ``squeue`` in the form QUEUE.
    """
    rows = jobs(logs(os.path.join(root, settings.work_root, 'slurm')), queue)
    if not rows:
        return 'no job waits or runs, and there is no log in {}/slurm\n  next: make pretrain SUBMIT=1 ...\n'.format(
            settings.work_root)
    table = [('JOB', 'NAME', 'STATE', 'TIME', 'NODES OR REASON', 'LOG')]
    table += [row._replace(log=row.log and short(row.log, root)) for row in rows]
    widths = [max(len(row[column]) for row in table) for column in range(5)]
    return '\n'.join('  '.join([cell.ljust(width) for cell, width in zip(row, widths)] + [row[5]]).rstrip()
                     for row in ([harmless(cell) for cell in row] for row in table)) + '\n'


def jobs(found: Sequence[Tuple[str, Match[str]]], queue: Iterable[str]) -> List[Job]:
    """:class:`Job` values: those of the queue first, then what the logs tell of others, newest first."""
    paths = {match.group('id'): path for path, match in found}
    rows = []
    for line in queue:
        if line.count('|') < 5:  # the end of a name or a comment that holds a line end
            continue
        number, name, state, used, comment, where = line.split('|', 5)
        rows.append(Job(number, task_name(number, name, comment), state.lower(), used, where, paths.get(number, '')))
    gone = [(path, match) for path, match in found if match.group('id') not in set(row.id for row in rows)]
    for path, match in gone[:SHOWN]:
        name, state, more = told(path)
        rows.append(Job(match.group('id'), name or match.group('name'), state, '', more, path))
    return rows


def task_name(number: str, name: str, comment: str) -> str:
    """Name of a job of the queue; for a task of an array what it does, as the comment of our batch script says."""
    task, names = number.partition('_')[2], comment.split(',')
    return names[int(task)] if numbers.digits(task) and int(task) < len(names) > 1 else name


def short(path: str, root: str) -> str:
    """``path`` relative to ``root`` where it lies below."""
    inside = os.path.relpath(path, root)
    return path if inside.startswith(os.pardir) else inside


def told(path: str) -> Tuple[str, str, str]:
    """(name, state, more) of a job that is gone, from its log."""
    name, when, what = first_name(path), '', ''
    for line in tail(path):
        ours, slurms = _SAID.match(line), _ENDED.match(line)
        if slurms:  # what batch.sh says after it is that SLURM ends the job, no more
            when, what = slurms.group(1).replace('T', ' '), _WHY.get(slurms.group(2), 'stopped')
        elif ours and not (what in _WHY.values() and ours.group(2).startswith('stopped: ')):
            when, what = ours.groups()
    if not what:
        return name, 'gone', ''
    if _START.match(what):  # SLURM no longer has it, and nothing came after its start
        return name, 'killed', 'no last word: its node failed, or it was cancelled while it was starting'
    state, _, more = what.partition(': ')
    if state in (_WHY['PREEMPTION'], _WHY['JOB REQUEUE']):  # it would wait in the queue
        more = ', '.join(filter(None, [more, 'no longer in the queue: cancelled while it waited there']))
    return name, state, more or when


def first_name(path: str) -> str:
    """What a job does, as its log begins; '' where it does not say."""
    with open(path, 'rb') as stream:
        for line in stream.read(HEAD_BYTES).decode('utf-8', 'replace').splitlines():
            match = _SAID.match(line)
            start = match and _START.match(match.group(2))
            if start:
                return start.group('name') or ''
    return ''


def logs(folder: str) -> List[Tuple[str, Match[str]]]:
    """(path, match of its name) of every log in ``folder``, newest first."""
    names = os.listdir(folder) if os.path.isdir(folder) else ()
    matches = [(name, _LOG.match(name)) for name in names]
    # a pipe of such a name would be waited for
    found = [(os.path.join(folder, name), match) for name, match in matches
             if match and os.path.isfile(os.path.join(folder, name))]
    return sorted(found, key=lambda item: os.path.getmtime(item[0]), reverse=True)


def tail(path: str) -> List[str]:
    """Last lines of a file, however long it is."""
    with open(path, 'rb') as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(stream.tell() - TAIL_BYTES, 0))
        return stream.read().decode('utf-8', 'replace').splitlines()


def chosen(settings: Settings, root: str) -> str:
    """Path of the log that JOB (an id or a name) means, by default the newest.

    Raises:
        MTPError: there is none.
    """
    folder = os.path.join(root, settings.work_root, 'slurm')
    wanted = '' if settings.job == DEFAULT_JOB else settings.job
    fitting = [path for path, match in logs(folder) if wanted in ('', match.group('id'), match.group('name')) or
               wanted == first_name(path)]
    if not fitting:
        raise MTPError('there is no log{} in {}'.format(f' of {wanted!r}' if wanted else '', folder),
                       hint='make status; a job that waits has none yet')
    return fitting[0]


def squeue(tool: Optional[str]) -> List[str]:
    """Lines of the user's jobs in the queue; none where there is no SLURM.

    Raises:
        MTPError: SLURM does not answer.
    """
    if not tool:
        return []
    # --me came with SLURM 20.02
    words = [tool, f'--user={os.getuid()}', '--array', '--noheader', '--format=' + QUEUE]
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8', errors='replace',
                              timeout=ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        raise MTPError(f'squeue says nothing for {ANSWER_SECONDS} s', hint='scontrol ping; make logs')
    if done.returncode:
        raise MTPError('squeue: ' + done.stderr.strip(), hint='scontrol ping; make logs')
    return done.stdout.splitlines()


def main() -> int:
    """Print the status, or show a log."""
    settings = from_environ(os.environ)
    if sys.argv[1:] == ['status']:
        sys.stdout.write(status(settings, ledger.ROOT, squeue(shutil.which('squeue'))))
        return OK
    path = chosen(settings, ledger.ROOT)
    sys.stderr.write(f'{short(path, ledger.ROOT)}\n')
    if settings.words['FOLLOW'].lower() in TRUE:
        sys.stdout.flush()
        os.execvp('tail', ['tail', '-n', str(LINES), '-F', path])
    sys.stdout.write('\n'.join(tail(path)[-LINES:]) + '\n')
    return OK


if __name__ == '__main__':
    run_main(main)
