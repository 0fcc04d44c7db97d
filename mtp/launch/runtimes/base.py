"""What a runtime is asked, and what containers have in common. Pure but for :meth:`Runtime.facts`.

The contract with a container: data read-only at /data, weights read-only at /weights, work at /work; the user's own uid
and gid; only the variables of ``passed_variables.txt`` go in; nothing is written to a home folder.
"""
import os
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Tuple

from mtp.distributed import handshake, rendezvous
from mtp.launch import ledger, links
from mtp.launch.plan import Command, Problem

if TYPE_CHECKING:  # they ask this one
    from mtp.launch.host import Host
    from mtp.launch.jobs import Job
    from mtp.launch.settings import Settings

CODE = '/opt/mtp'  # where an image holds the code
TASK = ('bash', 'mtp/launch/task.sh')
INSIDE = {'data': '/data', 'weights': '/weights', 'work_dirs': '/work'}
INFINIBAND = '/dev/infiniband'
DIGEST_LABEL, ENV_LABEL = 'org.mtp.ledger', 'org.mtp.environment'  # of an image of ours
# /tmp is the only place besides /work that can be written to; caches of libraries go there and vanish.
ENVIRONMENT = {'PYTHONNOUSERSITE': '1', 'PYTHONDONTWRITEBYTECODE': '1', 'MTP_DATA_ROOT': INSIDE['data'],
               'MTP_WEIGHTS_ROOT': INSIDE['weights'], 'MTP_WORK_ROOT': INSIDE['work_dirs'],
               'MPLCONFIGDIR': '/tmp/matplotlib', 'XDG_CACHE_HOME': '/tmp/cache'}
ROCM_HINT = 'build one on the base image of your site, then IMAGE=name (docker) or SIF=file (apptainer)'


class Runtime(object):
    """One way to run a command. A new one is a module beside this and a line in the table of the package."""

    name = ''
    args = ''  # setting with further words for its program; '' where it has none
    own: Tuple[str, ...] = ()  # further settings that change nothing where another runtime is taken
    makes = ''  # the verb that makes what it runs in
    client = ''  # program of an engine that holds images by name; '' where there is none
    in_image = True  # else the program sees folders and Python of this machine under their own names
    here = True  # it starts on this machine, so that RUNTIME=auto may take it
    node_program = ''  # what a compute node has to have installed
    image_setting = ''  # setting that names a file in place of ours
    own_memory = False  # its containers have a /dev/shm of their own
    # Of an engine:
    no_cards = ('', '')  # why no container gets a card, and what to type
    prune = ''  # what makes room on its disk
    larger_disk = ''  # the setting that names another disk

    @property
    def settings(self) -> Tuple[str, ...]:
        """Settings that change nothing where another runtime is taken."""
        return self.own + ((self.args,) if self.args else ())

    def facts(self, settings: 'Settings', root: str, tools: Dict[str, str]) -> Dict[str, Any]:
        """Fields of :class:`mtp.launch.host.Host` that it needs, beside those of an engine, which all share."""
        return {}

    def what(self, settings: 'Settings', env: str, kind: str) -> str:
        """What it runs in, in words."""
        raise NotImplementedError

    def problems(self, settings: 'Settings', host: 'Host', env: str, kind: str) -> Tuple[Problem, ...]:
        """What is missing before it can run ``env`` in the variant ``kind``."""
        raise NotImplementedError

    def command(self, settings: 'Settings', host: 'Host', job: 'Job', kind: str, inner: Iterable[str],
                alone: bool) -> Command:
        """``inner``, words that follow ``python``, as a command; see :func:`mtp.launch.containers.wrap`."""
        raise NotImplementedError

    def variant(self, host: 'Host', env: str, kind: str) -> str:
        """The variant that runs where none is asked for and ``kind`` would be chosen."""
        return kind

    def probe(self, settings: 'Settings', env: str, kind: str) -> Tuple[str, str]:
        """(image, Python): paths that ``probe.sh`` looks at on a compute node; '' for what it need not."""
        return '', ''


