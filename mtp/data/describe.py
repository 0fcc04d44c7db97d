"""The verbs of ``python -m mtp.data``: list, describe, check, prepare."""
import os
import shlex
import subprocess
import sys

from mtp.data import catalogue, converting
from mtp.errors import FAILED, OK, MTPError


ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _words(command):
    """The command with this Python, and with our script wherever the user stands."""
    words = shlex.split(command)
    script = [os.path.join(ROOT, words[1])] if words[1].startswith('scripts/') else words[1:2]
    return [sys.executable] + script + words[2:]


def show_list() -> int:
    """One line a data set."""
    for name in catalogue.names():
        dataset = catalogue.get(name)
        print('{:<11} {:<21} {:>2} classes  {}'.format(name, dataset.task, len(dataset.classes), dataset.title))
    return OK


def show(name) -> int:
    """Print what the catalogue knows about a data set."""
    dataset = catalogue.get(name)
    print('{}: {}, {}'.format(name, dataset.title, dataset.task))
    print('Published at  ' + '\n              '.join(dataset.published))
    print('Licence       ' + dataset.licence)
    print('Download      ' + '\n              '.join(dataset.download))
    if dataset.source:
        print('\nPut it there')
        _show_splits(dataset.source.values())
    print('\nTraining and testing read')
    _show_splits(dataset.splits.values())
    for key, path in dataset.files.items():
        if not key.endswith('_suffix'):
            print('  {:<14} {}'.format(key, catalogue.locate(path, split='{train,...}')))
    if dataset.prepare:
        print('\nPrepare it with    make data-{}    which runs'.format(name))
        print(''.join('  {}\n'.format(command) for command in dataset.prepare), end='')
    for key, count in dataset.counts.items():
        print('\nOfficial count: {} {}'.format(count, key), end='')
    print('\n\n{} classes: {}'.format(len(dataset.classes), ', '.join(dataset.classes)))
    for note in dataset.notes:
        print('Note: ' + note)
    return OK


def _show_splits(splits):
    for split in splits:
        known = '' if split.count is None else '  ({} images)'.format(split.count)
        print('  {:<14} {}/*{}{}'.format(split.name, catalogue.locate(split.images), split.image_suffix, known))
        if split.labels:
            is_folder = os.path.splitext(split.labels)[1] == ''
            print('  {:<14} {}{}'.format('', catalogue.locate(split.labels),
                                         '/*' + split.label_suffix if is_folder else ''))
        if split.listing:
            print('  {:<14} {}'.format('', catalogue.locate(split.listing)))


def check(name) -> int:
    """Compare images, labels and lists on the disk with each other and with the official counts.

    Returns:
        OK, or FAILED when something that training reads is missing or differs.
    """
    dataset = catalogue.get(name)
    problems = 0
    for title, splits in (('source', dataset.source), ('prepared', dataset.splits)):
        for split in splits.values():
            verdict, text = _check_split(split)
            if title == 'source' and verdict == 'fail':  # what training does not read may be gone or look otherwise
                verdict = 'warn'
            problems += verdict == 'fail'
            print('{:<5} {:<9} {:<14} {}'.format(verdict, title, split.name, text))
    for path in sorted({dataset.files[key] for key in ('coco',) if key in dataset.files}):
        for split in dataset.splits:
            there = os.path.isfile(catalogue.locate(path, split=split))
            problems += not there
            print('{:<5} {:<9} {:<14} {}'.format('pass' if there else 'fail', 'file', split,
                                                 catalogue.locate(path, split=split)))
    if problems:
        print('next: python -m mtp.data describe {}'.format(name))
    return FAILED if problems else OK


def _check_split(split):
    folder = catalogue.locate(split.images)
    if not os.path.isdir(folder):
        return 'fail', '{} is missing'.format(folder)
    found = _stems(folder, split.image_suffix)
    labelled = None
    if split.labels and os.path.splitext(split.labels)[1] == '':
        labels = catalogue.locate(split.labels)
        if not os.path.isdir(labels):
            return 'fail', '{} is missing'.format(labels)
        labelled = _stems(labels, split.label_suffix)
    elif split.labels and not os.path.isfile(catalogue.locate(split.labels)):
        return 'fail', '{} is missing'.format(catalogue.locate(split.labels))
    wanted = found
    if split.listing:
        if not os.path.isfile(catalogue.locate(split.listing)):
            return 'fail', '{} is missing'.format(catalogue.locate(split.listing))
        wanted = _listed(catalogue.locate(split.listing))
        absent = sorted(wanted - found, key=converting.natural)
        if absent:
            return 'fail', '{} of {} listed images are missing, first {}'.format(len(absent), len(wanted), absent[0])
    without = sorted(wanted - labelled, key=converting.natural) if labelled is not None else []
    if without:
        return 'fail', '{} of {} images have no label file, first {}'.format(len(without), len(wanted), without[0])
    if not wanted:
        return 'fail', 'no image in {}'.format(folder)
    if split.count is not None and len(wanted) != split.count:
        return 'warn', '{} images, officially {}'.format(len(wanted), split.count)
    return 'pass', '{} images{}'.format(len(wanted), '' if split.count is None else ', as officially')


def _stems(folder, suffix):
    """Stems of the files below ``folder`` (class folders count too), suffix compared without case."""
    result = set()
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith('.')]
        result.update(name[:-len(suffix)] for name in files
                      if name.lower().endswith(suffix) and not name.startswith('.'))
    return result


def _listed(path):
    """Stems in a split list, whose lines may go on with a label and whose names may have folders and suffixes."""
    with open(path, encoding='utf-8-sig') as stream:
        tokens = [line.split() for line in stream]
    return {os.path.splitext(os.path.basename(row[0]))[0] for row in tokens if row}


def prepare(name, dry_run=False) -> int:
    """Run the preparation commands of a data set one after the other, then check it.

    Raises:
        MTPError: a command failed; its own message stands above.
    """
    dataset = catalogue.get(name)
    for command in dataset.prepare:
        print('$ ' + command, flush=True)
        if dry_run:
            continue
        code = subprocess.call(_words(command), env=dict(os.environ, PYTHONPATH=os.pathsep.join(
            filter(None, [ROOT, os.environ.get('PYTHONPATH')]))))
        if code:
            raise MTPError('{!r} ended with code {}'.format(command, code),
                           hint='mend what it says above, then repeat: what is done already is kept', code=FAILED)
    return OK if dry_run else check(name)
