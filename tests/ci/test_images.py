"""What ``ci/images`` asks of the engine, and what it takes for a failure."""
import json
import os
import re
import subprocess
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger, uses

sys.path.insert(0, os.path.join(ledger.ROOT, 'ci'))
import images  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'ci'))


def test_the_bundle_is_gathered_on_local_bases_and_built_inside(monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr(images, 'call', lambda words, what: called.append(words))
    monkeypatch.setattr(images.localbase, 'debian', lambda client: 'base')
    monkeypatch.setattr(images.localbase, 'python', lambda client, base, minor: 'python')
    monkeypatch.setenv('MTP_CACHE_ROOT', str(tmp_path))
    (tmp_path / 'ci-bundle' / 'mtp').mkdir(parents=True)
    (tmp_path / 'ci-bundle' / 'mtp' / 'of_another_revision.py').write_text('')
    folder = images.gather('docker', ['mmrotate1', 'mmrotate03'])
    images.build(folder, 'mmrotate03')
    images.verify(folder)
    assert called[0][:2] == ['make', 'bundle'] and 'ENV=' in called[0] and 'PARTS=wheels bases' in called[0]
    assert any('BUILD_IMAGE=base' in word and 'PYTHON_IMAGE=python' in word for word in called[0])
    assert called[1][:4] == ['make', '-C', str(tmp_path / 'ci-bundle'), 'images'] and 'ENV=mmrotate03' in called[1]
    assert not os.path.exists(os.path.join(folder, 'mtp'))
    for words in called:
        verb = next(word for word in words[1:] if word in uses.USES)
        assert {word.partition('=')[0] for word in words if re.match('[A-Z]', word)} <= uses.of(verb)


def test_a_proof_runs_as_a_stranger_on_a_read_only_root_without_network():
    words = images.run_words('docker', 'mmrotate1', '/w', '/d', 'python')
    line = ' '.join(words)
    for part in ('--user 12345:12345', '--read-only', '--network none', 'source=/d,target=/data,readonly',
                 '--cap-drop ALL'):
        assert part in line
    assert words[-2:] == ['mtp/mmrotate1:cpu', 'python']


def report(**changed):
    findings = [{'status': 'ok', 'what': name, 'says': version}
                for name, version in ledger.shipped('mmrotate1').items()]
    findings.append({'status': 'ok', 'what': 'torch', 'says': ''})  # a call of it, after its version
    for found in findings[:-1]:
        found.update(changed.get(found['what'], {}))
    return json.dumps({'findings': findings}).encode()


@pytest.fixture
def inside(monkeypatch):
    """Stands for the container: what the self-check says, the label, and what is found inside."""
    says = {'report': report(), 'label': ledger.inputs('mmrotate1'), 'unwanted': [], 'bill': [], 'code': 0}
    monkeypatch.setattr(images.subprocess, 'run',
                        lambda *words, **more: subprocess.CompletedProcess(words, says['code'], says['report']))
    monkeypatch.setattr(images.host, 'image_facts', lambda client, tags: {tags[0]: (says['label'], 'sha256:1')})
    monkeypatch.setattr(images, 'unwanted', lambda *words: says['unwanted'])
    monkeypatch.setattr(images, 'bill', lambda *words: says['bill'])
    return says


def test_a_good_image_passes(inside):
    images.check_inside('docker', 'mmrotate1', '/w', '/d')


@pytest.mark.parametrize('wrong,complaint', [
    ({'report': report(timm={'says': '0.9.6'})}, 'timm is 0.9.6 inside, the ledger ships 0.9.5'),
    ({'report': report(timm={'status': 'fail', 'says': 'not installed'})}, 'timm: not installed'),
    ({'label': 'f' * 64}, 'the label org.mtp.ledger says ffff'),
    ({'bill': ['x 1 (pkg:deb) is on one side']}, 'is on one side'),
    ({'unwanted': ['/usr/bin/cc']}, 'there is /usr/bin/cc inside'),
    ({'report': b'', 'code': 127}, 'does not run: exit code 127'),
])
def test_everything_else_is_a_failure(inside, wrong, complaint):
    inside.update(wrong)
    with pytest.raises(MTPError, match=complaint):
        images.check_inside('docker', 'mmrotate1', '/w', '/d')


@pytest.mark.parametrize('said, good', [(b'1000 mtp/mmrotate1:cpu\n', True), (b'0 mtp/mmrotate1:cpu\n', False),
                                        (b'1000 None\n', False)])
def test_an_image_that_is_started_by_hand_is_not_root_and_has_a_name(monkeypatch, said, good):
    called = []
    monkeypatch.setattr(images.subprocess, 'check_output', lambda words: called.append(words) or said)
    monkeypatch.setattr(images, 'call', lambda words, what: called.append(words))
    if not good:
        with pytest.raises(MTPError, match='started by hand'):
            images.by_hand('docker', 'mmrotate1')
        return
    images.by_hand('docker', 'mmrotate1')
    assert len(called) == 2 and all('--read-only' in words and '--user' not in words and '--tmpfs' not in words
                                    for words in called)


def test_an_unknown_environment_is_refused_before_anything_starts():
    with pytest.raises(MTPError, match='known: mmrotate1, mmrotate03'):
        images.main(['mmrotate2'])


def test_a_machine_without_an_engine_ends_with_code_4(monkeypatch):
    def nothing():
        raise MTPError('no engine', code=4)

    monkeypatch.setattr(images.engine, 'ready', nothing)
    with pytest.raises(MTPError) as caught:
        images.main([])
    assert caught.value.code == 4
