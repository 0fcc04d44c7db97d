"""Before the processes of a run trust each other: are all there, in the same image? Standard library only.

``torch.distributed`` waits half an hour, silently, for a process that will never come. Here the first process listens
on the port they will use, each other one tells it who it is, and within a minute all go on, or end with the same words.

Whoever can reach the port may call. So every line is signed with the token of the run (:mod:`.tokens`), a
line has a longest length and a shortest time, and nobody who talks slowly, or nonsense, keeps the others waiting.
"""
import errno
import hashlib
import hmac
import json
import math
import os
import selectors
import socket
import time
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Sequence, Tuple, cast

from mtp import numbers
from mtp.distributed import hostlist, tokens
from mtp.distributed.tokens import TOKEN
from mtp.errors import MTPError

SECONDS, AT_LEAST = 45, 15  # from the start of the process; toolboxes take their time to load
LABELS = '/.singularity.d/labels.json'  # differs from build to build; what there is where nobody told the image's hash
CARD_BYTES, ANSWER_BYTES = 1 << 12, 1 << 16
TALK_SECONDS = 5  # within which a line has to be complete
STRANGERS = 64  # that may talk at once beside the processes we wait for
TEXTS = ('step', 'host', 'image')
FOREIGN = b'foreign\n'  # the answer to a line that this job has not signed

Address = Tuple[str, int]


def meet(found: Mapping[str, str], environ: Mapping[str, str], seconds: Optional[float] = None,
         what: str = 'processes') -> None:
    """Return when every process of this step is at the master's port; one process needs nobody.

    Args:
        found: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, as :func:`mtp.distributed.rendezvous.prepare` gives them.
        environ: mapping; says who this process is. MTP_MEET_SECONDS replaces SECONDS.
        what: ``processes``, or ``servers`` where each stands for several.

    Raises:
        MTPError: some process did not come, or the images differ; the same in every process that can be told.
    """
    rank, world = int(found['RANK']), int(found['WORLD_SIZE'])
    if world == 1:
        return
    seconds = _seconds(environ) or seconds or max(SECONDS - age(), AT_LEAST)
    address = found['MASTER_ADDR'], int(found['MASTER_PORT'])
    key = tokens.source(environ, rank, address[0])
    if rank == 0:
        try:
            _host(address, world, card(rank, environ), seconds, key(), expected(environ), what)
        finally:
            if not environ.get(TOKEN) and not tokens.loopback(address[0]):
                tokens.remove(tokens.place(environ))
    else:
        _visit(address, card(rank, environ), seconds, key)


def _seconds(environ: Mapping[str, str]) -> float:
    asked = environ.get('MTP_MEET_SECONDS', '').strip()
    try:
        value = float(asked or 0)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise MTPError(f'MTP_MEET_SECONDS is {asked!r}; it has to be a number of seconds',
                       hint='MTP_MEET_SECONDS=120')
    return value


def age() -> float:
    """Seconds since this process was started; 0 where nobody knows."""
    try:
        with open('/proc/self/stat', 'rb') as stat, open('/proc/uptime', 'rb') as uptime:
            ticks = int(stat.read().rpartition(b')')[2].split()[19])
            return float(uptime.read().split()[0]) - ticks / float(os.sysconf('SC_CLK_TCK'))
    except (OSError, ValueError, IndexError):
        return 0.0


def card(rank: int, environ: Mapping[str, str]) -> Dict[str, Any]:
    """What a process says of itself."""
    step = '{}.{}'.format(environ.get('SLURM_JOB_ID', ''), environ.get('SLURM_STEP_ID', ''))
    host = environ.get('SLURMD_NODENAME') or socket.gethostname()
    return {'rank': rank, 'step': step[:100], 'host': host[:255], 'image': image(environ)[:1000]}


def image(environ: Mapping[str, str]) -> str:
    """The image around this process, by its hash: the launcher says it; '' natively."""
    said = environ.get('MTP_IMAGE', '')
    if said or not os.path.exists(LABELS):
        return said
    with open(LABELS, 'rb') as stream:
        return 'labels@sha256:' + hashlib.sha256(stream.read()).hexdigest()


def expected(environ: Mapping[str, str]) -> List[str]:
    """Hosts on which SLURM has put the processes, by rank; nothing where it does not say."""
    nodes = environ.get('SLURM_STEP_NODELIST') or environ.get('SLURM_JOB_NODELIST') or ''
    each = environ.get('SLURM_NTASKS_PER_NODE', '')
    if not nodes or not numbers.digits(each):
        return []
    return [node for node in hostlist.expand(nodes) for _ in range(int(each))]


