"""podman: no daemon, and its root is the user. It takes docker's words but for those that stand here.

Checked by hand with podman 4.3.1 as an ordinary user; cards and SELinux are from its documentation.
"""
from typing import List, Tuple

from mtp.launch import engines
from mtp.launch.plan import Problem
from mtp.launch.runtimes import base
from mtp.launch.runtimes.docker import Docker


class Podman(Docker):
    """Images by name in a store of the user's own; what docker has saved, podman loads."""

    name = client = 'podman'
    args = 'PODMAN_ARGS'
    makes = 'make images RUNTIME=podman'
    answers = ('info', '--format', '{{.Host.Security.Rootless}}')
    patience = 60  # it sets up its store by itself, which takes long on a busy machine; a daemon that hangs it has not
    # An image that is not here is not looked for at registries. Folders keep their SELinux labels: a new one (:z) would
    # be for good, and for everybody.
    start = ('--pull', 'never', '--security-opt', 'label=disable')
    groups = ('--group-add', 'keep-groups')  # video of the container is a group of nobody outside
    memlock = ('--ulimit', 'host')  # who is not root cannot have more than the shell has
    build_words = ('--format', 'docker')
    build_environment = {}
    no_cards = engines.NO_CDI
    prune = 'podman system df, then podman system prune'
    larger_disk = 'graphroot in ~/.config/containers/storage.conf'
    install = 'sudo apt-get install podman catatonit (Debian, Ubuntu)'
    start_it = 'podman info, or RUNTIME=native'

    def absent(self, host: 'base.Host') -> Problem:
        return Problem('podman is not installed', self.install + ', or RUNTIME=apptainer, RUNTIME=native')

    def silent(self, seen: engines.Seen) -> Problem:
        return Problem(f'podman cannot work here: {seen.refusal}', seen.following)

    def missing(self, host: 'base.Host', name: str, env: str, kind: str) -> str:
        docker = host.engines.get('docker', engines.UNASKED)
        if name in docker.images or 'docker' in host.tools and docker.refusal == engines.UNASKED.refusal:
            return '{}, or where docker has it: docker save {} | podman load'.format(
                super(Podman, self).missing(host, name, env, kind), name)
        return super(Podman, self).missing(host, name, env, kind)

    def identity(self, host: 'base.Host', engine: engines.Engine) -> List[str]:
        # Told by the user, not by the engine: under SLURM that of the compute node counts, and nobody has asked it.
        return engines.identity(engine._replace(rootless=host.uid != 0, podman=True), host.uid, host.gid)

    def cards(self, engine: engines.Engine) -> List[str]:
        return engines.cards(engine._replace(podman=True))

    def builder(self, host: 'base.Host') -> str:
        return self.client

    def unfit(self, host: 'base.Host', builds: bool) -> Tuple[Problem, ...]:
        return super(Podman, self).unfit(host._replace(builder=self.client), builds)
