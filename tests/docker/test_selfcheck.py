"""The self-check passes on a good environment, and each thing that can be wrong fails it."""
import importlib.util
import json
import os
import subprocess
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger
from tests import environments

SCRIPT = os.path.join(ledger.ROOT, 'docker', 'selfcheck.py')
SPEC = importlib.util.spec_from_file_location('selfcheck', SCRIPT)
check = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check)
ENVIRONMENT = environments.current()
needs_toolbox = pytest.mark.skipif(not ENVIRONMENT, reason='no toolbox in this Python')


@needs_toolbox
def test_this_environment_passes():
    done = subprocess.run([sys.executable, SCRIPT, '--json'], stdout=subprocess.PIPE)
    result = json.loads(done.stdout.decode())
    assert [found for found in result['findings'] if found['status'] == 'fail'] == []
    assert done.returncode == 0 and result['environment'] == ENVIRONMENT
    assert result['ledger'] == ledger.digest(ENVIRONMENT)
    checked = {found['what'] for found in result['findings']}
    assert set(ledger.shipped(ENVIRONMENT)) | {'nms_rotated', 'RoIAlignRotated', 'import mmcv.ops', 'python'} <= checked


@needs_toolbox
def test_operators_that_answer_wrongly_fail(monkeypatch):
    monkeypatch.setattr(check, 'ANSWERS', tuple((name, call, None) for name, call, _ in check.ANSWERS))
    assert {status for status, _, _ in check.check_operators()} == {'fail'}


def test_an_operator_that_cannot_run_fails(monkeypatch):
    def broken():
        raise ImportError('undefined symbol')

    monkeypatch.setattr(check, 'ANSWERS', (('nms_rotated', broken, {}),))
    assert list(check.check_operators()) == [('fail', 'nms_rotated', 'ImportError: undefined symbol')]


def versions(monkeypatch, python='3.8.17', **changed):
    seen = dict(ledger.shipped('mmrotate1'), opencd='1.1.0')
    seen.update(changed)
    monkeypatch.setattr(check, 'installed', seen.get)
    monkeypatch.setattr(check.platform, 'python_version', lambda: python)
    return {what: (status, says) for status, what, says in check.check_versions('mmrotate1', 'cpu')}


def test_versions_of_the_ledger_pass(monkeypatch):
    assert {status for status, _ in versions(monkeypatch).values()} == {'ok'}


def test_another_version_fails_and_another_patch_level_of_python_is_declared(monkeypatch):
    found = versions(monkeypatch, python='3.8.18', timm='0.9.6', mmdet=None)
    assert found['timm'] == ('fail', '0.9.6; the ledger says 0.9.5')
    assert found['mmdet'] == ('fail', 'not installed; the ledger says 3.1.0')
    assert found['python'] == ('declared', '3.8.18; the ledger says 3.8.17')
    assert versions(monkeypatch, python='3.9.1')['python'][0] == 'fail'


def test_what_comes_from_git_may_be_missing_and_is_declared(monkeypatch):
    status, says = versions(monkeypatch, opencd=None)['opencd']
    assert status == 'declared' and 'change detection' in says


def test_a_module_that_does_not_import_fails(monkeypatch):
    monkeypatch.setitem(check.MODULES, 'mmrotate1', ('json', 'no_such_module'))
    found = list(check.check_imports('mmrotate1'))
    assert found[0] == ('ok', 'import json', '')
    assert found[1][0] == 'fail' and 'no_such_module' in found[1][2]


@pytest.mark.parametrize('packages,expected', [
    ({'mmcv': '2.0.0', 'torch': '1.10.0'}, ('mmrotate1', 'cpu')),
    ({'mmcv-full': '1.6.1', 'torch': '1.10.0+cu113'}, ('mmrotate03', 'cu113')),
    ({'mmcv-full': '1.6.1', 'torch': '1.13.0+rocm5'}, ('mmrotate03', 'cpu')),
])
def test_the_environment_is_told_by_its_mmcv_and_the_variant_by_its_torch(monkeypatch, packages, expected):
    monkeypatch.setattr(check, 'installed', packages.get)
    assert check.detect() == expected


@pytest.mark.parametrize('packages,word', [({}, 'neither'), ({'mmcv': '2.0.0', 'mmcv-full': '1.6.1'}, 'both')])
def test_neither_or_both_is_refused(monkeypatch, packages, word):
    monkeypatch.setattr(check, 'installed', packages.get)
    with pytest.raises(MTPError, match=word):
        check.detect()


def test_a_failure_is_shown_and_is_the_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(check, 'report', lambda env, variant: {
        'environment': env, 'variant': variant, 'ledger': 'f' * 64, 'failed': 1, 'findings': [
            {'status': 'fail', 'what': 'timm', 'says': '0.9.6'}, {'status': 'ok', 'what': 'mmdet', 'says': '3.1.0'}]})
    assert check.main(['--env', 'mmrotate1', '--variant', 'cpu']) == 1
    said = capsys.readouterr().out
    assert 'fail     timm: 0.9.6' in said and 'mmdet' not in said and '1 checks passed, 1 failed' in said
