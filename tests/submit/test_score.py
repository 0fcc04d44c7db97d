"""Average precision equals MMRotate's and a plain loop over DOTA's rules."""
import json
import multiprocessing.dummy
import os
import sys
import unicodedata

import numpy as np
import pytest

from mtp.boxes import min_area_rboxes, rboxes_to_polygons
from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.submit import __main__ as command
from mtp.submit.score import Truth, area_under, eleven_points, polygon_iou, read_truth, score

CLASSES = ('plane', 'ship', 'harbor', 'bridge')


def scene(seed=0, images=6, objects=120, false=60, difficult=0.2):
    """Truth and detections near it; the last class has objects without detections, 'harbor' detections only."""
    rng = np.random.default_rng(seed)

    def boxes(n):
        return np.column_stack([rng.uniform(0, 300, (n, 2)), rng.uniform(25, 80, n), rng.uniform(8, 25, n),
                                rng.uniform(-1.5, 1.5, n)])
    box, image, label = boxes(objects), rng.integers(0, images, objects), rng.choice([0, 1, 3], objects)
    truth = Truth(tuple('P%d' % i for i in range(images)), image, label, rboxes_to_polygons(box),
                  rng.random(objects) < difficult)
    found = label != 3
    copies = np.concatenate([np.flatnonzero(found), np.flatnonzero(found & (rng.random(objects) < 0.5))])
    near = box[copies] + rng.normal(0, 1, (len(copies), 5)) * [3, 2, 4, 2, 0.06]
    detection = np.concatenate([near, boxes(false)])
    d_image = np.concatenate([image[copies], rng.integers(0, images, false)])
    d_label = np.concatenate([label[copies], rng.choice([0, 1, 2], false)])
    scores = (rng.permutation(len(detection)) + 1.0) / (len(detection) + 1)
    return truth, d_image, d_label, scores, detection


def run(truth, image, label, scores, boxes, **options):
    return score(truth.images, image, label, scores, rboxes_to_polygons(boxes), truth, CLASSES, **options)


@pytest.fixture
def theirs(monkeypatch):
    """``eval_rbbox_map`` of either generation."""
    for name in ('mmrotate.evaluation.functional', 'mmrotate.core.evaluation'):
        try:
            function = __import__(name, fromlist=['eval_rbbox_map']).eval_rbbox_map
        except ImportError:
            continue
        # It makes a new pool of processes in each call; threads do here.
        monkeypatch.setattr(sys.modules[function.__module__], 'get_context', lambda _: multiprocessing.dummy)
        return function
    pytest.skip('no MMRotate here')


def same_as_theirs(theirs, truth, image, label, scores, boxes, threshold):
    """Ours, after a comparison of every class with what they say."""
    detections, annotations = [], []
    fitted = min_area_rboxes(truth.polygon).astype(np.float32)
    for number in range(len(truth.images)):
        rows = np.column_stack([boxes, scores]).astype(np.float32)[image == number]
        detections.append([rows[label[image == number] == c] for c in range(len(CLASSES))])
        mine, hard = truth.image == number, truth.difficult
        annotations.append(dict(bboxes=fitted[mine & ~hard], labels=truth.label[mine & ~hard],
                                bboxes_ignore=fitted[mine & hard], labels_ignore=truth.label[mine & hard]))
    ours = run(truth, image, label, scores, boxes, mode='mmrotate', thresholds=(threshold,))
    for eleven, key in ((True, 'AP50_11'), (False, 'AP50_area')):
        mean, rows = theirs(detections, annotations, iou_thr=threshold, use_07_metric=eleven, dataset=CLASSES,
                            logger='silent', nproc=1)
        for name, row in zip(CLASSES, rows):
            assert ours['classes'][name]['objects'] == row['num_gts']
            assert ours['classes'][name]['detections'] == row['num_dets']
            if row['num_gts']:
                assert ours['classes'][name][key] == pytest.approx(float(row['ap']), abs=1e-5)
        assert (ours['mean'][key] or 0) == pytest.approx(mean, abs=1e-5)
    return ours


@pytest.mark.parametrize('seed, threshold', [(0, 0.5), (1, 0.75), (2, 0.5)])
def test_equals_mmrotate(seed, threshold, theirs):
    ours = same_as_theirs(theirs, *scene(seed), threshold)
    assert 0.05 < ours['mean']['AP50_11'] < 0.95


