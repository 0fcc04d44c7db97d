"""A small real cluster in containers: a login node that is the controller too, and compute nodes, on their own network.

Everything it makes in the engine carries LABEL and goes with :meth:`Cluster.down`; the image of the nodes stays, as a
cache.
"""
import io
import os
import subprocess
import tarfile
import time

from mtp.errors import FAILED, MTPError

import engine
import localbase

NAME = 'mtp-cluster'
LABEL = 'org.mtp.cluster'
IMAGE = 'mtp-local/cluster-node'
LOGIN = 'login'
USER = 'ada'  # the ordinary user of the image
SHARED = '/shared'  # a folder that all nodes see
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'node')
READY_SECONDS = 60
# What apptainer needs inside a container: mounts of its own, below /proc too, and FUSE. --privileged would be more.
RIGHTS = ('--cap-add', 'SYS_ADMIN', '--security-opt', 'seccomp=unconfined', '--security-opt', 'apparmor=unconfined',
          '--security-opt', 'systempaths=unconfined', '--device', '/dev/fuse')


class Cluster:
    """The cluster of this machine; there is one.

    Args:
        client: path of the docker client.
        count: number of compute nodes.
    """

    def __init__(self, client, count=3, say=print):
        self.client, self.say = client, say
        self.computes = [f'cpu{number:02d}' for number in range(1, count + 1)]

    def build(self):
        """The image of the nodes; a repeat takes it from the engine's cache."""
        base = localbase.debian(self.client, self.say, 'sid')
        code, output = self._docker_long('build', '--build-arg', 'BASE=' + base, '--tag', IMAGE, HERE)
        if code:
            raise MTPError('the image of the nodes cannot be built:\n' + output[-2000:], code=FAILED)

    def up(self, images=None):
        """Start everything and wait until all nodes are idle.

        Args:
            images: folder of the host that the nodes see read-only as /images.

        Raises:
            MTPError: a cluster is there already, or the nodes do not come up.
        """
        if self.names():
            raise MTPError('there is a cluster already: {}'.format(' '.join(self.names())), hint='make cluster-down')
        self.build()
        label = ('--label', LABEL + '=1')
        self._docker('network', 'create', '--internal', *label, NAME)
        self._docker('volume', 'create', *label, NAME)
        binds = ('--volume', f'{images}:/images:ro') if images else ()
        conf = configuration(self.computes)
        for host in [LOGIN] + self.computes:
            self._docker('create', '--name', container(host), '--hostname', host, '--network', NAME, *label, *RIGHTS,
                         *binds, '--network-alias', host, '--volume', f'{NAME}:{SHARED}', IMAGE,
                         'controller' if host == LOGIN else 'node')
            subprocess.run([self.client, 'cp', '-', container(host) + ':/etc/slurm'], input=conf, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self._docker('start', container(host))
        self._introduce()
        self.root('install', '-o', USER, '-g', USER, '-d', SHARED + '/home')
        self.wait_idle()

    def wait_idle(self, seconds=READY_SECONDS):
        """Wait until SLURM calls every compute node idle."""
        limit, seen = time.monotonic() + seconds, ''
        while time.monotonic() < limit:
            code, seen = self.try_root('sinfo', '--noheader', '--Node', '--format=%n %T')
            if not code and sorted(seen.split('\n')[:-1]) == [host + ' idle' for host in self.computes]:
                return
            time.sleep(0.5)
        log = self.try_root('tail', '-n', '20', '/var/log/slurm/slurmctld.log')[1]
        gone = [host for host in self.computes if host + ' idle' not in seen]
        said = ['{}: {}'.format(host, self._docker_long('logs', '--tail', '10', container(host))[1]) for host in gone]
        raise MTPError('the nodes do not come up:\n{}\n{}\n{}'.format(seen, log, '\n'.join(said)), code=FAILED,
                       hint='make cluster-down')

    def down(self):
        """Take everything away; what is not there is no error."""
        held = ('--filter', 'label=' + LABEL, '--quiet')
        for listed, removed in ((('ps', '--all'), ('rm', '--force', '--volumes')), (('volume', 'ls'), ('volume', 'rm')),
                                (('network', 'ls'), ('network', 'rm'))):
            found = self._docker(*(listed + held)).split()
            if found:
                self._docker(*(removed + tuple(found)))

    def names(self):
        """Containers of a cluster that is there."""
        return self._docker('ps', '--all', '--filter', 'label=' + LABEL, '--format', '{{.Names}}').split()

    def kill(self, host):
        """Take a node away as a power cut does."""
        self._docker('kill', container(host))

    def start(self, host):
        """Bring a node back."""
        self._docker('start', container(host))
        self._introduce()

    def _introduce(self):
        """Tell every node by a file who is where: the engine forgets the name of a node that is gone, and a controller
        that asks for it hangs. On a real cluster a name outlives its node."""
        address = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
        hosts = [LOGIN] + self.computes
        lines = ['127.0.0.1 localhost'] + ['{} {}'.format(self._docker('inspect', '--format', address, container(
            host)).strip(), host) for host in hosts]
        for host in hosts:
            subprocess.run(self.words(['sh', '-c', 'cat >/etc/hosts'], host=host, user='root', folder='/'), check=True,
                           input='\n'.join(lines + ['']).encode())

    def words(self, inner, host=LOGIN, user=USER, folder=SHARED + '/home', environment=()):
        """The docker command that runs ``inner`` on a node."""
        words = [self.client, 'exec', '--interactive', '--user', user, '--workdir', folder]
        for pair in environment:
            words += ['--env', pair]
        return words + [container(host)] + list(inner)

    def root(self, *inner, **where):
        """What a command of root says. Raises :class:`MTPError` when it fails."""
        code, output = self.try_root(*inner, **where)
        if code:
            raise MTPError('{} ended with {}: {}'.format(' '.join(inner), code, output), code=FAILED)
        return output

    def try_root(self, *inner, **where):
        """(exit code, output) of a command of root, by default on the login node."""
        return engine.said(self.words(inner, user='root', folder='/', **where))

    def user(self, *inner, **where):
        """What a command of the ordinary user says. Raises :class:`MTPError` when it fails."""
        code, output = engine.said(self.words(inner, **where))
        if code:
            raise MTPError('{} ended with {}: {}'.format(' '.join(inner), code, output), code=FAILED)
        return output

    def _docker(self, *words):
        code, output = engine.said((self.client,) + words)
        if code:
            raise MTPError('docker {} failed: {}'.format(' '.join(words[:2]), output.strip()), code=FAILED)
        return output

    def _docker_long(self, *words):
        os.environ['DOCKER_BUILDKIT'] = '1'
        return engine.said_long([self.client] + list(words))


def container(host):
    """Name of the container of a node."""
    return f'{NAME}-{host}'


def configuration(computes):
    """A tar of /etc/slurm: the files beside this module for these nodes, and a new munge key."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode='w') as archive:
        for name in ('slurm.conf', 'gres.conf', 'cgroup.conf'):
            with open(os.path.join(HERE, name), encoding='ascii') as stream:
                _add(archive, name, stream.read().replace('{nodes}', ','.join(computes)).encode('ascii'))
        _add(archive, 'munge.key', os.urandom(128))
    return packed.getvalue()


def _add(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))
