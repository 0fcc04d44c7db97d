"""The native environments: what makes one whole, and how a half-made one is told from it.

Every finished step of ``make setup`` leaves a stamp in ``<venv>/.setup``, named after the step, holding the key of what
went in. The stamp ``ready`` comes last; without it, or with another key in any, nobody trusts the environment.
"""
import hashlib
import json
import os
from typing import Dict

from mtp.errors import MTPError
from mtp.launch import ledger, lock

READY, HALF, OLD, ABSENT, FOREIGN = 'ready', 'half', 'old', 'absent', 'foreign'
FOLDER = '.setup'
#: The steps after ``venv``, which makes an empty environment, and the lock that each installs from.
STEPS = (('pip', '{env}-pip'), ('packages', '{env}-{variant}'), ('sources', '{env}-sources'), ('tests', '{env}-dev'),
         ('compile', '{env}-ops'), ('ops', None), ('selfcheck', None))


def keys(venv: str, env: str, variant: str) -> Dict[str, str]:
    """Keys of the steps that come after ``venv``, ``{step: key}``: of what the step installs and of all before it.

    Args:
        venv: the key of ``venv``.
        env: the environment.
        variant: its variant.

    Raises:
        MTPError: there is no lock for these.
    """
    found, key = {}, venv
    for step, name in STEPS:
        if step == 'sources' and not ledger.sources(env):
            continue
        key = found[step] = digest([key, step, lock_key(name.format(env=env, variant=variant)) if name else ''])
    return found


def lock_key(name: str) -> str:
    """Key of one lock: what it installs, not how its file is written.

    Raises:
        MTPError: there is no such lock.
    """
    return digest(lock.pins(lock.read(name)))


def digest(value: object) -> str:
    """Short SHA-256 of a value in canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode('ascii')).hexdigest()[:32]


def stamp(folder: str, name: str) -> str:
    """What the stamp ``name`` of the environment at ``folder`` holds; '' without one."""
    try:
        with open(os.path.join(folder, FOLDER, name), encoding='ascii') as stream:
            return stream.read().strip()
    except OSError:
        return ''


def variant(folder: str, env: str) -> str:
    """Variant that the environment at ``folder`` was made of."""
    return stamp(folder, 'variant') or ledger.plain(env)


def state(folder: str, env: str) -> str:
    """``ready``, ``half`` made, ``old`` (of other locks), ``absent``, or ``foreign`` (not made by ``make setup``)."""
    if not os.path.lexists(folder):
        return ABSENT
    if not os.path.isdir(os.path.join(folder, FOLDER)):
        return FOREIGN
    if not stamp(folder, 'ready') or not os.path.exists(os.path.join(folder, 'bin', 'python')):
        return HALF
    try:
        wanted = keys(stamp(folder, 'venv'), env, variant(folder, env))
        return READY if all(stamp(folder, step) == key for step, key in wanted.items()) else OLD
    except MTPError:  # its lock is gone, or not made yet: that one environment is out of date, nothing else
        return OLD
