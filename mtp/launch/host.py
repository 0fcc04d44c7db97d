"""What is true of this machine, gathered once and handed to planning as a value, so that planning needs no machine."""
import os
import re
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any, Container, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from mtp import files
from mtp.launch import cards, clients, engines, ledger, links, runtimes
from mtp.launch.runtimes.base import DIGEST_LABEL, ENV_LABEL, INFINIBAND
from mtp.launch.runtimes.docker import Docker

if TYPE_CHECKING:
    from mtp.launch.settings import Settings

TOOLS = ('docker', 'podman', 'apptainer', 'enroot', 'srun', 'sbatch', 'nvidia-smi')

Folder = NamedTuple('Folder', [('exists', bool), ('readable', bool), ('writable', bool)])

Host = NamedTuple('Host', [
    ('root', str),  # the checkout
    ('tools', Dict[str, str]),  # name -> path of what is installed
    ('engines', Dict[str, engines.Seen]),  # name of an engine -> what is known of it; those that were asked
    ('sifs', Dict[str, str]),  # apptainer images that are there -> ledger digest on their label ('' where unknown)
    ('venvs', Dict[str, str]),  # environment -> state of its native form, see venvs.state
    ('folders', Dict[str, Folder]),
    ('accel', str),  # nv, rocm or none: what is plugged in here
    ('uid', int),
    ('gid', int),
    ('free_port', int),
    ('revision', str),  # commit of the checkout, with -dirty
    ('builder', str),  # docker client that can build with BuildKit: not always the first on PATH
    ('partitions', Tuple[str, ...]),  # of the cluster; asked for only where the user names one
    ('name', str),  # of this machine
    ('links', Dict[str, Tuple[links.Link, ...]]),  # root -> links in it that lead out of it; asked for containers
    ('infiniband', bool),  # whether this machine has devices of it
    ('queue', Tuple[Tuple[str, str, str, str], ...]),
    # the user's jobs, where one is submitted: id, name, state, comment
    ('made_for', Dict[str, str]),  # IMAGE or SIF -> the environment that its label says
    ('source', str),  # address of the repository, for the label of an image; '' where it has none
    ('cards', Tuple[cards.Card, ...]),  # those that nvidia-smi shows here
    ('made_of', Dict[str, str]),  # environment -> variant of its native form, where that is there
    ('sqshs', Dict[str, str]),  # files of squashfs that are there
    ('srun_options', Dict[str, str]),  # of containers, where srun has a plugin for them
])
# The class syntax with defaults needs Python 3.6.1.
Host.__new__.__defaults__ = ('', (), '', {}, False, (), {}, '', (), {}, {}, {})


def look(settings: 'Settings', root: str = ledger.ROOT, builds: bool = False) -> Host:
    """The :class:`Host` of this process. Engines are asked when they may be used; who can build, for ``builds``."""
    tools = {name: path for name, path in ((name, shutil.which(name)) for name in TOOLS) if path}
    possible = runtimes.possible(settings)
    asked = {each.name: tools[each.client] for each in runtimes.engines()
             if each.client in tools and (each in possible or builds)}
    seen = {each.name: engine_facts(each, asked[each.name], _tags(settings)) for each in runtimes.engines()
            if each.name in asked}
    known = _facts(settings, root, tools)
    known['made_for'].update(_made_for(settings, [asked[name] for name in seen if not seen[name].refusal]))
    roots = (settings.data_root, settings.weights_root, settings.work_root)
    return Host(
        root=root, tools=tools, engines=seen, folders={path: folder(os.path.join(root, path)) for path in roots},
        accel=accelerator(tools), uid=os.getuid(), gid=os.getgid(), free_port=free_port(), revision=revision(root),
        builder=(clients.builder() or '') if 'docker' in asked and builds else '',
        partitions=partitions(shutil.which('sinfo')) if settings.partition else (), name=socket.gethostname(),
        links={path: links.leaving(os.path.join(root, path)) for path in roots
               } if any(each.in_image for each in possible) else {},
        infiniband=os.path.isdir(INFINIBAND), queue=queue(shutil.which('squeue')) if settings.submit else (),
        source=source(root) if builds else '', cards=tuple(cards.look(tools.get('nvidia-smi'))), **known)


def _facts(settings: 'Settings', root: str, tools: Dict[str, str]) -> Dict[str, Any]:
    """What single runtimes want to know, all of them: a checkout may hold images and environments of each."""
    found = {}
    for each in runtimes.TABLE.values():
        for field, value in each.facts(settings, root, tools).items():
            found.setdefault(field, {}).update(value)
    return found


def folder(path: str) -> Folder:
    """The :class:`Folder` at ``path``."""
    return Folder(os.path.isdir(path), os.access(path, os.R_OK | os.X_OK), os.access(path, os.W_OK | os.X_OK))


