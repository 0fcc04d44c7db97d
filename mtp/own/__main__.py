"""``python -m mtp.own describe FOLDER`` says what a folder holds; ``prepare`` makes of it what training reads;
``convert`` writes it in another layout.

The first two are what ``make finetune DATA=FOLDER TASK=...`` runs first.
"""
import argparse
import os
from typing import Mapping, Optional, Sequence, Tuple

from mtp import locks, numbers, paths
from mtp.errors import OK, MTPError, run_main
from mtp.files import write_text
from mtp.own import config, convert, cutting, describe, layouts, parts
from mtp.own.examine import Plan, examine
from mtp.own.records import TASKS, Asked


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Describe or prepare."""
    parser = argparse.ArgumentParser(prog='python -m mtp.own', description='Look at data of your own.')
    verbs = parser.add_subparsers(dest='verb', required=True)
    for name, told in (('describe', 'say what a folder holds; nothing is written'),
                       ('prepare', 'cut it, and write the config that trains on it'),
                       ('convert', 'write it in another layout')):
        one = verbs.add_parser(name, help=told)
        one.add_argument('folder')
        one.add_argument('--classes', default='', help='names with commas, the first is class 0')
        one.add_argument('--layout', choices=('',) + layouts.names(), default='', help='where two are mixed')
        one.add_argument('--lenient', action='store_true', help='leave out images with something wrong')
        _ADDED[name](one)
    options = parser.parse_args(argv)
    return _VERBS[options.verb](options)


def _for_describe(one: argparse.ArgumentParser) -> None:
    one.add_argument('--task', choices=TASKS, default='')
    one.add_argument('--seed', type=numbers.seed, default=0, help='of the split, where the folder has none')


def _for_prepare(one: argparse.ArgumentParser) -> None:
    one.add_argument('--task', required=True, choices=TASKS)
    one.add_argument('--seed', type=numbers.seed, default=0, help='of the split, where the folder has none')
    one.add_argument('--out', required=True, help='folder of the run: config.py, data/, split.csv')
    one.add_argument('--backbone', default='rvsa_b')
    one.add_argument('--init', default='mtp')
    one.add_argument('--jobs', type=numbers.count, default=min(8, os.cpu_count() or 1))
    one.add_argument('--dry-run', action='store_true', help='show the config, write nothing')


def _for_convert(one: argparse.ArgumentParser) -> None:
    one.add_argument('out', metavar='OUT', help='folder to write to; new, empty, or of an earlier call')
    one.add_argument('--to', required=True, choices=convert.targets(), help='layout to write')


def _convert(options: argparse.Namespace) -> int:
    print('\n'.join(convert.run(options.folder, options.to, paths.resolve(options.out), _classes(options),
                                options.layout, options.lenient)))
    return OK


def _describe(options: argparse.Namespace) -> int:
    task = options.task
    if not task:
        from mtp.own.folder import look
        task = layouts.choose(look(options.folder))[0].tasks[0]
    print('\n'.join(describe.lines(_examined(options, task))))
    return OK


def _examined(options: argparse.Namespace, task: str, known: str = '') -> Plan:
    asked = Asked(task, _classes(options), options.lenient, [])
    return examine(options.folder, asked, options.layout, known, options.seed)


def _classes(options: argparse.Namespace) -> Tuple[str, ...]:
    return tuple(name.strip() for name in options.classes.split(',') if name.strip())


def _prepare(options: argparse.Namespace) -> int:
    backbone = config.backbone_called(options.backbone)
    config.weights(backbone, options.init)
    out = paths.resolve(options.out)
    target = os.path.join(out, 'config.py')
    known = target if os.path.isfile(target) else ''
    plan = _examined(options, options.task, known)
    report = describe.lines(plan)
    print('\n'.join(report), flush=True)
    if options.dry_run:
        text = open(target, encoding='utf-8').read() if known else config.text(_facts(options, plan, backbone, None))
        print('\n# {}{}\n{}'.format(paths.short(os.path.abspath(target)), ', as it is' if known else '', text))
        return OK
    data = os.path.join(out, 'data')
    with locks.hold(out, 'prepare'):
        counts = cutting.prepare(plan, data, options.jobs)
        write_text(os.path.join(out, 'split.csv'), parts.table(plan.records))
        write_text(os.path.join(out, 'report.txt'), '\n'.join(report) + '\n')
        if not known:  # the last to be written: where it is, all is there
            write_text(target, config.text(_facts(options, plan, backbone, counts)))
    told = ', '.join('{} {}'.format(each['tiles'], part) for part, each in sorted(counts.items()))
    print(f'{data}: {told} tiles of {cutting.side(plan)} pixels' if plan.task != 'classification' else
          f'{data}: {told} images')
    print('{}: {}'.format(target, 'kept as it is' if known else 'written'))
    return OK


def _facts(options: argparse.Namespace, plan: Plan, backbone: str,
           counts: Optional[Mapping[str, Mapping[str, int]]]) -> config.Facts:
    """What the config says; before anything is cut, images stand for tiles."""
    images = counts['train']['tiles'] if counts else plan.count('train')
    if not images:
        raise MTPError(f'{options.folder}: no tile with an object is left to train on',
                       hint=f'look at the labels: python -m mtp.own describe {options.folder}')
    out = paths.short(os.path.abspath(paths.resolve(options.out)))
    return config.Facts(os.path.basename(out), plan.task, backbone, options.init, plan.classes.names,
                        cutting.side(plan), images, [part for part in ('train', 'val', 'test') if plan.count(part)],
                        out + '/data', plan.classes.said_by)


_ADDED = {'describe': _for_describe, 'prepare': _for_prepare, 'convert': _for_convert}
_VERBS = {'describe': _describe, 'prepare': _prepare, 'convert': _convert}


if __name__ == '__main__':
    run_main(main)
