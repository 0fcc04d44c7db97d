"""Container engines: what one is (podman, rootless, with cards), what it complains of, and what to do about it."""
import getpass
import json
import os
import re
import shutil
from typing import Any, Dict, List, Mapping, NamedTuple

from mtp.launch import clients
from mtp.launch.plan import Problem

Engine = NamedTuple('Engine', [
    ('root', str),  # folder of this machine that holds its images; '' where nobody knows
    ('rootless', bool),  # its root is the user: another uid inside is a uid of nobody outside
    ('podman', bool),
    ('cards', bool),  # it can hand NVIDIA cards to a container
    ('ids', bool),  # it has ids beside the user's own to give to a container
])
Engine.__new__.__defaults__ = (True,)  # the class syntax with defaults needs Python 3.6.1
PLAIN = Engine('', False, False, True)

Seen = NamedTuple('Seen', [
    ('refusal', str),  # '' where the engine answers, else what it said
    ('following', str),  # what to type then
    ('about', Engine),
    ('free', int),  # bytes left on the disk of its images; -1 where nobody knows
    ('images', Dict[str, str]),  # image name -> ledger digest on its label ('' where it has none)
    ('ids', Dict[str, str]),  # image name -> sha256:... of what it is
])
UNASKED = Seen('not asked', 'sudo systemctl start docker, or RUNTIME=native', PLAIN, -1, {}, {})

BUILD_BYTES = 14 << 30  # of the engine's disk, for one image with what building it leaves in the cache
LEAST_BUILD_BYTES = 4 << 30  # less, and not even what the cache already has could be put together
RUN_BYTES = 64 << 20
NO_RANGE = 'no subuid ranges'  # what podman says of a user without them, while it goes on
NO_TOOLKIT = ('the engine has no NVIDIA container toolkit, so that no container gets a card',
              'sudo apt-get install nvidia-container-toolkit (its vendor tells where from), or ACCEL=none VARIANT=cpu')
NO_CDI = ('nobody has described the NVIDIA cards of this machine to the engine (CDI), so that no container gets one',
          'sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml (it comes with nvidia-container-toolkit), or '
          'ACCEL=none VARIANT=cpu')
PRUNE = 'docker system df, then docker system prune'

# What an engine says (a pattern), what is the matter, and what to type. The first that fits is taken.
COMPLAINTS = (
    (r'could not select device driver|unknown or invalid runtime name: nvidia', *NO_TOOLKIT),
    (r'unresolvable CDI device', *NO_CDI),
    (r'no space left on device',
     'the disk of the engine is full', PRUNE),
    (r'permission denied.*(docker\.sock|docker daemon|Docker API)',
     'it runs, but {user} may not talk to it', '{rights}'),
    (r'[Cc]annot connect to the Docker daemon|failed to connect to the docker API|[Ii]s the docker daemon running',
     '{said}', '{start}'),
    (r'newuidmap|subuid|insufficient UIDs',
     '{user} has no range of user ids, which a rootless engine needs',
     'sudo usermod --add-subuids 200000-265535 --add-subgids 200000-265535 {user}'),
    (r'container-init binary not found', 'podman has no catatonit, which reaps what a run leaves',
     'sudo apt-get install catatonit'),
    (r'exec format error', 'the image is made for another processor',
     'uname -m; make images on a machine like this one'),
    (r'(mkdir|stat|lstat) .*: permission denied',
     'the daemon, which is root, cannot see a folder of yours: a network share that takes root for nobody',
     'chmod a+x the folders above it, or MTP_WORK_ROOT, MTP_DATA_ROOT elsewhere, or RUNTIME=apptainer'),
)


def complaint(said: str, environ: Mapping[str, str], start: str = '') -> Problem:
    """The :class:`Problem` behind what an engine ``said``: its own words where nobody knows them better.

    Args:
        start: what to type where nobody knows more; else how docker is started.
    """
    text = said.strip()
    user = environ.get('USER') or _user()
    for pattern, message, hint in COMPLAINTS:
        if re.search(pattern, text):
            words = dict(user=user, said=last_line(text), rights=_rights(user, environ), start=_start(environ))
            return Problem(message.format(**words), hint.format(**words))
    return Problem(last_line(text) or 'it says nothing', start or _start(environ))


