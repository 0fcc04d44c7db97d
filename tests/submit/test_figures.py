"""Curves agree with the figures, confusions with a scene made by hand; the page shows both."""
import json

import numpy as np
import pytest
from PIL import Image

from mtp.boxes import rboxes_to_polygons
from mtp.errors import MTPError
from mtp.submit import __main__ as command
from mtp.submit import details, figures, score
from mtp.submit.score import Truth
from tests.submit.test_score import CLASSES, scene

pytest.importorskip('matplotlib')


def prepared(seed=0):
    truth, image, label, scores, boxes = scene(seed)
    return (truth.images, image, label, scores, rboxes_to_polygons(boxes), truth)


@pytest.mark.parametrize('mode', score.MODES)
def test_curves_are_those_of_the_figures(mode):
    given = prepared()
    judged = score.score(*given, CLASSES, mode)
    found = score.numbered(*given)
    lines = figures.curves(found, score.match(*found, given[-1], mode), given[-1], CLASSES, mode)
    assert list(lines) == ['plane', 'ship']  # of the others there is no object, or no detection
    for name, curve in lines.items():
        assert score.eleven_points(curve.recall, curve.precision) == pytest.approx(judged['classes'][name]['AP50_11'])
        assert curve.recall[-1] == pytest.approx(judged['classes'][name]['recall'])


def test_confusions_by_hand():
    def square(x, side=10):
        return [x, 0, x + side, 0, x + side, side, x, side]
    truth = Truth(('a', 'b'), np.array([0, 0, 0, 1, 0]), np.array([0, 0, 1, 1, 2]),
                  np.float64([square(0), square(20), square(40), square(0), square(80)]),
                  np.array([False, False, False, False, True]))
    found = score.Found(
        image=np.array([0, 0, 0, 0, 0, 0, 1]), label=np.array([0, 1, 0, 1, 0, 2, 1]),
        score=np.array([0.9, 0.8, 0.7, 0.6, 0.1, 0.9, 0.5]),
        # plane on plane, ship on plane, plane again on the first, ship astray, too low a score, on a difficult one,
        # and nothing but a little of the last
        polygon=np.float64([square(1), square(20), square(0), square(60), square(40), square(80), square(7)]))
    table = figures.confusion(found, truth, ('plane', 'ship', 'harbor'))
    assert table.tolist() == [[1, 1, 0, 0], [0, 0, 0, 2], [0, 0, 0, 0], [1, 2, 0, 0]]


def write(folder, given, groups=None):
    found, truth = score.numbered(*given), given[-1]
    matches = score.match(*found, truth, 'official')
    judged = score.judge(found, matches, truth, CLASSES)
    details.add(judged, found, matches, truth, CLASSES, groups)
    return open(figures.write(str(folder), judged, found, matches, truth, CLASSES, 'Test')).read()


def test_the_page(tmp_path):
    page = write(tmp_path, prepared(), {'Ways': ('bridge', 'harbor')})
    for shown in ('precision-recall.png', 'confusion.png', 'false.png', 'scores.png', 'harbor', 'Ways', 'localisation',
                  'medium AP50_11'):
        assert shown in page
    content = json.loads((tmp_path / 'score.json').read_text())
    assert np.array(content['confusion']).shape == (5, 5) and content['mean']['AP50_11'] > 0
    assert content['classes']['plane']['false_kinds']['background'] > 0


def test_nothing_found_and_nothing_true(tmp_path):
    empty = Truth(('a',), np.zeros(0, int), np.zeros(0, int), np.zeros((0, 8)), np.zeros(0, bool))
    page = write(tmp_path, (('a',), [], [], [], np.zeros((0, 8)), empty))
    assert 'Super-categories' not in page


def test_command(tmp_path, capsys):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'results').mkdir()
    (tmp_path / 'labels/P1.txt').write_text('0 0 20 0 20 10 0 10 plane 0\n')
    (tmp_path / 'results/Task1_ship.txt').write_text('P1 0.9 0 0 20 0 20 10 0 10\nP1 0.8 90 0 99 0 99 9 90 9\n')
    words = ['score', str(tmp_path / 'results'), '--dataset', 'dotav1', '--truth', str(tmp_path / 'labels'), '--page',
             str(tmp_path / 'page')]
    assert command.main(words) == 0
    assert capsys.readouterr().out.strip().endswith('index.html')
    (tmp_path / 'images').mkdir()
    with pytest.raises(MTPError, match='no image'):
        command.main(words + ['--images', str(tmp_path / 'images')])
    Image.new('L', (30, 30)).save(str(tmp_path / 'images/P2.png'))
    with pytest.raises(MTPError, match='1 of 1 images are not in .*P1'):
        command.main(words + ['--images', str(tmp_path / 'images')])
    Image.new('L', (30, 30)).save(str(tmp_path / 'images/P1.png'))
    assert command.main(words + ['--images', str(tmp_path / 'images')]) == 0
    assert '1 of 2 detections lie wholly outside their image' in capsys.readouterr().out
    assert '1 detections lie wholly outside' in (tmp_path / 'page/index.html').read_text()
    table = np.array(json.loads((tmp_path / 'page/score.json').read_text())['confusion'])
    assert table.sum() == 2