def verdict(cards: Collection[Mapping[str, Any]], world: int, address: Address, seconds: float,
            places: Sequence[str] = (), what: str = 'processes') -> str:
    """'' when ``cards`` are all there and say the same, else what is wrong."""
    missing = sorted(set(range(world)) - set(each['rank'] for each in cards))
    if missing:
        named = [f'{rank} ({places[rank]})' if rank < len(places) else str(rank) for rank in missing[:20]]
        here = ['{} ({})'.format(each['rank'], each['host']) for each in sorted(cards, key=lambda item: item['rank'])]
        return '{} of {} {} did not come to {}:{} within {:.0f} s: {}\n    there are {}{}'.format(
            len(missing), world, what, address[0], address[1], seconds, ', '.join(named), ', '.join(here[:20]),
            ', ...' * (len(here) > 20))
    hashes = {}
    for each in sorted(cards, key=lambda item: item['rank']):
        hashes.setdefault(each['image'].rpartition('@')[2], []).append(each)
    if len(hashes) == 1:
        return ''
    lines = ['{} on {} (process {})'.format(
        held[0]['image'] or 'no image', ', '.join(sorted(set(each['host'] for each in held))),
        ', '.join(str(each['rank']) for each in held)) for held in hashes.values()]
    return 'the processes run in different images:\n    ' + '\n    '.join(lines)


# What the system says of a name that nobody knows.
UNKNOWN = ('Name or service not known', 'name resolution', 'No address associated')


def _hint(problem: str) -> str:
    if 'different images' in problem:
        return 'put one image on a folder that all nodes see, or copy it anew; make doctor'
    if any(text in problem for text in UNKNOWN):
        return ('MASTER_ADDR=address of the first node: scontrol show node NAME tells it (NodeAddr); a NodeName need '
                'not be '
                'a name that the network knows')
    return ('look for what ended the missing ones above; else a port closed between nodes: PORT=number, '
            'GLOO_SOCKET_IFNAME / NCCL_SOCKET_IFNAME=interface; more time: MTP_MEET_SECONDS=seconds')


