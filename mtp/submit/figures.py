"""Pictures and a page of a score: precision over recall, sizes, false detections, and which class was taken for which.
"""
import os
from types import ModuleType
from typing import TYPE_CHECKING, Any, Dict, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from mtp.boxes import bounds_of_polygons, overlapping_pairs
from mtp.files import atomic_path, write_json
from mtp.report.page import Page

from . import details, score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ('objects', 'difficult', 'detections', 'hits', 'false', 'recall', 'AP50_11', 'AP50_area', 'AP75_11',
           'mAP_11', 'mAP_area')
#: Detections below this score are left out of the table of confusions, as a user of the detections would.
SCORE = 0.3
_Rows = Tuple[Tuple[Any, ...], ...]  # name, then numbers
BACKGROUND, MISSED = 'background', 'missed'


class Curve(NamedTuple):
    """Precision over recall of one class.

    Attributes:
        recall, precision: (n,) after each detection, by falling score.
    """
    recall: np.ndarray
    precision: np.ndarray


def curves(found: score.Found, matches: score.Matches, truth: score.Truth, classes: Sequence[str],
           mode: str = 'official', threshold: float = 0.5) -> Dict[str, Curve]:
    """:class:`Curve` of every class that has an object and a detection.

    Args:
        found: columns image, label, score, polygon, as :func:`mtp.submit.score.numbered` makes them.
        matches: of :func:`mtp.submit.score.match`.
        truth: :class:`~mtp.submit.score.Truth`.
        classes: names.
        mode: one of :data:`mtp.submit.score.MODES`.
        threshold: IoU of a hit.
    """
    begin = np.searchsorted(found.label[matches.order], np.arange(len(classes) + 1))
    result = {}
    for number, name in enumerate(classes):
        rows = matches.order[begin[number]:begin[number + 1]]
        objects = int(((truth.label == number) & ~truth.difficult).sum())
        if not (len(rows) and objects):
            continue
        result[name] = Curve(*score.curve(*score.hits(rows, matches, truth, mode, threshold), objects))
    return result


def confusion(found: score.Found, truth: score.Truth, classes: Sequence[str], threshold: float = 0.5,
              least: float = SCORE) -> np.ndarray:
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


def write(folder: str, figures: Mapping[str, Any], found: score.Found, matches: score.Matches, truth: score.Truth,
          classes: Sequence[str], title: str) -> str:
    """Write ``index.html`` with its pictures, and ``score.json``, to ``folder``.

    Args:
        folder: made when missing.
        figures: of :func:`mtp.submit.score.judge`, with what :func:`mtp.submit.details.add` adds.
        found, matches, truth, classes: see :func:`curves`.
        title: of the page.

    Returns:
        Path of the page.
    """
    lines = curves(found, matches, truth, classes, figures['mode'])
    table = confusion(found, truth, classes)
    write_json(os.path.join(folder, 'score.json'), dict(figures, confusion=table.tolist()))
    page = Page(title, '{} objects of {} classes in {} images, {} detections; counted {}.'.format(
        len(truth.label), len(classes), len(truth.images), len(found.score),
        'as the official evaluation of DOTA does' if figures['mode'] == 'official' else 'as MMRotate does'))
    page.section('Average precision', 'AP50 and AP75 at one IoU, mAP the mean over 0.50, 0.55 ... 0.95; _11 with '
                 'eleven points (VOC 2007), _area under the curve. The last two columns: the largest F1 at IoU 0.5, '
                 'and the score from which detections are kept for it.')
    page.table(('class',) + COLUMNS + ('best F1', 'at score'), _rows(figures, COLUMNS + ('best_F1', 'best_F1_score')))
    if figures['groups']:
        page.section('Super-categories', 'Means over the classes of each that have an object, and of these means.')
        page.table(('super-category', 'classes') + score.MEANT, group_rows(figures))
    page.section('Precision over recall', 'At IoU 0.5.')
    _draw_curves(os.path.join(folder, 'precision-recall.png'), lines, figures['classes'])
    page.figure('precision-recall.png', 'precision over recall of every class with detections')
    _explain(folder, page, figures)
    page.section('Confusions', 'Rows are true classes, columns what was found in their place, at IoU 0.5 and a score '
                 f'of at least {SCORE}. The colour is the share of the row.')
    _draw_confusion(os.path.join(folder, 'confusion.png'), table, classes)
    page.figure('confusion.png', 'true classes and what they were taken for')
    page.link('score.json', 'all figures as JSON')
    _walk(folder, page)
    path = os.path.join(folder, 'index.html')
    page.write(path)
    return path


def _walk(folder: str, page: Page) -> None:
    """How to see every image with its mistakes: a link to the page of ``make browse`` when that lies here."""
    page.section('Every image', 'Truth, what was found and the mistakes over each image in full resolution.')
    if os.path.isfile(os.path.join(folder, 'browse', 'index.html')):
        page.link('browse/index.html', 'walk through all images')
    else:
        page.command(f'make browse RUN=folder of the results OUT={folder}/browse')


