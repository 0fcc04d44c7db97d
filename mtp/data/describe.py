"""The verbs of ``python -m mtp.data``: list, describe, check, prepare."""
import os
import shlex
import subprocess
import sys
from typing import Iterable, Iterator, List, Mapping, Optional, Set, Tuple

from mtp.data import archives, catalogue, converting, images, scenes
from mtp.errors import FAILED, OK, MTPError


ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _words(command: str) -> List[str]:
    """The command with this Python, and with our script wherever the user stands."""
    words = shlex.split(command)
    script = [os.path.join(ROOT, words[1])] if words[1].startswith('scripts/') else words[1:2]
    return [sys.executable] + script + words[2:]


def show_list() -> int:
    """One line a data set."""
    for name in catalogue.names():
        dataset = catalogue.get(name)
        print(f'{name:<11} {dataset.task:<21} {len(dataset.classes):>2} classes  {dataset.title}')
    return OK


def show(name: str) -> int:
    """Print what the catalogue knows about a data set."""
    dataset = catalogue.get(name)
    print(f'{name}: {dataset.title}, {dataset.task}')
    print('Published at  ' + '\n              '.join(dataset.published))
    print('Licence       ' + dataset.licence)
    print('Download      ' + '\n              '.join(dataset.download))
    for archive in archives.of(name):
        print(f'  {archive.name:<60} {archive.address or archive.page}')
    print(f'Fetch         make fetch-{name} ACCEPT_LICENCE=1')
    if dataset.source:
        print('\nPut it there')
        _show_splits(dataset.source.values())
    print('\n{}raining and testing read'.format('T' if dataset.source else 'Put it there; t'))
    _show_splits(dataset.splits.values())
    for key, path in dataset.files.items():
        if not key.endswith('_suffix'):
            print('  {:<14} {}'.format(key, catalogue.locate(path, split='{train,...}')))
    print(f'\nPrepare and check it with    make data-{name}    which runs')
    for command in dataset.prepare + (f'python -m mtp.data check {name}',):
        print('  ' + command)
    print()
    for key, count in dataset.counts.items():
        print(f'Official count: {count} {key}')
    print('{} classes: {}'.format(len(dataset.classes), ', '.join(dataset.classes)))
    for note in dataset.notes:
        print('Note: ' + note)
    return OK


def _show_splits(splits: Iterable[catalogue.Split]) -> None:
    for split in splits:
        known = '' if split.count is None else f'  ({split.count} images)'
        print(f'  {split.name:<14} {catalogue.locate(split.images)}/*{split.image_suffix}{known}')
        if split.labels not in ('', split.images):
            is_folder = os.path.splitext(split.labels)[1] == ''
            print('  {:<14} {}{}'.format('', catalogue.locate(split.labels),
                                         '/*' + split.label_suffix if is_folder else ''))
        if split.listing:
            print('  {:<14} {}'.format('', catalogue.locate(split.listing)))


def check(name: str, any_count: bool = False) -> int:
    """Compare images, labels and lists on the disk with each other and with the official counts.

    Args:
        name: of the data set.
        any_count: take other numbers than the official ones. A sample set is known by its mark and needs no such word.

    Returns:
        OK, or FAILED when something that training reads is missing, or counts differ.
    """
    dataset = catalogue.get(name)
    sample = _sample_mark(dataset)
    taken = any_count or sample is not None
    missing, differing, found = 0, 0, {}
    for title, splits in (('source', dataset.source), ('prepared', dataset.splits)):
        for split in splits.values():
            fault, stems = _check_split(split)
            fault = fault or _unlike_training(dataset, split, title == 'prepared')
            stems = None if fault else stems
            verdict, said = ('fail', fault) if stems is None else _compare(len(stems), split.count, taken)
            if title == 'source' and fault:  # what training does not read may be gone or look otherwise
                verdict = 'warn'
            missing += bool(fault) and verdict == 'fail'
            differing += stems is not None and split.count not in (None, len(stems))
            found[title, split.name] = stems
            print(f'{verdict:<5} {title:<9} {split.name:<14} {said}')
    for key, count, number in _totals(dataset, found):
        verdict, said = _compare(number, count, taken)
        differing += number != count
        print('{:<5} {:<9} {:<14} {}'.format(verdict, 'total', key, said))
    for path in sorted({dataset.files[key] for key in ('coco',) if key in dataset.files}):
        for part in dataset.splits:
            there = os.path.isfile(catalogue.locate(path, split=part))
            missing += not there
            print('{:<5} {:<9} {:<14} {}'.format('pass' if there else 'fail', 'file', part,
                                                 catalogue.locate(path, split=part)))
    _conclude(name, missing, differing, sample, any_count)
    return FAILED if missing or (differing and not taken) else OK


def _conclude(name: str, missing: int, differing: int, sample: Optional[str], any_count: bool) -> None:
    """Say in a sentence what the lines above come to, and what to type next."""
    if sample is not None:
        print(f'{name} is a sample set (see {sample}): its numbers are its own')
    elif differing:
        print('{} of the numbers of {} differ{} from the official ones{}'.format(
            differing, name, 's' if differing == 1 else '', ', and are taken as they are' if any_count else ''))
    if missing:
        print(f'next: python -m mtp.data describe {name}, then make data-{name}')
    elif differing and sample is None and not any_count:
        print('next: get what is missing; or, where a part is meant: python -m mtp.data check {0} --any-count (make '
              'data-{0} ARGS=--any-count)'.format(name))


