"""The page of a pretraining run: ``index.html`` beside its checkpoints, from the files that the run left."""
import os
from typing import Any, Dict, List

from mtp.report.page import Page

from . import logger_hook, validator

PAGE = 'index.html'


def write(folder: str, config: Dict[str, Any]) -> str:
    """Draw the curves of the run in ``folder`` with the settings ``config``, and write its page. Returns its path."""
    logger_hook.draw_curves(folder)
    lines = logger_hook.read(os.path.join(folder, 'log.jsonl'))
    page = Page('Multi-task pretraining', '{backbone}: {tasks} on {datasets}, {image_size} pixels'.format(
        **dict(config, tasks=' + '.join(config['tasks']), datasets=', '.join(config['datasets']))))
    _losses(page, folder, config, lines[-1] if lines else {})
    _validation(page, validator.read(os.path.join(folder, 'validation.json')))
    page.section('Settings')
    page.table(('flag', 'value'), [('--' + name, str(value)) for name, value in sorted(config.items())])
    page.link('passport.json', 'passport of the run')
    path = os.path.join(folder, PAGE)
    page.write(path)
    return path


def _losses(page: Page, folder: str, config: Dict[str, Any], last: Dict[str, Any]) -> None:
    facts = ('Step {step} of {steps}. {images_per_second:.2f} images a second, {wait:.0f} % of the time waiting for '
             'data, ')
    known = last and all(name in last for name in ('images_per_second', 'data_wait', 'memory'))
    page.section('Losses', (facts + '{memory} MiB.').format(
        steps=config['end_iter'], wait=100 * last['data_wait'], **last) if known else 'The log has been lost.')
    page.figure('loss_curves.png', 'Loss of each task and their sum', width=800)
    if skipped(folder):
        page.text(skipped(folder))
    page.table(('loss', 'last'), [(name, value) for name, value in last.items() if 'loss' in name])


def skipped(folder: str) -> str:
    """What to say of damaged samples; '' when there were none."""
    count = sum(line.get('skipped', 0) for line in logger_hook.read(os.path.join(folder, 'log.jsonl')))
    return f'{int(count)} damaged sample(s) replaced by others (--on_bad_sample skip)' if count else ''


def _validation(page: Page, records: List[Dict[str, Any]]) -> None:
    if not records:
        return
    best = validator.best(records)
    page.section('Validation', 'All figures in per cent, on the whole validation sets; the mean is that of mIoU, mask '
                               'AP and rotated AP50.' + (' Best after step {}.'.format(best['step']) if best else ''))
    page.table(['step'] + list(records[-1]['scores']),
               [[item['step']] + list(item['scores'].values()) for item in records])
