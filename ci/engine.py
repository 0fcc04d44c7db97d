"""A docker engine that answers, and a client of it that has BuildKit. Standard library only."""
import os
import shutil
import subprocess
import time

from mtp.errors import MTPError
from mtp.launch.clients import answers, builder, every, said  # noqa: F401 -- ci asks the engine through this module

NO_ENGINE = 4  # exit code where no engine can be started on this machine
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
        MTPError: with code 4, where that cannot be done.
    """
    if os.getuid() or not shutil.which('apt-get'):
        raise MTPError('{} missing and cannot be installed here (no root, or no apt-get)'.format(', '.join(packages)),
                       hint='sudo apt-get install ' + ' '.join(packages), code=NO_ENGINE)
    for words in (['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends'] + list(packages)):
        code, output = said_long(['apt-get'] + words)
        if code:
            raise MTPError('apt-get {} failed:\n{}'.format(words[0], output[-1500:]), code=NO_ENGINE)


def said_long(words):
    """(exit code, output) of a command that may take minutes."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                          env=dict(os.environ, DEBIAN_FRONTEND='noninteractive'))
    return done.returncode, done.stdout


def start(client, say=print):
    """Start a daemon in the background and wait until it answers. It stays: a repeat wants its cache.

    Raises:
        MTPError: with code 4 and the end of the daemon's log, when it does not come up.
    """
    say('starting dockerd, log in ' + LOG)
    with open(LOG, 'w') as log:
        daemon = subprocess.Popen(['dockerd'], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and daemon.poll() is None:
        if answers(client):
            return
        time.sleep(1)
    with open(LOG) as log:
        tail = ''.join(log.readlines()[-5:])
    raise MTPError('dockerd does not come up on this machine:\n{}'.format(tail), hint='see ' + LOG, code=NO_ENGINE)