def _compare(number: int, official: Optional[int], taken: bool) -> Tuple[str, str]:
    """(verdict, text) of a number of images; other numbers fail unless they are ``taken``."""
    if official is None or number == official:
        return 'pass', '{} images{}'.format(number, '' if official is None else ', as officially')
    return 'note' if taken else 'fail', f'{number} images, officially {official}'


def _sample_mark(dataset: catalogue.Dataset) -> Optional[str]:
    """Path of the mark that a drawn sample set carries, or None: it holds no data of the publisher."""
    for split in list(dataset.source.values()) + list(dataset.splits.values()):
        path = catalogue.locate(os.path.join(split.images.split('/')[0], catalogue.SAMPLE_MARK))
        if os.path.isfile(path):
            return path
    return None


def _totals(dataset: catalogue.Dataset,
            found: Mapping[Tuple[str, str], Optional[Set[str]]]) -> Iterator[Tuple[str, int, int]]:
    """(name, official, number) of the counts that hold for several splits together, where all of these are there."""
    for key, count in dataset.counts.items():
        word = key.split()[0]
        if key == 'images used by MTP':
            parts = [stems for (title, _), stems in found.items() if title == 'prepared']
        else:
            parts = [stems for (title, name), stems in found.items()
                     if title == 'source' and (name == word or name.startswith(word + '-'))]
        there = [len(stems) for stems in parts if stems is not None]
        if parts and len(there) == len(parts):
            yield word if key != 'images used by MTP' else 'all', count, sum(there)


def _check_split(split: catalogue.Split) -> Tuple[str, Optional[Set[str]]]:
    """(what is missing or '', stems of the images that count or None)."""
    folder = catalogue.locate(split.images)
    if not os.path.isdir(folder):
        return f'{folder} is missing', None
    found = _stems(folder, split.image_suffix)
    labelled = None
    if split.labels and os.path.splitext(split.labels)[1] == '':
        labels = catalogue.locate(split.labels)
        if not os.path.isdir(labels):
            return f'{labels} is missing', None
        labelled = _stems(labels, split.label_suffix)
    elif split.labels and not os.path.isfile(catalogue.locate(split.labels)):
        return f'{catalogue.locate(split.labels)} is missing', None
    wanted = found
    if split.listing:
        if not os.path.isfile(catalogue.locate(split.listing)):
            return f'{catalogue.locate(split.listing)} is missing', None
        wanted = _listed(catalogue.locate(split.listing))
        absent = sorted(wanted - found, key=converting.natural)
        if absent:
            return f'{len(absent)} of {len(wanted)} listed images are missing, first {absent[0]}', None
    without = sorted(wanted - labelled, key=converting.natural) if labelled is not None else []
    if len(without) == len(wanted) == len(labelled or ()):  # labels called otherwise than their images (SpaceNet)
        return '', wanted
    if without:
        return f'{len(without)} of {len(wanted)} images have no label file, first {without[0]}', None
    if not wanted:
        return f'no image in {folder}', None
    return '', wanted


def _unlike_training(dataset: catalogue.Dataset, split: catalogue.Split, prepared: bool) -> str:
    """What is there and would not be read in training as it is counted here, or ''."""
    if dataset.task == 'classification' and not split.listing:
        try:
            scenes.class_folders(catalogue.locate(split.images), dataset.classes)
        except MTPError as error:
            return error.args[0]
    if not prepared:
        return ''
    labels = catalogue.locate(split.labels) if split.labels else ''
    for folder, suffix in ((catalogue.locate(split.images), split.image_suffix), (labels, split.label_suffix)):
        others = [path for path in _files(folder, suffix) if not path.endswith(suffix)]
        if others:
            return f'{len(others)} files do not end in {suffix}, by which training looks for them, first {others[0]}'
    masks = catalogue.locate(dataset.files['semantic']) if 'semantic' in dataset.files else labels
    suffix = '.png' if 'semantic' in dataset.files else split.label_suffix
    if suffix not in images.SUFFIXES:
        return ''
    colours = [path for path in _files(masks, suffix) if images.header(path).bands != 1]
    return colours and f'{len(colours)} masks are in colours, and training reads numbers, first {colours[0]}' or ''


def _files(folder: str, suffix: str) -> List[str]:
    """Paths of the files below ``folder`` that end with ``suffix``, in capitals or not; none where it is no folder."""
    return [os.path.join(where, name) for where, folders, files in os.walk(folder) for name in sorted(files)
            if name.lower().endswith(suffix) and not name.startswith('.')]


def _stems(folder: str, suffix: str) -> Set[str]:
    """Stems of the files below ``folder``, with the folders between them; suffix compared without case."""
    result = set()
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith('.')]
        between = '' if where == folder else os.path.relpath(where, folder) + '/'
        result.update(between + name[:-len(suffix)] for name in files
                      if name.lower().endswith(suffix) and not name.startswith('.'))
    return result


def _listed(path: str) -> Set[str]:
    """Stems in a split list, whose lines may go on with a label and whose names may have folders and suffixes."""
    with open(path, encoding='utf-8-sig') as stream:
        tokens = [line.split() for line in stream]
    return {os.path.splitext(os.path.basename(row[0]))[0] for row in tokens if row}


def prepare(name: str, dry_run: bool = False, any_count: bool = False) -> int:
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
            raise MTPError(f'{command!r} ended with code {code}',
                           hint='mend what it says above, then repeat: what is done already is kept', code=FAILED)
    return OK if dry_run else check(name, any_count)