def own_environment(settings: 'Settings', processes: int) -> Dict[str, str]:
    """Variables we would like; each one the user has set already is left out, so that the user's value wins."""
    wanted = {}
    if settings.port:
        wanted['MASTER_PORT'] = settings.port
    if processes > 1:
        wanted['OMP_NUM_THREADS'] = '1'  # the loader's workers need the other cores
    return {name: value for name, value in wanted.items() if name not in settings.environ}


def environment_inside(settings: 'Settings', host: 'Host', job: 'Job') -> Dict[str, str]:
    """Variables of a container, whatever starts it."""
    found = dict(own_environment(settings, job.processes), **ENVIRONMENT)
    # So that what is said to the user names the folders as the user knows them (mtp/paths.py).
    found.update({'MTP_HOST_DATA_ROOT': settings.data_root, 'MTP_HOST_WEIGHTS_ROOT': settings.weights_root,
                  'MTP_HOST_WORK_ROOT': settings.work_root})
    # For the passport of the run: nothing inside can know the code that is bound over its own, nor the image's digest.
    found.update({'MTP_REVISION': host.revision} if settings.code == 'checkout' else {})
    return found


def environment_outside(settings: 'Settings') -> Dict[str, str]:
    """Variables of what starts a container on a node: a site's compilers and drivers."""
    return {'MTP_SITE_SETUP': settings.site_setup} if settings.site_setup else {}


def passed_names(settings: 'Settings') -> List[str]:
    """Names of the user's variables that go in, those of the launcher too."""
    names = set(name for name in settings.environ if not name.startswith('SLURM'))
    names |= {handshake.TOKEN} if settings.launcher == 'slurm' or settings.nodes > 1 else set()
    return sorted(names | set(rendezvous.SLURM_VARIABLES if settings.launcher == 'slurm' else ()))


def binds(settings: 'Settings', host: 'Host', job: 'Job') -> List[Tuple[str, str, bool]]:
    """(host folder, folder inside, read-only) of everything the container sees."""
    roots = {'data': settings.data_root, 'weights': settings.weights_root, 'work_dirs': settings.work_root}
    found = [(os.path.normpath(os.path.join(host.root, roots[kind])), INSIDE[kind], kind not in job.writes)
             for kind in ('data', 'weights', 'work_dirs') if kind in job.reads or kind in job.writes]
    for kind in ('data', 'weights', 'work_dirs'):
        if kind in job.reads or kind in job.writes:
            taken = [inside for _, inside, _ in found]
            found += [(outside, inside, kind not in job.writes) for outside, inside in links.binds(
                host.links.get(roots[kind], ()), INSIDE[kind]) if inside not in taken]
    taken = [inside for _, inside, _ in found]
    found += [(folder, folder, True) for folder in job.folders if folder not in taken]
    if settings.code == 'checkout':
        found.append((host.root, CODE, True))
    return found


def stale(label: str, env: str, kind: str) -> str:
    """'' when ``label`` is that of an image of this checkout, else how to go on after the image's name."""
    wanted = ledger.inputs(env, kind) if kind in ledger.variants(env) else label
    return '' if label == wanted else ' was built from other inputs: its label is {}, this checkout has {}'.format(
        label[:12] or 'empty', wanted[:12])


def other_environment(name: str, held: str, env: str, setting: str) -> Problem:
    """An image of the user's own that holds another environment than the one that is wanted."""
    return Problem(f'{setting}={name} holds the environment {held}, but this runs in {env}',
                   f'leave {setting} away, or {setting}= an image of {env}')


def build_hint(verb: str, env: str, kind: str) -> str:
    """The command that brings a missing image; a variant that the ledger lacks is built by its site."""
    return f'{verb} ENV={env} VARIANT={kind}' if kind in ledger.variants(env) else ROCM_HINT