def answer(client: str, words: Sequence[str] = ('version', '--format', '{{.Server.Version}}'),
           timeout: float = 10) -> str:
    """'' when an engine, asked these ``words`` by its ``client``, answers, else what it said."""
    try:
        done = subprocess.run([client] + list(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
    except subprocess.TimeoutExpired:
        return f'{os.path.basename(client)} {words[0]} timed out after {timeout} seconds'
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return ''
    return done.stderr.decode('utf-8', 'replace').strip() or '{} {} ended with {}'.format(
        os.path.basename(client), words[0], done.returncode)


def engine_facts(engine: Docker, client: str, tags: Iterable[str]) -> engines.Seen:
    """The :class:`engines.Seen` of a runtime that is an engine: its program is ``client``, and it may hold ``tags``."""
    refusal = answer(client, engine.answers, engine.patience)
    about = engines.PLAIN if refusal else engines.about(client)
    refusal = refusal or ('' if about.ids else engines.NO_RANGE)
    if refusal:
        trouble = engines.complaint(refusal, os.environ, engine.start_it)
        return engines.UNASKED._replace(refusal=trouble.message, following=trouble.hint)
    images = image_facts(client, tags)
    return engines.Seen('', '', about, engines.free(about), {tag: label for tag, (label, _) in images.items()},
                        {tag: own for tag, (_, own) in images.items()})


def image_facts(docker: str, tags: Iterable[str], timeout: float = 20) -> Dict[str, Tuple[str, str]]:
    """``{image name: (ledger digest on its label, its own sha256:...)}`` of those ``tags`` that docker holds."""
    found = {}
    for tag in tags:
        wanted = '{{index .Config.Labels "%s"}}\n{{.Id}}' % DIGEST_LABEL
        code, output = clients.said([docker, 'image', 'inspect', '--format', wanted, tag], timeout)
        if code == 0:
            lines = output.rstrip('\n').split('\n')  # a client may warn before it answers
            label = lines[-2] if len(lines) > 1 else ''
            own = lines[-1] if ':' in lines[-1] else 'sha256:' + lines[-1]  # podman leaves the kind of hash away
            found[tag] = ('' if label == '<no value>' else label, own)
    return found


def _made_for(settings: 'Settings', answering: Iterable[str]) -> Dict[str, str]:
    """What an image that the user names says of itself: nothing else knows for what it was made."""
    found = {}
    for client in answering if settings.image else ():
        words = [client, 'image', 'inspect', '--format', '{{index .Config.Labels "%s"}}' % ENV_LABEL, settings.image]
        code, output = clients.said(words, 20)
        label = (output.strip().splitlines() or [''])[-1]
        found[settings.image] = label if code == 0 and label != '<no value>' else ''
    return found


def partitions(sinfo: Optional[str], timeout: float = 30) -> Tuple[str, ...]:
    """Names of the cluster's partitions, hidden ones too; nothing where there is no SLURM, or no answer."""
    try:
        words = [sinfo or 'sinfo', '--all', '--noheader', '--format=%R']
        said = subprocess.check_output(words, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=timeout)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return ()
    return tuple(dict.fromkeys(said.decode('utf-8', 'replace').split()))


def queue(squeue: Optional[str], timeout: float = 30) -> Tuple[Tuple[str, str, str, str], ...]:
    """(id, name, state, comment) of the user's jobs that wait or run; nothing where there is no answer."""
    try:
        words = [squeue or 'squeue', f'--user={os.getuid()}', '--noheader', '--format=%i|%j|%T|%k']
        said = subprocess.check_output(words, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=timeout)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return ()
    rows = [[part.strip() for part in line.split('|', 3)] for line in said.decode('utf-8', 'replace').splitlines()]
    return tuple((row[0], row[1], row[2], row[3]) for row in rows if len(row) == 4)


def accelerator(tools: Container[str]) -> str:
    """``'nv'``, ``'rocm'`` or ``'none'``: what this machine has."""
    if 'nvidia-smi' in tools or os.path.exists('/dev/nvidiactl'):
        return 'nv'
    return 'rocm' if os.path.exists('/dev/kfd') else 'none'


def free_port() -> int:
    """A TCP port that nobody on this machine listens on right now."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def revision(root: str) -> str:
    """Commit of the checkout at ``root``, with ``-dirty`` when files differ; a bundle says it; else ``unknown``."""
    try:
        return files.read_json(os.path.join(root, 'bundle.json'))['revision']  # a bundle may lie inside a checkout
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        words = ['git', '-C', root, 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*']
        return subprocess.check_output(words, stderr=subprocess.DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def source(root: str) -> str:
    """Address of the repository that the checkout at ``root`` came from, without names and passwords.

    '' where it has none, and where it is a folder of this machine: that is nobody else's business.
    """
    try:
        said = subprocess.check_output(['git', '-C', root, 'remote', 'get-url', 'origin'], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return ''
    address = said.decode('utf-8', 'replace').strip()
    head, slashes, tail = address.partition('://')
    if slashes:
        return '' if head == 'file' else head + slashes + tail[tail.find('@', 0, tail.find('/')) + 1:]
    return address if re.match(r'^[\w.-]+@[\w.-]+:', address) else ''


def _tags(settings: 'Settings') -> List[str]:
    tags = [ledger.image_tag(env, variant) for env in ledger.names() for variant in ledger.variants(env)]
    return tags + [settings.image] * bool(settings.image)
