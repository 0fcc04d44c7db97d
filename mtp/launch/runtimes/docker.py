"""docker, and what takes its words."""
from typing import Dict, Iterable, List, Tuple

from mtp.launch import choice, engines, ledger
from mtp.launch.plan import Command, Problem, command
from mtp.launch.runtimes import base
from mtp.launch.tracking import tracks_online


class Docker(base.Runtime):
    """Images by name in an engine; its daemon starts the containers."""

    name = 'docker'
    args = 'DOCKER_ARGS'
    own = ('SHM_SIZE', 'IMAGE')
    makes = 'make images'
    client = 'docker'
    own_memory = True
    # What another engine says otherwise.
    answers = ('version', '--format', '{{.Server.Version}}')  # ends well where it can work
    patience = 10  # seconds that it may take
    start: Tuple[str, ...] = ()  # words of ``run``
    groups = ('--group-add', 'video')  # who may use an AMD card
    memlock = ('--ulimit', 'memlock=-1:-1')  # InfiniBand locks the memory it writes to
    build_words: Tuple[str, ...] = ()
    build_environment: Dict[str, str] = {'DOCKER_BUILDKIT': '1'}
    no_cards = engines.NO_TOOLKIT
    prune = engines.PRUNE
    larger_disk = 'data-root in /etc/docker/daemon.json'
    install = ('sudo apt-get install docker.io docker-buildx (Debian, Ubuntu), or: '
               'https://docs.docker.com/engine/install/')
    start_it = ''  # what to type where it does not answer, and it does not say why

    def what(self, settings: 'base.Settings', env: str, kind: str) -> str:
        return 'image ' + image(settings, env, kind)

    def seen(self, host: 'base.Host') -> engines.Seen:
        """What is known of the engine."""
        return host.engines.get(self.name, engines.UNASKED)

    def problems(self, settings: 'base.Settings', host: 'base.Host', env: str, kind: str) -> Tuple[Problem, ...]:
        if settings.launcher == 'slurm' and settings.runtime == self.name:
            return ()  # the daemons that count are those of the compute nodes
        if self.client not in host.tools:
            return (self.absent(host),)
        seen = self.seen(host)
        if seen.refusal:
            return (self.silent(seen),)
        if 0 <= seen.free < engines.RUN_BYTES:
            return (Problem(f'the disk of the engine, {seen.about.root}, is full', self.prune),)
        return self._of_image(settings, host, env, kind)

    def absent(self, host: 'base.Host') -> Problem:
        """What is said where it is not installed."""
        instead = 'RUNTIME=podman, which is here' if 'podman' in host.tools else 'RUNTIME=apptainer or RUNTIME=native'
        return Problem('docker is not installed', instead)

    def silent(self, seen: engines.Seen) -> Problem:
        """What is said where it does not answer."""
        return Problem(f'the docker daemon does not answer: {seen.refusal}', seen.following)

    def missing(self, host: 'base.Host', name: str, env: str, kind: str) -> str:
        """The command that brings an image that is not here."""
        return base.build_hint(self.makes, env, kind)

    def builder(self, host: 'base.Host') -> str:
        """The client that builds: docker's first on PATH need not have BuildKit."""
        return 'docker' if host.builder in ('', host.tools.get('docker')) else host.builder

    def unfit(self, host: 'base.Host', builds: bool) -> Tuple[Problem, ...]:
        """What the engine lacks for loading images, or for building them."""
        if self.client not in host.tools:
            return (Problem(f'{self.name} is not installed', self.install),)
        seen = self.seen(host)
        if seen.refusal:
            return (self.silent(seen),)
        if builds and 0 <= seen.free < engines.LEAST_BUILD_BYTES:
            said = 'the disk of the engine, {}, has {:.1f} GB left; building an image takes about {:.0f} GB'
            return (Problem(said.format(seen.about.root, seen.free / 1e9, engines.BUILD_BYTES / 1e9), self.prune),)
        if builds and not host.builder:
            return (Problem('no docker client on PATH can build with BuildKit',
                            'install the buildx plug-in of docker'),)
        return ()

    def _of_image(self, settings: 'base.Settings', host: 'base.Host', env: str, kind: str) -> Tuple[Problem, ...]:
        name, held = image(settings, env, kind), self.seen(host).images
        if name not in held:
            return (Problem(f'there is no image {name}', self.missing(host, name, env, kind)),)
        if host.made_for.get(name, env) not in ('', env):
            return (base.other_environment(name, host.made_for[name], env, 'IMAGE'),)
        stale = '' if settings.image else base.stale(held[name], env, kind)
        return (Problem(f'the image {name}{stale}', base.build_hint(self.makes, env, kind)),) if stale else ()

    def command(self, settings: 'base.Settings', host: 'base.Host', job: 'base.Job', kind: str, inner: Iterable[str],
                alone: bool) -> Command:
        environment, outside = base.environment_inside(settings, host, job), base.environment_outside(settings)
        environment.update(self._identity(settings, host, job.env, kind))
        task = list(base.TASK) if settings.launcher == 'slurm' or outside else []  # what a node has, only it knows
        words = self._words(settings, host, job, environment, alone)
        for name in base.passed_names(settings):  # without a value: docker takes the one of the task it runs in
            words += ['--env', name]
        words += list(settings.further[self.args]) + [image(settings, job.env, kind)]
        return command(task + words + ['python'] + list(inner), outside)

    def _identity(self, settings: 'base.Settings', host: 'base.Host', env: str, kind: str) -> Dict[str, str]:
        name, ids = image(settings, env, kind), self.seen(host).ids
        return {'MTP_IMAGE': f'{name}@{ids[name]}' if name in ids else name}

    def identity(self, host: 'base.Host', engine: engines.Engine) -> List[str]:
        """Words that make the files of a container belong to the user outside."""
        return engines.identity(engine, host.uid, host.gid)

    def cards(self, engine: engines.Engine) -> List[str]:
        """Words that give a container every NVIDIA card."""
        return engines.cards(engine)

    def _words(self, settings: 'base.Settings', host: 'base.Host', job: 'base.Job', environment: Dict[str, str],
               alone: bool) -> List[str]:
        engine = self.seen(host).about
        words = [self.client, 'run', '--rm', '--init'] + list(self.start)
        words += self.identity(host, engine)
        words += ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--tmpfs', '/tmp:exec']
        words += _shared(settings, host, alone)
        words += {'nv': self.cards(engine), 'none': [],
                  'rocm': ['--device', '/dev/kfd', '--device', '/dev/dri'] + list(self.groups)}[
                      choice.accelerator(settings, host)]
        if host.infiniband and job.processes > 1 and settings.launcher == 'local':  # else task.sh looks on each node
            words += ['--device', base.INFINIBAND] + list(self.memlock)
        for source, target, read_only in base.binds(settings, host, job):
            words += ['--mount', 'type=bind,source={},target={}{}'.format(source, target, ',readonly' * read_only)]
        words += ['--workdir', base.CODE, '--env', 'HOME=/tmp']
        for name, value in sorted(environment.items()):
            words += ['--env', f'{name}={value}']
        return words


def image(settings: 'base.Settings', env: str, kind: str) -> str:
    """Name of the image; a variant that the ledger lacks (ROCm) has the same form of name."""
    if settings.image:
        return settings.image
    return ledger.image_tag(env, kind) if kind in ledger.variants(env) else f'mtp/{env}:{kind}'


def _shared(settings: 'base.Settings', host: 'base.Host', alone: bool) -> List[str]:
    """Network and memory: one container alone needs no network, unless it sends its curves at once. Several on one
    machine have to reach each other's sockets and shared memory.
    """
    network = 'none' if alone and not tracks_online(settings) else 'host'
    words = ['--network', network] + (['--shm-size', settings.shm_size] if alone else ['--ipc', 'host'])
    # A network of its own brings a made-up name with it, which the passport of the run would show. SLURM says the node.
    return words + (['--hostname', host.name]
                    if network == 'none' and host.name and settings.launcher == 'local' else [])
