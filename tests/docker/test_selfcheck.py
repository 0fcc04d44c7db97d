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
    assert {'rasterio', 'import rasterio', 'opencv-python', 'import cv2', 'scipy', 'pillow'} <= checked


@needs_toolbox
def test_every_package_that_was_asked_for_and_has_compiled_parts_is_called():
    from importlib.metadata import files
    called = {name for name, _, _ in check.probes.CALLS} | {ledger.environment(ENVIRONMENT)['ops']['package']}
    compiled = {package for package in check.required(ENVIRONMENT)
                if any('.so' in file.name for file in files(package) or ())}
    assert compiled <= called and len(compiled) > 8


def test_what_the_lock_was_asked_for_is_imported():
    with open(os.path.join(ledger.ROOT, 'docker/locks/mmrotate1-cpu.in')) as stream:
        asked = [line.replace('<', '=').split('=')[0].strip() for line in stream if not line.startswith('#')]
    assert check.required('mmrotate1') == asked


@needs_toolbox
def test_calls_that_answer_wrongly_fail():
    wrong = tuple((name, call, None) for name, call, _ in check.probes.OPERATORS + check.probes.CALLS)
    assert {status for status, _, _ in check.check_calls(wrong)} == {'fail'}


def test_a_library_that_cannot_run_fails():
    def broken():
        raise ImportError('libexpat.so.1: cannot open shared object file')

    assert list(check.check_calls((('rasterio', broken, {}),))) == [
        ('fail', 'rasterio', 'ImportError: libexpat.so.1: cannot open shared object file')]


@needs_toolbox
def test_a_variant_for_cards_is_tried_on_one_where_torch_sees_it(monkeypatch):
    import torch
    monkeypatch.setattr(check.probes, 'ON_CARD', (('nms_rotated on the card', lambda: 1, 1),))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert list(check.check_card('mmrotate1', 'cu117')) == [('ok', 'nms_rotated on the card', '')]
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert [status for status, _, _ in check.check_card('mmrotate1', 'cu117')] == ['declared']
    assert list(check.check_card('mmrotate1', 'cpu')) == []


def test_in_an_image_the_hint_is_to_build_it_again(monkeypatch):
    monkeypatch.setattr(check, 'installed', {}.get)
    for inside, command in (('mmrotate1', 'make images'), ('', 'make setup')):
        monkeypatch.setenv('MTP_ENV', inside)
        with pytest.raises(MTPError) as caught:
            check.detect()
        assert caught.value.hint == command


def versions(monkeypatch, python='3.8.17', **changed):
    seen = dict(ledger.shipped('mmrotate1'), **changed)
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


def test_a_module_that_does_not_import_fails(monkeypatch):
    monkeypatch.setattr(check, 'required', lambda env: [])
    monkeypatch.setattr(check, 'COMMON', ())
    monkeypatch.setattr(check.ledger, 'environment', lambda env: {'imports': ['json', 'no_such_module']})
    found = list(check.check_imports('mmrotate1'))
    assert found[0] == ('ok', 'import json', '')
    assert found[1][0] == 'fail' and 'no_such_module' in found[1][2]


@pytest.mark.parametrize('packages,expected', [
    ({'mmcv': '2.0.0', 'torch': '1.10.0'}, ('mmrotate1', 'cpu')),
    ({'mmcv-full': '1.6.1', 'torch': '1.10.0+cu113'}, ('mmrotate03', 'cu113')),
    ({'mmcv': '2.0.0', 'torch': '2.4.1'}, ('mmrotate1', 'cu121')),
    ({'mmcv-full': '1.6.1', 'torch': '1.13.0+rocm5'}, ('mmrotate03', 'cpu')),
])
def test_the_environment_is_told_by_its_mmcv_and_the_variant_by_its_torch(monkeypatch, packages, expected):
    monkeypatch.setattr(check, 'installed', packages.get)
    monkeypatch.setattr(check.venvs, 'stamp', lambda *where: '')
    assert check.detect() == expected


@pytest.mark.parametrize('inside, stamp', [('cu121', ''), ('', 'cu121')])
def test_two_variants_of_one_torch_are_told_by_what_the_image_or_setup_said(monkeypatch, inside, stamp):
    monkeypatch.setattr(check, 'installed', {'mmcv': '2.0.0', 'torch': '1.10.0'}.get)
    monkeypatch.setattr(check.venvs, 'stamp', lambda folder, name: stamp if name == 'variant' else '')
    monkeypatch.setenv('MTP_VARIANT', inside)
    assert check.detect() == ('mmrotate1', 'cu121')


@pytest.mark.parametrize('packages,word', [({}, 'holds none of'),
                                           ({'mmcv': '2.0.0', 'mmcv-full': '1.6.1'}, 'holds mmrotate1 and mmrotate03')])
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
