import json

import pytest

from mtp.reproduce import judge

ENV, CONFIG = 'mmrotate1', 'configs/mmrotate1/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior.py'


@pytest.fixture
def folders(tmp_path):
    train, test = tmp_path / 'run', tmp_path / 'run' / 'predict'
    for number, stamp in enumerate(('a', 'b')):  # begun, and gone on with
        (train / stamp / 'vis_data').mkdir(parents=True)
        lines = [dict(step=step, loss=4. / step) for step in range(1 + 3 * number, 6 + 3 * number)]
        text = '\n'.join(map(json.dumps, lines + [{'coco/bbox_mAP_50': 0.5, 'step': 1}]))
        (train / stamp / 'vis_data' / 'scalars.json').write_text(text + '\n')
    test.mkdir()
    (train / 'passport.json').write_text(json.dumps(dict(
        config=dict(recipe='released_code'), code=dict(commit='abc'), environment={}, metrics=None)))
    return train, test


def judged(folders, ap, *words):
    train, test = folders
    (test / 'passport-test.json').write_text(json.dumps(dict(metrics={'coco/bbox_mAP_50': ap} if ap else None)))
    code = judge.main([ENV, CONFIG, '--train', str(train), '--test', str(test), *words])
    return code, json.loads((train / 'reproduction.json').read_text())


def test_a_reproduced_number(folders, capsys):
    code, found = judged(folders, 0.815)
    assert code == 0 and found['verdict'] == 'reproduced' and found['value'] == pytest.approx(81.5)
    said = capsys.readouterr().out
    assert 'AP50 81.50, published 81.70 (tolerance 0.6): reproduced' in said and 'REHEARSAL' not in said
    page = (folders[0] / 'reproduction.html').read_text()
    assert 'released_code' in page and 'loss.png' in page
    assert 'Horizontal_Detection/logs/dior/rvsa-l-mae-mtp.json' in page
    assert (folders[0] / 'loss.png').stat().st_size > 10000


def test_what_is_not_for_the_record_is_said_below_the_verdict_and_on_the_page(folders, capsys, monkeypatch):
    judged(folders, 0.815)
    assert 'for the record' not in capsys.readouterr().out + (folders[0] / 'reproduction.html').read_text()
    monkeypatch.setattr('tests.reproduce.test_judge.ENV', 'mmrotate12')
    monkeypatch.setenv('MTP_ENV', 'mmrotate12')
    judged(folders, 0.815)
    assert '\nnot for the record: mmrotate12 ' in capsys.readouterr().out
    assert '<strong>not for the record: mmrotate12 ' in (folders[0] / 'reproduction.html').read_text()


def test_losses_of_a_resumed_run_are_joined(folders):
    steps, losses = judge.losses(str(folders[0]))
    assert steps == tuple(range(1, 9)) and losses[0] == 4.


def test_a_number_below_is_a_failure(folders):
    code, found = judged(folders, 0.7)
    assert code == 1 and found['verdict'] == 'below what was published'


def test_a_rehearsal_judges_only_that_a_figure_has_come(folders, capsys):
    code, found = judged(folders, 0.01, '--rehearsal')
    assert code == 0 and found['verdict'] is None and 'REHEARSAL' in capsys.readouterr().out
    assert judged(folders, None, '--rehearsal')[0] == 1


def test_where_nothing_was_found_it_is_said_and_counts_as_zero(folders, capsys):
    train, test = folders
    (test / 'passport-test.json').write_text(json.dumps(dict(metrics={'changed/Fscore': None, 'mIoU': 48.})))
    words = [ENV, 'configs/mmrotate1/whu/rvsa-b-unet-256-mae-mtp_whu.py', '--train', str(train), '--test', str(test)]
    sentence = 'nothing was found in the images of the test, so F1 is not a number (0 / 0) and counts as 0'
    assert judge.main(words + ['--rehearsal']) == 0 and sentence in capsys.readouterr().out
    assert judge.main(words) == 1 and 'F1 0.00, published' in capsys.readouterr().out
    assert sentence in (train / 'reproduction.html').read_text()


def test_the_older_generation_numbers_steps_by_epoch(tmp_path):
    lines = [dict(mode='train', epoch=epoch, iter=step, loss=epoch + step) for epoch in (1, 2) for step in (1, 2)]
    (tmp_path / 'x.log.json').write_text('\n'.join(map(json.dumps, lines + [dict(mode='val', mAP=0.1)])))
    assert judge.losses(str(tmp_path)) == ((1, 2, 3, 4), (2, 3, 3, 4))


@pytest.mark.parametrize('batch, said', [
    (dict(found=1, published=4), True), (dict(found=4, published=4), False), (dict(found=4, published=None), False)])
def test_another_batch_than_the_published_one_is_said_in_the_verdict(folders, capsys, batch, said):
    passport = json.loads((folders[0] / 'passport.json').read_text())
    passport['config']['images_per_update'] = batch
    (folders[0] / 'passport.json').write_text(json.dumps(passport))
    judged(folders, 0.815)
    sentence = 'trained with 1 images per update, published with 4'
    assert (sentence in capsys.readouterr().out) == (sentence in (folders[0] / 'reproduction.html').read_text()) == said
