"""``ci/fuzz``: every reader gets damaged and hostile files, in child processes with bounds of memory and time.

Allowed is a value or one error of ours. A signal, another exception, more than 10 s, more than 1 GiB above what the
process has at its start, or a file left beside the input is a finding; the file is kept, with the command that repeats
it. Exit code 1 when something was found.
"""

import argparse
import faulthandler
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
# Before torch is loaded: a fork of a process in which OpenMP has had threads waits for them for ever.
os.environ['OMP_NUM_THREADS'] = '1'

import fuzz_changes as changes  # noqa: E402
import fuzz_readers as readers  # noqa: E402

from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.terminal import shown  # noqa: E402

SECONDS, MEMORY, BATCH = 10, 1 << 30, 250


def child(name, reader, data, seed, first, last, place, report):
    """Cases ``first`` to ``last`` in this process; ``report`` gets a line before each, and one for a finding."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open('/proc/self/statm', encoding='ascii') as stream:
        limit = int(stream.read().split()[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    faulthandler.disable()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    warnings.simplefilter('ignore')
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    beside = [os.path.basename(place)]
    for index in range(first, last):
        os.write(report, b'at %d\n' % index)
        with open(place, 'wb') as stream:
            stream.write(changes.case(seed, name, index, data, reader.special))
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            reader.read(place)
        except MTPError as error:
            said = str(error)
            if not said.strip() or '\x1b' in shown(said):
                os.write(report, b'found %d an error that says nothing\n' % index)
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f'{type(error).__name__} in {os.path.basename(where.filename)}:{where.lineno}'
            os.write(report, f'found {index} {text}\n'.encode())
        signal.setitimer(signal.ITIMER_REAL, 0)
        if os.listdir(os.path.dirname(place)) != beside:
            os.write(report, b'found %d files beside the input\n' % index)
            shutil.rmtree(os.path.dirname(place))
            os.makedirs(os.path.dirname(place))


def batch(name, reader, data, seed, first, last, place):
    """(findings as (index, text), the first case that was not tried)."""
    source, sink = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.close(source)
            child(name, reader, data, seed, first, last, place, sink)
            code = 0
        finally:
            os._exit(code)
    os.close(sink)
    with os.fdopen(source, 'rb') as stream:
        lines = stream.read().decode().splitlines()
    status = os.waitpid(pid, 0)[1]
    found = [(int(line.split()[1]), line.split(' ', 2)[2]) for line in lines if line.startswith('found')]
    at = max([int(line.split()[1]) for line in lines if line.startswith('at')] or [first])
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        found.append((at, f'more than {SECONDS} s' if number == signal.SIGALRM else f'signal {number}'))
        return found, at + 1
    if os.WEXITSTATUS(status):
        found.append((at, f'the child ended with {os.WEXITSTATUS(status)}'))
        return found, at + 1
    return found, last


class Run:
    """One reader's cases.

    Args:
        name: of readers.READERS.
        seed: of the whole run.
        folder: for its files; removed at the end.
    """

    def __init__(self, name, seed, folder):
        self.name, self.seed, self.reader = name, seed, readers.READERS[name]
        origin = os.path.join(folder, 'whole-' + name)
        os.makedirs(origin)
        path = self.reader.make(origin)
        with open(path, 'rb') as stream:
            self.data = stream.read()
        self.reader.read(path)  # a reader that refuses the whole file would find nothing
        self.place = os.path.join(folder, 'damaged-' + name, os.path.basename(path))
        self.next, self.found, self.seconds = 0, [], 0.0

    def go(self, count):
        """Try ``count`` more cases."""
        last, began = self.next + count, time.monotonic()
        while self.next < last:
            stop = min(last, self.next + BATCH)
            found, self.next = batch(self.name, self.reader, self.data, self.seed, self.next, stop, self.place)
            self.found += found
        self.seconds += time.monotonic() - began

    def keep(self, folder):
        """Write the files of the first findings; lines that say how to repeat them."""
        lines = []
        for index, text in self.found[:10]:
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, f'{self.name}-{index}{os.path.splitext(self.place)[1]}')
            with open(path, 'wb') as stream:
                stream.write(changes.case(self.seed, self.name, index, self.data, self.reader.special))
            lines.append(
                f'  {text}  {path}: ci/fuzz --seed {self.seed} --only {self.name} --case {index}'
            )
        return lines


def parser():
    """The command line."""
    made = argparse.ArgumentParser(prog='ci/fuzz', description=__doc__.split('\n')[0])
    made.add_argument('--minutes', type=float, help='how long, all readers together (default: 1)')
    made.add_argument('--count', type=int, help='cases a reader, instead of a time')
    made.add_argument('--seed', type=int, help='default: a new one')
    made.add_argument(
        '--only', nargs='+', choices=sorted(readers.READERS), metavar='READER', help=', '.join(sorted(readers.READERS))
    )
    made.add_argument('--case', type=int, help='this case of one reader alone')
    made.add_argument(
        '--keep', default='work_dirs/fuzz', help='folder for the files that found something (%(default)s)'
    )
    return made


def main(argv=None):
    """Run; the exit code."""
    options = parser().parse_args(argv)
    seed = random.SystemRandom().randrange(10**9) if options.seed is None else options.seed
    print(f'seed {seed}', flush=True)
    folder = tempfile.mkdtemp(prefix='fuzz-')
    try:
        runs = [Run(name, seed, folder) for name in sorted(set(options.only or readers.READERS))]
        if options.case is not None:
            runs[0].next = options.case
            runs[0].go(1)
        elif options.count:
            for run in runs:
                run.go(options.count)
                _tell(run, os.path.join(options.keep, str(seed)))
        else:
            _by_the_clock(runs, 60 * (options.minutes or 1))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for run in runs if not options.count else ():
        _tell(run, os.path.join(options.keep, str(seed)))
    total = sum(len(run.found) for run in runs)
    print(f'{sum(run.next for run in runs)} cases, {total} findings, seed {seed}')
    return FAILED if total else OK


def _tell(run, folder):
    print(
        '{:18} {:8} cases {:7.1f} s  {}'.format(
            run.name, run.next, run.seconds, f'{len(run.found)} FOUND' if run.found else 'nothing found'
        )
    )
    print('\n'.join(run.keep(folder)) + '\n' if run.found else '', end='', flush=True)


def _by_the_clock(runs, seconds):
    """A batch of each in turn, so that every reader gets as many cases as the time allows."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for run in runs:
            if time.monotonic() < end:
                run.go(BATCH)


if __name__ == '__main__':
    run_main(main)
