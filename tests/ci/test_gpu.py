"""The table, the report and the exit code of ``ci/gpu``, and that a check that fails is seen."""
import json
import os
import sys

import pytest

from mtp.errors import FAILED, OK, MTPError
from mtp.launch import ledger

pytest.importorskip('mmcv', reason='ci/gpu runs in an environment')
sys.path.insert(0, os.path.join(ledger.ROOT, 'ci'))
import gpu  # noqa: E402
import gpu_numbers as numbers  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'ci'))


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Exit code and report of a list of one check with these figures, or with an error."""
    monkeypatch.setenv('MTP_WORK_ROOT', str(tmp_path))

    def call(answer):
        def check(device):
            assert device == 'cpu'
            if isinstance(answer, Exception):
                raise answer
            return answer
        monkeypatch.setattr(gpu, 'CHECKS', (gpu.Check('one', 'one check', check, False),))
        code = gpu.main(['--device', 'cpu'])
        with open(str(tmp_path / 'gpu' / 'report.json')) as stream:
            report = json.load(stream)
        assert 'one check'.capitalize() in (tmp_path / 'gpu' / 'index.html').read_text(encoding='utf-8')
        return code, report
    return call


@pytest.mark.parametrize('value, allowed, verdict', [
    (1e-5, 1e-4, 'ok'), (0., 0., 'ok'), (2e-4, 1e-4, 'FAILED'), (float('nan'), 1., 'FAILED'), (7., None, 'told')])
def test_a_figure_is_judged_by_its_bound(run, value, allowed, verdict):
    code, report = run([numbers.Figure('a', value, allowed)])
    assert report['rows'][0]['verdict'] == verdict and code == (FAILED if verdict == 'FAILED' else OK)
    assert report['about']['device'] == 'cpu' and report['about']['environment'] in ledger.names()


def test_a_check_that_breaks_fails_and_says_how(run):
    code, report = run(RuntimeError('no such kernel'))
    assert code == FAILED and report['rows'][0]['figure'] == 'RuntimeError: no such kernel'


def test_what_cannot_be_checked_here_is_told_and_no_failure(run):
    code, report = run(numbers.NotHere('one card'))
    assert code == OK and report['rows'][0]['verdict'] == 'not here'


def test_an_unknown_check_and_a_missing_card_are_refused(monkeypatch):
    with pytest.raises(MTPError, match='no check sped'):
        gpu.main(['sped', '--device', 'cpu'])
    monkeypatch.setattr(gpu.devices, 'problem', lambda local=0: ('there is none', ''))
    with pytest.raises(MTPError, match='there is none.*\n.*--device cpu'):
        gpu.main([])


def test_wrong_operators_and_wrong_gradients_are_seen(monkeypatch):
    """The checks compare with something that does not follow the code under test."""
    monkeypatch.setattr(numbers.dcnv3, 'as_attention',
                        lambda operator, value, *rest: numbers.dcnv3.dcnv3(value, *rest) * 1.001)
    found = {figure.what: gpu.judged(figure) for figure in numbers.operators('cpu')}
    assert found.pop('DCNv3') == 'FAILED' and set(found.values()) == {'ok'}
