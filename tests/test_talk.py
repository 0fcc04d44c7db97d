import socket

import pytest

from mtp import talk

IB = ('n1:12:12 [0] NCCL INFO NET/Plugin : No plugin found (libnccl-net.so), using internal implementation\n'
      'n1:12:12 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/RoCE ; OOB ib0:10.0.0.1<0>\n'
      'n1:12:12 [0] NCCL INFO Using network IB\n')
TCP = ('n1:12:12 [0] NCCL INFO NET/IB : No device found.\nn1:12:12 [0] NCCL INFO NET/Socket : Using '
       '[0]eth0:10.0.0.1<0>\n'
       'n1:12:12 [0] NCCL INFO Using network Socket\n')
OLD = 'n1:12:12 [0] NCCL INFO NET/Socket : Using [0]ib0:10.0.0.1<0> [1]eth0:172.16.0.1<0>\n'
EFA = 'n1:1:1 [0] NCCL INFO NET/OFI Selected Provider is efa\nn1:1:1 [0] NCCL INFO Using network AWS Libfabric\n'


@pytest.mark.parametrize('text, said', [
    (IB, 'NET/IB mlx5_0:1/IB mlx5_1:1/RoCE'), (TCP, 'NET/Socket eth0:10.0.0.1'),
    (OLD, 'NET/Socket ib0:10.0.0.1 eth0:172.16.0.1'),
    (EFA, 'NET/OFI efa'), ('', ''), ('n1 [0] NCCL INFO Using network UCX\n', 'NET/UCX')])
def test_the_network_in_the_words_of_nccl(text, said):
    assert talk.network(text) == said


def test_infiniband_that_is_there_and_not_used_is_a_warning():
    said, warning = talk.lines('nccl', 16, 2, talk.network(TCP), ['mlx5_0'])
    assert said == '16 processes on 2 machines talk over nccl: NET/Socket eth0:10.0.0.1'
    assert warning.startswith('warning: this machine has InfiniBand (mlx5_0), and NCCL does not use it')
    for case in (('nccl', 16, 2, talk.network(IB), ['mlx5_0']), ('nccl', 8, 1, talk.network(TCP), ['mlx5_0']),
                 ('nccl', 16, 2, talk.network(TCP), []), ('gloo', 4, 2, 'eth0', ['mlx5_0'])):
        assert len(talk.lines(*case)) == 1


def test_a_log_that_the_user_reads_is_left_to_the_user(tmp_path):
    asked = {'NCCL_DEBUG': 'WARN'}
    assert talk.listen(asked) == '' and asked == {'NCCL_DEBUG': 'WARN'}
    assert talk._read('') == 'NCCL_DEBUG' and 'NCCL_DEBUG says' in talk.lines('nccl', 2, 1, 'NCCL_DEBUG', [])[0]
    fresh = {}
    path = talk.listen(fresh)
    assert fresh == {'NCCL_DEBUG': 'INFO', 'NCCL_DEBUG_SUBSYS': 'INIT,NET', 'NCCL_DEBUG_FILE': path}
    with open(path, 'w') as stream:
        stream.write(TCP)
    assert talk._read(path) == 'NET/Socket eth0:10.0.0.1'


def test_the_interface_of_gloo(monkeypatch):
    assert talk.gloo({'GLOO_SOCKET_IFNAME': 'ib0'}) == 'ib0'
    assert talk.addresses()['127.0.0.1'] == 'lo'
    monkeypatch.setattr(socket, 'gethostbyname', lambda name: '127.0.0.1')
    assert talk.gloo({}) == 'lo 127.0.0.1'


@pytest.mark.parametrize('environ, count', [({'LOCAL_WORLD_SIZE': '4'}, 2),
                                            ({'SLURM_NNODES': '4', 'SLURM_STEP_ID': '0'}, 4),
                                            ({'SLURM_NNODES': '4'}, 1), ({}, 1)])
def test_how_many_machines(environ, count):
    assert talk.machines(8, environ) == count


def test_one_process_says_it_and_the_log_is_removed(capsys, tmp_path):
    class Distributed:
        barriers = 0

        def __init__(self, rank):
            self.rank = rank

        def barrier(self):
            self.barriers += 1
            (tmp_path / 'log').write_text(IB)

        get_rank = property(lambda self: lambda: self.rank)
        get_backend = staticmethod(lambda: 'nccl')
        get_world_size = staticmethod(lambda: 2)

    for rank in (0, 1):
        team = Distributed(rank)
        talk.begun(team, str(tmp_path / 'log'))
        assert team.barriers == 1 and not (tmp_path / 'log').exists()
    assert capsys.readouterr().err == '2 processes on this machine talk over nccl: NET/IB mlx5_0:1/IB mlx5_1:1/RoCE\n'
