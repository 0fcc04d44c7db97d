"""A tiny run of every dataset block through the front door: train, go on, test, metric or submission, pictures.

``ci/rehearse [DATASET ...]``. Two lanes side by side, one core each; a table at the end. Exit code 1 when one failed
or left no picture (BARE). ``RUNTIME=docker VARIANT=cpu ci/rehearse eurosat`` does it in the images.
Standard library, Python >= 3.6.
"""
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp.data import catalogue  # noqa: E402
from mtp.launch import configs  # noqa: E402

# The RVSA-B leaf of each block; what shares its data follows it in one lane. The long ones first.
GROUPS = (
    ('mmrotate1/dotav1', 'mmrotate03/dotav1'), ('mmrotate1/fair1m', 'mmrotate03/fair1m'),
    ('mmrotate1/dior', 'mmrotate1/diorr'), ('mmrotate1/dotav2',), ('mmrotate1/xview',), ('mmrotate1/spacenetv1',),
    ('mmrotate1/loveda',), ('mmrotate1/resisc45',), ('mmrotate1/eurosat',), ('mmrotate1/whu',), ('mmrotate1/levir',),
    ('mmrotate1/oscd',), ('mmrotate1/cdd',))
# One block a toolbox trains and tests in two processes that make one model.
IN_PAIRS = ('mmrotate1/eurosat', 'mmrotate1/dior', 'mmrotate1/diorr', 'mmrotate1/spacenetv1', 'mmrotate1/whu',
            'mmrotate03/dotav1')
CHANGE = 'change detection'
LANES = 2
RUNTIME = os.environ.get('RUNTIME') or 'native'

Row = NamedTuple('Row', [('block', str), ('status', str), ('figure', str), ('pictures', int), ('seconds', float),
                         ('cpu', float)])


def main(wanted):
    """Run the blocks whose dataset is among ``wanted`` (all when empty) and print the table."""
    home = os.path.join(ROOT, os.environ.get('MTP_WORK_ROOT') or 'work_dirs', 'rehearsal')
    groups = [group for group in GROUPS if not wanted or any(block.split('/')[1] in wanted for block in group)]
    if set(wanted) - {block.split('/')[1] for group in groups for block in group}:
        sys.exit('error: no such dataset among: ' + ' '.join(wanted))
    shutil.rmtree(home, ignore_errors=True)
    has_change = imports('mmrotate1', 'opencd') if RUNTIME == 'native' else bool(wanted)
    skipped = [block for group in groups for block in group if task(block) == CHANGE and not has_change]
    todo, rows = queue.Queue(), []
    for group in groups:
        if group[0] not in skipped:
            todo.put(group)
    start = time.monotonic()
    lanes = [threading.Thread(target=work, args=(todo, rows, home, core)) for core in cores()]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    rows.sort()
    table = '{:<22}{:<8}{:>9}  {:<34}{:>9}{:>9}{:>7}'
    print('\n' + table.format('block', '', 'processes', 'figure', 'pictures', 'seconds', 'CPU s'))
    for row in rows:
        processes = 2 if row.block in IN_PAIRS else 1
        print(table.format(*row[:2] + (processes,) + row[2:4] + tuple('{:.0f}'.format(value) for value in row[4:])))
    if skipped:
        reason = 'Open-CD is not installed' if RUNTIME == 'native' else 'an image may lack Open-CD'
        print('{} change-detection blocks skipped, as {}: {}'.format(
            len(skipped), reason, ' '.join(block.split('/')[1] for block in skipped)))
    failed = [row.block for row in rows if row.status != 'ok']
    print('{} blocks rehearsed, {} failed, in {:.0f} s'.format(len(rows), len(failed), time.monotonic() - start))
    return 1 if failed else 0


def cores():
    """Cores for the lanes: those this process may use, or no choice."""
    try:
        allowed = sorted(os.sched_getaffinity(0))
    except AttributeError:
        allowed = [None]
    return allowed[:LANES]


def work(todo, rows, home, core):
    """Take groups until there are none left."""
    while True:
        try:
            group = todo.get_nowait()
        except queue.Empty:
            return
        for block in group:
            rows.append(rehearse(block, home, core))
            print('{:<24}{:<10}{}'.format(*rows[-1][:3]), flush=True)


def rehearse(block, home, core):
    """``make reproduce`` of one block; its output goes to a log beside its results."""
    leaf = next(leaf for leaf in configs.leaves(ROOT)
                if '{}/{}'.format(leaf.env, leaf.dataset) == block and is_small(leaf.stem))
    log = os.path.join(home, 'logs', block.replace('/', '-') + '.log')
    os.makedirs(os.path.dirname(log), exist_ok=True)
    words = ['make', '--no-print-directory', 'reproduce', 'CONFIG=' + configs.leaf_path(leaf), 'DATA=samples',
             'RUNTIME=' + RUNTIME, 'ACCEL=none', 'GPUS={}'.format(2 if block in IN_PAIRS else 1)]
    pin = ['taskset', '-c', str(core)] if core is not None and shutil.which('taskset') else []
    start = time.monotonic()
    with open(log, 'w', encoding='utf-8') as stream:
        child = subprocess.Popen(pin + words, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT,
                                 env=dict(os.environ, OMP_NUM_THREADS='1'))
        _, status, usage = os.wait4(child.pid, 0)
    spent = time.monotonic() - start, usage.ru_utime + usage.ru_stime
    if status:
        print('--- the end of {}:\n{}'.format(log, tail(log)), flush=True)
        return Row(block, 'FAILED', 'status {}'.format(status), 0, *spent)
    with open(os.path.join(home, leaf.env, leaf.dataset, leaf.stem, 'reproduction.json'), encoding='utf-8') as stream:
        found = json.load(stream)
    return Row(block, 'ok' if found['pictures'] else 'BARE', figure(found), len(found['pictures']), *spent)


def figure(found):
    """The metric, or what was written for the server."""
    if found['judged'] == 'server':
        return 'submission {}'.format(os.path.basename(found['submission'][0]))
    return '{} {:.2f}'.format(found['metric'], found['value'])


def is_small(stem):
    """Whether a leaf is the RVSA-B one from MTP pretraining."""
    plain = stem.replace('-', '_')
    return 'rvsa_b_' in plain and '_mae_mtp' in plain


def task(block):
    return catalogue.get(block.split('/')[1]).task


def imports(env, name):
    """Whether a native environment has the package ``name``."""
    python = os.path.join(ROOT, os.environ.get('MTP_VENV_ROOT') or '.venv', env, 'bin', 'python')
    code = 'import importlib.util, sys; sys.exit(importlib.util.find_spec({!r}) is None)'.format(name)
    return subprocess.call([python, '-c', code]) == 0


def tail(path, count=25):
    with open(path, encoding='utf-8', errors='replace') as stream:
        return ''.join(stream.readlines()[-count:])


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
