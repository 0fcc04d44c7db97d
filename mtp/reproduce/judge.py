"""``python -m mtp.reproduce.judge``: our figure and our loss beside the published ones, on a page."""
import argparse
import glob
import json
import os

from mtp import files, paths
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.report import curves
from mtp.report.page import Page
from mtp.reproduce import results

PICTURES = 6


def main(argv=None):
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
    write_page(folder, found)
    for line in lines(found):
        print(line, flush=True)
    print('page {}'.format(os.path.join(folder, 'reproduction.html')), flush=True)
    return OK if good(found) else FAILED


def gather(entry, folder, tested, rehearsal):
    """Everything the page shows, as one dict.

    Args:
        entry: from :func:`mtp.reproduce.results.expected`.
        folder: of the training.
        tested: of the test.
        rehearsal: whether this was one.
    """
    passports = {'validation': os.path.join(folder, 'passport.json'),
                 'test': os.path.join(tested, 'passport-test.json')}
    said = {name: _read(path) for name, path in passports.items()}
    judged = said.get(entry['judged'], said['test'])
    value = results.percent(entry, judged.get('metrics'))
    ours = losses(folder)
    theirs = None if entry['curve'] is None else results.curve(entry)
    submission = (sorted(glob.glob(os.path.join(tested, 'submit', '*.zip')))
                  or sorted(glob.glob(os.path.join(tested, 'submit', '*'))))
    pictures = sorted(path for kind in ('png', 'jpg') for path in
                      glob.glob(os.path.join(tested, 'show', '**', '*.' + kind), recursive=True))[:PICTURES]
    return dict(
        entry, rehearsal=rehearsal, value=value, verdict=None if rehearsal else results.verdict(entry, value),
        loss=_ends(ours), published_loss=_ends(theirs), curve_picture=draw(folder, entry, ours, theirs),
        submission=[os.path.relpath(path, folder) for path in submission],
        pictures=[os.path.relpath(path, folder) for path in pictures], weights=said['test'].get('started_from'),
        recipe=said['validation'].get('config', {}).get('recipe'), code=said['validation'].get('code'),
        environment=said['validation'].get('environment'))


def good(found):
    """Whether the run did what it should: in a rehearsal, that a figure or a submission has come out."""
    if found['judged'] == 'server':
        return bool(found['submission'])
    return found['value'] is not None and found['verdict'] != results.BELOW


def lines(found):
    """What the terminal shows."""
    published = 'not published' if found['published'] is None else '{:.2f}'.format(found['published'])
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
    if found['loss'] and found['published_loss']:
        said.append('loss {:.3f} -> {:.3f}, published {:.3f} -> {:.3f}'.format(
            *found['loss'], *found['published_loss']))
    return said


def losses(folder):
    """Steps and losses of the training in ``folder``, whichever generation wrote its logs; resumed runs are joined."""
    points = {}
    for log in sorted(glob.glob(os.path.join(folder, '*', 'vis_data', 'scalars.json'))):
        points.update((line['step'], line['loss']) for line in curves.read_lines(log) if 'loss' in line)
    old = {}
    for log in sorted(glob.glob(os.path.join(folder, '*.log.json'))):
        old.update(((line['epoch'], line['iter']), line['loss']) for line in curves.read_lines(log)
                   if line.get('mode') == 'train')
    points.update((number, old[key]) for number, key in enumerate(sorted(old), 1))
    if not points:
        raise MTPError('there is no log with losses in {}'.format(folder), hint='make reproduce CONFIG=… again')
    return tuple(zip(*sorted(points.items())))


def draw(folder, entry, ours, theirs):
    """Write ``loss.png``: both curves over the share of the training that is done, as batches may differ."""
    named = {'ours': ours, 'published': theirs}
    shares = {name: ([100. * step / curve[0][-1] for step in curve[0]], curve[1])
              for name, curve in named.items() if curve}
    curves.plot(shares, os.path.join(folder, 'loss.png'), entry['name'], log=True, xlabel='% of the training')
    return 'loss.png'


def write_page(folder, found):
    """Write ``reproduction.html`` beside the training."""
    page = Page(found['name'], ' '.join(lines(found)))
    page.section('Figures')
    page.table(['metric', 'published', 'ours', 'tolerance', 'verdict', 'where it stands'],
               [[found['metric'], found['published'], found['value'], found['tolerance'],
                 'rehearsal' if found['rehearsal'] else found['verdict'] or '–', found['log'] or found['judged']]])
    for path in found['submission']:
        page.link(path, path)
    page.section('Loss', 'Published: {}'.format(found['curve'] or 'no log was published'))
    page.figure(found['curve_picture'], 'Loss of the training, ours and the published one', width=700)
    if found['pictures']:
        page.section('Pictures of the test')
        for path in found['pictures']:
            page.figure(path, os.path.basename(path), width=400)
    page.section('How it was got')
    page.command(json.dumps({key: found[key] for key in ('recipe', 'code', 'environment', 'weights')}, indent=1))
    page.write(os.path.join(folder, 'reproduction.html'))


def _ends(curve, share=0.1):
    """Mean loss of the first and of the last tenth."""
    if not curve:
        return None
    values, count = curve[1], max(1, int(len(curve[1]) * share))
    return [sum(values[:count]) / count, sum(values[-count:]) / count]


def _read(path):
    try:
        with open(path, encoding='utf-8') as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}


if __name__ == '__main__':
    run_main(main)
