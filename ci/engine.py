"""A docker engine that answers, and a client of it that has BuildKit. Standard library only."""
import os
import shutil
import subprocess
import time

from mtp.errors import FAILED, MTPError
from mtp.launch.clients import answers, builder, every, said  # noqa: F401 -- ci asks the engine through this module

NO_ENGINE = 4  # exit code where no engine can be started on this machine
LOCK_PAUSE = 2
LOCK_SECONDS = 300  # so long another apt-get is waited for: one that installs what a machine needs at its first start
# What apt says when another one is at work: the machine lacks nothing, it is busy.
LOCKED = ('Could not get lock', 'Unable to lock', 'Unable to acquire the dpkg frontend lock')
LOG = '/tmp/mtp-dockerd.log'
START_SECONDS = 60


def ready(say=print):
    """Path of a client with BuildKit whose daemon answers; installs and starts what is missing, where it may.

    Raises:
        MTPError: with code 4, when no engine can be had here.
    """
    client = builder()
    if client is None or not (answers(client) or shutil.which('dockerd')):
        say('installing docker')
        install('docker.io')
        client = builder()
    if client is None:
        raise MTPError('no docker client with BuildKit among {}'.format(', '.join(every()) or 'none at all'),
                       hint='install the buildx plug-in', code=NO_ENGINE)
    if not answers(client):
        start(client, say)
    return client


def install(*packages):
    """Install Debian packages.

    Raises:
        MTPError: with code 4, where that cannot be done; with code 1, where another apt-get did not end.
    """
    if os.getuid() or not shutil.which('apt-get'):
        raise MTPError('{} missing and cannot be installed here (no root, or no apt-get)'.format(', '.join(packages)),
                       hint='sudo apt-get install ' + ' '.join(packages), code=NO_ENGINE)
    for words in (['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends'] + list(packages)):
        code, output = apt_get(words)
        if code:
            raise MTPError(f'apt-get {words[0]} failed:\n{output[-1500:]}', code=NO_ENGINE)


def apt_get(words):
    """(exit code, output) of ``apt-get``; another one at work is waited for.

    DPkg::Lock::Timeout would not do: ``update`` takes a lock of its own, for which it never waits.

    Raises:
        MTPError: with code 1, where the other one does not end.
    """
    limit = time.monotonic() + LOCK_SECONDS
    while True:
        code, output = said_long(['apt-get'] + words)
        if not code or not any(text in output for text in LOCKED):
            return code, output
        if time.monotonic() > limit:
            raise MTPError('apt is locked by another program, for more than {} s:\n{}'.format(
                LOCK_SECONDS, output[-1500:]), hint='ps -C apt-get,apt,dpkg,unattended-upgr', code=FAILED)
        time.sleep(LOCK_PAUSE)


def said_long(words):
    """(exit code, output) of a command that may take minutes."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8', errors='replace',
                          env=dict(os.environ, DEBIAN_FRONTEND='noninteractive'))
    return done.returncode, done.stdout


def start(client, say=print):
    """Start a daemon in the background and wait until it answers. It stays: a repeat wants its cache.

    Raises:
        MTPError: with code 4 and the end of the daemon's log, when it does not come up.
    """
    say('starting dockerd, log in ' + LOG)
    with open(LOG, 'w', encoding='utf-8') as log:
        daemon = subprocess.Popen(['dockerd'], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and daemon.poll() is None:
        if answers(client):
            return
        time.sleep(1)
    with open(LOG, encoding='utf-8', errors='replace') as log:
        tail = ''.join(log.readlines()[-5:])
    raise MTPError(f'dockerd does not come up on this machine:\n{tail}', hint='see ' + LOG, code=NO_ENGINE)
