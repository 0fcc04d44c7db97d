"""What the demo reached, as a page, as ten lines, and as an exit code. Standard library only, Python >= 3.6."""
import glob
import json
import os
from typing import Any, Dict, Iterable, List, Mapping

from mtp.demo.driver import Done
from mtp.errors import FAILED, OK
from mtp.report.page import Page

#: Rotated AP50 (11 points, mean over classes with truth) that tells a network that has learnt from one that has not:
#: five minutes reach about 0.5 on two cores, a step that is broken or diverges stays below 0.05.
LEAST_MAP = 0.35
#: What the page shows while the demo goes on: behind which stage, under which heading, which pictures, and how many.
PICTURES = (('preview', 'What pretraining has learnt', 'pretrain/preview/*.png'),
            ('test-dotav1', 'What is found in images of DOTA-v1.0', 'test_dotav1/show/*.*'),
            ('test-fair1m', 'What is found in images of FAIR1M-2.0', 'test_fair1m/show/*.*'))
MOST = 4
#: The mean loss of the last tenth of pretraining has to be below this share of the first tenth's.
MOST_LOSS = 0.8


def gather(home: str, done: Iterable[Done]) -> Dict[str, Any]:
    """Results of the finished stages: ``summary.json`` of the pictures stage, with the list of stages added."""
    with open(os.path.join(home, 'summary.json'), encoding='utf-8') as stream:
        found = json.load(stream)
    found['stages'] = [item._asdict() for item in done]
    return found


def judge(found: Mapping[str, Any]) -> int:
    """0 when losses fell and detections are right, else 1."""
    return FAILED if problems(found) else OK


def problems(found: Mapping[str, Any]) -> List[str]:
    """What falls short of the promise of the demo, one sentence each. Real images promise nothing to so small a
    network.
    """
    sentences = []
    loss = found['pretraining']
    if not loss['last'] < MOST_LOSS * loss['first']:
        sentences.append('the pretraining loss went from {:.2f} to {:.2f} only'.format(loss['first'], loss['last']))
    for target in found['targets']:
        if found['drawn'] and not target['map'] >= LEAST_MAP:
            sentences.append('mAP on {} is {:.3f}, below {}'.format(target['title'], target['map'], LEAST_MAP))
    return sentences


def lines(home: str, found: Mapping[str, Any]) -> List[str]:
    """Ten lines for the terminal: what was done, how well, and where it lies."""
    loss = found['pretraining']
    said = ['pretrained    {} steps on three sample sets, loss {:.2f} -> {:.2f}, stopped and continued once'.format(
        loss['steps'], loss['first'], loss['last'])]
    for target in found['targets']:
        said.append('fine-tuned    {}: {} steps, loss {:.2f} -> {:.2f}'.format(
            target['title'], target['steps'], target['first'], target['last']))
    for target in found['targets']:
        said.append('tested        {}: {} tiles of {} images, {} detections, mAP {:.3f}'.format(
            target['title'], target['tiles'], target['images'], target['detections'], target['map']))
    said += [f'submission    {os.path.join(home, path)}' for target in found['targets']
             for path in target['submission']]
    said.append('checkpoints   {}'.format(os.path.join(home, 'pretrain')))
    said += ['NOT GOOD      ' + problem for problem in problems(found)]
    said.append('page          {}'.format(os.path.join(home, 'index.html')))
    said.append('walk through  {}'.format(os.path.join(home, 'browse', 'index.html')))
    return said


def write_progress(home: str, done: Iterable[Done], total: int) -> None:
    """Write ``index.html`` while the demo goes on: what is done, and every picture that is there; it reloads itself."""
    done = list(done)
    page = Page('MTP on a small sample', '{} of {} stages are done; this page follows, and the last one writes it anew.'
                .format(len(done), total), refresh=5)
    for stage, heading, pattern in PICTURES:
        if stage in [item.name for item in done]:
            page.section(heading)
            for path in sorted(glob.glob(os.path.join(glob.escape(home), pattern)))[:MOST]:
                page.figure(os.path.relpath(path, home), os.path.basename(path))
    _stages(page, dict(stages=[item._asdict() for item in done]))
    page.write(os.path.join(home, 'index.html'))


def write_page(home: str, found: Mapping[str, Any]) -> None:
    """Write ``index.html`` beside the results."""
    page = Page('MTP on a small sample', found['about'])
    for problem in problems(found):
        page.text('Falls short: ' + problem)
    if os.path.isfile(os.path.join(home, 'browse', 'index.html')):
        page.link('browse/index.html', 'walk through all images: truth, what was found, and the mistakes')
    _stages(page, found)
    _pretraining(page, found['pretraining'])
    for target in found['targets']:
        _target(page, target)
    page.write(os.path.join(home, 'index.html'))


def _stages(page: Page, found: Mapping[str, Any]) -> None:
    page.section('What was done', 'Every stage is a command that the real job uses too; each log begins with it.')
    page.table(['stage', 'runtime', 'seconds', ''],
               [[item['title'], item['runtime'], '{:.1f}'.format(item['seconds']), item['note']]
                for item in found['stages']])


def _pretraining(page: Page, loss: Mapping[str, Any]) -> None:
    page.section('Pretraining', 'Semantic segmentation, instance segmentation and rotated detection on SOTA, SIOR and '
                 'FAST at once, with one shared encoder.')
    page.figure(loss['curve'], 'Losses of pretraining', width=700)
    for picture in loss['previews']:
        page.figure(picture, os.path.splitext(os.path.basename(picture))[0])


def _target(page: Page, target: Mapping[str, Any]) -> None:
    page.section(target['title'], 'Fine-tuned in MMRotate 1.0.0rc1 from the pretrained encoder and rotated decoder, '
                 'tested in MMRotate 0.3.4 with the same weights on tiles of three scales.')
    page.figure(target['curve'], 'Loss of fine-tuning', width=700)
    page.table(['class', 'truth', 'detections', 'AP50'],
               [[row['name'], row['truth'], row['detections'], '{:.3f}'.format(row['ap'])] for row in target['classes']]
               + [['mean', None, None, '{:.3f}'.format(target['map'])]])
    for remark in target['remarks']:
        page.text(remark)
    for path in target['submission']:
        page.link(path, path)
    for picture in target['pictures']:
        page.figure(picture, f'{os.path.basename(picture)}: truth on the left, detections on the right')
