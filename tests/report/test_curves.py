import pytest

from mtp.errors import MTPError
from mtp.report import curves


def test_a_log_cut_short_keeps_its_whole_lines(tmp_path):
    log = tmp_path / 'log.jsonl'
    log.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.5}\n{"step": 3, "lo')
    assert curves.series(curves.read_lines(log), ['loss', 'gone']) == {'loss': ((1, 2), (2.0, 1.5))}


def test_a_broken_line_inside_a_log_is_named(tmp_path):
    log = tmp_path / 'log.jsonl'
    log.write_text('{"step": 1}\nnot json\n{"step": 2}\n')
    with pytest.raises(MTPError, match='log.jsonl, line 2'):
        curves.read_lines(log)


def test_a_repeated_step_counts_with_its_later_value():
    records = [{'step': 1, 'loss': 3.0}, {'step': 2, 'loss': 9.0}, {'step': 2, 'loss': 2.0}]
    assert curves.series(records, ['loss'])['loss'] == ((1, 2), (3.0, 2.0))


def test_smoothing_keeps_length_and_mean_of_a_constant():
    assert curves.smooth([2.0] * 30) == [2.0] * 30


def test_plot_writes_a_png(tmp_path):
    pytest.importorskip('matplotlib')
    path = curves.plot({'ss': ([1, 2, 3], [3.0, 2.0, 1.0])}, tmp_path / 'a.png', 'Losses')
    assert open(path, 'rb').read(8) == b'\x89PNG\r\n\x1a\n'
