"""The virtual environments that ``make setup`` makes: no container at all."""
import os
from typing import Any, Dict, Iterable, Tuple

from mtp.launch import ledger, venvs
from mtp.launch.plan import Command, Problem, command
from mtp.launch.runtimes import base

SAID = {venvs.ABSENT: 'there is no native environment {}', venvs.HALF: 'the native environment {} is half made',
        venvs.OLD: 'the native environment {} was made from other locks',
        venvs.FOREIGN: 'the folder of the native environment {} was not made by make setup'}


class Native(base.Runtime):
    """Python of this machine."""

    name = 'native'
    makes = 'make setup'
    in_image = False

    def facts(self, settings: 'base.Settings', root: str, tools: Dict[str, str]) -> Dict[str, Any]:
        folders = {env: os.path.join(root, settings.venv_root, env) for env in ledger.names()}
        return {'venvs': {env: venvs.state(path, env) for env, path in folders.items()},
                'made_of': {env: venvs.variant(path, env) for env, path in folders.items() if os.path.isdir(path)}}

    def what(self, settings: 'base.Settings', env: str, kind: str) -> str:
        return 'the virtual environment'

    def problems(self, settings: 'base.Settings', host: 'base.Host', env: str, kind: str) -> Tuple[Problem, ...]:
        made = host.made_of.get(env, kind)
        if host.venvs[env] == venvs.READY and settings.variant in ledger.variants(env) and made != settings.variant:
            return (Problem('the native environment {} is made of the variant {}, and VARIANT={} is asked for'.format(
                env, made, settings.variant), 'make setup ENV={} VARIANT={}'.format(env, settings.variant)),)
        return unready(host, env)

    def variant(self, host: 'base.Host', env: str, kind: str) -> str:
        return host.made_of.get(env, kind)

    def probe(self, settings: 'base.Settings', env: str, kind: str) -> Tuple[str, str]:
        return '', python(settings, env)

    def command(self, settings: 'base.Settings', host: 'base.Host', job: 'base.Job', kind: str, inner: Iterable[str],
                alone: bool) -> Command:
        environment, outside = base.own_environment(settings, job.processes), base.environment_outside(settings)
        environment['PYTHONNOUSERSITE'] = '1'
        environment.update(_roots(settings))  # so that a printed plan works in another shell too
        environment.update(_own_path(settings, host))
        environment.update({'CUDA_VISIBLE_DEVICES': ''} if settings.accel == 'none' else {})  # no container hides them
        words = list(base.TASK) if outside else []  # a site's compilers and drivers, on each node
        return command(words + [python(settings, job.env)] + list(inner), dict(environment, **outside))


def python(settings: 'base.Settings', env: str) -> str:
    """Python of the native environment ``env``, relative to the checkout."""
    return f'{settings.venv_root}/{env}/bin/python'


def unready(host: 'base.Host', env: str) -> Tuple[Problem, ...]:
    """Why the native environment ``env`` cannot be used, as a tuple of at most one :class:`Problem`."""
    state = host.venvs[env]
    return (Problem(SAID[state].format(env), f'make setup ENV={env}'),) if state in SAID else ()


def _own_path(settings: 'base.Settings', host: 'base.Host') -> Dict[str, str]:
    """What the user's PYTHONPATH becomes: a toolbox in it must not take the place of the environment's own.

    Modules that a config or ``--custom_imports`` names are still found there, behind everything else (mtp/paths.py).
    """
    if not settings.python_path:
        return {}
    return {'PYTHONPATH': host.root, 'MTP_HOOKS_PATH': settings.python_path}


def _roots(settings: 'base.Settings') -> Dict[str, str]:
    values = {'MTP_DATA_ROOT': settings.data_root, 'MTP_WEIGHTS_ROOT': settings.weights_root,
              'MTP_WORK_ROOT': settings.work_root}
    return {name: value for name, value in values.items() if value not in base.INSIDE}
