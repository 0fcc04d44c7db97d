"""Where cells run: folders with a blank and a link in their paths, a checkout that cannot be written, an ordinary user.

Below the base of either place:

    check out/                   the files of this checkout, without a write bit anywhere
    a folder/data, weights       links to disk/..., what native cells have left for the others
    a folder/cells/NAME/work     what a cell writes; NAME/data, where it changes the samples
"""
import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
from typing import Callable, Mapping, NamedTuple

from mtp.errors import FAILED, MTPError

import limit

from cells.runtimes import UID, shell

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINKED = ('data', 'weights')
CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1
TIMES, SPARE = 6, 300  # a cell that takes so many times what it should, and so many seconds more, is ended

Place = NamedTuple('Place', [
    ('folders', Mapping[str, str]),  # data, weights, work
    ('venvs', str),  # folder of the native environments
    ('sif', Callable),  # environment -> path of its SIF
    ('by_hand', Callable),  # (case, line) -> words that run the line natively
])


def venvs():
    """Folder of the native environments."""
    return os.path.join(ROOT, os.environ.get('MTP_VENV_ROOT') or '.venv')


def folder_name(cell):
    """Name of a cell's folder; it has no blank, for its links do."""
    return '-'.join([cell.case.name, cell.runtime.name.replace(' ', '-').replace('+', 'and'), str(cell.processes)])


class Here:
    """This machine.

    Args:
        base: a folder that is there: empty, or of an earlier run, whose results stay while the checkout is copied anew.
        venvs: folder of the native environments.
    """

    def __init__(self, base, venvs):
        self.base, self.venvs = base, os.path.realpath(venvs)
        self.checkout = os.path.join(base, 'check out')
        os.chmod(base, 0o755)
        for kind in LINKED + ('raw',):
            self._own(os.path.join(base, 'disk', kind))
        os.makedirs(os.path.join(base, 'a folder', 'cells'), exist_ok=True)
        for kind in LINKED:
            if not os.path.islink(os.path.join(base, 'a folder', kind)):
                os.symlink(os.path.join(os.pardir, 'disk', kind), os.path.join(base, 'a folder', kind))
        copy_checkout(self.checkout)
        # Nobody's. What is newer in the checkout was made by a cell.
        os.makedirs(os.path.join(base, 'home'), exist_ok=True)
        os.utime(os.path.join(base, 'home'))

    def place(self, cell, raw):
        """A new :class:`Place` for a cell; ``raw`` holds the samples as they were drawn."""
        own = os.path.join(self.base, 'a folder', 'cells', folder_name(cell))
        shutil.rmtree(own, ignore_errors=True)
        self._own(os.path.join(own, 'work'))
        folders = {kind: os.path.join(self.base, 'a folder', kind) for kind in LINKED}
        if cell.case.changes and not leaves_for_others(cell):
            folders['data'] = os.path.join(own, 'data')
            shutil.copytree(os.path.join(raw, cell.case.changes), os.path.join(folders['data'], cell.case.changes))
            give(folders['data'], UID)
        return Place(dict(folders, work=os.path.join(own, 'work')), self.venvs, None, self._by_hand)

    def _by_hand(self, case, line):
        python = os.path.join(self.venvs, case.env, 'bin', 'python')
        return [python if word == 'python' else word for word in shell(line)]

    def run(self, words, place, log, seconds):
        """Exit code of ``words`` as an ordinary user with no network, in the read-only checkout."""
        environment = dict(os.environ, HOME=os.path.join(self.base, 'home'), OMP_NUM_THREADS='1', **{
            f'MTP_{kind.upper()}_ROOT': folder for kind, folder in place.folders.items()})
        return call(as_ordinary(words), seconds, log, cwd=self.checkout, env=environment, preexec_fn=no_network)

    def left(self, place, patterns):
        """Paths below the work folder that fit one of ``patterns``."""
        code, said = captured(found_words(place.folders['work'], patterns))
        return [] if code else said.splitlines()

    def changed(self):
        """Paths in the checkout that a cell has made or changed."""
        said = captured(['find', self.checkout, '-newer', os.path.join(self.base, 'home'), '-print'])[1]
        return said.splitlines()

    def lay(self, source, kind, name):
        """Put a file or a folder into what all cells read."""
        target = os.path.join(self.base, 'disk', kind, name)
        shutil.rmtree(target, ignore_errors=True)
        if os.path.isdir(source):
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
        give(target, UID)

    def _own(self, folder):
        os.makedirs(folder, exist_ok=True)
        give(folder, UID)


