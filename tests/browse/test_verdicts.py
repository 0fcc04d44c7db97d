"""Each kind of verdict on a detection made for it, and the counts are those of the scorer."""
import numpy as np
import pytest

from mtp.browse import masks, verdicts
from mtp.submit import details, score
from tests.browse import drawn

CLASSES = drawn.classes()


def columns(rows):
    return (np.zeros(len(rows), np.int64), np.array([CLASSES.index(row[0]) for row in rows]),
            np.array([drawn.corners(*row[1:3]) for row in rows], dtype=np.float64))


def both():
    image, label, polygon = columns(drawn.FOUND)
    found = score.Found(image, label, np.array([row[3] for row in drawn.FOUND]), polygon)
    image, label, polygon = columns(drawn.TRUE)
    return found, score.Truth(('a',), image, label, polygon, np.array([row[3] for row in drawn.TRUE]) > 0)


@pytest.mark.parametrize('mode', score.MODES)
def test_each_detection_is_what_it_was_made_for(mode):
    found, truth = both()
    said = verdicts.judge(found, truth, np.array([True]), mode)
    assert [verdicts.CODES[code] for code in said.code] == [row[4] for row in drawn.FOUND]
    assert said.hit_by.tolist() == [0, -1, 4, -1]
    judged = score.judge(found, score.match(*found, truth, mode), truth, CLASSES, mode)
    assert sum(row['hits'] for row in judged['classes'].values()) == (said.code == verdicts.HIT).sum()


def test_a_score_changes_nothing_above_it():
    rng = np.random.default_rng(1)
    image, label = rng.integers(0, 3, 400), rng.integers(0, 3, 400)
    middle = rng.uniform(0, 200, (400, 2))
    found = score.Found(image, label, rng.random(400), np.array([drawn.corners(x, y) for x, y in middle]))
    truth = score.Truth(('a', 'b', 'c'), image[:100], label[:100], found.polygon[:100] + rng.normal(0, 4, (100, 1)),
                        rng.random(100) < 0.2)
    known = np.array([True, True, False])
    whole = verdicts.judge(found, truth, known, 'official')
    kept = found.score >= 0.5
    part = verdicts.judge(score.Found(*(column[kept] for column in found)), truth, known, 'official')
    assert (whole.code[kept] == part.code).all() and set(whole.code) > {verdicts.HIT, verdicts.UNJUDGED}
    assert ((whole.hit_by >= 0) & (found.score[whole.hit_by] >= 0.5) == (part.hit_by >= 0)).all()


def test_kinds_are_those_of_the_scorer():
    assert verdicts.CODES == ('unjudged', 'hit', 'duplicate', 'localisation', 'wrong_class', 'background', 'ignored')
    assert verdicts.CODES[2:-1] == details.KINDS


def test_regions_of_masks_are_connected_mistakes_of_one_kind():
    found, truth = np.ones((100, 100), np.uint8), np.ones((100, 100), np.uint8)
    found[10:20, 10:30], truth[60:90, 60:90], truth[0, :] = 2, 3, 0
    said = masks.judge(found, truth)
    assert said['regions'] == [[60, 60, 30, 30, 900, 1, 3], [10, 10, 20, 10, 200, 2, 1]]
    assert sum(row[2] for row in said['pixels']) == 10000 and [1, 0, 100] in said['pixels']