def _host(address: Address, world: int, own: Mapping[str, Any], seconds: float, key: str = '',
          places: Sequence[str] = (), what: str = 'processes') -> None:
    limit = time.monotonic() + seconds
    guests = {}
    try:
        with listen(address[1], address[0]) as server:
            cards = _gather(server, world, own, key, limit, guests)
        problem = verdict([own] + list(cards.values()), world, address, seconds, places, what)
        for guest in guests.values():
            guest.settimeout(TALK_SECONDS)
            _say(guest, {'problem': problem[:ANSWER_BYTES // 8]}, key)
    finally:
        for guest in guests.values():
            guest.close()
    if problem:
        raise MTPError(problem, hint=_hint(problem))


def listen(port: int, name: str = '') -> socket.socket:
    """A server on ``port`` where those look who were told ``name``: on that interface alone, as far as it is one of
    ours.

    Raises:
        MTPError: somebody else listens there, or the port may not be used.
    """
    own = interface(name)
    for family, place in ([own] if own else []) + [(int(socket.AF_INET), '')]:
        server = socket.socket(family)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((place, port))
            server.listen(4096)
            return server
        except OSError as error:
            server.close()
            if error.errno == errno.EADDRNOTAVAIL and place:  # a name of something before this machine
                continue
            raise MTPError(f'port {port} on {socket.gethostname()} cannot be used: {error.strerror}',
                           hint='leave PORT away, or PORT=another number')
    raise AssertionError('the last of them has no name')


def interface(name: str) -> Optional[Tuple[int, str]]:
    """(family, address) behind ``name``; None for every interface: a node may call itself by an address of its own."""
    try:
        found = socket.getaddrinfo(name or None, None, 0, socket.SOCK_STREAM) if name else ()
    except (OSError, UnicodeError):
        return None
    for family, _, _, _, place in sorted(found, key=lambda each: each[0] != socket.AF_INET):
        host = str(place[0])
        loopback = host.startswith('127.') or host == '::1'
        if not loopback or name in ('localhost', host):
            return family, host
    return None


class _Stranger(object):
    """Somebody who has called and not yet said a whole line."""

    def __init__(self) -> None:
        self.data, self.limit = b'', time.monotonic() + TALK_SECONDS


def _gather(server: socket.socket, world: int, own: Mapping[str, Any], key: str, limit: float,
            guests: Dict[int, socket.socket]) -> Dict[int, Dict[str, Any]]:
    """Cards of those who came before ``limit``, by rank; their lines stay open in ``guests``, by rank too."""
    cards, strangers = {}, {}
    server.setblocking(False)
    with selectors.DefaultSelector() as watched:
        def leave(peer: socket.socket) -> None:
            watched.unregister(peer)
            strangers.pop(peer, None)
            for rank in [rank for rank, guest in guests.items() if guest is peer]:  # it ended while it waited
                del guests[rank], cards[rank]
            peer.close()

        watched.register(server, selectors.EVENT_READ)
        while len(cards) < world - 1 and time.monotonic() < limit:
            for ready, _ in watched.select(min(max(limit - time.monotonic(), 0.01), 0.25)):
                peer = cast(socket.socket, ready.fileobj)
                if peer is server:
                    _let_in(server, watched, strangers)
                elif peer not in strangers:
                    leave(peer)
                elif _heard(peer, strangers[peer]):
                    said = _card(peer, strangers.pop(peer).data, world, own, key)
                    if said is None:
                        leave(peer)
                        continue
                    if said['rank'] in guests:  # one that lost its line calls again
                        leave(guests[said['rank']])
                    cards[said['rank']], guests[said['rank']] = said, peer
            now = time.monotonic()
            late = [peer for peer, stranger in strangers.items() if stranger.limit < now]
            for peer in late + list(strangers)[:max(len(strangers) - len(late) - world - STRANGERS, 0)]:
                if peer in strangers:
                    leave(peer)
        for peer in list(strangers):
            leave(peer)
    return cards


def _let_in(server: socket.socket, watched: selectors.BaseSelector, strangers: Dict[socket.socket, _Stranger]) -> None:
    try:
        peer, _ = server.accept()
    except OSError:  # gone again, or no descriptor is left: those that are late are closed soon
        return
    peer.setblocking(False)
    strangers[peer] = _Stranger()
    watched.register(peer, selectors.EVENT_READ)


def _heard(peer: socket.socket, stranger: _Stranger) -> bool:
    """Take in what is there; whether the line is complete, too long, or broken off."""
    try:
        part = peer.recv(CARD_BYTES)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        part = b''
    stranger.data += part
    return not part or stranger.data.endswith(b'\n') or len(stranger.data) > CARD_BYTES


def _card(peer: socket.socket, line: bytes, world: int, own: Mapping[str, Any], key: str) -> Optional[Dict[str, Any]]:
    """The card in a line that a process of this step has signed; None, and an answer, for everything else."""
    peer.settimeout(1)
    try:
        said = _opened(line, key)
    except ValueError:
        _send(peer, FOREIGN)
        return None
    rank = said.get('rank')
    if type(rank) is not int or not 0 < rank < world or not all(isinstance(said.get(name), str) for name in TEXTS):
        _say(peer, {'problem': 'a process of {} says that it is number {!r:.40} of {}'.format(
            own['step'] or own['host'], rank, world)}, key)
        return None
    if said['step'] != own['step']:
        _say(peer, {'problem': 'port taken by job step {} on {}'.format(own['step'], own['host'])}, key)
        return None
    return said


def _visit(address: Address, own: Mapping[str, Any], seconds: float, key: Callable[[], str] = str) -> None:
    """``key`` gives the token: where process 0 draws it, it is read anew with every call."""
    limit, reason = time.monotonic() + seconds, ''
    while time.monotonic() < limit:
        try:
            with socket.create_connection(address, timeout=max(limit - time.monotonic(), 0.01)) as host:
                word = key()
                _say(host, own, word)
                problem = _opened(_line(host, limit + TALK_SECONDS), word).get('problem')  # it waits for the others
                if not isinstance(problem, str):
                    raise ValueError('who answers there speaks another language')
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


def _line(peer: socket.socket, limit: float) -> bytes:
    """One line, however slowly it comes, before ``limit``."""
    data = b''
    while not data.endswith(b'\n'):
        peer.settimeout(max(limit - time.monotonic(), 0.01))
        part = peer.recv(1 << 12)
        if not part or len(data) > ANSWER_BYTES or time.monotonic() > limit:
            raise ValueError('the other side has gone')
        data += part
    return data


def _signature(key: str, text: bytes) -> bytes:
    return hmac.new(key.encode('utf-8'), text, hashlib.sha256).hexdigest().encode('ascii')


def _say(peer: socket.socket, value: Mapping[str, Any], key: str) -> None:
    text = json.dumps(value).encode('utf-8')
    _send(peer, _signature(key, text) + b' ' + text + b'\n')


def _send(peer: socket.socket, line: bytes) -> None:
    try:
        peer.sendall(line)
    except OSError:  # it has gone; who started it ends the others for its sake
        pass


def _opened(line: bytes, key: str) -> Dict[str, Any]:
    """The object in a signed line.

    Raises:
        ValueError: it is not signed with ``key``, or no object.
    """
    if line == FOREIGN:
        raise ValueError('who answers there belongs to another job, or has another ' + TOKEN)
    signature, _, text = line.rstrip(b'\n').partition(b' ')
    if not line.endswith(b'\n') or not hmac.compare_digest(signature, _signature(key, text)):
        raise ValueError('who answers there is no process of this job')
    try:
        value = json.loads(text.decode('utf-8'))
    except RecursionError:
        raise ValueError('it is nested too deeply')
    if not isinstance(value, dict):
        raise ValueError('it is no object')
    return value
