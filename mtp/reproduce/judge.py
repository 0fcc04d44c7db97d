"""``python -m mtp.reproduce.judge``: our figure and our loss beside the published ones, on a page."""
import argparse
import glob
import json
import os
import sys
from typing import Any, Dict, List, Mapping, Optional, Sequence

from mtp import files, paths, sealed
from mtp.browse import __main__ as browse
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.launch import ledger
from mtp.report import curves
from mtp.report.curves import Curve
from mtp.report.page import Page
from mtp.reproduce import results

PICTURES = 6


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Judge the run of a config; exit code 1 when it stays below what was published."""
    parser = argparse.ArgumentParser(prog='python -m mtp.reproduce.judge', description=__doc__)
    parser.add_argument('env', help='environment of the config')
    parser.add_argument('config', help='its path')
    parser.add_argument('--train', required=True, help='folder of the training')
    parser.add_argument('--test', required=True, help='folder of the test')
    parser.add_argument('--rehearsal', action='store_true', help='the data were samples: judge only that figures came')
    args = parser.parse_args(argv)
    folder, tested = paths.resolve(args.train), paths.resolve(args.test)
    entry = results.expected(args.env, args.config)
    found = gather(entry, folder, tested, args.rehearsal)
    files.write_json(os.path.join(folder, 'reproduction.json'), found)
    found['browse'] = walk_through(tested, folder)
    write_page(folder, found)
    for line in lines(found) + list(filter(None, [ledger.standing(args.env)])):
        print(line, flush=True)
    print('page {}'.format(os.path.join(folder, 'reproduction.html')), flush=True)
    return OK if good(found) else FAILED


def gather(entry: Mapping[str, Any], folder: str, tested: str, rehearsal: bool) -> Dict[str, Any]:
    """Everything the page shows, as one dict.

    Args:
        entry: from :func:`mtp.reproduce.results.expected`.
        folder: of the training.
        tested: of the test.
        rehearsal: whether this was one.
    """
    passports = {'validation': os.path.join(folder, 'passport.json'),
                 'test': os.path.join(tested, 'passport-test.json')}
    told = {name: _read(path) for name, path in passports.items()}
    judged = told.get(entry['judged'], told['test'])
    value = results.percent(entry, judged.get('metrics'))
    ours = losses(folder)
    theirs = None if entry['curve'] is None else results.curve(entry)
    submission = (sorted(glob.glob(os.path.join(tested, 'submit', '*.zip')))
                  or sorted(glob.glob(os.path.join(tested, 'submit', '*'))))
    pictures = sorted(path for kind in ('png', 'jpg') for path in
                      glob.glob(os.path.join(tested, 'show', '**', '*.' + kind), recursive=True))[:PICTURES]
    return dict(
        entry, rehearsal=rehearsal, value=value, nothing_found=results.nothing_found(entry, judged.get('metrics')),
        verdict=None if rehearsal else results.verdict(entry, value),
        loss=_ends(ours), published_loss=_ends(theirs), curve_picture=draw(folder, entry, ours, theirs),
        submission=[os.path.relpath(path, folder) for path in submission],
        pictures=[os.path.relpath(path, folder) for path in pictures], weights=told['test'].get('started_from'),
        recipe=told['validation'].get('config', {}).get('recipe'), code=told['validation'].get('code'),
        environment=told['validation'].get('environment'),
        images_per_update=told['validation'].get('config', {}).get('images_per_update'))


def walk_through(tested: str, folder: str) -> Optional[str]:
    """Make the page of all that the test has found; its path from ``folder``, or None where nothing can be shown, which
    is no fault of the run: its images may have gone.
    """
    try:
        browse.main([tested])
    except MTPError as error:
        print('no page to walk through: {}'.format(str(error).split('\n')[0]), flush=True)
        return None
    return os.path.relpath(os.path.join(tested, 'browse', 'index.html'), folder)


def good(found: Mapping[str, Any]) -> bool:
    """Whether the run did what it should: in a rehearsal, that a figure or a submission has come out."""
    if found['judged'] == 'server':
        return bool(found['submission'])
    return found['value'] is not None and found['verdict'] != results.BELOW


def lines(found: Mapping[str, Any]) -> List[str]:
    """What the terminal shows."""
    published = 'nowhere in the repository' if found['published'] is None else '{:.2f}'.format(found['published'])
    said = ['REHEARSAL on samples with a reduced network: the figures say that every step works, nothing else'] if (
        found['rehearsal']) else []
    if found['judged'] == 'server':
        said.append('{}: only the evaluation server can judge it; published {} {}; submission: {}'.format(
            found['name'], found['metric'], published, ', '.join(found['submission'][:2]) or 'NONE'))
    else:
        value = 'NOT FOUND' if found['value'] is None else '{:.2f}'.format(found['value'])
        verdict = ': ' + found['verdict'] if found['verdict'] else ''
        said.append('{}: {} {}, published {} (tolerance {}){}'.format(
            found['name'], found['metric'], value, published, found['tolerance'], verdict))
        if found['nothing_found']:
            said.append(
                'nothing was found in the images of the {}, so {} is not a number (0 / 0) and counts as 0'.format(
                found['judged'], found['metric']))
    said += _of_batch(found['images_per_update'])
    if found['loss'] and found['published_loss']:
        said.append('loss {:.3f} -> {:.3f}, published {:.3f} -> {:.3f}'.format(
            *found['loss'], *found['published_loss']))
    return said


def _of_batch(batch: Optional[Mapping[str, Any]]) -> List[str]:
    """A sentence where the weights were updated with another batch than in the published run."""
    if not batch or batch['published'] in (None, batch['found']):
        return []
    return ['trained with {found} images per update, published with {published}: the figures are not those of the '
            'published recipe (ACCUMULATE=auto sums gradients to the published batch)'.format(**batch)]


def losses(folder: str) -> Curve:
    """Steps and losses of the training in ``folder``, whichever generation wrote its logs; resumed runs are joined."""
    points: Dict[int, float] = {}
    for log in sorted(glob.glob(os.path.join(folder, '*', 'vis_data', 'scalars.json'))):
        points.update((line['step'], line['loss']) for line in sealed.lines(log)
                      if _number(line, 'loss') and _number(line, 'step'))
    old = {}
    for log in sorted(glob.glob(os.path.join(folder, '*.log.json'))):
        old.update(((line['epoch'], line['iter']), line['loss']) for line in sealed.lines(log)
                   if line.get('mode') == 'train' and all(_number(line, key) for key in ('epoch', 'iter', 'loss')))
    points.update((number, old[key]) for number, key in enumerate(sorted(old), 1))
    if not points:
        raise MTPError(f'there is no log with losses in {folder}', hint='make reproduce CONFIG=… again')
    steps, values = zip(*sorted(points.items()))
    return steps, values


def _number(line: Mapping[str, Any], key: str) -> bool:
    return isinstance(line.get(key), (int, float))


def draw(folder: str, entry: Mapping[str, Any], ours: Optional[Curve], theirs: Optional[Curve]) -> str:
    """Write ``loss.png``: both curves over the share of the training that is done, as batches may differ."""
    named = {'ours': ours, 'published': theirs}
    shares = {name: ([100. * step / curve[0][-1] for step in curve[0]], curve[1])
              for name, curve in named.items() if curve}
    curves.plot(shares, os.path.join(folder, 'loss.png'), entry['name'], log=True, xlabel='% of the training')
    return 'loss.png'


def write_page(folder: str, found: Mapping[str, Any]) -> None:
    """Write ``reproduction.html`` beside the training."""
    page = Page(found['name'], ' '.join(lines(found)))
    page.section('Figures')
    page.table(['metric', 'published', 'ours', 'tolerance', 'verdict', 'where it stands'],
               [[found['metric'], found['published'], found['value'], found['tolerance'],
                 'rehearsal' if found['rehearsal'] else found['verdict'] or '–', found['log'] or found['judged']]])
    for path in found['submission']:
        page.link(path, path)
    page.section('Loss', 'Published: {}'.format(found['curve'] or 'the repository publishes no log of it'))
    page.figure(found['curve_picture'], 'Loss of the training, ours and the published one', width=700)
    if found.get('browse'):
        page.link(found['browse'], 'walk through all images of the test: truth, what was found, and the mistakes')
    if found['pictures']:
        page.section('Pictures of the test')
        for path in found['pictures']:
            page.figure(path, os.path.basename(path), width=400)
    page.section('How it was got')
    page.command(json.dumps({key: found[key] for key in ('recipe', 'images_per_update', 'code', 'environment',
                                                         'weights')}, indent=1))
    page.write(os.path.join(folder, 'reproduction.html'))


def _ends(curve: Optional[Curve], share: float = 0.1) -> Optional[List[float]]:
    """Mean loss of the first and of the last tenth."""
    if not curve:
        return None
    values, count = curve[1], max(1, int(len(curve[1]) * share))
    return [sum(values[:count]) / count, sum(values[-count:]) / count]


def _read(path: str) -> Dict[str, Any]:
    """The passport at ``path``; {} where there is none, with a warning where it is damaged: its figures are missed."""
    return sealed.read(path, lambda _: sys.stderr.write('warning: the passport {} is damaged; start the run again with '
                                                        '--resume, and it is made anew\n'.format(path))) or {}


if __name__ == '__main__':
    run_main(main)
