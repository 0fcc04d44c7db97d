"""A tiny run of every dataset block through the front door: train, go on, test, metric or submission, pictures.

``ci/rehearse [--all] [DATASET ...]``. Of change detection, which runs on parts of our own, an InternImage leaf beside
the ViT one every time, and of all 24 today's share, so that each runs within a week; ``--all`` runs them all. Two lanes
side by side, one core each; a table at the end. Exit code 1 when one failed or left no picture (BARE).
``RUNTIME=docker VARIANT=cpu ci/rehearse eurosat`` does it in the images. From a checkout that cannot be written, as an
ordinary user, without network (``cells/places.py``). Standard library, Python >= 3.6.
"""
import argparse
import contextlib
import datetime
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp.launch import configs  # noqa: E402

from cells import choice, places, verbs  # noqa: E402

# The RVSA-B leaf of each block; what shares its data follows it in one lane. The long ones first.
GROUPS = (
    ('mmrotate1/dotav1', 'mmrotate03/dotav1'), ('mmrotate1/fair1m', 'mmrotate03/fair1m'),
    ('mmrotate1/dior', 'mmrotate1/diorr'), ('mmrotate1/dotav2',), ('mmrotate1/xview',), ('mmrotate1/spacenetv1',),
    ('mmrotate1/loveda',), ('mmrotate1/resisc45',), ('mmrotate1/eurosat',), ('mmrotate1/whu',), ('mmrotate1/levir',),
    ('mmrotate1/oscd',), ('mmrotate1/cdd',))
# One block a toolbox trains and tests in two processes that make one model.
IN_PAIRS = ('mmrotate1/eurosat', 'mmrotate1/dior', 'mmrotate1/diorr', 'mmrotate1/spacenetv1', 'mmrotate1/whu',
            'mmrotate03/dotav1')
LANES = 2
RUNTIME = os.environ.get('RUNTIME') or 'native'

Row = NamedTuple('Row', [('run', str), ('status', str), ('processes', int), ('figure', str), ('pictures', int),
                         ('seconds', float), ('cpu', float)])


def main(argv=None):
    """Run what of the datasets that are named (of all, when none is) is due, and print the table."""
    parser = argparse.ArgumentParser(prog='ci/rehearse', description=main.__doc__)
    parser.add_argument('datasets', nargs='*', metavar='DATASET', help='only these')
    parser.add_argument('--all', action='store_true', help='all 24 runs of change detection, not the share of today')
    args = parser.parse_args(argv)
    known = {block.split('/')[1] for group in GROUPS for block in group}
    if set(args.datasets) - known:
        parser.error('there are the datasets ' + ', '.join(sorted(known)))
    home = os.path.join(ROOT, os.environ.get('MTP_WORK_ROOT') or 'work_dirs', 'rehearsal')
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(os.path.join(home, 'logs'))
    todo, rows = queue.Queue(), []
    for group in due(configs.leaves(ROOT), args.datasets, None if args.all else datetime.date.today()):
        todo.put(group)
    start = time.monotonic()
    with read_only() as checkout, places.given(home):
        lanes = [threading.Thread(target=work, args=(todo, rows, home, checkout, core)) for core in cores()]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
    print('\n' + table(sorted(rows)))
    failed = [row for row in rows if row.status != 'ok']
    print(f'{len(rows)} runs rehearsed, {len(failed)} failed, in {time.monotonic() - start:.0f} s')
    return 1 if failed else 0


def due(leaves, datasets, date):
    """Leaves to rehearse, in groups that share their data; pure.

    Args:
        leaves: all :class:`configs.Leaf` values.
        datasets: names of data sets; () for all.
        date: the day whose share of change detection is wanted; None for all of it.
    """
    of_block = {block: [leaf for leaf in leaves if '{}/{}'.format(*leaf) == block] for group in GROUPS
                for block in group}
    further = [leaf for block, found in of_block.items() if block.split('/')[1] in verbs.CHANGE for leaf in found]
    further = [leaf for leaf in further if not every_time(leaf)]
    if date:
        further = further[date.toordinal() % choice.DAYS::choice.DAYS]
    wanted = [group for group in GROUPS if not datasets or any(block.split('/')[1] in datasets for block in group)]
    return [[leaf for block in group for leaf in of_block[block] if every_time(leaf) or leaf in further]
            for group in wanted]


