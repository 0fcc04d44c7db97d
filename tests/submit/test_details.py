"""Sizes, kinds of false detections, super-categories and looks of the scores, on scenes made by hand."""
import numpy as np
import pytest

from mtp.data import catalogue
from mtp.submit import __main__ as command
from mtp.submit import details, score
from mtp.submit.score import Truth
from tests.submit.test_figures import prepared
from tests.submit.test_score import CLASSES


def box(x, y=0, width=20, height=20):
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def judged(truth, found, mode='official', groups=None):
    """Figures of detections (image, label, score, polygon) against objects (image, label, polygon, difficult)."""
    def columns(rows, width):
        return [np.array(column) for column in zip(*rows)] if rows else [np.zeros(0, int)] * width
    image, label, polygon, difficult = columns(truth, 4)
    truth = Truth(('a', 'b'), image, label, np.float64(polygon).reshape(-1, 8), np.asarray(difficult, bool))
    image, label, scores, polygon = columns(found, 4)
    found = score.numbered(truth.images, image, label, scores, polygon, truth)
    matches = score.match(*found, truth, mode)
    figures = score.judge(found, matches, truth, CLASSES, mode)
    details.add(figures, found, matches, truth, CLASSES, groups)
    return figures


@pytest.mark.parametrize('mode', score.MODES)
def test_every_kind_of_false_detection(mode):
    truth = [(0, 0, box(0), False), (0, 1, box(100), False), (0, 0, box(200), True), (1, 0, box(0), False)]
    found = [(0, 0, 0.9, box(0)),      # a hit
             (0, 0, 0.8, box(2)),      # on the same object
             (0, 0, 0.7, box(12)),     # IoU 1/4 with it
             (0, 0, 0.6, box(101)),    # on a ship
             (0, 0, 0.5, box(112)),    # IoU 1/4 with a ship
             (0, 0, 0.4, box(118)),    # IoU 1/19 with a ship
             (0, 0, 0.3, box(201)),    # on a difficult object: does not count
             (1, 1, 0.2, box(0)),      # a ship where there is a plane
             (1, 1, 0.1, box(100))]    # where there is a ship in another image
    figures = judged(truth, found, mode)
    plane, ship = (figures['classes'][name]['false_kinds'] for name in ('plane', 'ship'))
    assert plane == {'duplicate': 1, 'localisation': 1, 'wrong_class': 2, 'background': 1}
    assert ship == {'duplicate': 0, 'localisation': 0, 'wrong_class': 1, 'background': 1}
    assert figures['mean']['false_kinds'] == {'duplicate': 1, 'localisation': 1, 'wrong_class': 3, 'background': 2}
    for name in CLASSES:
        row = figures['classes'][name]
        assert sum(row['false_kinds'].values()) == row['false']


def test_the_first_kind_that_holds():
    """Touching its own class a little and another one wholly is a fault of localisation, as in the source."""
    found = judged([(0, 0, box(0), False), (0, 1, box(16), False)], [(0, 0, 0.9, box(16))])
    assert found['classes']['plane']['false_kinds']['localisation'] == 1


@pytest.mark.parametrize('seed, mode', [(0, 'official'), (1, 'mmrotate')])
def test_kinds_add_up_to_what_is_false(seed, mode):
    given = prepared(seed)
    found, truth = score.numbered(*given), given[-1]
    matches = score.match(*found, truth, mode)
    figures = score.judge(found, matches, truth, CLASSES, mode)
    plain = score.score(*given, CLASSES, mode)
    assert figures == plain
    details.add(figures, found, matches, truth, CLASSES)
    for name, row in figures['classes'].items():
        assert sum(row['false_kinds'].values()) == row['false'], name
        assert sum(size['objects'] for size in row['sizes'].values()) == row['objects']
        assert {key: row[key] for key in plain['classes'][name]} == plain['classes'][name]


def test_sizes_and_their_borders():
    polygons = np.float64([box(0, width=32, height=31.9), box(0, width=32, height=32), box(0, width=96, height=96),
                           box(0, width=96, height=96.1), [16, 0, 40, 24, 24, 40, 0, 16]])
    # The last is 34 x 23 pixels, but its upright bounds are 40 x 40.
    assert [details.SIZES[number] for number in details.size_of(polygons)] == ['small', 'medium', 'medium', 'large',
                                                                               'medium']


