"""What computes on a card, checked in one environment: ``ENV=mmrotate1 ci/gpu``; without one ``ci/gpu --device cpu``.

Golden networks and losses, half precision, gradients with activations computed again, the compiled operators, golden
detections, pretraining killed and resumed, a fine-tuning, a multi-scale test, two processes, then speed and memory. On
a processor the same list runs at its smallest. Prints a table and leaves ``report.json`` and ``index.html`` below
``work_dirs/gpu``. Exit code 1 when a figure is larger than it may be or a check ended with an error.
"""
import argparse
import os
import platform
import shutil
import sys
import time
from typing import Callable, NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT]

import torch  # noqa: E402

import gpu_numbers as numbers  # noqa: E402
import gpu_runs as runs  # noqa: E402

from mtp import devices, paths  # noqa: E402
from mtp.adapters import environment  # noqa: E402
from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.files import write_json  # noqa: E402
from mtp.launch import ledger  # noqa: E402
from mtp.report.page import Page  # noqa: E402

#: call(device) or, where it runs command lines, call(place).
Check = NamedTuple('Check', [('name', str), ('title', str), ('call', Callable), ('runs', bool)])
CHECKS = (
    Check('networks', 'golden networks, fp32 without TF32', numbers.networks, False),
    Check('losses', 'golden losses, fp32 without TF32', numbers.losses, False),
    Check('half', 'maps in half precision against fp32', numbers.half, False),
    Check('checkpointing', 'gradients with activations computed again', numbers.checkpointing, False),
    Check('operators', 'compiled operators', numbers.operators, False),
    Check('detections', 'golden detections', numbers.detections, False),
    Check('pretraining', 'pretraining in half precision, killed and resumed', runs.pretraining, True),
    Check('finetuning', 'fine-tuning of a rotated detector', runs.finetuning, True),
    Check('testing', 'multi-scale test', runs.testing, True),
    Check('processes', 'two processes, one model', runs.two_processes, True),
    Check('speed', 'speed and memory of a step', runs.speed, True),
)
HEAD = ('check', 'figure', 'found', 'allowed', 'verdict')


def main(argv=None):
    """Run the checks, print the table, write report and page."""
    parser = argparse.ArgumentParser(prog='ci/gpu', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [check.name for check in CHECKS]
    parser.add_argument('checks', nargs='*', metavar='CHECK', help='only these: ' + ', '.join(names))
    parser.add_argument('--device', choices=('cuda', 'cpu'), default='cuda', help='cpu: the smallest, without a card')
    parser.add_argument('--out', default='work_dirs/gpu', help='folder of the report (work_dirs/gpu)')
    args = parser.parse_args(argv)
    unknown = sorted(set(args.checks) - set(names))
    if unknown:
        raise MTPError('there is no check {}'.format(', '.join(unknown)), hint='ci/gpu --help')
    try:
        devices.require(args.device)
    except MTPError as error:
        raise MTPError(error.args[0], hint='ci/gpu --device cpu runs the same list on the processors')
    exact()
    out = os.path.abspath(paths.resolve(args.out))  # what it starts has another work folder
    home = os.path.join(out, 'runs')
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    about = describe(args.device)
    print(' '.join('{}={}'.format(*pair) for pair in about.items()), flush=True)
    place, rows = runs.Place(home, args.device), []
    for check in CHECKS:
        if not args.checks or check.name in args.checks:
            rows += carried_out(check, place)
            write(out, about, rows)
    failed, missing = (sum(row['verdict'] == word for row in rows) for word in ('FAILED', 'not here'))
    print('{} figures, {} failed, {} not here; {}'.format(len(rows), failed, missing, os.path.join(out, 'index.html')))
    return FAILED if failed else OK


def exact():
    """Products and convolutions in whole fp32, for cards round them to TF32 otherwise."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def describe(device):
    """What was checked, where."""
    name = environment.name()
    about = dict(environment=name, torch=torch.__version__, python=platform.python_version(), device=device)
    if device == 'cuda':
        about.update(card=torch.cuda.get_device_name(), cards=torch.cuda.device_count(), cuda=torch.version.cuda,
                     capability='{}.{}'.format(*torch.cuda.get_device_capability()))
    if not ledger.environment(name).get('record', True):
        about['standing'] = 'not for the record'
    return about


def carried_out(check, place):
    """Rows of one check, printed as they come."""
    began = time.monotonic()
    try:
        found = [dict(check=check.name, title=check.title, figure=each.what, found=each.value, allowed=each.allowed,
                      verdict=judged(each)) for each in check.call(place if check.runs else place.device)]
    except numbers.NotHere as reason:
        found = [dict(check=check.name, title=check.title, figure=str(reason), found=None, allowed=None,
                      verdict='not here')]
    except Exception as error:  # the others are still worth their answers
        found = [dict(check=check.name, title=check.title, figure=f'{type(error).__name__}: {error}',
                      found=None, allowed=None, verdict='FAILED')]
    for row in found:
        print('| ' + ' | '.join(cells(row)) + ' |', flush=True)
    print(f'{check.name}: {time.monotonic() - began:.0f} s', flush=True)
    return found


def judged(figure):
    """``ok``, ``FAILED`` (also of what is no number), or ``told`` where no bound is set."""
    return 'told' if figure.allowed is None else 'ok' if figure.value <= figure.allowed else 'FAILED'


def cells(row):
    """A row as texts, in the order of the table's head."""
    values = ['–' if row[key] is None else f'{row[key]:.3g}' for key in ('found', 'allowed')]
    return [row['check'], row['figure'], *values, row['verdict']]


def write(out, about, rows):
    """``report.json`` and the page, anew after every check."""
    write_json(os.path.join(out, 'report.json'), dict(about=about, rows=rows))
    page = Page('What computes on this {}'.format('card' if about['device'] == 'cuda' else 'processor'),
                'Written by ci/gpu. A difference is relative to the largest expected value where nothing else is said.')
    page.section('Where')
    page.table(('what', 'value'), list(about.items()))
    for title in dict.fromkeys(row['title'] for row in rows):
        page.section(title[:1].upper() + title[1:])
        page.table(HEAD[1:], [cells(row)[1:] for row in rows if row['title'] == title])
    page.write(os.path.join(out, 'index.html'))


if __name__ == '__main__':
    run_main(main)
