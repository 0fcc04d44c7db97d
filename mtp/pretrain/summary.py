"""The page of a pretraining run: ``index.html`` beside its checkpoints, from the files that the run left."""
import json
import os

from mtp.report import curves
from mtp.report.page import Page

from . import journal, verdicts

PAGE = 'index.html'


def write(folder):
    """Draw the curves of the run in ``folder`` and write its page. Returns the page's path."""
    journal.draw_curves(folder)
    lines = curves.read_lines(os.path.join(folder, 'log.jsonl'))
    with open(os.path.join(folder, 'passport.json'), encoding='utf-8') as stream:
        config = json.load(stream)['config']
    last = lines[-1]
    page = Page('Multi-task pretraining', '{backbone}: {tasks} on {datasets}, {image_size} pixels'.format(
        **dict(config, tasks=' + '.join(config['tasks']), datasets=', '.join(config['datasets']))))
    facts = 'Step {} of {}. {:.2f} images a second, {:.0f} % of the time waiting for data, {} MiB.'
    page.section('Losses', facts.format(
        last['step'], config['end_iter'], last['images_per_second'], 100 * last['data_wait'], last['memory']))
    page.figure('loss_curves.png', 'Loss of each task and their sum', width=800)
    if skipped(folder):
        page.text(skipped(folder))
    page.table(('loss', 'last'), [(name, value) for name, value in last.items() if 'loss' in name])
    _validation(page, verdicts.read(os.path.join(folder, 'validation.json')))
    page.section('Settings')
    page.table(('flag', 'value'), [('--' + name, str(value)) for name, value in sorted(config.items())])
    page.link('passport.json', 'passport of the run')
    path = os.path.join(folder, PAGE)
    page.write(path)
    return path


def skipped(folder):
    """What to say of damaged samples; '' when there were none."""
    count = sum(line.get('skipped', 0) for line in curves.read_lines(os.path.join(folder, 'log.jsonl')))
    return '{} damaged sample(s) replaced by others (--on_bad_sample skip)'.format(int(count)) if count else ''


def _validation(page, records):
    if not records:
        return
    best = verdicts.best(records)
    page.section('Validation', 'All figures in per cent, on the whole validation sets; the mean is that of mIoU, mask '
                               'AP and rotated AP50.' + (' Best after step {}.'.format(best['step']) if best else ''))
    page.table(['step'] + list(records[-1]['scores']),
               [[item['step']] + list(item['scores'].values()) for item in records])