def known(said: str) -> bool:
    """Whether what an engine ``said`` is a complaint of its own, and not of the program inside."""
    return any(re.search(pattern, said) for pattern, _, _ in COMPLAINTS)


def last_line(text: str) -> str:
    """What an engine ends with, but for its advice: docker's last line is ``Run 'docker run --help' for more``."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not re.match(r"(See|Run) '(docker|podman)", line)]
    return (told or lines or [''])[-1]


def about(client: str) -> Engine:
    """The :class:`Engine` behind ``client``; PLAIN where it does not say."""
    code, output = clients.said([client, 'info', '--format', '{{json .}}'], 20)
    start = output.find('{')  # a client may warn before it answers
    try:
        return read(json.loads(output[start:])) if code == 0 and start >= 0 else PLAIN
    except (ValueError, AttributeError, TypeError):
        return PLAIN


def read(info: Mapping[str, Any]) -> Engine:
    """The :class:`Engine` that its ``info`` tells of: docker's form, or podman's, which has small letters."""
    if 'host' in info:
        rootless = bool(info['host'].get('security', {}).get('rootless'))
        ids = (info['host'].get('idMappings') or {}).get('uidmap') or ()
        return Engine(info.get('store', {}).get('graphRoot', ''), rootless, True, cdi(), not rootless or len(ids) != 1)
    options = info.get('SecurityOptions') or ()
    cards = 'nvidia' in (info.get('Runtimes') or {}) or any(
        'nvidia' in str(each) for each in info.get('DiscoveredDevices') or ()) or toolkit() or cdi()
    root = info.get('DockerRootDir') or ''
    return Engine(root if os.path.isabs(root) else '', any('rootless' in each for each in options), False, cards)


def free(engine: Engine) -> int:
    """Bytes left on the disk of the engine's images; -1 where nobody here knows."""
    try:
        return shutil.disk_usage(engine.root).free if engine.root else -1
    except OSError:  # the engine lives in a machine of its own
        return -1


def toolkit() -> bool:
    """Whether docker finds the hook that brings cards into a container, with which ``--gpus`` works by itself."""
    return any(os.access(os.path.join(folder, 'nvidia-container-runtime-hook'), os.X_OK)
               for folder in ('/usr/bin', '/usr/local/bin', '/usr/local/nvidia/toolkit'))


def cdi() -> bool:
    """Whether somebody has described the cards for engines that read such descriptions (CDI)."""
    return any(os.path.isdir(folder) and any('nvidia' in name for name in os.listdir(folder))
               for folder in ('/etc/cdi', '/var/run/cdi'))


def cards(engine: Engine) -> List[str]:
    """Words that give a container every NVIDIA card."""
    return ['--device', 'nvidia.com/gpu=all'] if engine.podman else ['--gpus', 'all']


def identity(engine: Engine, uid: int, gid: int) -> List[str]:
    """Words that make the files of a container belong to the user outside."""
    if engine.rootless and engine.podman:
        return ['--userns', 'keep-id', '--user', f'{uid}:{gid}']
    return ['--user', '0:0' if engine.rootless else f'{uid}:{gid}']


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as in a container
        return f'uid {os.getuid()}'


def _own_socket() -> str:
    path = f'/run/user/{os.getuid()}/docker.sock'
    return path if os.path.exists(path) else ''


def _rights(user: str, environ: Mapping[str, str]) -> str:
    if _own_socket() and not environ.get('DOCKER_HOST'):
        return 'export DOCKER_HOST=unix://' + _own_socket()
    return f'sudo usermod -aG docker {user}, then log in again (or: newgrp docker); or RUNTIME=native'


def _start(environ: Mapping[str, str]) -> str:
    if environ.get('DOCKER_HOST'):
        return 'unset DOCKER_HOST (it is {}), or RUNTIME=native'.format(environ['DOCKER_HOST'])
    if _own_socket():
        return 'export DOCKER_HOST=unix://' + _own_socket()
    return 'sudo systemctl start docker, or RUNTIME=native'