def every_time(leaf):
    """Whether a leaf is the one of its block from MTP pretraining: RVSA-B, of change detection InternImage, too."""
    plain = leaf.stem.replace('-', '_')
    return is_small(leaf.stem) or leaf.dataset in verbs.CHANGE and 'intern_xl_' in plain and '_imp_mtp' in plain


def table(rows):
    """The rows as a table to read."""
    form = '{:<54}{:<8}{:>9}  {:<34}{:>9}{:>9}{:>7}'
    lines = [form.format('run', '', 'processes', 'figure', 'pictures', 'seconds', 'CPU s')]
    lines += [form.format(*row[:5] + tuple(f'{value:.0f}' for value in row[5:])) for row in rows]
    return '\n'.join(lines)


@contextlib.contextmanager
def read_only():
    """A copy of this checkout that nobody can write to; a block that fails names it, too."""
    with tempfile.TemporaryDirectory(prefix='mtp-rehearse-') as base:
        os.chmod(base, 0o755)
        checkout = os.path.join(base, 'check out')
        places.copy_checkout(checkout)
        yield checkout
        subprocess.run(['chmod', '-R', 'u+w', base], check=True)


def cores():
    """Cores for the lanes: those this process may use, or no choice."""
    try:
        allowed = sorted(os.sched_getaffinity(0))
    except AttributeError:
        allowed = [None]
    return allowed[:LANES]


def work(todo, rows, home, checkout, core):
    """Take groups until there are none left."""
    while True:
        try:
            group = todo.get_nowait()
        except queue.Empty:
            return
        for leaf in group:
            row = rehearse(leaf, home, checkout, core)
            rows.append(row)
            print(f'{row.run:<54}{row.status:<10}{row.figure}', flush=True)


def rehearse(leaf, home, checkout, core):
    """``make reproduce`` of one leaf; its output goes to a log beside its results."""
    name = f'{leaf.env}/{leaf.stem}'
    processes = 2 if '{}/{}'.format(*leaf) in IN_PAIRS and is_small(leaf.stem) else 1
    log = os.path.join(home, 'logs', name.replace('/', '-') + '.log')
    words = ['make', '--no-print-directory', 'reproduce', 'CONFIG=' + configs.leaf_path(leaf), 'DATA=samples',
             'RUNTIME=' + RUNTIME, 'ACCEL=none', f'GPUS={processes}',
             'MTP_WORK_ROOT=' + os.path.dirname(home), 'MTP_VENV_ROOT=' + os.path.realpath(places.venvs())]
    pin = ['taskset', '-c', str(core)] if core is not None and shutil.which('taskset') else []
    start = time.monotonic()
    with open(log, 'w', encoding='utf-8') as stream:
        child = subprocess.Popen(places.as_ordinary(pin + words), cwd=checkout, stdout=stream, stderr=subprocess.STDOUT,
                                 env=dict(os.environ, OMP_NUM_THREADS='1', HOME='/nonexistent'),
                                 preexec_fn=places.no_network)
        _, status, usage = os.wait4(child.pid, 0)
    spent = time.monotonic() - start, usage.ru_utime + usage.ru_stime
    if status:
        print(f'--- the end of {log}:\n{tail(log)}', flush=True)
        return Row(name, 'FAILED', processes, f'status {status}', 0, *spent)
    with open(os.path.join(home, leaf.env, leaf.dataset, leaf.stem, 'reproduction.json'), encoding='utf-8') as stream:
        found = json.load(stream)
    return Row(name, 'ok' if found['pictures'] else 'BARE', processes, figure(found), len(found['pictures']), *spent)


def figure(found):
    """The metric, or what was written for the server."""
    if found['judged'] == 'server':
        return 'submission {}'.format(os.path.basename(found['submission'][0]))
    return '{} {:.2f}{}'.format(found['metric'], found['value'], ' (nothing found)' if found['nothing_found'] else '')


def is_small(stem):
    """Whether a leaf is the RVSA-B one from MTP pretraining."""
    plain = stem.replace('-', '_')
    return 'rvsa_b_' in plain and '_mae_mtp' in plain


def tail(path, count=25):
    with open(path, encoding='utf-8', errors='replace') as stream:
        return ''.join(stream.readlines()[-count:])


if __name__ == '__main__':
    sys.exit(main())
