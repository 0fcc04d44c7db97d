"""What is true of this machine, gathered once and handed to planning as a value, so that planning needs no machine."""
import json
import os
import shutil
import socket
import subprocess
from typing import Dict, NamedTuple, Tuple

from mtp.launch import clients, ledger, venvs

DIGEST_LABEL = 'org.mtp.ledger'
TOOLS = ('docker', 'apptainer', 'srun', 'sbatch', 'nvidia-smi')

Folder = NamedTuple('Folder', [('exists', bool), ('readable', bool), ('writable', bool)])

Host = NamedTuple('Host', [
    ('root', str),  # the checkout
    ('tools', Dict[str, str]),  # name -> path of what is installed
    ('daemon', str),  # '' where docker answers, else what it said
    ('images', Dict[str, str]),  # image name -> ledger digest on its label ('' where it has none)
    ('sifs', Dict[str, str]),  # apptainer images that are there -> ledger digest on their label ('' where unknown)
    ('venvs', Dict[str, str]),  # environment -> state of its native form, see venvs.state
    ('folders', Dict[str, Folder]),
    ('accel', str),  # nv, rocm or none: what is plugged in here
    ('uid', int),
    ('gid', int),
    ('free_port', int),
    ('revision', str),  # commit of the checkout, with -dirty
    ('builder', str),  # docker client that can build with BuildKit: not always the first on PATH
    ('image_ids', Dict[str, str]),  # image name -> sha256:... of what it is
    ('partitions', Tuple[str, ...]),  # of the cluster; asked for only where the user names one
    ('name', str),  # of this machine
])
Host.__new__.__defaults__ = ('', {}, (), '')  # the class syntax with defaults needs Python 3.6.1


def look(settings, root=ledger.ROOT, builds=False):
    """The :class:`Host` of this process. Asks docker only when it may be used; who can build, only for ``builds``."""
    tools = {name: path for name, path in ((name, shutil.which(name)) for name in TOOLS) if path}
    wants_docker = settings.runtime in ('auto', 'docker') and 'docker' in tools
    daemon = docker_answer(tools['docker']) if wants_docker else 'not asked'
    images = {} if daemon else image_facts(tools['docker'], _tags(settings))
    return Host(
        root=root, tools=tools, daemon=daemon,
        images={tag: label for tag, (label, _) in images.items()},
        sifs={path: sif_digest(tools.get('apptainer'), os.path.join(root, path)) for path in _sifs(settings)
              if os.path.exists(os.path.join(root, path))},
        venvs={env: venvs.state(os.path.join(root, settings.venv_root, env), env) for env in ledger.names()},
        folders={path: folder(os.path.join(root, path))
                 for path in (settings.data_root, settings.weights_root, settings.work_root)},
        accel=accelerator(tools), uid=os.getuid(), gid=os.getgid(), free_port=free_port(), revision=revision(root),
        builder=(clients.builder() or '') if wants_docker and builds else '',
        image_ids={tag: own for tag, (_, own) in images.items()},
        partitions=partitions(shutil.which('sinfo')) if settings.partition else (), name=socket.gethostname())


def sif_path(settings, env, variant):
    """Where the apptainer image of ``env`` lies, relative to the checkout."""
    return settings.sif or 'apptainer/{}-{}.sif'.format(env, variant)


def venv_python(settings, env):
    """Python of the native environment ``env``, relative to the checkout."""
    return '{}/{}/bin/python'.format(settings.venv_root, env)


def folder(path):
    """The :class:`Folder` at ``path``."""
    return Folder(os.path.isdir(path), os.access(path, os.R_OK | os.X_OK), os.access(path, os.W_OK | os.X_OK))


def docker_answer(docker, timeout=10):
    """'' when the daemon behind ``docker`` answers, else one line of what it said."""
    try:
        done = subprocess.run([docker, 'version', '--format', '{{.Server.Version}}'], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stderr.decode('utf-8', 'replace').strip().splitlines()
    if done.returncode == 0:
        return ''
    return said[-1] if said else 'docker version ended with {}'.format(done.returncode)


def image_facts(docker, tags, timeout=20):
    """``{image name: (ledger digest on its label, its own sha256:...)}`` of those ``tags`` that docker holds."""
    found = {}
    for tag in tags:
        wanted = '{{index .Config.Labels "%s"}}\n{{.Id}}' % DIGEST_LABEL
        code, output = clients.said([docker, 'image', 'inspect', '--format', wanted, tag], timeout)
        if code == 0:
            lines = output.rstrip('\n').split('\n')  # a client may warn before it answers
            label = lines[-2] if len(lines) > 1 else ''
            found[tag] = ('' if label == '<no value>' else label, lines[-1])
    return found


def sif_digest(apptainer, path, timeout=60):
    """Ledger digest on the label of the apptainer image at ``path``; '' without apptainer, which alone can read it."""
    try:
        said = subprocess.check_output([apptainer or 'apptainer', 'inspect', '--labels', path], timeout=timeout,
                                       stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL).decode('utf-8', 'replace')
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return ''
    labels = dict(line.split(': ', 1) for line in said.splitlines() if ': ' in line)
    return labels.get(DIGEST_LABEL, '').strip()


def partitions(sinfo, timeout=30):
    """Names of the cluster's partitions, hidden ones too; nothing where there is no SLURM, or no answer."""
    try:
        words = [sinfo or 'sinfo', '--all', '--noheader', '--format=%R']
        said = subprocess.check_output(words, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=timeout)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return ()
    return tuple(dict.fromkeys(said.decode('utf-8', 'replace').split()))


def accelerator(tools):
    """``'nv'``, ``'rocm'`` or ``'none'``: what this machine has."""
    if 'nvidia-smi' in tools or os.path.exists('/dev/nvidiactl'):
        return 'nv'
    return 'rocm' if os.path.exists('/dev/kfd') else 'none'


def free_port():
    """A TCP port that nobody on this machine listens on right now."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def revision(root):
    """Commit of the checkout at ``root``, with ``-dirty`` when files differ; a bundle says it; else ``unknown``."""
    try:
        with open(os.path.join(root, 'bundle.json'), encoding='utf-8') as stream:  # a bundle may lie inside a checkout
            return json.load(stream)['revision']
    except (OSError, ValueError, KeyError):
        pass
    try:
        words = ['git', '-C', root, 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*']
        return subprocess.check_output(words, stderr=subprocess.DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def _tags(settings):
    tags = [ledger.image_tag(env, variant) for env in ledger.names() for variant in ledger.variants()]
    return tags + [settings.image] * bool(settings.image)


def _sifs(settings):
    variants = ledger.variants() + [settings.variant] * bool(settings.variant)
    return [sif_path(settings, env, variant) for env in ledger.names() for variant in variants]