def test_precision_by_size():
    truth = [(0, 0, box(0), False), (0, 0, box(100, width=50, height=50), False), (0, 0, box(50), True)]
    found = [(0, 0, 0.9, box(500, width=50, height=50)),   # astray, medium
             (0, 0, 0.8, box(0)),                          # the small one
             (0, 0, 0.7, box(100, width=50, height=45)),   # the medium one
             (0, 0, 0.6, box(100, width=50, height=30))]   # the medium one again
    sizes = judged(truth, found)['classes']['plane']['sizes']
    assert [sizes[name]['objects'] for name in details.SIZES] == [1, 1, 0]
    assert sizes['small']['AP50_area'] == pytest.approx(1)      # no medium one is held against it
    assert sizes['medium']['AP50_area'] == pytest.approx(0.5)   # the one astray is
    assert sizes['large'] == {'objects': 0, 'AP50_11': None, 'AP50_area': None}
    again = judged(truth, found[:2] + found[3:])['classes']['plane']['sizes']
    assert again['medium']['AP50_area'] == pytest.approx(0.5)   # the second takes the place of the first


def test_a_second_detection_counts_for_the_size_of_its_object():
    truth = [(0, 0, box(0, width=33, height=33), False), (0, 0, box(200, width=33, height=33), False)]
    found = [(0, 0, 0.9, box(0, width=33, height=33)), (0, 0, 0.8, box(0, width=33, height=30)),  # itself small
             (0, 0, 0.7, box(200, width=33, height=33))]
    sizes = judged(truth, found)['classes']['plane']['sizes']
    assert sizes['medium']['AP50_area'] == pytest.approx((1 + 2 / 3) / 2)


def test_best_f1():
    truth = [(0, 0, box(0), False), (0, 0, box(100), False)]
    found = [(0, 0, 0.9, box(0)), (0, 0, 0.8, box(300)), (0, 0, 0.7, box(100)), (0, 0, 0.6, box(400))]
    row = judged(truth, found)['classes']['plane']
    assert (row['best_F1'], row['best_F1_score']) == (pytest.approx(0.8), 0.7)
    nothing = judged(truth, [])['classes']
    assert (nothing['plane']['best_F1'], nothing['plane']['best_F1_score']) == (0.0, None)
    assert nothing['ship']['best_F1'] is None


def test_super_categories():
    truth = [(0, 0, box(0), False), (0, 1, box(100), False), (0, 3, box(200), False)]
    found = [(0, 0, 0.9, box(0)), (0, 1, 0.9, box(300)), (0, 1, 0.8, box(100))]
    groups = judged(truth, found, groups={'Movable': ('plane', 'ship'), 'Fixed': ('harbor', 'bridge')})['groups']
    assert groups['Movable']['AP50_area'] == pytest.approx(0.75) and groups['Movable']['classes'] == 2
    assert groups['Fixed']['AP50_area'] == 0  # of harbor there is no object
    assert groups['mean']['AP50_area'] == pytest.approx(0.375) and groups['mean']['classes'] == 2
    assert judged(truth, found)['groups'] == {}


def test_looks_of_the_scores():
    rng = np.random.default_rng(0)
    full = details._scores(rng.random(2000))
    assert not full['rounded'] and full['distinct'] > 1900 and sum(full['histogram']) == 2000
    assert details._scores(np.round(rng.random(2000), 2))['rounded']
    assert details._scores(np.float64([0.5, 1.0]))['histogram'][10:] == [1] + [0] * 8 + [1]


def test_fair1m_is_scored_by_super_category(tmp_path, capsys):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'results').mkdir()
    thing = ('<object><possibleresult><name>{}</name></possibleresult><points>'
             '<point>{},0</point><point>{},0</point>'
             '<point>{},20</point><point>{},20</point><point>{},0</point></points></object>')
    things = thing.format('Small Car', 0, 20, 20, 0, 0) + thing.format('Van', 100, 120, 120, 100, 100)
    (tmp_path / 'labels/7.xml').write_text(f'<annotation><objects>{things}</objects></annotation>')
    (tmp_path / 'results/Task1_Small-Car.txt').write_text('7 0.9 0 0 20 0 20 20 0 20\n')
    assert command.main(['score', str(tmp_path / 'results'), '--dataset', 'fair1m', '--truth',
                         str(tmp_path / 'labels')]) == 0
    rows = [line.split() for line in capsys.readouterr().out.split('\n\n')[-1].splitlines()]
    assert [row[0] for row in rows[1:]] == list(catalogue.get('fair1m').groups) + ['mean']
    assert rows[3][:3] == ['Vehicle', '10', '0.5000'] and rows[1][2] == '-' and rows[-1][2] == '0.5000'
