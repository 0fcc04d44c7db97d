"""Over what the processes of a run talk: one line at its start, and a warning where InfiniBand is there and not used.

NCCL takes TCP in silence where it cannot use a faster network, and a training is many times slower. What it chose it
tells in its own log, which is asked for here and read back, unless the user reads it himself (NCCL_DEBUG).
"""
import fcntl
import os
import re
import socket
import struct
import sys
import tempfile
from types import ModuleType
from typing import Dict, List, Mapping, MutableMapping, Sequence

SIOCGIFADDR = 0x8915  # linux/sockios.h
CLASS = '/sys/class/infiniband'


def listen(environ: MutableMapping[str, str] = os.environ) -> str:
    """Ask NCCL for its log; call it before the first communicator. Path of the log, '' where the user has asked
    already.
    """
    if environ.get('NCCL_DEBUG') or environ.get('NCCL_DEBUG_FILE'):
        return ''
    handle, path = tempfile.mkstemp(prefix='mtp-nccl-')
    os.close(handle)
    environ.update(NCCL_DEBUG='INFO', NCCL_DEBUG_SUBSYS='INIT,NET', NCCL_DEBUG_FILE=path)
    return path


def begun(distributed: ModuleType, log: str = '') -> None:
    """Say over what the processes talk; all of them call it, once the group of processes is there.

    Args:
        distributed: torch.distributed.
        log: what :func:`listen` gave.
    """
    backend, world = distributed.get_backend(), distributed.get_world_size()
    if backend == 'nccl':
        distributed.barrier()  # NCCL chooses when it is first used
    if distributed.get_rank() == 0:
        count = machines(world, os.environ)
        for line in lines(backend, world, count, _read(log) if backend == 'nccl' else gloo(os.environ), devices()):
            sys.stderr.write(line + '\n')
    if log and os.path.exists(log):
        os.unlink(log)


def _read(log: str) -> str:
    if not log:
        return 'NCCL_DEBUG'
    try:
        with open(log, encoding='utf-8', errors='replace') as stream:
            return network(stream.read(1 << 20))
    except OSError:
        return ''


def machines(world: int, environ: Mapping[str, str]) -> int:
    """On how many machines ``world`` processes are, as torchrun or SLURM says; 1 where nobody does."""
    each, nodes = environ.get('LOCAL_WORLD_SIZE', ''), environ.get('SLURM_NNODES', '')
    if each.isdecimal() and int(each):
        return max(1, world // int(each))
    return int(nodes) if nodes.isdecimal() and 'SLURM_STEP_ID' in environ else 1


def network(text: str) -> str:
    """What NCCL's log says of the network it took, in its own words; '' where it says nothing.

    ``NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB ; OOB ib0:10.0.0.1<0>``, ``NCCL INFO NET/Socket : Using
    [0]eth0:10.0.0.1<0>``, ``NCCL INFO NET/OFI Selected Provider is efa``, and from 2.8 on ``NCCL INFO Using network
    IB``.
    """
    found = {}
    for kind, rest in re.findall(r'NET/(IB|Socket) *: Using (.*)', text):
        found[kind] = 'NET/{} {}'.format(kind, ' '.join(re.findall(r'\[\d+\]([^\s<;]+)', rest)) or rest.strip())
    provider = re.search(r'NET/OFI Selected Provider is ([\w;-]+)', text)
    if provider:
        found['OFI'] = 'NET/OFI ' + provider.group(1)
    chosen = re.findall(r'NCCL INFO Using network (\S+)', text)
    if chosen:
        names = {'AWS': 'OFI', 'Libfabric': 'OFI'}
        return found.get(names.get(chosen[-1], chosen[-1]), 'NET/' + chosen[-1])
    return found.get('OFI') or found.get('IB') or found.get('Socket', '')


def gloo(environ: Mapping[str, str]) -> str:
    """The interface that gloo takes: GLOO_SOCKET_IFNAME, else that of the address behind this machine's own name."""
    if environ.get('GLOO_SOCKET_IFNAME'):
        return environ['GLOO_SOCKET_IFNAME']
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        address = '127.0.0.1'
    return '{} {}'.format(addresses().get(address, 'lo'), address)


def addresses() -> Dict[str, str]:
    """{IPv4 address: name} of the interfaces of this machine."""
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asked.fileno(), SIOCGIFADDR, struct.pack('256s', name.encode()[:15]))
            except OSError:  # an interface without an address
                continue
            found[socket.inet_ntoa(answer[20:24])] = name
    return found


def devices() -> List[str]:
    """Names of the InfiniBand (or RoCE) devices of this machine."""
    try:
        return sorted(os.listdir(CLASS))
    except OSError:
        return []


def lines(backend: str, world: int, count: int, over: str, infiniband: Sequence[str]) -> List[str]:
    """What is said: the network, and a warning where a faster one is there."""
    where = f'on {count} machines' if count > 1 else 'on this machine'
    if over == 'NCCL_DEBUG':
        return [f'{world} processes {where} talk over nccl; NCCL_DEBUG says where its own log is']
    said = ['{} processes {} talk over {}{}'.format(world, where, backend, ': ' + over if over else '')]
    if count > 1 and infiniband and backend == 'nccl' and over.startswith('NET/Socket'):
        said.append('warning: this machine has InfiniBand ({}), and NCCL does not use it; NCCL_DEBUG=INFO says why. '
                    'Needed '
                    'are /dev/infiniband, libibverbs beside torch, and ulimit -l unlimited'.format(
                        ', '.join(infiniband)))
    return said
