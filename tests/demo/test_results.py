import copy
import re

from mtp.demo import results, stages
from mtp.demo.driver import Done

GOOD = {
    'about': 'drawn', 'drawn': True, 'stages': [{'title': 'cut', 'runtime': 'native', 'seconds': 1.25, 'note': ''}],
    'pretraining': {'first': 30.0, 'last': 9.0, 'steps': 240, 'curve': 'a.png', 'previews': ['b.png']},
    'targets': [{'title': 'DOTA-v1.0', 'first': 2.0, 'last': 0.5, 'steps': 300, 'curve': 'a.png', 'tiles': 9,
                 'images': 1,
                 'detections': 7, 'map': 0.8, 'remarks': [], 'submission': ['s.zip'], 'pictures': ['b.png'],
                 'classes': [{'name': 'ship', 'truth': 5, 'detections': 7, 'ap': 0.8}]}],
}


def worse(**changes):
    found = copy.deepcopy(GOOD)
    found['targets'][0].update(changes)
    return found


def test_good_results_pass():
    assert results.judge(GOOD) == 0
    assert not [line for line in results.lines('demo', GOOD) if 'NOT GOOD' in line]


def test_a_loss_that_does_not_fall_fails():
    found = copy.deepcopy(GOOD)
    found['pretraining']['last'] = 29.0
    assert results.judge(found) == 1
    assert 'the pretraining loss went from 30.00 to 29.00 only' in results.problems(found)


def test_a_loss_or_score_that_is_no_number_fails():
    found = copy.deepcopy(GOOD)
    found['pretraining']['last'] = float('nan')
    found['targets'][0]['map'] = float('nan')
    assert len(results.problems(found)) == 2


def test_wrong_detections_fail_on_drawn_images_and_not_on_real_ones():
    assert results.judge(worse(map=0.2)) == 1
    assert results.judge(dict(worse(map=0.2), drawn=False)) == 0


def test_the_page_shows_every_picture_and_says_what_falls_short(tmp_path):
    for name in ('a.png', 'b.png'):
        (tmp_path / name).write_bytes(b'png')
    results.write_page(str(tmp_path), worse(map=0.2))
    text = (tmp_path / 'index.html').read_text(encoding='utf-8')
    assert text.count('<img') == 4
    assert 'Falls short: mAP on DOTA-v1.0 is 0.200' in text


def test_the_page_follows_and_shows_what_finished_stages_have_left(tmp_path):
    home = str(tmp_path)
    done = [Done('samples', 'draw', 'native', 1.0, ''), Done('preview', 'pictures', 'native', 2.0, '')]
    for name in ('pretrain/preview/a.png', 'test_dotav1/show/P1.jpg'):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b'')
    results.write_progress(home, done[:1], 21)
    early = (tmp_path / 'index.html').read_text()
    assert '1 of 21 stages' in early and 'http-equiv="refresh" content="5"' in early and '<img' not in early
    results.write_progress(home, done, 21)
    assert re.findall('<img src="([^"]*)"', (tmp_path / 'index.html').read_text()) == ['pretrain/preview/a.png']


def test_every_stage_with_pictures_is_one_of_the_demo():
    names = [stage.name for lanes in stages.groups() for lane in lanes for stage in lane]
    assert {stage for stage, _, _ in results.PICTURES} <= set(names)
