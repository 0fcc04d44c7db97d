"""Plans of ``make images`` and ``make sif``. Pure; in a bundle (:mod:`mtp.launch.bundle`) they need no network."""
import os

from mtp.errors import NOT_YET, MTPError
from mtp.launch import bundle, ledger
from mtp.launch.host import sif_path
from mtp.launch.plan import Problem, command


def images(settings, host, envs, kind):
    """(commands, problems) of ``docker build`` for ``envs``; in a bundle: loading what it has, or building from it."""
    need(host, 'docker/Dockerfile')
    docker = 'docker' if host.builder in ('', host.tools.get('docker')) else host.builder
    about, commands = bundle.read(host.root), []
    held = about.get('images', {}) if not settings.words['REBUILD'] else {}
    todo = [env for env in envs if bundle.archive(env, kind) not in held]
    commands += [command([docker, 'load', '--input', bundle.archive(env, kind)]) for env in envs if env not in todo]
    bases = about.get('bases', {}) if todo else {}
    commands += [command([docker, 'load', '--input', bundle.BASES])] if bases else []
    if todo:
        # Operators that this machine has compiled before, for an image of the same kind.
        commands.append(command(['python3', 'docker/build_ops.py', '--export', bundle.WHEELHOUSE, '--cache',
                                 os.path.join(settings.cache_root, 'wheels')]))
    commands += [build(settings, host, docker, env, kind, bases.get(env)) for env in todo]
    for env in envs:
        out = os.path.join(settings.work_root, 'images', '{}-{}.cdx.json'.format(env, kind))
        commands.append(command(['python3', 'docker/sbom.py', '--docker', docker, '--image', tag(settings, env, kind),
                                 '--out', out]))
    return commands, engine_problems(host, bool(todo))


def tag(settings, env, kind):
    """Name of the image to build."""
    return settings.image or ledger.image_tag(env, kind)


def build(settings, host, docker, env, kind, bases):
    """``docker build`` of one image; with the ``bases`` of a bundle without any network."""
    words, site = [docker, 'build', '--file', 'docker/Dockerfile', '--tag', tag(settings, env, kind)], settings.words
    arguments = ledger.build_args(env, kind, host.revision, site['SOURCE'])
    arguments.update(bases or {})
    words += ['--network', 'none'] if bases else []
    for name, value in arguments.items():
        words += ['--build-arg', '{}={}'.format(name, value)]
    words += ['--build-arg', 'PIP_INDEX_URL=' + site['PIP_INDEX_URL']] if site['PIP_INDEX_URL'] else []
    words += ['--secret', 'id=ca,src=' + site['PIP_CERT']] if site['PIP_CERT'] else []
    return command(words + list(settings.docker_args) + list(settings.args) + ['.'], {'DOCKER_BUILDKIT': '1'})


def sif(settings, host, envs, kind):
    """(commands, problems) of ``apptainer build`` from the docker images, or from the archives of a bundle."""
    commands, held = [], bundle.read(host.root).get('images', {})
    for env in envs:
        definition, archive = 'apptainer/{}.def'.format(env), bundle.archive(env, kind)
        need(host, definition)
        words = ['apptainer', 'build', '--force', '--build-arg']
        words += ['BOOTSTRAP=docker-archive', '--build-arg', 'IMAGE=' + archive, '--build-arg', 'VARIANT='] \
            if archive in held else ['VARIANT=' + kind]
        commands.append(command(words + list(settings.apptainer_args) + list(settings.args) +
                                [sif_path(settings, env, kind), definition]))
    missing = Problem('apptainer is not installed', 'https://apptainer.org/docs/admin/main/installation.html')
    return commands, [] if 'apptainer' in host.tools else [missing]


def need(host, path):
    """Refuse a verb whose recipe is not in the checkout."""
    if not os.path.isfile(os.path.join(host.root, path)):
        raise MTPError('not yet: {} is not built'.format(path), code=NOT_YET)


def engine_problems(host, builds):
    """What the engine lacks for loading images, or for building them."""
    if 'docker' not in host.tools:
        return [Problem('docker is not installed', 'https://docs.docker.com/engine/install/')]
    if host.daemon:
        return [Problem('the docker daemon does not answer: ' + host.daemon, 'sudo systemctl start docker')]
    if builds and not host.builder:
        return [Problem('no docker client on PATH can build with BuildKit', 'install the buildx plug-in of docker')]
    return []
