"""apptainer: an image is one file, and who starts it needs no rights."""
import os
import subprocess
from typing import Any, Dict, Iterable, List, Optional, Tuple

from mtp.launch import choice, ledger
from mtp.launch.plan import Command, Problem, command
from mtp.launch.runtimes import base


class Apptainer(base.Runtime):
    """SIF files, on a folder that all nodes see."""

    name = 'apptainer'
    args = 'APPTAINER_ARGS'
    own = ('SIF',)
    makes = 'make sif'
    node_program = 'apptainer'
    image_setting = 'SIF'

    def facts(self, settings: 'base.Settings', root: str, tools: Dict[str, str]) -> Dict[str, Any]:
        further = [settings.variant] * bool(settings.variant)
        paths = [sif_path(settings, env, kind) for env in ledger.names() for kind in ledger.variants(env) + further]
        own = [settings.sif] * bool(settings.sif and settings.runtime in ('auto', self.name))

        def label(path: str, name: str) -> str:
            return labels(tools.get('apptainer'), os.path.join(root, path)).get(name, '').strip()

        return {'sifs': {path: label(path, base.DIGEST_LABEL) for path in paths
                         if os.path.exists(os.path.join(root, path))},
                'made_for': {path: label(path, base.ENV_LABEL) for path in own}}

    def what(self, settings: 'base.Settings', env: str, kind: str) -> str:
        return sif_path(settings, env, kind)

    def problems(self, settings: 'base.Settings', host: 'base.Host', env: str, kind: str) -> Tuple[Problem, ...]:
        sif = sif_path(settings, env, kind)
        # Under SLURM, or where the site's hook loads it, apptainer may come later; the image is on a shared folder.
        later = settings.launcher == 'slurm' or settings.site_setup
        if 'apptainer' not in host.tools and not (later and settings.runtime == self.name):
            return (Problem('apptainer is not installed', 'RUNTIME=docker or RUNTIME=native'),)
        if sif not in host.sifs:
            return (Problem(f'{sif} is missing', base.build_hint(self.makes, env, kind)),)
        if host.made_for.get(sif, env) not in ('', env):
            return (base.other_environment(sif, host.made_for[sif], env, 'SIF'),)
        stale = base.stale(host.sifs[sif], env, kind) if host.sifs[sif] and not settings.sif else ''
        return (Problem(sif + stale, base.build_hint(self.makes, env, kind)),) if stale else ()

    def recipe(self, env: str) -> Tuple[str, ...]:
        """Files of the checkout that a build reads."""
        return (f'apptainer/{env}.def',)

    def build(self, settings: 'base.Settings', env: str, kind: str, engine: str, archive: str) -> List[str]:
        """Words that make a file of the image in an ``engine``, or of the ``archive`` of one in a bundle."""
        words = ['apptainer', 'build', '--force', '--build-arg']
        words += ['BOOTSTRAP=docker-archive', '--build-arg', 'IMAGE=' + archive, '--build-arg', 'VARIANT='] \
            if archive else ['VARIANT=' + kind]
        return words + list(settings.further[self.args]) + list(settings.args) + [
            sif_path(settings, env, kind), self.recipe(env)[0]]

    def unfit(self, settings: 'base.Settings', host: 'base.Host',
              asked: Iterable[Tuple[str, str]]) -> Tuple[Problem, ...]:
        """What is missing before it can build."""
        missing = Problem('apptainer is not installed', 'https://apptainer.org/docs/admin/main/installation.html')
        return () if 'apptainer' in host.tools else (missing,)

    def probe(self, settings: 'base.Settings', env: str, kind: str) -> Tuple[str, str]:
        return sif_path(settings, env, kind), ''

    def command(self, settings: 'base.Settings', host: 'base.Host', job: 'base.Job', kind: str, inner: Iterable[str],
                alone: bool) -> Command:
        words = self._words(settings, host, job, sif_path(settings, job.env, kind))
        return command(words + ['python'] + list(inner), base.environment_outside(settings))

    def _words(self, settings: 'base.Settings', host: 'base.Host', job: 'base.Job', image: str) -> List[str]:
        # The host's network in every case: a private one takes rights that users of a cluster lack.
        words = list(base.TASK) + ['--image', image, 'apptainer', 'exec', '--containall', '--cleanenv', '--no-home']
        words += {'nv': ['--nv'], 'rocm': ['--rocm'], 'none': []}[choice.accelerator(settings, host)]
        for source, target, read_only in base.binds(settings, host, job):
            words += ['--bind', '{}:{}{}'.format(source, target, ':ro' * read_only)]
        words += ['--pwd', base.CODE]
        for name, value in sorted(base.environment_inside(settings, host, job).items()):
            words += ['--env', f'{name}={value}']
        return words + list(settings.further[self.args]) + [image]


def sif_path(settings: 'base.Settings', env: str, kind: str) -> str:
    """Where the apptainer image of ``env`` lies, relative to the checkout."""
    return settings.sif or f'apptainer/{env}-{kind}.sif'


def labels(tool: Optional[str], path: str, timeout: float = 60) -> Dict[str, str]:
    """Labels of the apptainer image at ``path``; none without apptainer."""
    try:
        said = subprocess.check_output([tool or 'apptainer', 'inspect', '--labels', path], timeout=timeout,
                                       stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL).decode('utf-8', 'replace')
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split(': ', 1) for line in said.splitlines() if ': ' in line)
