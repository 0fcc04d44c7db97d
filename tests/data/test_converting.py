import argparse
import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from mtp.data import converting, dota, fair1m, spacenet, xview
from mtp.data.describe import ROOT
from mtp.errors import MTPError
from tests.test_workers import alive


def _options(**changes):
    settings = dict(jobs=1, lenient=False, dry_run=False, overwrite=False, report=None)
    return argparse.Namespace(**dict(settings, **changes))


def _half(number):
    if number % 2:
        raise MTPError(f'{number} is odd')
    return number // 2


def _die(_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize('jobs', [1, 2])
def test_results_keep_their_order(jobs, monkeypatch):
    monkeypatch.setattr(converting, 'FEW', 2)
    items = list(range(0, 60, 2))
    assert list(converting.run(_half, items, _options(jobs=jobs), 'x', [])) == list(range(30))


@pytest.mark.parametrize('jobs', [1, 2])
def test_a_bad_item_stops_or_is_left_out(jobs, monkeypatch):
    monkeypatch.setattr(converting, 'FEW', 2)
    with pytest.raises(MTPError, match='3 is odd') as caught:
        list(converting.run(_half, [2, 3, 4], _options(jobs=jobs), 'x', []))
    assert caught.value.code == 1
    problems = []
    assert list(converting.run(_half, [2, 3, 4], _options(jobs=jobs, lenient=True), 'x', problems)) == [1, 2]
    assert problems == ['3 is odd']


def _no_descriptor(path):
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)


@pytest.mark.parametrize('jobs', [1, 2])
def test_a_limit_of_the_machine_stops_a_lenient_run_too(jobs, monkeypatch):
    monkeypatch.setattr(converting, 'FEW', 2)
    problems = []
    with pytest.raises(MTPError, match='a: Too many open files') as caught:
        list(converting.run(_no_descriptor, ['a', 'a', 'a'], _options(jobs=jobs, lenient=True), 'x', problems))
    assert 'ulimit -n' in caught.value.hint and problems == []


def test_a_dead_worker_is_told(monkeypatch):
    monkeypatch.setattr(converting, 'FEW', 2)
    with pytest.raises(MTPError, match='a worker process died'):
        list(converting.run(_die, [1, 2, 3], _options(jobs=2), 'x', []))


def _touch(path):
    time.sleep(0.001)
    if path.endswith('/0'):
        raise MTPError('the first is bad')
    open(path, 'w').close()


def test_what_has_not_begun_is_not_begun_after_an_error(tmp_path):
    paths = [str(tmp_path / str(number)) for number in range(2000)]
    with pytest.raises(MTPError, match='the first is bad'):
        list(converting.run(_touch, paths, _options(jobs=2), 'x', []))
    assert len(os.listdir(str(tmp_path))) < 1000


PROGRAM = r'''
import argparse, os, time
from mtp.data import converting, dota, fair1m, spacenet, xview

def pid_of_worker(number):
    os.write(1, b'%d\n' % os.getpid())
    time.sleep(60)

list(converting.run(pid_of_worker, range(200), argparse.Namespace(jobs=2), 'x', []))
'''


def test_workers_end_when_the_command_is_killed():
    child = subprocess.Popen([sys.executable, '-c', PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             universal_newlines=True, env=dict(os.environ, PYTHONPATH=ROOT))
    pids = {int(child.stdout.readline()) for _ in range(2)}
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    end = time.monotonic() + 20
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.1)
    assert child.pid not in pids and not any(alive(pid) for pid in pids)


def test_natural_order_and_hidden_files(tmp_path):
    for name in ('10.png', '9.png', '._9.png', 'a.txt'):
        (tmp_path / name).write_text('')
    assert converting.listing(str(tmp_path), '.png') == ['9.png', '10.png']
    with pytest.raises(MTPError, match='cannot list'):
        converting.listing(str(tmp_path / 'nowhere'), '')


@pytest.mark.parametrize('data, message', [
    ('', 'is empty'), ('a\n\na\n', "line 3: 'a' is there already"), ('../a\n', 'not an image stem'),
    (b'\xff\xfe\x00', 'not UTF-8')])
def test_bad_lists(tmp_path, data, message):
    path = tmp_path / 'train.txt'
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(MTPError, match='train.txt.*' + message):
        converting.stems(str(path))


def test_a_list_with_crlf_and_mark(tmp_path):
    path = tmp_path / 'train.txt'
    path.write_bytes(b'\xef\xbb\xbfa\r\n b \r\n\r\n')
    assert converting.stems(str(path)) == ['a', 'b']


def test_the_fingerprint_follows_the_data_root_and_the_files(tmp_path, monkeypatch):
    marks = []
    for root in ('one', 'two'):
        (tmp_path / root).mkdir()
        path = tmp_path / root / 'x'
        path.write_text('abc')
        os.utime(str(path), (5, 5))
        monkeypatch.setenv('MTP_DATA_ROOT', str(tmp_path / root))
        marks.append(converting.fingerprint([1], [str(path)]))
    assert marks[0] == marks[1]
    path.write_text('abcd')
    assert converting.fingerprint([1], [str(path)]) != marks[1] != converting.fingerprint([2], [str(path)])


@pytest.mark.parametrize('total, share, part', [
    (846, (700, 846), 700), (6940, (5000, 6940), 5000), (3, (700, 846), 2), (2, (999, 1000), 1), (9, (1, 1000), 1),
    (1, (700, 846), 1)])
def test_a_share_leaves_something_on_both_sides(total, share, part):
    assert converting.share_of(total, *share) == part


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir, lambda path: os.symlink('/dev/zero', path),
                                  lambda path: os.symlink(path, path)])
@pytest.mark.parametrize('reader', [dota.read, fair1m.read, xview.read, spacenet.read, converting.stems])
def test_what_is_no_plain_file_is_not_waited_for(tmp_path, reader, make):
    path = str(tmp_path / 'labels')
    make(path)
    with pytest.raises(MTPError, match='cannot read the file .*labels'):
        reader(path)


def test_a_long_text_of_entities_is_read_in_one_go(tmp_path):
    """Put together piece by piece, it would take minutes."""
    (tmp_path / '0.xml').write_bytes(b'<annotation><objects><object><possibleresult><name>' + b'&amp;' * 400000
                                     + b'</name></possibleresult></object></objects></annotation>')
    with pytest.raises(MTPError, match='is not a class of FAIR1M'):
        fair1m.read(str(tmp_path / '0.xml'), ('A220',))
