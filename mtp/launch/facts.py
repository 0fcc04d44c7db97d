"""What ``make doctor`` wants to know of a machine beyond what planning does: asked here, judged in ``doctor``."""
import json
import os
import platform
import shutil
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from mtp.errors import MTPError
from mtp.launch import choice, containers, engines, ledger, node, pythons, verbs
from mtp.launch import host as machine
from mtp.launch.cards import Card
from mtp.launch.jobs import Job

if TYPE_CHECKING:
    from mtp.launch.settings import Settings

Facts = NamedTuple('Facts', [
    ('python', str),
    ('pythons', Dict[str, Tuple[Optional[Tuple[str, str]], str]]),  # minor version -> path and version, or advice
    ('compiler', str),
    ('cards', List[Card]),
    ('shm', int),  # bytes
    ('free', Dict[str, int]),  # folder -> bytes left on its disk
    ('datasets', List[str]),
    ('partitions', List[str]),
    ('selfchecks', Dict[str, Dict]),  # environment -> its report, or {'error': ...}; absent where it cannot run
    ('node', Union[node.Node, str]),  # a compute node, or why none was asked; '' without SLURM
    ('ready', Dict),  # which published runs can start here: mtp.weights.ready; empty where that cannot be told
])
Facts.__new__.__defaults__ = ('', {})  # the class syntax with defaults needs Python 3.6.1


def gather(settings: 'Settings', host: machine.Host, envs: Sequence[str], catalogue: ModuleType) -> Facts:
    """The :class:`Facts` of this machine; runs the self-check inside each environment that can start."""
    return Facts(
        python=platform.python_version(), pythons={minor: interpreter(minor) for minor in map(ledger.minor, envs)},
        compiler=shutil.which(os.environ.get('CXX', 'c++').split()[0]) or '',
        cards=list(host.cards), shm=disk_free('/dev/shm'),
        free={path: disk_free(os.path.join(host.root, path)) for path in dict.fromkeys(
            (settings.work_root, settings.venv_root, settings.cache_root))},
        datasets=datasets(os.path.join(host.root, settings.data_root), catalogue),
        partitions=list(machine.partitions(shutil.which('sinfo'))),
        selfchecks={env: report for env, report in ((env, selfcheck(settings, host, env)) for env in envs) if report},
        node=compute_node(settings, host, envs), ready=ready(settings, host))


def interpreter(minor: str) -> Tuple[Optional[Tuple[str, str]], str]:
    """(path and version of a Python ``minor``, '') of this machine, or (None, the command that brings one)."""
    try:
        return pythons.find(os.environ, minor), ''
    except MTPError as error:
        return None, error.hint


def ready(settings: 'Settings', host: machine.Host) -> Dict[str, Any]:
    """Which published runs can start with the weights and data that are here; a program of its own says it."""
    environ = dict(os.environ, MTP_WEIGHTS_ROOT=os.path.join(host.root, settings.weights_root),
                   MTP_DATA_ROOT=os.path.join(host.root, settings.data_root))
    try:
        said = subprocess.check_output([sys.executable, '-m', 'mtp.weights.ready'], cwd=host.root, env=environ,
                                       stderr=subprocess.DEVNULL)
        return json.loads(said.decode('utf-8'))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return {}


def compute_node(settings: 'Settings', host: machine.Host, envs: Sequence[str]) -> Union[node.Node, str]:
    """A compute node, where jobs go to one; '' elsewhere. One is asked for all environments: they share a folder."""
    unknown = host.partitions and not set(settings.partition.split(',')) & set(host.partitions + ('',))
    if settings.launcher != 'slurm' or 'srun' not in host.tools or unknown:  # of the partition another judge speaks
        return ''
    return node.ask(settings, host, containers.choose(settings, host, envs[0])[0], envs[0])


def disk_free(path: str) -> int:
    """Bytes left where ``path`` lies or would lie."""
    while not os.path.exists(path):
        path = os.path.dirname(os.path.abspath(path))
    return shutil.disk_usage(path).free


def datasets(root: str, catalogue: ModuleType) -> List[str]:
    """Names of the catalogue whose training images are there."""
    def there(name: str) -> bool:
        return any(os.path.exists(os.path.join(root, split.images)) for split in catalogue.get(name).splits.values())

    return [name for name in catalogue.names() if there(name)]


def selfcheck(settings: 'Settings', host: machine.Host, env: str) -> Optional[Dict[str, Any]]:
    """The report of ``docker/selfcheck.py`` inside the runtime that would be taken; None when that cannot start."""
    # The image that a job takes, looked at from here: a login node has no card, and still it is the one for cards.
    kind = choice.variant(settings, host, env)
    accel = 'none' if settings.launcher == 'slurm' and host.accel == 'none' else settings.accel
    quiet = settings._replace(launcher='local', nodes=1, gpus=1, args=(), variant=kind, accel=accel)
    if containers.choose(quiet, host, env)[2]:
        return None
    job = Job(env, ('docker/selfcheck.py', '--env', env, '--json'), (), (), False, 1)
    item = verbs.job_plan(quiet._replace(env=''), host, env, lambda places: job).commands[0]
    try:
        done = subprocess.run(item.words, cwd=host.root, env=dict(os.environ, **item.environment), timeout=300,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = done.stdout.decode('utf-8', 'replace')
        return json.loads(said[said.find('{\n'):])  # toolboxes print warnings of their own before it
    except ValueError:
        said = done.stderr.decode('utf-8', 'replace').strip()
        if not said:
            return {'error': f'it ended with {done.returncode}'}
        found = engines.complaint(said, os.environ)
        return dict({'error': found.message}, **({'next': found.hint} if engines.known(said) else {}))
    except (OSError, subprocess.TimeoutExpired) as error:
        return {'error': str(error)}
