"""The test cluster as a place for cells: the same folders on its shared disk, its ordinary user, its own network."""
import os
import subprocess

from mtp.errors import FAILED, MTPError

import nodes

from cells.places import LINKED, Place, call, folder_name, found_words, pack_checkout

BASE = nodes.SHARED + '/home/matrix'


class There:
    """The cluster.

    Args:
        cluster: :class:`nodes.Cluster` that is up and holds the SIFs of both environments below /images.
        sifs: environment -> path of its SIF on the nodes.
    """

    def __init__(self, cluster, sifs):
        self.cluster, self.sifs = cluster, sifs
        self.checkout = BASE + '/check out'
        self._do('chmod -R u+w {0} 2>/dev/null; rm -rf {0}; mkdir -p {0}/disk {0}/"check out" '
                 '{0}/"a folder"/cells && cd {0}/"a folder" && ln -s {1} .'.format(
                     BASE, ' '.join('../disk/' + kind for kind in LINKED)))
        pack_checkout(cluster.words(['tar', '-x', '-C', self.checkout]))
        for env, path in sifs.items():
            self._do(f'ln -s {path} "{self.checkout}"/apptainer/{env}-cpu.sif')
        self._do(f'chmod -R a-w "{self.checkout}" && mkdir {BASE}/home')

    def send(self, here):
        """Take over what the cells of ``here`` have left for others: data and weights."""
        packed = subprocess.Popen(['tar', '-C', os.path.join(here.base, 'disk'), '-c'] + list(LINKED) + ['raw'],
                                  stdout=subprocess.PIPE)
        code = subprocess.call(self.cluster.words(['tar', '-x', '--no-same-owner', '-C', BASE + '/disk']),
                               stdin=packed.stdout)
        packed.stdout.close()
        if code or packed.wait():
            raise MTPError('data and weights could not be copied to the cluster', code=FAILED)

    def place(self, cell, raw):
        """A new :class:`Place` for a cell."""
        del raw
        own = f'{BASE}/a folder/cells/{folder_name(cell)}'
        folders = {kind: f'{BASE}/a folder/{kind}' for kind in LINKED}
        self._do(f'mkdir -p "{own}/work"')
        if cell.case.changes:
            folders['data'] = own + '/data'
            self._do('mkdir "{0}" && cp -r {1}/disk/raw/{2} "{0}"'.format(folders['data'], BASE, cell.case.changes))
        return Place(dict(folders, work=own + '/work'), '', self.sifs.get, None)

    def run(self, words, place, log, seconds):
        """Exit code of ``words`` on the login node; a program in an image that srun does not start, on a node."""
        host = self.cluster.computes[0] if words[0] == 'apptainer' else nodes.LOGIN
        command = self.cluster.words(words, host=host, folder=self.checkout, environment=['OMP_NUM_THREADS=1'])
        return call(command, seconds, log)

    def left(self, place, patterns):
        """Paths below the work folder that fit one of ``patterns``."""
        return self.cluster.user(*found_words(place.folders['work'], patterns)).splitlines()

    def changed(self):
        """Paths in the checkout that a cell has made or changed."""
        return self._do(f'find "{self.checkout}" -newer {BASE}/home -print').splitlines()

    def _do(self, line):
        return self.cluster.user('sh', '-c', line, folder=nodes.SHARED + '/home')
