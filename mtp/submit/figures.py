"""Pictures and a page of a score: precision over recall of every class, and which class was taken for which."""
import os
from typing import Dict, NamedTuple, Tuple

import numpy as np

from mtp.boxes import bounds_of_polygons, overlapping_pairs
from mtp.files import atomic_path, write_json
from mtp.report.page import Page

from . import score

COLUMNS = ('objects', 'difficult', 'detections', 'hits', 'false', 'recall', 'AP50_11', 'AP50_area', 'AP75_11',
           'mAP_11', 'mAP_area')
#: Detections below this score are left out of the table of confusions, as a user of the detections would.
SCORE = 0.3
BACKGROUND, MISSED = 'background', 'missed'


class Curve(NamedTuple):
    """Precision over recall of one class.

    Attributes:
        recall, precision: (n,) after each detection, by falling score.
        best: largest F1.
        at: the score from which detections are kept for it.
    """
    recall: np.ndarray
    precision: np.ndarray
    best: float
    at: float


def curves(found, truth, classes, mode='official', threshold=0.5) -> Dict[str, Curve]:
    """:class:`Curve` of every class that has an object and a detection.

    Args:
        found: columns image, label, score, polygon, as :func:`mtp.submit.score.numbered` makes them.
        truth: :class:`~mtp.submit.score.Truth`.
        classes: names.
        mode: one of :data:`mtp.submit.score.MODES`.
        threshold: IoU of a hit.
    """
    matches = score.match(*found, truth, mode)
    begin = np.searchsorted(found.label[matches.order], np.arange(len(classes) + 1))
    result = {}
    for number, name in enumerate(classes):
        rows = matches.order[begin[number]:begin[number + 1]]
        objects = int(((truth.label == number) & ~truth.difficult).sum())
        if not (len(rows) and objects):
            continue
        recall, precision = score.curve(*score.hits(rows, matches, truth, mode, threshold), objects)
        f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-12)
        best = int(np.argmax(f1))
        result[name] = Curve(recall, precision, float(f1[best]), float(found.score[rows[best]]))
    return result


def confusion(found, truth, classes, threshold=0.5, least=SCORE):
    """Which class was taken for which.

    Detections with a score of at least ``least``, the best first, each take the free object of any class that they
    cover most, when the IoU exceeds ``threshold``. Detections on difficult objects do not count.

    Returns:
        (c + 1, c + 1) int64: rows are true classes and background, columns found classes and missed.
    """
    rows = np.flatnonzero(found.score >= least)
    detection, target = overlapping_pairs(bounds_of_polygons(found.polygon[rows]), found.image[rows],
                                          bounds_of_polygons(truth.polygon), truth.image)
    iou = score.polygon_iou(found.polygon[rows], truth.polygon, detection, target)
    near = np.flatnonzero(iou > threshold)
    detection, target, iou = detection[near], target[near], iou[near]
    table = np.zeros((len(classes) + 1, len(classes) + 1), dtype=np.int64)
    taken, placed = np.zeros(len(truth.label), dtype=bool), np.zeros(len(rows), dtype=bool)
    for pair in np.lexsort((target, -iou, detection, -found.score[rows][detection])):
        which, object_ = detection[pair], target[pair]
        if placed[which] or taken[object_]:
            continue
        placed[which] = True
        if not truth.difficult[object_]:
            taken[object_] = True
            table[truth.label[object_], found.label[rows[which]]] += 1
    np.add.at(table, (len(classes), found.label[rows[~placed]]), 1)
    np.add.at(table, (truth.label[~taken & ~truth.difficult], len(classes)), 1)
    return table


