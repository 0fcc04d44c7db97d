import socket
import subprocess
import sys
import threading
import time

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger, meeting, rendezvous
from mtp.launch.host import free_port

STEP = {'SLURM_JOB_ID': '7', 'SLURM_STEP_ID': '0', 'SLURM_STEP_NUM_TASKS': '3', 'SLURM_LOCALID': '0',
        'SLURM_STEP_NODELIST': 'localhost'}


def together(*tasks, seconds=5.0, world=3, first=None):
    """What each task (environment of a process) ends with: None or the text of its error.

    Those behind the task number ``first`` begin when that one has ended.
    """
    port, ends = str(free_port()), {}

    def go(number, environ):
        try:
            meeting.meet({'RANK': environ['SLURM_PROCID'], 'WORLD_SIZE': str(world), 'MASTER_ADDR': '127.0.0.1',
                          'MASTER_PORT': port}, dict(STEP, **environ), seconds)
            ends[number] = None
        except MTPError as error:
            ends[number] = str(error)

    threads = [threading.Thread(target=go, args=item) for item in enumerate(tasks)]
    for number, thread in enumerate(threads):
        thread.start()
        if number == first:
            thread.join(30)
    for thread in threads:
        thread.join(30)
    return [ends[number] for number in range(len(tasks))]


def task(rank, image='x.sif@sha256:aa', **changes):
    return dict({'SLURM_PROCID': str(rank), 'SLURMD_NODENAME': 'n{}'.format(rank), 'MTP_IMAGE': image}, **changes)


def test_all_there_and_alike_go_on():
    assert together(task(2), task(1), task(0, image='copy.sif@sha256:aa')) == [None] * 3


def test_the_port_is_free_again_for_those_who_met():
    port = free_port()
    with meeting._listen(port):
        pass
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(('', port))


def test_two_images_are_refused_by_all_with_both_hashes():
    ends = together(task(0), task(1), task(2, image='x.sif@sha256:bb'))
    assert len(set(ends)) == 1
    assert 'different images' in ends[0]
    assert 'x.sif@sha256:aa on n0, n1 (process 0, 1)' in ends[0] and 'x.sif@sha256:bb on n2 (process 2)' in ends[0]


def test_a_process_that_does_not_come_is_named_to_all_who_did():
    began = time.monotonic()
    ends = together(task(0), task(2), seconds=1.0)
    assert time.monotonic() - began < 8
    assert all('1 of 3 processes did not come' in end and end.count(': 1\n') == 1 for end in ends)


def test_a_master_nobody_answers_at_is_named():
    end, = together(task(2), seconds=0.5)
    assert 'process 2 on n2 did not reach process 0 at 127.0.0.1:' in end and 'refused' in end and 'next: ' in end


def test_a_master_that_goes_away_is_no_silence():
    port = free_port()
    server = meeting._listen(port)
    threading.Timer(0.3, server.close).start()
    with pytest.raises(MTPError, match='did not reach process 0'):
        meeting.meet({'RANK': '1', 'WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(port)}, STEP, 1.0)


def test_a_stranger_on_the_port_is_sent_away():
    ends = together(task(0), task(1), task(2, SLURM_JOB_ID='8'), task(2), seconds=15.0, first=2)
    assert ends[0] is None and ends[1] is None and ends[3] is None
    assert 'port taken by job step 7.0' in ends[2]


def test_noise_on_the_port_disturbs_nobody():
    port = free_port()
    ends = []

    def host():
        meeting._host(('127.0.0.1', port), 2, meeting.card(0, STEP), 5.0)
        ends.append('host')

    thread = threading.Thread(target=host)
    thread.start()
    for noise in (b'', b'GET / HTTP/1.0\r\n\n', b'[1]\n'):
        limit = time.monotonic() + 5
        while time.monotonic() < limit:
            try:
                with socket.create_connection(('127.0.0.1', port), 1) as guest:
                    guest.sendall(noise)
                break
            except OSError:
                time.sleep(0.02)
    meeting._visit(('127.0.0.1', port), meeting.card(1, STEP), 5.0)
    thread.join(10)
    assert ends == ['host']


def test_a_taken_port_is_named():
    with socket.socket() as other:
        other.bind(('', 0))
        other.listen(1)
        port = other.getsockname()[1]
        with pytest.raises(MTPError, match='port {} on .* cannot be used: Address already in use'.format(port)):
            meeting._listen(port)


def test_the_image_by_its_labels_where_nobody_says_its_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(meeting, 'LABELS', str(tmp_path / 'labels.json'))
    assert meeting.image({}) == ''
    (tmp_path / 'labels.json').write_text('{}')
    assert meeting.image({}).startswith('labels@sha256:44136fa355b3')
    assert meeting.image({'MTP_IMAGE': 'x@y'}) == 'x@y'


def test_only_tasks_of_srun_meet(monkeypatch):
    met = []
    monkeypatch.setattr(meeting, 'meet', lambda found, environ: met.append(found['RANK']))
    rendezvous.join({})
    rendezvous.join(dict(STEP, SLURM_PROCID='1', RANK='0', WORLD_SIZE='2', LOCAL_RANK='0'))  # torchrun has met already
    rendezvous.join(dict(STEP, SLURM_PROCID='2'))
    assert met == ['2']


def test_more_time_can_be_asked_for():
    began = time.monotonic()
    with pytest.raises(MTPError, match='within 0 s'):
        meeting.meet({'RANK': '1', 'WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(free_port())},
                     dict(STEP, MTP_MEET_SECONDS='0.2'), 30.0)
    assert time.monotonic() - began < 5


def test_a_process_knows_how_long_it_has_been_loading():
    words = [sys.executable, '-c', 'import time; from mtp.launch import meeting; time.sleep(0.5); print(meeting.age())']
    began = time.monotonic()
    age = float(subprocess.check_output(words, cwd=ledger.ROOT))
    assert 0.4 < age < time.monotonic() - began + 0.1
