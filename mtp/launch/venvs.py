"""The native environments: what makes one whole, and how a half-made one is told from it.

Every finished step of ``make setup`` leaves a stamp in ``<venv>/.setup``, named after the step, holding the key of what
went in. The stamp ``ready`` comes last; without it, or with another key in it, nobody trusts the environment.
"""
import hashlib
import json
import os

from mtp.launch import ledger, lock

READY, HALF, OLD, ABSENT, FOREIGN = 'ready', 'half', 'old', 'absent', 'foreign'
FOLDER = '.setup'


def key(env, variant='cpu'):
    """Key of everything that is installed into ``env``: names, versions and hashes of its locks, and the Git pins."""
    names = ('pip', '{}-{}'.format(env, variant), '{}-ops'.format(env), 'dev')
    return digest([lock_key(name) for name in names] + [ledger.environment(env)['git'], variant])


def lock_key(name):
    """Key of one lock: what it installs, not how its file is written."""
    with open(lock.path(name), encoding='utf-8') as stream:
        return digest(lock.pins(stream.read()))


def digest(value):
    """Short SHA-256 of a value in canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode('ascii')).hexdigest()[:32]


def stamp(folder, name):
    """What the stamp ``name`` of the environment at ``folder`` holds; '' without one."""
    try:
        with open(os.path.join(folder, FOLDER, name), encoding='ascii') as stream:
            return stream.read().strip()
    except OSError:
        return ''


def variant(folder):
    """Variant that the environment at ``folder`` was made of."""
    return stamp(folder, 'variant') or 'cpu'


def state(folder, env):
    """``ready``, ``half`` made, ``old`` (of other locks), ``absent``, or ``foreign`` (not made by ``make setup``)."""
    if not os.path.lexists(folder):
        return ABSENT
    if not os.path.isdir(os.path.join(folder, FOLDER)):
        return FOREIGN
    seen = stamp(folder, 'ready')
    if not seen or not os.path.exists(os.path.join(folder, 'bin', 'python')):
        return HALF
    return READY if seen == key(env, variant(folder)) else OLD