def _explain(folder: str, page: Page, figures: Mapping[str, Any]) -> None:
    """Sections and pictures of what :mod:`mtp.submit.details` says."""
    page.section('By size of object', 'By the area of the upright bounds: small below 32 x 32 pixels, large above '
                 '96 x 96. Where objects of one size are asked for, those of the others neither count nor are counted '
                 'against.')
    page.table(('class',) + tuple(f'{size} {key}' for size in details.SIZES for key in
                                  ('objects', 'AP50_11', 'AP50_area')), size_rows(figures))
    page.section('False detections', 'At IoU 0.5, the first that holds. Duplicate: the object was found already, with '
                 'a better score. Localisation: IoU from {0} to 0.5 with an object of its class. Wrong class: IoU of '
                 'at least {0} with an object of another class. Background: anything else.'.format(details.TOUCHED))
    page.table(('class', 'hits') + details.KINDS, kind_rows(figures))
    _draw_kinds(os.path.join(folder, 'false.png'), figures['classes'])
    page.figure('false.png', 'hits and kinds of false detections')
    looks = figures['scores']
    said = '{} different ones.{}'.format(looks['distinct'], ' ' + ROUNDED if looks['rounded'] else '')
    if 'outside' in looks:
        said += ' {} detections lie wholly outside their image.'.format(looks['outside'])
    page.section('Scores', said)
    _draw_scores(os.path.join(folder, 'scores.png'), looks['histogram'])
    page.figure('scores.png', 'how many detections have which score')


ROUNDED = 'So few for so many detections: were they rounded? That changes their order, and the precision with it.'


def _entries(figures: Mapping[str, Any]) -> Tuple[Tuple[str, Dict[str, Any]], ...]:
    return tuple(figures['classes'].items()) + (('mean', figures['mean']),)


def _rows(figures: Mapping[str, Any], columns: Sequence[str]) -> _Rows:
    return tuple((name,) + tuple(values.get(column) for column in columns) for name, values in _entries(figures))


def group_rows(figures: Mapping[str, Any]) -> _Rows:
    """Super-category, number of classes, means."""
    return tuple((name, values['classes']) + tuple(values[key] for key in score.MEANT)
                 for name, values in figures['groups'].items())


def size_rows(figures: Mapping[str, Any]) -> _Rows:
    """Class, then for each size its objects and precisions; the last row has sums and means."""
    return tuple((name,) + tuple(values['sizes'][size][key] for size in details.SIZES
                                 for key in ('objects', 'AP50_11', 'AP50_area'))
                 for name, values in _entries(figures))


def kind_rows(figures: Mapping[str, Any]) -> _Rows:
    """Class, hits, then the number of false detections of each kind; the last row has sums."""
    hits = sum(values['hits'] for values in figures['classes'].values())
    rows = [(name, values.get('hits', hits)) + tuple(values['false_kinds'][kind] for kind in details.KINDS)
            for name, values in _entries(figures)]
    return tuple(rows[:-1]) + (('all',) + rows[-1][1:],)


def _pyplot() -> ModuleType:
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    return pyplot


def _save(figure: 'Figure', path: str) -> None:
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format='png')
    _pyplot().close(figure)


def _draw_curves(path: str, lines: Mapping[str, Curve], figures: Mapping[str, Mapping[str, Any]]) -> None:
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


def _draw_kinds(path: str, table: Mapping[str, Mapping[str, Any]]) -> None:
    """A bar for every class with detections: hits, then each kind of false detection, as shares."""
    shown = {name: [row['hits']] + [row['false_kinds'][kind] for kind in details.KINDS]
             for name, row in table.items() if row['detections']}
    counts = np.array(list(shown.values()), dtype=np.float64).reshape(-1, 1 + len(details.KINDS))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _pyplot().subplots(figsize=(7, 0.24 * len(shown) + 1.4), dpi=110)
    place, colours = np.arange(len(shown)), ('tab:green', 'tab:blue', 'tab:orange', 'tab:purple', 'tab:gray')
    for number, (what, colour) in enumerate(zip(('hit',) + details.KINDS, colours)):
        axes.barh(place, share[:, number], left=share[:, :number].sum(axis=1), color=colour, label=what)
    axes.set_yticks(place)
    axes.set_yticklabels(list(shown), fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel('share of the detections', fontsize=8)
    axes.legend(fontsize=7, ncol=5, loc='lower center', bbox_to_anchor=(0.5, 1.0), frameon=False)
    _save(figure, path)


def _draw_scores(path: str, histogram: Sequence[int]) -> None:
    figure, axes = _pyplot().subplots(figsize=(5, 2.4), dpi=110)
    width = 1 / len(histogram)
    axes.bar((np.arange(len(histogram)) + 0.5) * width, histogram, width=0.9 * width)
    axes.set_xlim(0, 1)
    axes.set_xlabel('score', fontsize=8)
    axes.set_ylabel('detections', fontsize=8)
    axes.tick_params(labelsize=7)
    _save(figure, path)


def _draw_confusion(path: str, table: np.ndarray, classes: Sequence[str]) -> None:
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
