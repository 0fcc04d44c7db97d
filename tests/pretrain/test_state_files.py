"""What a run keeps beside its checkpoints, after damage: named, left out, and never a traceback."""
import json

import pytest

from mtp import sealed
from mtp.pretrain.engine import logger_hook, summary, validator

LINES = [dict(step=step, loss=1.5 / step, skipped=0, images_per_second=2.0, data_wait=0.1, memory=5)
         for step in (1, 2, 3)]
# As a fuzzer left one: numbers run into words, bytes that are no text.
MUTATED = b'{"step": 1, "mce": 3.8676NaNlr": 0.001, "is/sota/loss_ce": 2.180\xff\x7f\x00\x00 "x": 3.8}\n'


def write(path, *extra):
    path.write_bytes(b''.join(extra) + ''.join(map(sealed.line, LINES)).encode())


def test_a_damaged_line_of_the_log_is_left_out_and_said_once(tmp_path, capsys):
    write(tmp_path / 'log.jsonl', MUTATED)
    logger_hook.forget(str(tmp_path / 'log.jsonl'), 2)
    assert 'log.jsonl: 1 damaged line is left out, the first is line 1' in capsys.readouterr().err
    assert logger_hook.read(str(tmp_path / 'log.jsonl')) == LINES[:2] and not capsys.readouterr().err


@pytest.mark.parametrize('text', [b'', MUTATED, b'[1]\n{"step": "x"}\n5\nnull\n', b'\x00' * 300])
def test_a_log_without_a_whole_line_still_gives_a_page(tmp_path, text):
    (tmp_path / 'log.jsonl').write_bytes(text)
    config = dict(backbone='b', tasks=['rd'], datasets=['sota'], image_size=64, end_iter=3)
    page = summary.write(str(tmp_path), config)
    assert 'The log has been lost' in open(page).read()
    write(tmp_path / 'log.jsonl')
    assert 'Step 3 of 3' in open(summary.write(str(tmp_path), config)).read()


def test_a_damaged_score_is_left_out_and_the_others_stay(tmp_path, capsys):
    path, records = tmp_path / 'validation.json', [dict(step=step, scores=dict(mean=10.0 * step)) for step in (1, 2)]
    sealed.write_list(str(path), records)
    assert validator.read(str(path)) == records and [item['step'] for item in json.loads(path.read_text())] == [1, 2]
    path.write_bytes(path.read_bytes().replace(b'20.0', b'90.0'))
    assert validator.read(str(path)) == records[:1] and '1 damaged record is left out' in capsys.readouterr().err
    path.write_bytes(path.read_bytes().replace(b'"step": 2', b'"st\xffp: 2'))
    assert validator.read(str(path)) == records[:1]
    for text in (b'', b'{}', b'[[]]', b'null', b'7', b'[{"step": 3}]', b'[{"step": 3, "scores": {"mean": "x"}}]'):
        path.write_bytes(text)
        assert validator.read(str(path)) == []
