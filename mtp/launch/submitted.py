"""``make status`` and ``make logs``: what became of the jobs that SUBMIT=1 handed to SLURM.

Nothing is recorded at submission: SLURM knows what waits and runs, and the log of each job, ``<name>-<id>.log`` below
``work_dirs/slurm``, holds what ``batch.sh`` said last. So jobs of other checkouts and of scripts handed in by hand show.
"""
import os
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

from mtp.errors import OK, MTPError, run_main
from mtp.launch import ledger
from mtp.launch.settings import DEFAULT_JOB, TRUE, from_environ

_LOG = re.compile(r'^(?P<name>.+)-(?P<id>\d+(?:_\d+)?)\.log$')
_SAID = re.compile(r'^\[mtp\] (\S+ \S+) (.*)$')
QUEUE = '%i|%j|%T|%M|%R'  # id, name, state, time used, nodes or reason
TAIL_BYTES, LINES, SHOWN = 1 << 16, 40, 20

Job = NamedTuple('Job', [('id', str), ('name', str), ('state', str), ('time', str), ('where', str), ('log', str)])


def status(settings, root, queue):
    """Text of ``make status``.

    Args:
        queue: lines of ``squeue`` in the form QUEUE.
    """
    rows = jobs(logs(os.path.join(root, settings.work_root, 'slurm')), queue)
    if not rows:
        return 'no job waits or runs, and there is no log in {}/slurm\n  next: make pretrain SUBMIT=1 ...\n'.format(
            settings.work_root)
    table = [('JOB', 'NAME', 'STATE', 'TIME', 'NODES OR REASON', 'LOG')]
    table += [row._replace(log=row.log and os.path.relpath(row.log, root)) for row in rows]
    widths = [max(len(row[column]) for row in table) for column in range(5)]
    return '\n'.join('  '.join([cell.ljust(width) for cell, width in zip(row, widths)] + [row[5]]).rstrip()
                     for row in table) + '\n'


def jobs(found, queue):
    """:class:`Job` values: those of the queue first, then what the logs tell of others, newest first."""
    paths = {match.group('id'): path for path, match in found}
    live = [line.split('|', 4) for line in queue]
    rows = [Job(number, name, state.lower(), used, where, paths.get(number, ''))
            for number, name, state, used, where in live]
    gone = [(path, match) for path, match in found if match.group('id') not in set(row.id for row in rows)]
    for path, match in gone[:SHOWN]:
        when, what = last_word(path)
        rows.append(Job(match.group('id'), match.group('name'), what.split(':')[0] if what else 'gone', '',
                        what.partition(': ')[2] or when, path))
    return rows


def logs(folder):
    """(path, match of its name) of every log in ``folder``, newest first."""
    names = os.listdir(folder) if os.path.isdir(folder) else ()
    matches = [(name, _LOG.match(name)) for name in names]
    found = [(os.path.join(folder, name), match) for name, match in matches if match]
    return sorted(found, key=lambda item: os.path.getmtime(item[0]), reverse=True)


def last_word(path):
    """(time, text) of the last line that ``batch.sh`` wrote into a log; empty texts where there is none."""
    for line in reversed(tail(path)):
        match = _SAID.match(line)
        if match:
            return match.groups()
    return '', ''


def tail(path):
    """Last lines of a file, however long it is."""
    with open(path, 'rb') as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(stream.tell() - TAIL_BYTES, 0))
        return stream.read().decode('utf-8', 'replace').splitlines()


def chosen(settings, root):
    """Path of the log that JOB (an id or a name) means, by default the newest.

    Raises:
        MTPError: there is none.
    """
    folder = os.path.join(root, settings.work_root, 'slurm')
    wanted = '' if settings.job == DEFAULT_JOB else settings.job
    fitting = [path for path, match in logs(folder) if wanted in ('', match.group('id'), match.group('name'))]
    if not fitting:
        raise MTPError('there is no log{} in {}'.format(' of {!r}'.format(wanted) if wanted else '', folder),
                       hint='make status; a job that waits has none yet')
    return fitting[0]


def squeue(tool):
    """Lines of the user's jobs in the queue; none where there is no SLURM.

    Raises:
        MTPError: SLURM does not answer.
    """
    if not tool:
        return []
    done = subprocess.run([tool, '--me', '--array', '--noheader', '--format=' + QUEUE], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=60)
    if done.returncode:
        raise MTPError('squeue: ' + done.stderr.strip(), hint='is the controller of the cluster up? sinfo')
    return done.stdout.splitlines()


def main():
    """Print the status, or show a log."""
    settings = from_environ(os.environ)
    if sys.argv[1:] == ['status']:
        sys.stdout.write(status(settings, ledger.ROOT, squeue(shutil.which('squeue'))))
        return OK
    path = chosen(settings, ledger.ROOT)
    sys.stderr.write('{}\n'.format(os.path.relpath(path, ledger.ROOT)))
    if settings.words['FOLLOW'].lower() in TRUE:
        sys.stdout.flush()
        os.execvp('tail', ['tail', '-n', str(LINES), '-F', path])
    sys.stdout.write('\n'.join(tail(path)[-LINES:]) + '\n')
    return OK


if __name__ == '__main__':
    run_main(main)
