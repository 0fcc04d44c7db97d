"""A docker engine that answers, and a client of it that has BuildKit. Standard library only."""
import os
import re
import shutil
import subprocess
import time

from mtp.errors import MTPError

NO_ENGINE = 4  # exit code where no engine can be started on this machine
LOG = '/tmp/mtp-dockerd.log'
START_SECONDS = 60


def clients(search=None):
    """Every docker client on PATH, in its order."""
    folders = (search or os.environ.get('PATH', os.defpath)).split(os.pathsep)
    found = [os.path.join(folder, 'docker') for folder in folders]
    return list(dict.fromkeys(path for path in found if os.access(path, os.X_OK) and not os.path.isdir(path)))


def said(words):
    """(exit code, output) of a short command."""
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                              timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, done.stdout


def has_buildkit(client):
    """Whether ``client`` can build with BuildKit: it is built in before 23, and a plug-in from then on."""
    if said([client, 'buildx', 'version'])[0] == 0:
        return True
    version = re.search(r'version (\d+)\.', said([client, '--version'])[1])
    return bool(version) and 19 <= int(version.group(1)) < 23


def answers(client):
    """Whether a daemon answers this client."""
    return said([client, 'version', '--format', '{{.Server.Version}}'])[0] == 0


def ready(say=print):
    """Path of a client with BuildKit whose daemon answers; installs and starts what is missing, where it may.

    Raises:
        MTPError: with code 4, when no engine can be had here.
    """
    client = next(filter(has_buildkit, clients()), None)
    if client is None or not (answers(client) or shutil.which('dockerd')):
        say('installing docker')
        install('docker.io')
        client = next(filter(has_buildkit, clients()), None)
    if client is None:
        raise MTPError('no docker client with BuildKit among {}'.format(', '.join(clients()) or 'none at all'),
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
