"""Before the processes of a job step trust each other: are all there, in the same image? Standard library only.

``torch.distributed`` waits half an hour, silently, for a process that will never come. Here the first process listens
on the port they will use, each other one tells it who it is, and within a minute all go on, or end with the same words.
"""
import hashlib
import json
import os
import socket
import time

from mtp.errors import MTPError

SECONDS, AT_LEAST = 45, 15  # from the start of the process; toolboxes take their time to load
LABELS = '/.singularity.d/labels.json'  # differs from build to build; what there is where nobody told the image's hash
_LINE_BYTES = 1 << 16


def meet(found, environ, seconds=None):
    """Return when every process of this step is at the master's port; one process needs nobody.

    Args:
        found: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, as :func:`mtp.launch.rendezvous.prepare` gives them.
        environ: mapping; says who this process is. MTP_MEET_SECONDS replaces SECONDS.

    Raises:
        MTPError: some process did not come, or the images differ; the same in every process that can be told.
    """
    seconds = float(environ.get('MTP_MEET_SECONDS') or seconds or max(SECONDS - age(), AT_LEAST))
    rank, world = int(found['RANK']), int(found['WORLD_SIZE'])
    address = (found['MASTER_ADDR'], int(found['MASTER_PORT']))
    if world > 1 and rank == 0:
        _host(address, world, card(rank, environ), seconds)
    elif world > 1:
        _visit(address, card(rank, environ), seconds)


def age():
    """Seconds since this process was started; 0 where nobody knows."""
    try:
        with open('/proc/self/stat') as stat, open('/proc/uptime') as uptime:
            ticks = int(stat.read().rpartition(')')[2].split()[19])
            return float(uptime.read().split()[0]) - ticks / float(os.sysconf('SC_CLK_TCK'))
    except (OSError, ValueError, IndexError):
        return 0.0


def card(rank, environ):
    """What a process says of itself."""
    step = '{}.{}'.format(environ.get('SLURM_JOB_ID', ''), environ.get('SLURM_STEP_ID', ''))
    return {'rank': rank, 'step': step, 'host': environ.get('SLURMD_NODENAME') or socket.gethostname(),
            'image': image(environ)}


def image(environ):
    """The image around this process, by its hash: the launcher says it; '' natively."""
    said = environ.get('MTP_IMAGE', '')
    if said or not os.path.exists(LABELS):
        return said
    with open(LABELS, 'rb') as stream:
        return 'labels@sha256:' + hashlib.sha256(stream.read()).hexdigest()


def verdict(cards, world, address, seconds):
    """'' when ``cards`` are all there and say the same, else what is wrong."""
    missing = sorted(set(range(world)) - set(each['rank'] for each in cards))
    if missing:
        return '{} of {} processes did not come to {}:{} within {:.0f} s: {}'.format(
            len(missing), world, address[0], address[1], seconds, ', '.join(map(str, missing[:20])))
    hashes = {}
    for each in sorted(cards, key=lambda item: item['rank']):
        hashes.setdefault(each['image'].rpartition('@')[2], []).append(each)
    if len(hashes) == 1:
        return ''
    lines = ['{} on {} (process {})'.format(
        held[0]['image'] or 'no image', ', '.join(sorted(set(each['host'] for each in held))),
        ', '.join(str(each['rank']) for each in held)) for held in hashes.values()]
    return 'the processes run in different images:\n    ' + '\n    '.join(lines)


def _hint(problem):
    if 'different images' in problem:
        return 'put one image on a folder that all nodes see, or copy it anew; make doctor'
    return ('look for what ended the missing ones above; else a port closed between nodes: PORT=number, '
            'GLOO_SOCKET_IFNAME / NCCL_SOCKET_IFNAME=interface; more time: MTP_MEET_SECONDS=seconds')


def _host(address, world, own, seconds):
    limit = time.monotonic() + seconds
    cards, guests = {0: own}, []
    try:
        with _listen(address[1]) as server:
            while len(cards) < world and time.monotonic() < limit:
                server.settimeout(max(limit - time.monotonic(), 0.01))
                try:
                    guest, _ = server.accept()
                    _greet(guest, own, cards, guests)
                except socket.timeout:
                    break
        problem = verdict(list(cards.values()), world, address, seconds)
        for guest in guests:
            _say(guest, {'problem': problem})
    finally:
        for guest in guests:
            guest.close()
    if problem:
        raise MTPError(problem, hint=_hint(problem))


def _listen(port):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(('', port))
    except OSError as error:
        server.close()
        raise MTPError('port {} on {} cannot be used: {}'.format(port, socket.gethostname(), error.strerror),
                       hint='PORT=another number')
    server.listen(4096)
    return server


def _greet(guest, own, cards, guests):
    """Take in who has called; one of another step, or no process of ours, is sent away."""
    guest.settimeout(5)
    try:
        said = _hear(guest)
    except (OSError, ValueError):
        guest.close()
        return
    if said.get('step') != own['step']:
        _say(guest, {'problem': 'port taken by job step {} on {}'.format(own['step'], own['host'])})
        guest.close()
        return
    cards[said.get('rank')] = said  # by rank: one that lost its line calls again
    guests.append(guest)


def _visit(address, own, seconds):
    limit, reason = time.monotonic() + seconds, ''
    while time.monotonic() < limit:
        try:
            with socket.create_connection(address, timeout=max(limit - time.monotonic(), 0.01)) as host:
                _say(host, own)
                host.settimeout(max(limit - time.monotonic(), 0) + 5)  # it waits for the others
                problem = _hear(host)['problem']
        except (OSError, ValueError) as error:  # not there yet, or gone: both are asked again
            reason = str(getattr(error, 'strerror', None) or error)
            time.sleep(min(0.2, max(limit - time.monotonic(), 0)))
            continue
        if problem:
            raise MTPError(problem, hint=_hint(problem))
        return
    problem = 'process {rank} on {host} did not reach process 0 at {}:{} within {:.0f} s: {}'.format(
        address[0], address[1], seconds, reason, **own)
    raise MTPError(problem, hint=_hint(problem))


def _say(peer, value):
    try:
        peer.sendall(json.dumps(value).encode('utf-8') + b'\n')
    except OSError:  # it has gone; SLURM ends the step for its sake
        pass


def _hear(peer):
    """One JSON object on a line."""
    data = b''
    while not data.endswith(b'\n'):
        part = peer.recv(4096)
        if not part or len(data) > _LINE_BYTES:
            raise ValueError('the other side has gone')
        data += part
    value = json.loads(data.decode('utf-8'))
    if not isinstance(value, dict):
        raise ValueError('not an object')
    return value
