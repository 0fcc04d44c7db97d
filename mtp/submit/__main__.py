"""``python -m mtp.submit validate`` and ``python -m mtp.submit score``."""
import argparse
import os
from typing import Any, Iterable, List, Mapping, Optional, Sequence, Union

import numpy as np

from mtp import locks, ownership
from mtp.data import catalogue, converting
from mtp.data import images as image_files
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.files import write_json
from mtp.paths import resolve
from mtp.tiles.pixels import list_images

from . import details, figures, results, score, validate

_SHOWN = 50


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog='python -m mtp.submit', description='Check or score a submission.')
    verbs = parser.add_subparsers(dest='verb', required=True)
    verb = verbs.add_parser('validate', help='say everything that a server would reject')
    verb.add_argument('source', help='zip of the submission, or the folder it was written to')
    verb.add_argument('--dataset', required=True, choices=sorted(catalogue.having('submission', validate.CHECKS)))
    verb.add_argument('--images', help='folder of the original test images (default: from the catalogue)')
    verb.add_argument('--report', type=ownership.json_file('problems', 'warnings'), help='JSON file for all problems')
    verb.set_defaults(run=run_validate)
    verb = verbs.add_parser('score', help='average precision of result texts where the truth is known')
    verb.add_argument('source', help='zip or folder with Task1_<class>.txt')
    verb.add_argument('--dataset', required=True, choices=sorted(catalogue.having('truth', score.READERS)))
    verb.add_argument('--truth', required=True, help='folder of label files (DOTA: labelTxt, FAIR1M: labelXml)')
    verb.add_argument('--images', help='folder of the images: says how many detections lie wholly outside theirs')
    verb.add_argument('--list', help='text file with the ids of the images to score (default: all)')
    verb.add_argument('--mode', choices=score.MODES, default=score.MODES[0])
    verb.add_argument('--json', type=ownership.json_file('scores', 'classes'), help='JSON file for the figures')
    verb.add_argument('--page', help='folder for a page with curves of precision over recall and a table of confusions')
    verb.set_defaults(run=run_score)
    options = parser.parse_args(arguments)
    return options.run(options)


def run_validate(options: argparse.Namespace) -> int:
    """Print the problems; 1 when there are any."""
    images = resolve(options.images) if options.images else test_images(options.dataset)
    report = validate.validate(resolve(options.source), options.dataset, images)
    number = len(report.problems) + report.unlisted
    for problem in report.problems[:_SHOWN]:
        print(f'problem: {problem}')
    if number > _SHOWN:
        print('problem: ... and {} more; --report FILE lists {}'.format(
            number - _SHOWN, f'the first {len(report.problems)}' if report.unlisted else 'all'))
    for warning in report.warnings:
        print(f'warning: {warning}')
    print(f'{number} problems, {len(report.warnings)} warnings; {report.images} images, {report.detections} detections')
    if options.report:
        write_json(resolve(options.report), report._asdict())
    return FAILED if report.problems else OK


def test_images(dataset: str) -> str:
    """Folder of the test images of a data set, below MTP_DATA_ROOT."""
    facts = catalogue.get(dataset)
    return catalogue.locate((facts.source.get('test') or facts.splits['test']).images)


def run_score(options: argparse.Namespace) -> int:
    """Print the table; write the JSON where asked to."""
    if options.page:
        ownership.check(resolve(options.page), 'score', '--page')
    classes = catalogue.get(options.dataset).classes
    texts = results.require(resolve(options.source), options.dataset, options.images and resolve(options.images) or '')
    stems = converting.stems(resolve(options.list)) if options.list else None
    texts = texts if stems is None else results.of_images(texts, stems)
    truth = score.read_truth(resolve(options.truth), options.dataset, stems)
    label = np.array([classes.index(name) for name in texts.classes], dtype=np.int64)[texts.label]
    found = score.numbered(texts.images, texts.image, label, texts.score, texts.polygon, truth)
    matches = score.match(*found, truth, options.mode)
    judged = score.judge(found, matches, truth, classes, options.mode)
    details.add(judged, found, matches, truth, classes, catalogue.get(options.dataset).groups)
    if options.images:
        sizes = [image_files.size(path) for path in images_of(truth, resolve(options.images))]
        judged['scores']['outside'] = int(validate.wholly_outside(found.polygon, np.array(sizes)[found.image]).sum())
    print('\n\n'.join(tables(judged)))
    if judged['scores'].get('outside'):
        print('warning: {} of {} detections lie wholly outside their image'.format(
            judged['scores']['outside'], len(found.score)))
    if judged['scores']['rounded']:
        print('warning: the {} scores have only {} values. {}'.format(
            len(found.score), judged['scores']['distinct'], figures.ROUNDED))
    if options.json:
        write_json(resolve(options.json), judged)
    if options.page:
        title = '{} scored against {}'.format(*(os.path.basename(os.path.abspath(name))
                                                for name in (options.source, options.truth)))
        page = resolve(options.page)
        with locks.hold(page, 'score'):
            ownership.claim(page, 'score', ['index.html', 'score.json', '*.png'], option='--page')
            print(figures.write(page, judged, found, matches, truth, classes, title))
    return OK


def images_of(truth: score.Truth, folder: str) -> List[str]:
    """Paths of the images of a :class:`~mtp.submit.score.Truth`."""
    files = list_images(folder)
    missing = [name for name in truth.images if name not in files]
    if missing:
        raise MTPError('{} of {} images are not in {}, for example {}'.format(
            len(missing), len(truth.images), folder, missing[0]), hint='give the folder of the labelled images')
    return [files[name] for name in truth.images]


def tables(judged: Mapping[str, Any]) -> List[str]:
    """The figures as texts: precision, by size of object, kinds of false detections, super-categories."""
    rows = [(name,) + tuple(values.get(column) for column in figures.COLUMNS)
            for name, values in list(judged['classes'].items()) + [('mean', judged['mean'])]]
    found = [(('class',) + figures.COLUMNS, rows),
             (('class',) + tuple(f'{size}_{key}' for size in details.SIZES
                                 for key in ('objects', 'AP50_11', 'AP50_area')), figures.size_rows(judged)),
             (('class', 'hits') + details.KINDS, figures.kind_rows(judged))]
    if judged['groups']:
        found.append((('super-category', 'classes') + score.MEANT, figures.group_rows(judged)))
    return [_table(head, rows) for head, rows in found]


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    cells = [head] + [(row[0],) + tuple(map(_cell, row[1:])) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return '\n'.join('  '.join([row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in
                                                            zip(row[1:], widths[1:])]) for row in cells)


def _cell(value: Union[None, int, float]) -> str:
    return '-' if value is None else str(value) if isinstance(value, int) else f'{value:.4f}'


if __name__ == '__main__':
    run_main(main)
