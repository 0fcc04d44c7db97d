"""``python -m mtp.demo.pictures --home DIR``: curves, detections beside the truth, and the figures of the demo's
page.
"""
import argparse
import glob
import json
import os
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mtp import files, paths
from mtp.boxes import polygons_to_rboxes
from mtp.data import catalogue
from mtp.demo import stages
from mtp.errors import MTPError, run_main
from mtp.report import curves, draw
from mtp.submit import results, score
from mtp.tiles.pixels import list_images, read_image

SMALL = 'The networks are small: the figures say that the machinery works, not how good MTP is.'
DRAWN = 'Objects and images are drawn by a generator, the formats and every step are those of the real job. ' + SMALL
REAL = ('The DOTA images are real; those with labels were trained on and tested on, so their score says only whether '
        'the '
        'network can learn them. Pretraining and FAIR1M training used drawn images, so what is found in the real '
        'FAIR1M '
        'image means nothing. ' + SMALL)
THRESHOLD = 0.3  # lowest score in the pictures


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Write the pictures and ``summary.json`` below the demo's folder."""
    parser = argparse.ArgumentParser(prog='python -m mtp.demo.pictures', description=__doc__)
    parser.add_argument('--home', default=stages.HOME, help='folder of the demo')
    home = paths.resolve(parser.parse_args(argv).home)
    drawn = os.path.isfile(os.path.join(home, 'data', 'dotav1', 'sample_set.json'))
    targets: List[Dict[str, Any]] = []
    summary = {'about': DRAWN if drawn else REAL, 'drawn': drawn, 'pretraining': pretraining(home), 'targets': targets}
    for target in stages.TARGETS:
        targets.append(detection(home, target))
        print('{title}: mAP {map:.3f}'.format(**targets[-1]), flush=True)
    files.write_json(os.path.join(home, 'summary.json'), summary)


def pretraining(home: str) -> Dict[str, Any]:
    """Loss of pretraining at its begin and end, and what pictures there are."""
    folder = os.path.join(home, 'pretrain')
    first, last, steps = ends(curves.read_lines(os.path.join(folder, 'log.jsonl')))
    previews = sorted(glob.glob(os.path.join(folder, 'preview', '*.png')))
    return {'first': first, 'last': last, 'steps': steps, 'curve': 'pretrain/loss_curves.png',
            'previews': [os.path.relpath(path, home) for path in previews]}


def detection(home: str, target: stages.Target) -> Dict[str, Any]:
    """Figures and pictures of one detection data set."""
    run, predictions = (os.path.join(home, os.path.basename(folder)) for folder in (target.run, target.predictions))
    log = curves.read_lines(_only(os.path.join(run, '*', 'vis_data', 'scalars.json')))
    first, last, steps = ends(log)
    curve = os.path.join(run, 'loss_curve.png')
    curves.plot(curves.series(log, ['loss', 'loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox']), curve,
                'Fine-tuning on ' + target.title)
    with open(os.path.join(predictions, 'score.json'), encoding='utf-8') as stream:
        figures = json.load(stream)
    source = os.path.join(home, 'data', target.name, 'test')
    pictures = compare(target, source, os.path.join(predictions, 'submit'), os.path.join(predictions, 'compare'))
    submission = sorted(glob.glob(os.path.join(predictions, 'submit', '*.zip')))
    return {'title': target.title, 'first': first, 'last': last, 'steps': steps, 'curve': os.path.relpath(curve, home),
            'tiles': len(os.listdir(os.path.join(home, 'data', os.path.basename(target.tiles), 'test', 'images'))),
            'images': len(pictures), 'detections': sum(row['detections'] for row in figures['classes'].values()),
            'map': figures['mean']['AP50_11'] or 0.0, 'classes': list(class_rows(figures)),
            'remarks': missed(figures), 'submission': [os.path.relpath(path, home) for path in submission],
            'pictures': [os.path.relpath(path, home) for path in pictures]}


def class_rows(figures: Mapping[str, Any]) -> Iterator[Dict[str, Any]]:
    """One row a class that has truth or detections."""
    for name, row in figures['classes'].items():
        if row['objects'] or row['detections']:
            yield {'name': name, 'truth': row['objects'], 'detections': row['detections'], 'ap': row['AP50_11'] or 0.0}


def missed(figures: Mapping[str, Any]) -> List[str]:
    """Classes that the sample shows and nothing was found of."""
    return ['no {} was found'.format(row['name']) for row in class_rows(figures) if row['truth'] and row['ap'] == 0]


def ends(log: Sequence[Mapping[str, Any]], share: float = 0.1) -> Tuple[float, float, float]:
    """Mean loss over the first and the last tenth of a log, and its last step."""
    (steps, losses), = curves.series(log, ['loss']).values()
    count = max(1, int(len(losses) * share))
    return float(np.mean(losses[:count])), float(np.mean(losses[-count:])), steps[-1]


def compare(target: stages.Target, source: str, submission: str, out: str) -> List[str]:
    """Pictures of all test images, truth on the left, what the submission says on the right."""
    dataset = catalogue.get(target.name)
    found = results.require(submission, target.name)
    truth = score.read_truth(os.path.join(source, 'truth'), target.name)
    label = np.array([dataset.classes.index(name) for name in found.classes], dtype=np.int64)
    written = []
    for stem, path in list_images(os.path.join(source, 'images')).items():
        image = read_image(path)
        ours, theirs = _of_image(found.images, found.image, stem), _of_image(truth.images, truth.image, stem)
        sides = [(truth.polygon[theirs], truth.label[theirs], None),
                 (found.polygon[ours], label[found.label[ours]], found.score[ours])]
        drawn = [draw.draw_detections(image, polygons_to_rboxes(polygons), labels, scores, dataset.classes,
                                      dataset.palette, threshold=THRESHOLD) for polygons, labels, scores in sides]
        written.append(os.path.join(out, stem + '.jpg'))
        draw.save(written[-1], np.hstack(drawn))
    return written


def _of_image(images: Sequence[str], index: np.ndarray, stem: str) -> np.ndarray:
    return np.flatnonzero(index == images.index(stem)) if stem in images else np.zeros(0, np.int64)


def _only(pattern: str) -> str:
    found = sorted(glob.glob(pattern))
    if not found:
        raise MTPError(f'there is no {pattern}', hint='make demo')
    return found[-1]


if __name__ == '__main__':
    run_main(main)