@pytest.mark.parametrize('case', ['no truth', 'no detection', 'all difficult', 'ties', 'a hit at the threshold'])
def test_equals_mmrotate_by_hand(case, theirs):
    square = np.float64([5, 5, 10, 10, 0])
    boxes = np.stack([square + [x, 0, 0, 0, 0] for x in (0, 0.5, 40, 3, 80)])
    truth = Truth(('a', 'b'), np.array([0, 0, 1]), np.array([0, 0, 0]),
                  rboxes_to_polygons(np.stack([square, square + [40, 0, 0, 0, 0], square])),
                  np.array([case == 'all difficult'] * 3))
    scores = np.full(5, 0.5) if case == 'ties' else np.linspace(0.9, 0.1, 5)
    if case == 'no truth':
        truth = Truth(truth.images, *(column[:0] for column in truth[1:]))
    if case == 'a hit at the threshold':
        boxes[0] = [2.5, 5, 5, 10, 0]  # half of the object, in numbers that float32 holds
    keep = slice(0, 0 if case == 'no detection' else None)
    image, label = np.array([0, 0, 0, 1, 1]), np.zeros(5, int)
    ours = same_as_theirs(theirs, truth, image[keep], label[keep], scores[keep], boxes[keep], 0.5)['classes']['plane']
    expected = {'no truth': (0, 0), 'no detection': (3, 0), 'all difficult': (0, 0), 'ties': (3, 3),
                'a hit at the threshold': (3, 3)}
    assert (ours['objects'], ours['hits']) == expected[case]


def plain_official(truth, image, label, scores, boxes, wanted, threshold=0.5):
    """DOTA's rules for one class, one detection at a time: recall and precision."""
    taken, hit, false = set(), [], []
    polygons = rboxes_to_polygons(boxes)
    rows = np.flatnonzero(label == wanted)
    for row in rows[np.argsort(-scores[rows])]:
        objects = np.flatnonzero((truth.image == image[row]) & (truth.label == wanted))
        iou = polygon_iou(polygons, truth.polygon, np.full(len(objects), row), objects)
        good = len(objects) > 0 and iou.max() > threshold
        best = objects[int(np.argmax(iou))] if good else None
        if good and truth.difficult[best]:
            hit.append(0), false.append(0)
        else:
            hit.append(int(good and best not in taken)), false.append(int(not (good and best not in taken)))
            taken.add(best)
    count = (~truth.difficult & (truth.label == wanted)).sum()
    hit, false = np.cumsum(hit), np.cumsum(false)
    return hit / count, hit / np.maximum(hit + false, 1e-9)


@pytest.mark.parametrize('seed', range(3))
def test_equals_a_plain_loop_over_the_official_rules(seed):
    arguments = scene(seed)
    found = run(*arguments)
    for wanted in (0, 1):
        recall, precision = plain_official(*arguments, wanted=wanted)
        row = found['classes'][CLASSES[wanted]]
        assert row['AP50_11'] == pytest.approx(eleven_points(recall, precision), abs=1e-12)
        assert row['AP50_area'] == pytest.approx(area_under(recall, precision), abs=1e-12)
        assert row['recall'] == pytest.approx(recall[-1])
    assert found['classes']['harbor']['AP50_11'] is None and found['classes']['harbor']['false'] > 0
    assert found['classes']['bridge']['AP50_11'] == 0 == found['classes']['bridge']['recall']
    values = [found['classes'][name]['AP50_11'] for name in ('plane', 'ship', 'bridge')]
    assert found['mean']['AP50_11'] == pytest.approx(np.mean(values))


def hand_made(detections, difficult=False):
    """One square of 10 x 10 as truth; detections as (x shift, score)."""
    truth = Truth(('a', 'b'), np.array([0]), np.array([0]), np.float64([[0, 0, 10, 0, 10, 10, 0, 10]]),
                  np.array([difficult]))
    boxes = np.float64([[5 + x, 5, 10, 10, 0] for x, _ in detections]).reshape(-1, 5)
    zeros, scores = np.zeros(len(boxes), int), np.float64([s for _, s in detections])
    return run(truth, zeros, zeros, scores, boxes)['classes']['plane']


def test_hand_made_cases():
    assert hand_made([(0, 0.9)])['AP50_11'] == pytest.approx(1)
    assert hand_made([(0, 0.9), (0, 0.8)])['hits'] == 1  # the second is a duplicate
    assert hand_made([(0, 0.9), (0, 0.8)])['false'] == 1
    assert hand_made([(50, 0.9), (0, 0.8)])['AP50_area'] == pytest.approx(0.5)
    assert hand_made([])['AP50_11'] == 0
    hard = hand_made([(0, 0.9), (1, 0.8), (50, 0.1)], difficult=True)
    assert (hard['objects'], hard['difficult'], hard['hits'], hard['false'], hard['AP50_11']) == (0, 1, 0, 1, None)
    assert hand_made([(0, 0.5), (50, 0.5)])['AP50_area'] == pytest.approx(1)  # equal scores: input order
    assert hand_made([(50, 0.5), (0, 0.5)])['AP50_area'] == pytest.approx(0.5)


def test_a_hit_must_exceed_the_threshold_only_in_the_official_way():
    truth = Truth(('a',), np.array([0]), np.array([0]), np.float64([[0, 0, 16, 0, 16, 8, 0, 8]]), np.array([False]))
    half = np.float64([[4, 4, 8, 8, 0]])  # IoU exactly 1/2
    one = (np.zeros(1, int), np.zeros(1, int), np.ones(1), half)
    assert run(truth, *one)['classes']['plane']['hits'] == 0
    assert run(truth, *one, mode='mmrotate')['classes']['plane']['hits'] == 1


