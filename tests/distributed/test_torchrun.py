import socket
import subprocess
import sys
import threading

import pytest

from mtp.distributed import torchrun
from mtp.errors import MTPError
from mtp.launch import ledger
from mtp.launch.host import free_port


@pytest.fixture
def became(monkeypatch):
    """What this process would become, in place of becoming it."""
    found = []
    monkeypatch.setattr(torchrun.os, 'execv', lambda program, words: found.append(words[1:]))
    return found


def server(rank, port, became, seconds='5', count=2):
    words = ['--nproc_per_node=2', f'--nnodes={count}', f'--node_rank={rank}',
             '--master_addr=127.0.0.1',
             f'--master_port={port}', 'tools/train.py', '--nnodes=9']
    torchrun.main(words)
    return words


def test_a_taken_port_is_no_traceback_of_torch():
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen(1)
        port = other.getsockname()[1]
        words = [sys.executable, '-m', 'mtp.distributed.torchrun', '--nproc_per_node=2', f'--master_port={port}',
                 'x.py']
        done = subprocess.run(words, cwd=ledger.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True)
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    assert f'port {port} on ' in done.stderr and 'Address already in use' in done.stderr and 'PORT=' in done.stderr


def test_a_free_port_starts_torchrun_with_the_same_words(became):
    torchrun.main(['--nproc_per_node=2', f'--master_port={free_port()}', 'x.py', '--master_port=1'])
    assert became[0][:2] == ['-m', 'torch.distributed.run'] and became[0][-2:] == ['x.py', '--master_port=1']


def test_servers_start_when_all_are_there(became):
    port = free_port()
    threads = [threading.Thread(target=server, args=(rank, port, became)) for rank in (1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(words[4] for words in became) == ['--node_rank=0', '--node_rank=1']


def test_a_server_that_does_not_come_is_named_within_the_time_of_the_meeting(became, monkeypatch):
    monkeypatch.setenv('MTP_MEET_SECONDS', '0.5')
    with pytest.raises(MTPError, match='1 of 2 servers did not come to 127.0.0.1:.* within 0 s: 1\n'):
        server(0, free_port(), became)
    assert not became
