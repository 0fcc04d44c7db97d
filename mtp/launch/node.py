"""One compute node of the cluster, as ``make doctor`` sees it: asked by one ``srun`` of a few seconds."""
import os
import subprocess
from typing import TYPE_CHECKING, List, NamedTuple, Union

from mtp.launch import choice, runtimes, slurm
from mtp.launch.cards import Card, card

if TYPE_CHECKING:
    from mtp.launch.host import Host
    from mtp.launch.settings import Settings

WAIT_SECONDS, ANSWER_SECONDS = 25, 50  # for a node that is free; for everything
BUSY = ('Requested nodes are busy', 'allocation failure', 'Unable to allocate resources: Immediate')

Node = NamedTuple('Node', [
    ('name', str),
    ('shm', int),  # bytes
    ('apptainer', str),  # its version; '' where there is none
    ('image', int),  # bytes of the SIF; -1 where it cannot be read there, or none is asked for
    ('python', str),  # version of the native environment's, or what it said; '' where none is asked for
    ('work', str),  # writable, refused or missing
    ('cards', List[Card]),
])


def words(settings: 'Settings', host: 'Host', runtime: str, env: str) -> List[str]:
    """The ``srun`` that asks. Pure."""
    kind = choice.variant(settings, host, env)
    cards = slurm.gres(settings, host)
    found = ['srun', '-J', 'mtp-doctor'] + (['-p', settings.partition] if settings.partition else [])
    found += ['--gres=' + cards] if cards else []
    found += ['--nodes=1', '--ntasks=1', '--cpus-per-task=1', f'--immediate={WAIT_SECONDS}']
    found += list(settings.srun_args) + ['bash', 'mtp/launch/task.sh', 'bash', 'mtp/launch/probe.sh']
    return found + [settings.work_root] + list(runtimes.get(runtime).probe(settings, env, kind))


def ask(settings: 'Settings', host: 'Host', runtime: str, env: str) -> Union[Node, str]:
    """The :class:`Node`, or a text: why none could be asked."""
    environment = {'MTP_SITE_SETUP': settings.site_setup} if settings.site_setup else {}
    try:
        done = subprocess.run(words(settings, host, runtime, env), cwd=host.root, env=dict(os.environ, **environment),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding='utf-8', errors='replace', timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if 'error:' in line] or done.stderr.splitlines()
        return said[0] if said else f'srun ended with {done.returncode}'
    return read(done.stdout)


def read(text: str) -> Union[Node, str]:
    """The :class:`Node` that ``probe.sh`` told of, or a text where it told nothing."""
    pairs = [line.split('=', 1) for line in text.splitlines() if '=' in line]
    told = dict(pairs)
    if 'node' not in told or 'work' not in told:
        return 'the node said nothing'
    return Node(told['node'], _number(told.get('shm', '')), told.get('apptainer', ''), _number(told.get('image', '')),
                told.get('python', ''), told['work'], [card(value) for name, value in pairs if name == 'card'])


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1
