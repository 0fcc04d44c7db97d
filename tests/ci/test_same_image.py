"""Two images are the same when every difference between them has a reason."""
import io
import os
import sys
import tarfile

import pytest

from mtp.launch import ledger

sys.path.insert(0, os.path.join(ledger.ROOT, 'ci'))
import same_image  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'ci'))


def tree(**files):
    """Entries of a tar of these files, ``name=(content, mode, time)``."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode='w') as stream:
        for name, (content, mode, time) in files.items():
            info = tarfile.TarInfo('opt/mtp/' + name)
            info.size, info.mode, info.mtime = len(content), mode, time
            stream.addfile(info, io.BytesIO(content))
    packed.seek(0)
    with tarfile.open(fileobj=packed) as stream:
        return {member.name: same_image.facts(stream, member) for member in stream}


@pytest.mark.parametrize('other, found', [
    ({'a': (b'1', 0o644, 5)}, []), ({'a': (b'2', 0o644, 5)}, [('content', 'opt/mtp/a')]),
    ({'a': (b'1', 0o755, 5)}, [('rights', 'opt/mtp/a')]), ({'a': (b'1', 0o644, 6)}, [('time', 'opt/mtp/a')]),
    ({'a': (b'1', 0o644, 5), 'b': (b'', 0o644, 5)}, [('presence', 'opt/mtp/b')])])
def test_every_kind_of_difference_is_seen(other, found):
    assert list(same_image.differences(tree(a=(b'1', 0o644, 5)), tree(**other))) == found


def test_only_times_of_folders_above_have_a_reason():
    assert same_image.reason('time', 'opt') and same_image.reason('time', 'usr/local/lib') and same_image.reason(
        'time', '')
    assert not same_image.reason('content', 'opt') and not same_image.reason('time', 'opt/mtp/mtp/errors.py')


def test_a_difference_without_a_reason_fails(monkeypatch, capsys):
    trees = {'a': tree(a=(b'1', 0o644, 5)), 'b': tree(a=(b'2', 0o644, 5))}
    monkeypatch.setattr(same_image, 'entries', lambda client, image: trees[image])
    monkeypatch.setattr(same_image, 'config', lambda client, image: {'created': image, 'config': {}})
    assert same_image.report('docker', 'a', 'a') and not same_image.report('docker', 'a', 'b')
    assert 'NO REASON IS KNOWN' in capsys.readouterr().out