def leaves_for_others(cell):
    """Whether a cell works in the data that all others read."""
    return cell.runtime.name == 'native' and cell.processes == 1


def found_words(work, patterns):
    """Words that list what fits one of ``patterns`` (words of a shell) below ``work``."""
    return ['sh', '-c', f'cd "$0" && ls -d {patterns} 2>/dev/null | sed "s|^|$0/|"', work]


def files_of_checkout():
    """Paths, relative to the checkout, of all files that git does not ignore, as bytes."""
    listed = subprocess.check_output(['git', '-C', ROOT, 'ls-files', '-z', '--cached', '--others',
                                      '--exclude-standard'])
    return [name for name in listed.split(b'\0') if name and os.path.lexists(os.path.join(os.fsencode(ROOT), name))]


def pack_checkout(receiver):
    """Write a tar of the checkout to the stdin of the command ``receiver``."""
    packed = subprocess.Popen(['tar', '-C', ROOT, '--null', '--files-from=-', '-c'], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    taken = subprocess.Popen(receiver, stdin=packed.stdout)
    packed.stdout.close()
    packed.stdin.write(b'\0'.join(files_of_checkout()))
    packed.stdin.close()
    if packed.wait() or taken.wait():
        raise MTPError('the checkout could not be copied', code=FAILED)


def copy_checkout(target):
    """A copy of this checkout that nobody but root can write, in place of an earlier one."""
    if os.path.isdir(target):
        subprocess.run(['chmod', '-R', 'u+w', target], check=True)
        shutil.rmtree(target)
    os.makedirs(target)
    pack_checkout(['tar', '-x', '--no-same-owner', '-C', target])
    subprocess.run(['chmod', '-R', 'a-w,a+rX', target], check=True)


def call(words, seconds, log, **given):
    """Exit code of a command that writes to the end of ``log``; after ``seconds`` it is ended with all it started."""
    with open(log, 'ab') as stream:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
                                 start_new_session=True, **given)
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            stream.write(f'\nno end within {seconds:.0f} s\n'.encode())
            return limit.TOO_LONG
        finally:
            if child.poll() is None:
                limit.end(child.pid)
                child.wait()


def captured(words):
    """(exit code, output) of a command."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return done.returncode, done.stdout


def as_ordinary(words):
    """``words`` as a user who owns nothing here; whoever is no root is one.

    Root's Python may lie where nobody else may look (root's home), so the user keeps the right to read, not to write.
    One group is added: that of the docker engine's socket.
    """
    if os.getuid():
        return list(words)
    groups = os.stat('/var/run/docker.sock').st_gid if os.path.exists('/var/run/docker.sock') else UID
    return ['setpriv', '--reuid', str(UID), '--regid', str(UID), '--groups', str(groups), '--no-new-privs',
            '--inh-caps=-all,+dac_read_search', '--ambient-caps=-all,+dac_read_search',
            '--bounding-set=-all,+dac_read_search'] + list(words)


@contextlib.contextmanager
def given(folder):
    """Give ``folder`` to the ordinary user during the block."""
    give(folder, UID)
    try:
        yield
    finally:
        give(folder, os.getuid())


def give(path, user):
    """Let everything below ``path`` belong to ``user``; only root can."""
    if os.getuid() == 0:
        subprocess.run(['chown', '-R', '-H', f'{user}:{user}', path], check=True)


def no_network():
    """Give this process a network of its own that has nothing but the loopback, through which ranks meet.

    Only root may, and not in every container: then the network of the machine stays.
    """
    if os.getuid() or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        return
    with socket.socket() as probe:
        fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack('16sH14s', b'lo', IFF_UP, b''))