def test_thresholds_fall(tmp_path):
    found = run(*scene())
    row = found['classes']['plane']
    assert row['AP50_11'] > row['AP75_11'] > 0 and row['AP50_11'] > row['mAP_11'] > 0
    json.dumps(found)


def test_bad_input():
    truth, *rest = scene()
    with pytest.raises(MTPError, match="'Q'"):
        score(('Q',) * 6, *rest[:3], rboxes_to_polygons(rest[3]), truth, CLASSES)
    with pytest.raises(MTPError, match='way to score'):
        run(truth, *rest, mode='other')


def test_command(tmp_path, capsys):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'results').mkdir()
    (tmp_path / 'labels/P1.txt').write_text('gsd:null\n0 0 20 0 20 10 0 10 plane 0\n50 0 70 0 70 10 50 10 ship 1\n')
    (tmp_path / 'labels/P2.txt').write_text('')
    (tmp_path / 'results/Task1_plane.txt').write_text('P1 0.9 0 0 20 0 20 10 0 10\nP2 0.95 0 0 20 0 20 10 0 10\n')
    (tmp_path / 'results/Task1_ship.txt').write_text('P1 0.9 50 0 70 0 70 10 50 10\n')
    assert command.main(['score', str(tmp_path / 'results'), '--dataset', 'dotav1', '--truth', str(tmp_path / 'labels'),
                         '--json', str(tmp_path / 'score.json')]) == 0
    table, sizes, kinds = (part.splitlines() for part in capsys.readouterr().out.split('\n\n'))
    assert len(table) == len(sizes) == len(kinds) == len(catalogue.get('dotav1').classes) + 2
    assert sizes[1].split()[:3] == ['plane', '1', '0.5000'] and kinds[1].split() == ['plane', '1', '0', '0', '0', '1']
    assert table[1].split()[:7] == ['plane', '1', '0', '2', '1', '1', '1.0000'] and table[-1].startswith('mean')
    figures = json.loads((tmp_path / 'score.json').read_text())
    assert figures['classes']['plane']['AP50_area'] == pytest.approx(0.5)
    assert figures['classes']['ship']['AP50_11'] is None and figures['mean']['AP50_area'] == pytest.approx(0.5)
    with pytest.raises(MTPError, match='label file'):
        read_truth(str(tmp_path / 'results/none'), 'dotav1')


SAMPLE = os.path.join(os.path.dirname(__file__), '../../../shared/data')


@pytest.mark.skipif(not os.path.isdir(SAMPLE), reason='the real samples are not here')
def test_real_truth_finds_itself():
    for dataset, folder, count in [('dotav1', 'dota/DOTA_devkit/labelTxt', 762),
                                   ('diorr', 'dior/Annotations/Oriented Bounding Boxes', 1)]:
        truth = read_truth(os.path.join(SAMPLE, folder), dataset)
        assert len(truth.label) == count
        for mode in ('official', 'mmrotate'):
            figures = score(truth.images, truth.image, truth.label, np.ones(count), truth.polygon, truth,
                            catalogue.get(dataset).classes, mode)
            assert figures['mean']['AP50_11'] == pytest.approx(1)
            assert sum(row['hits'] for row in figures['classes'].values()) == (~truth.difficult).sum()


def test_a_list_names_the_images(tmp_path):
    for name in ('a', 'b'):
        (tmp_path / (name + '.txt')).write_text('0 0 9 0 9 9 0 9 ship 0\n')
    assert read_truth(str(tmp_path), 'dotav2', ['b']).images == ('b',)
    with pytest.raises(MTPError, match='c.txt'):
        read_truth(str(tmp_path), 'dotav2', ['c'])


@pytest.mark.parametrize('of_label, of_result', [('NFD', 'NFC'), ('NFC', 'NFD')])
def test_truth_and_results_meet_whatever_the_unicode_form_of_a_name(tmp_path, of_label, of_result):
    name = 'Orléans'
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'results').mkdir()
    (tmp_path / 'labels' / (unicodedata.normalize(of_label, name) + '.txt')).write_text('0 0 9 0 9 9 0 9 plane 0\n')
    (tmp_path / 'results/Task1_plane.txt').write_text(
        unicodedata.normalize(of_result, name) + ' 0.9 0 0 9 0 9 9 0 9\n')
    (tmp_path / 'list.txt').write_text(unicodedata.normalize(of_result, name) + '\n')
    for more in ([], ['--list', str(tmp_path / 'list.txt')]):
        assert command.main(['score', str(tmp_path / 'results'), '--dataset', 'dotav1', '--truth',
                             str(tmp_path / 'labels'), '--json', str(tmp_path / 'score.json')] + more) == 0
        assert json.loads((tmp_path / 'score.json').read_text())['classes']['plane']['hits'] == 1
