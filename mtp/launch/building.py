"""Plans of ``make images`` and ``make sif``. Pure; in a bundle (:mod:`mtp.launch.bundle`) they need no network."""
import os
from typing import TYPE_CHECKING, Iterable, List, Mapping, Optional, Sequence, Tuple

from mtp.errors import NOT_YET, MTPError
from mtp.launch import bundle, choice, ledger, lock, runtimes
from mtp.launch.plan import Command, Problem, command
from mtp.launch.runtimes.docker import Docker

if TYPE_CHECKING:
    from mtp.launch.host import Host
    from mtp.launch.settings import Settings

PROJECT = 'MTP reproducibility kit'  # stands on an image whose repository has no address


def images(settings: 'Settings', host: 'Host',
           asked: Sequence[Tuple[str, str]]) -> Tuple[List[Command], List[Problem], str]:
    """(commands, problems, what is not pinned) of ``docker build`` for ``asked``, pairs of environment and variant.

    In a bundle: loading what it has, or building from it.
    """
    need(host, 'docker/Dockerfile')
    engine = runtimes.maker(settings, host)
    docker = engine.builder(host)
    about, commands = bundle.read(host.root), []
    held = about.get('images', {}) if not settings.words['REBUILD'] else {}
    todo = [pair for pair in asked if bundle.archive(*pair) not in held]
    commands += [command([docker, 'load', '--input', bundle.archive(*pair)]) for pair in asked if pair not in todo]
    bases = about.get('bases', {}) if todo else {}
    commands += [command([docker, 'load', '--input', bundle.BASES])] if bases else []
    if todo:
        # Operators that this machine has compiled before, for an image of the same kind.
        commands.append(command(['python3', 'docker/build_ops.py', '--export', bundle.WHEELHOUSE, '--cache',
                                 os.path.join(settings.cache_root, 'wheels')]))
    commands += [build(settings, host, engine, env, kind, bases.get(env)) for env, kind in todo]
    for env, kind in asked:
        out = os.path.join(settings.work_root, 'images', f'{env}-{kind}.cdx.json')
        commands.append(command(['python3', 'docker/sbom.py', '--docker', docker, '--image', tag(settings, env, kind),
                                 '--out', out]))
    problems = list(engine.unfit(host, bool(todo))) + unresolved(todo)
    notes = [choice.unseen(todo), '' if bases else unpinned(settings.further[engine.args], todo)]
    return commands, problems, '; '.join(filter(None, notes))


def unresolved(pairs: Iterable[Tuple[str, str]]) -> List[Problem]:
    """Locks that cannot be installed: said before gigabytes are fetched, for their install is refused at its end."""
    found = []
    for env, kind in pairs:
        try:
            lock.require_resolved(f'{env}-{kind}')
        except MTPError as error:
            found.append(Problem(error.args[0], error.hint))
    return found


def unpinned(words: Sequence[str], pairs: Iterable[Tuple[str, str]]) -> str:
    """One line on the base images that are taken by their tag; '' when none is, or ``words`` of a build name others."""
    given = bundle.given_arguments(words)
    names = {} if len(given) == len(bundle.BASE_NAMES) else {
        name: resolve for pair in pairs for name, resolve in sorted(ledger.unpinned(*pair).items())}
    if not names:
        return ''
    return ('not pinned, taken by tag: {}; nobody has seen the digest. Each is told by: docker buildx imagetools '
            'inspect NAME'.format(', '.join(sorted(names))))


def tag(settings: 'Settings', env: str, kind: str) -> str:
    """Name of the image to build."""
    return settings.image or ledger.image_tag(env, kind)


def build(settings: 'Settings', host: 'Host', engine: Docker, env: str, kind: str,
          bases: Optional[Mapping[str, str]]) -> Command:
    """``docker build`` of one image; with the ``bases`` of a bundle without any network."""
    words, site = [engine.builder(host), 'build'] + list(engine.build_words), settings.words
    words += ['--file', 'docker/Dockerfile', '--tag', tag(settings, env, kind)]
    arguments = ledger.build_args(env, kind, host.revision, site['SOURCE'] or host.source or PROJECT)
    arguments.update(bases or {})
    words += ['--network', 'none'] if bases else []
    for name, value in arguments.items():
        words += ['--build-arg', f'{name}={value}']
    words += ['--build-arg', 'PIP_INDEX_URL=' + site['PIP_INDEX_URL']] if site['PIP_INDEX_URL'] else []
    words += ['--secret', 'id=ca,src=' + site['PIP_CERT']] if site['PIP_CERT'] else []
    return command(words + list(settings.further[engine.args]) + list(settings.args) + ['.'], engine.build_environment)


def sif(settings: 'Settings', host: 'Host', asked: Iterable[Tuple[str, str]]) -> Tuple[List[Command], List[Problem]]:
    """(commands, problems) of making a file of each image, from those of an engine or from the archives of a bundle."""
    runtime, held = runtimes.file_maker(settings), bundle.read(host.root).get('images', {})
    engine, commands = runtimes.maker(settings, host), []
    for env, kind in asked:
        for path in runtime.recipe(env):
            need(host, path)
        archive = bundle.archive(env, kind)
        commands.append(command(runtime.build(settings, env, kind, engine.name, archive if archive in held else '')))
    return commands, list(runtime.unfit(settings, host, asked))


def need(host: 'Host', path: str) -> None:
    """Refuse a verb whose recipe is not in the checkout."""
    if not os.path.isfile(os.path.join(host.root, path)):
        raise MTPError(f'not yet: {path} is not built', code=NOT_YET)