def write(folder, figures, found, truth, classes, title):
    """Write ``index.html`` with its pictures, and ``score.json``, to ``folder``.

    Args:
        folder: made when missing.
        figures: of :func:`mtp.submit.score.score`.
        found, truth, classes: see :func:`curves`.
        title: of the page.

    Returns:
        Path of the page.
    """
    lines = curves(found, truth, classes, figures['mode'])
    table = confusion(found, truth, classes)
    write_json(os.path.join(folder, 'score.json'), dict(figures, confusion=table.tolist()))
    page = Page(title, '{} objects of {} classes in {} images, {} detections; counted {}.'.format(
        len(truth.label), len(classes), len(truth.images), len(found.score),
        'as the official evaluation of DOTA does' if figures['mode'] == 'official' else 'as MMRotate does'))
    page.section('Average precision', 'AP50 and AP75 at one IoU, mAP the mean over 0.50, 0.55 ... 0.95; _11 with '
                 'eleven points (VOC 2007), _area under the curve. The last two columns: the largest F1 at IoU 0.5, '
                 'and the score from which detections are kept for it.')
    page.table(('class',) + COLUMNS + ('best F1', 'at score'), _rows(figures, lines))
    page.section('Precision over recall', 'At IoU 0.5.')
    _draw_curves(os.path.join(folder, 'precision-recall.png'), lines, figures['classes'])
    page.figure('precision-recall.png', 'precision over recall of every class with detections')
    page.section('Confusions', 'Rows are true classes, columns what was found in their place, at IoU 0.5 and a score '
                 'of at least {}. The colour is the share of the row.'.format(SCORE))
    _draw_confusion(os.path.join(folder, 'confusion.png'), table, classes)
    page.figure('confusion.png', 'true classes and what they were taken for')
    page.link('score.json', 'all figures as JSON')
    path = os.path.join(folder, 'index.html')
    page.write(path)
    return path


def _rows(figures, lines) -> Tuple:
    rows = []
    for name, values in list(figures['classes'].items()) + [('mean', figures['mean'])]:
        curve = lines.get(name)
        rows.append((name,) + tuple(values.get(column) for column in COLUMNS) +
                    ((curve.best, curve.at) if curve else (None, None)))
    return rows


def _pyplot():
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    return pyplot


def _save(figure, path):
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format='png')
    _pyplot().close(figure)


def _draw_curves(path, lines, figures):
    columns = min(5, max(1, len(lines)))
    height = max(1, -(-len(lines) // columns))
    figure, axes = _pyplot().subplots(height, columns, figsize=(2.6 * columns, 2.4 * height), dpi=110, squeeze=False,
                                      sharex=True, sharey=True)
    for axis in axes.flat[len(lines):]:
        axis.axis('off')
    for axis, (name, curve) in zip(axes.flat, lines.items()):
        keep = np.unique(np.linspace(0, len(curve.recall) - 1, 2000).astype(int))  # more points than a picture shows
        axis.plot(curve.recall[keep], curve.precision[keep], linewidth=1.3)
        axis.set_title('{}  {:.3f}'.format(name, figures[name]['AP50_11']), fontsize=8)
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1.02)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=7)
    _save(figure, path)


def _draw_confusion(path, table, classes):
    shown = np.flatnonzero((table.sum(axis=0) + table.sum(axis=1))[:-1])  # classes that occur at all
    index = np.append(shown, len(classes))
    part = table[np.ix_(index, index)]
    side = max(3.5, 0.42 * len(index) + 1.6)
    figure, axes = _pyplot().subplots(figsize=(side + 0.6, side), dpi=110)
    share = part / np.maximum(part.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap='Blues', vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(part):
        if count:
            axes.text(column, row, str(count), ha='center', va='center', fontsize=6,
                      color='white' if share[row, column] > 0.6 else 'black')
    names = [classes[number] for number in shown]
    axes.set_xticks(range(len(index)))
    axes.set_xticklabels(names + [MISSED], rotation=60, ha='right', fontsize=7)
    axes.set_yticks(range(len(index)))
    axes.set_yticklabels(names + [BACKGROUND], fontsize=7)
    axes.set_xlabel('found', fontsize=8)
    axes.set_ylabel('true', fontsize=8)
    _save(figure, path)
