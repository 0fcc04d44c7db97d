"""Seconds from the command to the first training step, native against docker against apptainer.

What is timed is ``make pretrain`` of the reduced network until the first line of its log is on the disk: the launcher,
the container, the imports, the model and one step. The runtimes take turns, so a busy machine slows all of them; the
smallest of their times is compared, and all are printed. A runtime that this machine lacks is left out and named; with
``--cluster`` apptainer is timed on the login node of the test cluster (``make cluster-up``), in its turn as the others.
"""
import argparse
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.launch import containers, host, ledger  # noqa: E402
from mtp.launch.runtimes import native  # noqa: E402
from mtp.launch.settings import from_environ  # noqa: E402

RUNTIMES = ('native', 'docker', 'apptainer')
TINY = {
    'BACKBONE': 'vit_t_rvsa', 'IMAGE_SIZE': '64', 'END_ITER': '2', 'INTERVAL': '100', 'WORKERS': '0', 'ACCEL': 'none'
}
LIMIT = 180  # seconds
CLUSTER = ['ci/cluster', 'run']
THERE = 'work_dirs/startup'  # the same samples on the cluster


def lacking(runtime):
    """Why a runtime cannot be timed here, or ''."""
    settings = from_environ(dict(os.environ, RUNTIME=runtime, ACCEL='none'))
    problems = containers.choose(settings, host.look(settings), 'mmrotate1')[2]
    return problems[0].message if problems else ''


def draw(folder):
    """Three tiny sets, drawn natively."""
    python = os.path.join(ROOT, native.python(from_environ(os.environ), 'mmrotate1'))
    environment = dict(os.environ, MTP_DATA_ROOT=folder, PYTHONPATH=ROOT)
    for words in (['-m', 'mtp.data.samples', 'samrs', '--images', '4', '--out',
                   folder], ['scripts/convert_pkl_json.py']):
        subprocess.run([python] + words, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


def send(folder):
    """The samples of ``folder`` on the shared folder of the test cluster, too.

    Raises:
        MTPError: there is no cluster.
    """
    unpack = f'rm -rf {THERE} && mkdir -p {THERE} && tar -x -C {THERE}'
    with subprocess.Popen(['tar', '-C', folder, '-c', '.'], stdout=subprocess.PIPE) as packed:
        if subprocess.call(CLUSTER + ['sh', '-c', unpack], cwd=ROOT, stdin=packed.stdout):
            raise MTPError('no samples can be put on the test cluster', hint='make cluster-up', code=FAILED)


def cluster_step():
    """Seconds until the first step under apptainer on the login node, by its own clock.

    Raises:
        MTPError: no step was made.
    """
    command = CLUSTER + ['python3', 'ci/bench/startup.py', '--once', 'apptainer', '--data', THERE]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    if done.returncode:
        raise MTPError('apptainer on the test cluster:\n' + done.stdout[-1500:], code=FAILED)
    return float(done.stdout.split()[-1])


def first_step(runtime, data, work):
    """Seconds until the first step is logged; the run is carried on to its end, which is near.

    Raises:
        MTPError: it ended, or took too long, without a step.
    """
    folder = os.path.join(work, 'run')
    shutil.rmtree(folder, ignore_errors=True)
    words = dict(TINY, RUNTIME=runtime, MTP_DATA_ROOT=data, MTP_WORK_ROOT=work, SAVE_PATH='work_dirs/run')
    command = ['make', '--no-print-directory', 'pretrain'] + ['{}={}'.format(*pair) for pair in sorted(words.items())]
    environment = dict(os.environ, OMP_NUM_THREADS='1')
    log = os.path.join(folder, 'log.jsonl')
    with open(os.path.join(work, 'said'), 'w+') as said:
        began = time.monotonic()
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=said,
                                 stderr=subprocess.STDOUT, start_new_session=True)
        try:
            while not (os.path.exists(log) and os.path.getsize(log)):
                taken = time.monotonic() - began
                if child.poll() is not None or taken > LIMIT:
                    said.seek(0)
                    raise MTPError(f'{runtime}: no step after {taken:.0f} s:\n{said.read()[-1500:]}', code=FAILED)
                time.sleep(0.01)
            taken = time.monotonic() - began
            child.wait(LIMIT)
            return taken
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGTERM)
                child.wait()


def available(runtimes, cluster):
    """``{runtime: function of data and work folder that gives the seconds}`` of those that can be timed.

    Raises:
        MTPError: none can.
    """
    ways = {runtime: functools.partial(first_step, runtime) for runtime in runtimes}
    for runtime in list(ways):
        reason = '' if runtime == 'apptainer' and cluster else lacking(runtime)
        if reason:
            print(f'left out: {runtime}: {reason}')
            del ways[runtime]
    if cluster:
        ways['apptainer'] = lambda data, work: cluster_step()
    if not ways:
        raise MTPError('none of {} can be timed here'.format(', '.join(runtimes)), hint='make setup')
    return ways


def place():
    """The folder of results, made where it is not there."""
    folder = os.path.join(ROOT, from_environ(os.environ).work_root)
    os.makedirs(folder, exist_ok=True)
    return folder


def table(times):
    """Markdown table: runtime, least seconds, spread, over native (or the first)."""
    first = min(next(iter(times.values())))
    lines = [f'| runtime | seconds to the first step | all | over {next(iter(times))} |', '|---|---|---|---|']
    for runtime, seconds in times.items():
        lines.append('| {} | {:.2f} | {} | {:+.2f} s |'.format(runtime, min(seconds), ' '.join(
            f'{each:.2f}' for each in seconds), min(seconds) - first))
    return '\n'.join(lines)


def main(argv=None):
    """Time how long each runtime takes to the first training step."""
    parser = argparse.ArgumentParser(prog='startup.py', description=main.__doc__)
    parser.add_argument('--runtimes', nargs='+', choices=RUNTIMES, default=RUNTIMES)
    parser.add_argument('--repeats', type=int, default=4, help='the first round fills the caches and does not count')
    parser.add_argument('--data', help='data root that holds the sample sets already')
    parser.add_argument('--cluster', action='store_true', help='apptainer on the test cluster, which has to be up')
    parser.add_argument('--once', choices=RUNTIMES, help='time this one once, and say nothing but its seconds')
    options = parser.parse_args(argv)
    if options.once:
        with tempfile.TemporaryDirectory(prefix='startup-', dir=place()) as work:
            print(f'{first_step(options.once, os.path.abspath(options.data), work):.3f}')
        return OK
    ways = available(options.runtimes, options.cluster)
    with tempfile.TemporaryDirectory(prefix='startup-', dir=place()) as work:
        data = os.path.abspath(options.data) if options.data else os.path.join(work, 'data')
        if not options.data:
            draw(data)
        if options.cluster:
            send(data)
        times = {runtime: [] for runtime in ways}
        for turn in range(options.repeats + 1):
            for runtime, way in ways.items():
                seconds = way(data, work)
                times[runtime] += [seconds] if turn else []
                print('{} {}: {:.2f} s{}'.format(runtime, turn, seconds, '' if turn else ' (not counted)'), flush=True)
    print('ledger {}\n{}'.format(ledger.digest('mmrotate1')[:12], table(times)))
    least = {runtime: min(seconds) for runtime, seconds in times.items()}
    print('seconds to the first step: ' + ', '.join('{} {:.1f}'.format(*pair) for pair in least.items()))
    return OK


if __name__ == '__main__':
    run_main(main)
