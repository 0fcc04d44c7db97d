import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from mtp.distributed import handshake, rendezvous, tokens
from mtp.errors import MTPError
from mtp.launch import ledger
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
            handshake.meet({'RANK': environ['SLURM_PROCID'], 'WORLD_SIZE': str(world), 'MASTER_ADDR': '127.0.0.1',
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
    return dict({'SLURM_PROCID': str(rank), 'SLURMD_NODENAME': f'n{rank}', 'MTP_IMAGE': image}, **changes)


def test_all_there_and_alike_go_on():
    assert together(task(2), task(1), task(0, image='copy.sif@sha256:aa')) == [None] * 3


def test_the_port_is_free_again_for_those_who_met():
    port = free_port()
    with handshake.listen(port):
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
    server = handshake.listen(port)
    threading.Timer(0.3, server.close).start()
    with pytest.raises(MTPError, match='did not reach process 0'):
        handshake.meet({'RANK': '1', 'WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(port)}, STEP,
                       1.0)


def test_a_stranger_on_the_port_is_sent_away():
    ends = together(task(0), task(1), task(2, SLURM_JOB_ID='8'), task(2), seconds=15.0, first=2)
    assert ends[0] is None and ends[1] is None and ends[3] is None
    assert 'port taken by job step 7.0' in ends[2]


def test_noise_on_the_port_disturbs_nobody():
    port = free_port()
    ends = []

    def host():
        handshake._host(('127.0.0.1', port), 2, handshake.card(0, STEP), 5.0)
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
    handshake._visit(('127.0.0.1', port), handshake.card(1, STEP), 5.0)
    thread.join(10)
    assert ends == ['host']


def test_a_taken_port_is_named():
    with socket.socket() as other:
        other.bind(('', 0))
        other.listen(1)
        port = other.getsockname()[1]
        with pytest.raises(MTPError, match=f'port {port} on .* cannot be used: Address already in use'):
            handshake.listen(port)


def test_the_image_by_its_labels_where_nobody_says_its_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(handshake, 'LABELS', str(tmp_path / 'labels.json'))
    assert handshake.image({}) == ''
    (tmp_path / 'labels.json').write_text('{}')
    assert handshake.image({}).startswith('labels@sha256:44136fa355b3')
    assert handshake.image({'MTP_IMAGE': 'x@y'}) == 'x@y'


def test_only_tasks_of_srun_meet(monkeypatch):
    met = []
    monkeypatch.setattr(handshake, 'meet', lambda found, environ: met.append(found['RANK']))
    rendezvous.join({})
    rendezvous.join(dict(STEP, SLURM_PROCID='1', RANK='0', WORLD_SIZE='2', LOCAL_RANK='0'))  # torchrun has met already
    rendezvous.join(dict(STEP, SLURM_PROCID='2'))
    assert met == ['2']


def test_processes_of_any_launcher_but_torchrun_meet_once(monkeypatch):
    met = []
    monkeypatch.setattr(handshake, 'meet', lambda found, environ: met.append(found['RANK']))
    monkeypatch.setattr(rendezvous, '_met', [])
    by_hand = {'RANK': '1', 'WORLD_SIZE': '2', 'LOCAL_RANK': '1'}
    rendezvous.join(dict(by_hand, TORCHELASTIC_RUN_ID='x'), by_hand=True)
    for _ in range(2):  # a program asks more than once who it is
        rendezvous.join(by_hand, by_hand=True)
    assert met == ['1']


def test_more_time_can_be_asked_for():
    began = time.monotonic()
    with pytest.raises(MTPError, match='within 0 s'):
        handshake.meet({'RANK': '1', 'WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(free_port())},
                     dict(STEP, MTP_MEET_SECONDS='0.2'), 30.0)
    assert time.monotonic() - began < 5


def test_a_process_knows_how_long_it_has_been_loading():
    words = [sys.executable, '-c',
             'import time; from mtp.distributed import handshake; time.sleep(0.5); print(handshake.age())']
    began = time.monotonic()
    age = float(subprocess.check_output(words, cwd=ledger.ROOT))
    assert 0.4 < age < time.monotonic() - began + 0.1


def answered(line, seconds=1.0, key='token', world=2, ends_early=True):
    """(how process 0 ended, what the stranger heard) when a stranger says ``line`` and nobody else comes."""
    port, ends = free_port(), []

    def host():
        try:
            handshake._host(('127.0.0.1', port), world, handshake.card(0, STEP), seconds, key)
            ends.append('')
        except MTPError as error:
            ends.append(str(error))

    thread = threading.Thread(target=host)
    thread.start()
    with called(port) as guest:
        guest.sendall(line)
        guest.settimeout(5)
        try:
            heard = guest.recv(1000)
        except OSError:
            heard = b''
        thread.join(20)
    return ends[0], heard


def called(port):
    for _ in range(500):
        try:
            return socket.create_connection(('127.0.0.1', port), 1)
        except OSError:
            time.sleep(0.01)
    raise AssertionError('nobody listens')


def signed(value, key='token'):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return handshake._signature(key, text) + b' ' + text + b'\n'


GOOD = {'rank': 1, 'step': '7.0', 'host': 'n1', 'image': ''}


@pytest.mark.parametrize('line', [
    signed(GOOD, key=''), signed(GOOD, key='other'), json.dumps(GOOD).encode() + b'\n', b'GET / HTTP/1.0\n',
    b'\xff\xfe\n',
    b'x' * 5000, signed(b'[' * 3000), signed([1])], ids=[
        'no token', 'another token', 'unsigned', 'http', 'no text', 'too long', 'deep', 'no object'])
def test_who_has_not_the_token_of_the_job_is_no_member(line):
    end, heard = answered(line)
    assert '1 of 2 processes did not come' in end and heard == handshake.FOREIGN


@pytest.mark.parametrize('change', [{'rank': []}, {'rank': 'x'}, {'rank': 0}, {'rank': 2}, {'rank': -1}, {'rank': True},
                                    {'rank': 1.0}, {'image': None}, {'host': {}}, {'step': 7}])
def test_a_false_card_is_no_member_and_no_traceback(change):
    end, heard = answered(signed(dict(GOOD, **change)))
    assert '1 of 2 processes did not come' in end and b'problem' in heard


def test_a_member_is_one_with_the_token():
    end, heard = answered(signed(GOOD), seconds=20.0)
    assert end == '' and json.loads(heard.partition(b' ')[2].decode()) == {'problem': ''}


def test_one_that_talks_slowly_keeps_nobody_waiting():
    port, ends = free_port(), []
    thread = threading.Thread(target=lambda: ends.append(
        handshake._host(('127.0.0.1', port), 2, handshake.card(0, STEP), 30.0, 'token')))
    thread.start()
    with called(port) as slow, called(port):
        slow.sendall(b'x')
        handshake._visit(('127.0.0.1', port), handshake.card(1, STEP), 20.0, lambda: 'token')
        thread.join(5)
        assert ends == [None]


def test_one_that_waits_and_dies_is_missing():
    end, _ = answered(signed(GOOD), world=3)
    assert '1 of 3 processes did not come' in end and end.splitlines()[0].endswith(': 2')
    port = free_port()
    with pytest.raises(MTPError, match='2 of 3 processes did not come'):
        threading.Thread(target=lambda: called(port).sendall(signed(GOOD))).start()  # and its line is closed behind it
        handshake._host(('127.0.0.1', port), 3, handshake.card(0, STEP), 1.0, 'token')


def test_another_job_at_the_port_is_named():
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen(5)
        stop = threading.Thread(target=lambda: [answer(other.accept()[0]) for _ in range(99)], daemon=True)
        stop.start()
        with pytest.raises(MTPError, match='belongs to another job, or has another MTP_JOB_TOKEN'):
            handshake._visit(other.getsockname(), handshake.card(1, STEP), 0.5, lambda: 'token')


def answer(peer):
    peer.sendall(handshake.FOREIGN)
    peer.close()


def test_the_missing_are_named_with_their_host():
    places = handshake.expected({'SLURM_STEP_NODELIST': 'gpu[03-04]', 'SLURM_NTASKS_PER_NODE': '2'})
    assert places == ['gpu03', 'gpu03', 'gpu04', 'gpu04'] and handshake.expected({}) == []
    cards = [handshake.card(rank, STEP) for rank in (0, 1, 3)]
    assert ': 2 (gpu04)\n    there are 0 (' in handshake.verdict(cards, 4, ('gpu03', 1), 45, places)


@pytest.mark.parametrize('name, place', [('127.0.0.1', '127.0.0.1'), ('localhost', '127.0.0.1'), ('', None),
                                         ('no.such.host.', None)])
def test_process_0_listens_where_it_is_looked_for(name, place):
    found = handshake.interface(name)
    assert (found and found[1]) == place
    with handshake.listen(0, name) as server:
        assert server.getsockname()[0] == (place or '0.0.0.0')


def test_a_name_that_is_a_loopback_here_is_none_for_the_others(monkeypatch):
    here = [(socket.AF_INET, socket.SOCK_STREAM, 6, '', ('127.0.1.1', 0))]
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *args: here)
    assert handshake.interface('gpu07') is None
    far = [(socket.AF_INET, socket.SOCK_STREAM, 6, '', ('192.0.2.1', 0))]  # of no interface of this machine
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *args: far)
    with handshake.listen(0, 'gpu07') as server:
        assert server.getsockname()[0] == '0.0.0.0'


@pytest.mark.parametrize('value', ['soon', '-1', 'nan', 'inf'])
def test_a_time_that_is_none_is_named(value):
    with pytest.raises(MTPError, match='MTP_MEET_SECONDS is'):
        handshake.meet({'RANK': '1', 'WORLD_SIZE': '2', 'MASTER_ADDR': 'x', 'MASTER_PORT': '1'},
                     {'MTP_MEET_SECONDS': value})


def test_the_empty_token_is_for_a_machine_by_itself():
    assert tokens.source({}, 0, '127.0.0.1')() == tokens.source({}, 1, 'localhost')() == ''
    assert tokens.source({'MTP_JOB_TOKEN': 'x'}, 1, 'server1')() == 'x'
    with pytest.raises(MTPError, match='meet at server1, .*MTP_JOB_TOKEN is not set(.|\n)*export MTP_JOB_TOKEN='):
        handshake.meet({'RANK': '0', 'WORLD_SIZE': '2', 'MASTER_ADDR': 'server1', 'MASTER_PORT': '1'}, {}, 1.0)


def test_behind_an_srun_by_hand_process_0_draws_the_token_for_its_user_alone(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_WORK_ROOT', str(tmp_path))
    step = {'SLURM_JOB_ID': '7', 'SLURM_STEP_ID': '1'}
    late = tokens.source(step, 1, 'n0')
    with pytest.raises(OSError):
        late()
    drawn = tokens.source(step, 0, 'n0')()
    assert len(drawn) == 32 and late() == drawn and tokens.place(step) == str(tmp_path / 'slurm' / '.token-7.1')
    assert tokens.source(step, 0, 'n0')() == late() != drawn  # the step of a job that came back draws another
    os.chmod(tokens.place(step), 0o644)
    with pytest.raises(ValueError, match='can be read by others'):
        late()


def test_tasks_of_an_srun_by_hand_meet_and_leave_no_token(tmp_path, monkeypatch):
    monkeypatch.setenv('MTP_WORK_ROOT', str(tmp_path))
    monkeypatch.setattr(tokens, 'loopback', lambda address: False)
    assert together(task(2), task(1), task(0)) == [None] * 3
    assert os.listdir(str(tmp_path / 'slurm')) == []
