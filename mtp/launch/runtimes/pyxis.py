"""pyxis: a plugin of SLURM, by which srun itself starts the container; enroot is what runs it.

Its words are those of its documentation (github.com/NVIDIA/pyxis, wiki and ``srun --help``); no machine of ours has it.
"""
import os
import re
import subprocess
from typing import Any, Dict, Iterable, List, Tuple

from mtp.launch import choice, ledger
from mtp.launch.plan import Command, Problem, command
from mtp.launch.runtimes import base
from mtp.launch.runtimes.apptainer import Apptainer

INSIDE = ('bash', 'mtp/launch/inside.sh')  # lets in the variables that may enter, and no others
# enroot hands cards to a container that asks for them, as images of NVIDIA do and ours do not.
CARDS = {'NVIDIA_VISIBLE_DEVICES': 'all', 'NVIDIA_DRIVER_CAPABILITIES': 'compute,utility'}


class Pyxis(Apptainer):
    """Files of squashfs, on a folder that all nodes see."""

    name = 'pyxis'
    args = ''  # its words are srun's: SRUN_ARGS
    own = ('SQSH',)
    makes = 'make sif RUNTIME=pyxis'
    here = False
    node_program = ''
    image_setting = 'SQSH'

    def facts(self, settings: 'base.Settings', root: str, tools: Dict[str, str]) -> Dict[str, Any]:
        paths = [sqsh_path(settings, env, kind) for env in ledger.names() for kind in ledger.variants(env)]
        asked = settings.runtime == self.name and 'srun' in tools
        return {'sqshs': {path: '' for path in paths if os.path.exists(os.path.join(root, path))},
                'srun_options': {option: '' for option in options(tools['srun'])} if asked else {}}

    def what(self, settings: 'base.Settings', env: str, kind: str) -> str:
        return sqsh_path(settings, env, kind)

    def problems(self, settings: 'base.Settings', host: 'base.Host', env: str, kind: str) -> Tuple[Problem, ...]:
        if settings.launcher != 'slurm':
            return (Problem('RUNTIME=pyxis is a plugin of srun, and no srun starts this',
                            'LAUNCHER=slurm or SUBMIT=1, where the verb takes it; else RUNTIME=apptainer or docker'),)
        if 'srun' in host.tools and '--container-image' not in host.srun_options:
            return (Problem('this srun has no pyxis plugin: srun --help names no --container-image',
                            'ask who runs the cluster, or RUNTIME=apptainer'),)
        path = sqsh_path(settings, env, kind)
        if path not in host.sqshs:
            return (Problem(f'{path} is missing', base.build_hint(self.makes, env, kind) + ', or SQSH=file'),)
        return ()

    def recipe(self, env: str) -> Tuple[str, ...]:
        return ()

    def build(self, settings: 'base.Settings', env: str, kind: str, engine: str, archive: str) -> List[str]:
        source = {'docker': 'dockerd'}.get(engine, engine)
        return ['enroot', 'import', '--output', sqsh_path(settings, env, kind)] + list(settings.args) + [
            f'{source}://{settings.image or ledger.image_tag(env, kind)}']

    def unfit(self, settings: 'base.Settings', host: 'base.Host',
              asked: Iterable[Tuple[str, str]]) -> Tuple[Problem, ...]:
        if 'enroot' not in host.tools:
            return (Problem('enroot is not installed',
                            'https://github.com/NVIDIA/enroot/blob/master/doc/installation.md'),)
        there = [path for path in (sqsh_path(settings, env, kind) for env, kind in asked) if path in host.sqshs]
        return tuple(Problem(f'{path} is there, and enroot writes over nothing', 'rm ' + path)
                     for path in there)

    def probe(self, settings: 'base.Settings', env: str, kind: str) -> Tuple[str, str]:
        return sqsh_path(settings, env, kind), ''

    def command(self, settings: 'base.Settings', host: 'base.Host', job: 'base.Job', kind: str, inner: Iterable[str],
                alone: bool) -> Command:
        image = sqsh_path(settings, job.env, kind)
        environment = dict(base.environment_inside(settings, host, job), HOME='/tmp', PYTHONPATH=base.CODE,
                           MTP_RUNTIME=self.name, MTP_IMAGE=os.path.basename(image))
        words = self._of_srun(settings, host, job, image) + list(INSIDE)
        words += ['{}={}'.format(*pair) for pair in sorted(environment.items())] + ['python'] + list(inner)
        return command(words, CARDS if choice.accelerator(settings, host) == 'nv' else {})

    def _of_srun(self, settings: 'base.Settings', host: 'base.Host', job: 'base.Job', image: str) -> List[str]:
        """Options of srun: they stand behind its others, before the program."""
        mounts = ['{}:{}{}'.format(source, target, ':ro' * read_only)
                  for source, target, read_only in base.binds(settings, host, job)]
        # A path that begins with neither / nor . would be the name of an image of a registry.
        words = ['--container-image=' + os.path.join(host.root, image), '--container-mounts=' + ','.join(
            mounts + ['tmpfs:/tmp']), '--container-workdir=' + base.CODE]
        words += ['--no-container-mount-home', '--no-container-remap-root', '--no-container-entrypoint']
        return words + [option for option in ('--container-readonly',) if option in host.srun_options]


def sqsh_path(settings: 'base.Settings', env: str, kind: str) -> str:
    """Where the image of ``env`` lies as a file of squashfs, relative to the checkout."""
    return settings.sqsh or f'apptainer/{env}-{kind}.sqsh'


def options(srun: str) -> List[str]:
    """Options of containers that ``srun --help`` names; none without an answer."""
    try:
        said = subprocess.check_output([srun, '--help'], timeout=30, stderr=subprocess.DEVNULL,
                                       stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return []
    return re.findall(r'--(?:no-)?container-[a-z-]+', said.decode('utf-8', 'replace'))
